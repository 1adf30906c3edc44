"""The product Â·X: several back ends with equal results, of which the fastest is chosen.

On the CPU that is this library's own kernel. On a GPU it is cuSPARSE on compressed rows with int32 indices, unless another
one is faster by a quarter when a graph is first multiplied there: then all that can run are timed. ``backend=`` of a product,
:func:`use_backend` and the environment variable ``GRAPHREC_SPMM`` name one instead, in this order.
"""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.devices import free_memory, is_real_cuda
from graphrec.errors import InputError, unknown_name
from graphrec.graph.bipartite import Adjacency
from graphrec.threads import balanced_bounds, run_ranges, thread_count

__all__ = [
    "BACKENDS",
    "bounds_of_rows",
    "candidates",
    "hop_into",
    "hop_rows_into",
    "hops_on_kernels",
    "product_rows",
    "row_bounds",
    "runs_on_kernels",
    "spmm",
    "use_backend",
]

_ADVANTAGE = 1.25  # by which another back end must beat the usual one: a choice must not follow the noise of a clock
_chosen: dict[str, str | None] = {"backend": None}
_measured: dict[tuple[Any, ...], str] = {}


def hop_into(adjacency: Adjacency, x: Tensor, out: Tensor | None = None) -> Tensor:
    """Our own kernel, rows of the result split over threads (CPU, float32); writes to `out` where given."""
    from graphrec.graph import kernels

    x = x.contiguous()
    out = torch.empty(adjacency.n_nodes, x.shape[1], dtype=torch.float32) if out is None else out
    indptr, indices = adjacency.pattern.indptr, adjacency.pattern.indices
    values, source, target = adjacency.values.numpy(), x.numpy(), out.numpy()
    run_ranges(lambda lo, hi: kernels.hop(lo, hi, indptr, indices, values, source, target), row_bounds(adjacency))
    return out


def hop_rows_into(
    adjacency: Adjacency, x: Tensor, rows: npt.NDArray[np.int64], out: Tensor, places: npt.NDArray[np.int64]
) -> None:
    """``out[places] = (Â·X)[rows]``; the other rows of `out` are not written (CPU, float32)."""
    from graphrec.graph import kernels

    matrix = adjacency.pattern.indptr, adjacency.pattern.indices, adjacency.values.numpy()
    tables = x.contiguous().numpy(), out.numpy()
    run_ranges(lambda lo, hi: kernels.hop_rows(lo, hi, rows, places, *matrix, *tables), bounds_of_rows(adjacency, rows))


def _torch_reduce(adjacency: Adjacency, x: Tensor) -> Tensor:
    """torch's reduce kernel for CSR (CPU), also behind PyG's ``spmm``."""
    product: Tensor = torch.sparse.mm(adjacency.csr, x, "sum")
    return product


def _torch_csr(adjacency: Adjacency, x: Tensor) -> Tensor:
    """torch's general CSR product: MKL on the CPU, cuSPARSE on a GPU."""
    return adjacency.csr.to(x.dtype) @ x


def _torch_sparse(adjacency: Adjacency, x: Tensor) -> Tensor:
    """torch-sparse's ``SparseTensor`` (extra ``sparse``)."""
    product: Tensor = adjacency.sparse_tensor @ x
    return product


def _edge_index(adjacency: Adjacency, x: Tensor) -> Tensor:
    """A message per edge and a scatter, as PyG does on an edge index: slow, needs nnz × d memory."""
    edges, weight = adjacency.edge_index
    out = x.new_zeros(adjacency.n_nodes, x.shape[1])
    return out.index_add_(0, edges[1], x[edges[0]] * weight[:, None].to(x.dtype))


BACKENDS: dict[str, Callable[[Adjacency, Tensor], Tensor]] = {
    "numba": hop_into,
    "torch-reduce": _torch_reduce,
    "torch-csr": _torch_csr,
    "torch-sparse": _torch_sparse,
    "edge-index": _edge_index,
}


def row_bounds(adjacency: Adjacency) -> list[int]:
    """Ranges of rows with equally many entries, four a thread so that a slow one does not hold up the rest."""
    key = (thread_count(), "bounds")
    cache: dict[Any, list[int]] = adjacency.pattern.__dict__.setdefault("_bounds", {})
    if key not in cache:
        cache[key] = balanced_bounds(adjacency.pattern.indptr, 4 * thread_count())
    return cache[key]


def bounds_of_rows(adjacency: Adjacency, rows: npt.NDArray[np.int64]) -> list[int]:
    """Ranges of positions in `rows` with nearly equally many entries, as in :func:`row_bounds`."""
    indptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(adjacency.pattern.entries(rows), out=indptr[1:])
    return balanced_bounds(indptr, 4 * thread_count())


def runs_on_kernels(*tensors: Tensor) -> bool:
    """Whether the compiled kernels can take these tensors."""
    return all(t.device.type == "cpu" and t.dtype == torch.float32 for t in tensors)


def hops_on_kernels(adjacency: Adjacency, x: Tensor) -> bool:
    """Whether a product is the compiled kernels' to make: they can take it, and nobody has named another back end."""
    return runs_on_kernels(adjacency.values, x) and adjacency.storage is None and _named() in (None, "numba")


def use_backend(name: str | None) -> str | None:
    """Name the back end of every product that names none itself; None leaves the choice to the library again.

    Parameters
    ----------
    name : str or None
        A key of :data:`BACKENDS`.

    Returns
    -------
    str or None
        What was named before.
    """
    if name is not None and name not in BACKENDS:
        raise unknown_name("back end", name, BACKENDS)
    before, _chosen["backend"] = _chosen["backend"], name
    return before


def _named() -> str | None:
    name = _chosen["backend"] or os.environ.get("GRAPHREC_SPMM") or None
    if name is not None and name not in BACKENDS:
        raise unknown_name("back end in the environment variable GRAPHREC_SPMM:", name, BACKENDS)
    return name


def _cannot(name: str, adjacency: Adjacency, x: Tensor) -> str | None:
    """Why a back end cannot make this product; None if it can."""
    if name == "numba" and not runs_on_kernels(adjacency.values, x):
        return f"it takes float32 on the CPU, not {str(x.dtype).removeprefix('torch.')} on {x.device}"
    if name == "torch-reduce" and x.device.type != "cpu":
        return f"it runs on the CPU, not on {x.device}"
    if name in ("torch-csr", "torch-sparse") and x.device.type == "mps":
        return "there are no compressed rows on this device"
    if name == "torch-sparse" and importlib.util.find_spec("torch_sparse") is None:
        return "torch-sparse is not installed; pip install --no-build-isolation 'graphrec[sparse]'"
    if name == "torch-sparse" and x.is_cuda and not _built_for_cuda():
        return "torch-sparse was built without CUDA on this machine; build it again where nvcc is"
    return None


def _built_for_cuda() -> bool:
    """Whether the torch-sparse that is installed has kernels for a GPU; its own version says -1 where it has none."""
    import torch_sparse  # noqa: F401  (registers the operator)

    return int(torch.ops.torch_sparse.cuda_version()) >= 0


def _automatic(adjacency: Adjacency, x: Tensor) -> str:
    """The back end for a product that names none."""
    if runs_on_kernels(adjacency.values, x):
        return "numba"
    if x.device.type == "mps":
        return "edge-index"
    if not is_real_cuda(x.device):
        return "torch-csr"
    key = x.device, x.dtype, x.shape, len(adjacency.pattern.indices)
    if key not in _measured:
        _measured[key] = _fastest(adjacency, x)
    return _measured[key]


def _fastest(adjacency: Adjacency, x: Tensor, usual: str = "torch-csr") -> str:
    """The usual back end, or one that beats it clearly on this very product."""
    seconds = {name: _seconds(name, adjacency, x) for name in candidates(adjacency, x)}
    best = min(seconds, key=seconds.__getitem__)
    return best if seconds[best] * _ADVANTAGE < seconds[usual] else usual


def candidates(adjacency: Adjacency, x: Tensor) -> list[str]:
    """Back ends that can make this product within a quarter of the free memory: two tables of a row per edge, for one."""
    able = [name for name in BACKENDS if _cannot(name, adjacency, x) is None]
    need, free = 2 * len(adjacency.pattern.indices) * x.shape[1] * x.element_size(), free_memory(x.device)
    return [name for name in able if name != "edge-index" or free is None or 4 * need < free]


def _seconds(name: str, adjacency: Adjacency, x: Tensor, rounds: int = 5) -> float:
    """Least time of some products, after one that makes ready what later ones use."""
    times = []
    for _ in range(1 + rounds):
        torch.cuda.synchronize(x.device)
        started = time.perf_counter()
        BACKENDS[name](adjacency, x)
        torch.cuda.synchronize(x.device)
        times.append(time.perf_counter() - started)
    return min(times[1:])


def spmm(adjacency: Adjacency, x: Tensor, backend: str | None = None) -> Tensor:
    """Â·X without a gradient.

    Parameters
    ----------
    adjacency : Adjacency, n × n
        Brought to the device of `x`, where it stays for later products.
    x : Tensor, shape (n, d)
    backend : str, optional
        A key of :data:`BACKENDS`; unless named, what :func:`use_backend` or ``GRAPHREC_SPMM`` say, or the fastest.

    Returns
    -------
    Tensor, shape (n, d)

    Raises
    ------
    InputError
        No back end has this name, or it cannot make this product.
    """
    adjacency, x = adjacency.to(x.device), x.detach()
    name = backend or _named()
    if name is not None and name not in BACKENDS:
        raise unknown_name("back end", name, BACKENDS)
    why = None if name is None else _cannot(name, adjacency, x)
    if why is not None:
        raise InputError(f"back end {name!r} cannot make this product: {why}.")
    with torch.no_grad():
        if adjacency.storage is not None and x.dtype == torch.float32:
            return _from_storage(adjacency, x, name)
        return BACKENDS[name or _automatic(adjacency, x)](adjacency, x)


def _from_storage(adjacency: Adjacency, x: Tensor, name: str | None) -> Tensor:
    """The product with a table that is stored in 16 bits; sums are made in float32."""
    half = x.to(adjacency.storage)
    if is_real_cuda(x.device) and name in (None, "torch-csr"):  # cuSPARSE reads 16 bits and adds up in 32
        return BACKENDS["torch-csr"](adjacency, half).float()
    rounded = half.float()
    return BACKENDS[name or _automatic(adjacency, rounded)](adjacency, rounded)


def product_rows(adjacency: Adjacency, x: Tensor, rows: Tensor) -> Tensor:
    """(Â·X)[rows] without a gradient: on the CPU only the edges of those rows are visited.

    On a GPU the whole product is made: how many edges some rows have is known there only, and waiting for it costs more
    than the other rows.
    """
    adjacency = adjacency.to(x.device)
    if not hops_on_kernels(adjacency, x):
        return spmm(adjacency, x)[rows]
    out = torch.empty(len(rows), x.shape[1], dtype=torch.float32)
    hop_rows_into(adjacency, x, rows.numpy(), out, np.arange(len(rows)))
    return out
