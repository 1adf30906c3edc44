"""The product Â·X: several back ends with equal results, of which the fastest is chosen by device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.errors import unknown_name
from graphrec.graph.bipartite import Adjacency
from graphrec.threads import balanced_bounds, run_ranges, thread_count

__all__ = ["BACKENDS", "bounds_of_rows", "hop_into", "hop_rows_into", "product_rows", "row_bounds", "runs_on_kernels", "spmm"]


def hop_into(adjacency: Adjacency, x: Tensor, out: Tensor | None = None) -> Tensor:
    """Our own kernel, rows of the result split over threads (CPU, float32); writes to `out` where given."""
    from graphrec.graph import kernels

    x = x.contiguous()
    out = torch.empty(adjacency.n_nodes, x.shape[1]) if out is None else out
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
    return adjacency.csr @ x


def _torch_sparse(adjacency: Adjacency, x: Tensor) -> Tensor:
    """torch-sparse's ``SparseTensor`` (extra ``sparse``)."""
    product: Tensor = adjacency.sparse_tensor @ x
    return product


def _edge_index(adjacency: Adjacency, x: Tensor) -> Tensor:
    """A message per edge and a scatter, as PyG does on an edge index: slow, needs nnz × d memory."""
    edges, weight = adjacency.edge_index
    return torch.zeros_like(x).index_add_(0, edges[1], x[edges[0]] * weight[:, None])


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


def spmm(adjacency: Adjacency, x: Tensor, backend: str | None = None) -> Tensor:
    """Â·X without a gradient.

    Parameters
    ----------
    adjacency : Adjacency, n × n
    x : Tensor, shape (n, d)
    backend : str, optional
        A key of :data:`BACKENDS`; the fastest for the device and dtype unless named.

    Returns
    -------
    Tensor, shape (n, d)
    """
    if backend is None:
        backend = "numba" if runs_on_kernels(adjacency.values, x) else "torch-csr"
    elif backend not in BACKENDS:
        raise unknown_name("back end", backend, BACKENDS)
    with torch.no_grad():
        return BACKENDS[backend](adjacency, x.detach())


def product_rows(adjacency: Adjacency, x: Tensor, rows: Tensor) -> Tensor:
    """(Â·X)[rows] without a gradient: on the CPU only the edges of those rows are visited."""
    if not runs_on_kernels(adjacency.values, x):
        return spmm(adjacency, x)[rows]
    out = torch.empty(len(rows), x.shape[1])
    hop_rows_into(adjacency, x, rows.numpy(), out, np.arange(len(rows)))
    return out
