"""The leading singular vectors of a large sparse matrix, by a block Lanczos method with a random start."""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from math import sqrt

import torch
from torch import Tensor

from graphrec.deferred import sparse

__all__ = ["lent_seconds", "row_space", "shared_decompositions", "truncated_svd"]

Decomposition = tuple[Tensor, Tensor, Tensor]


class _Shared(OrderedDict[tuple[object, ...], tuple[Decomposition, float]]):
    """Decompositions, each with the seconds that it took, and the seconds that they have spared together."""

    lent = 0.0


_SHARED: ContextVar[_Shared | None] = ContextVar("shared", default=None)
_MOST_SHARED = 4
_ORTHOGONAL = 1e-5
_PASSES = 5
_BLOCK = 32
_EPS: float = torch.finfo(torch.float32).eps


def truncated_svd(
    matrix: sparse.csr_matrix, rank: int, *, block: int = _BLOCK, effort: int = 4, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """The best approximation U diag(s) Vᵀ of a given rank (randomised block Krylov; Musco and Musco, NeurIPS 2015).

    The vectors are sought in the span of X, (AᵀA)X, (AᵀA)²X, … for a random block X. Interaction matrices
    have slowly falling singular values; there this finds the space that the same number of products by
    subspace iteration would miss.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n, m)
    rank : int
        k, at most min(n, m).
    block : int
        Columns of X. Fewer are more exact for the same dimension of the span, and slower.
    effort : int
        Dimension of the span as a multiple of `rank`. With 4 and a block of 32, 99.9 % of the space of
        Gowalla's first 256 singular vectors are found. Smaller matrices are decomposed in full.
    seed : int
        Of the random start.

    Returns
    -------
    u : Tensor of float32, shape (n, k)
        Zero where s is.
    s : Tensor of float32, shape (k,)
        Decreasing.
    v : Tensor of float32, shape (m, k)
        Any vectors of the null space where s is zero but for rounding; see :func:`row_space`.
    """
    shared = _SHARED.get()
    if shared is None:
        return _decomposed(matrix, rank, block, effort, seed)
    parts = (matrix.indptr, matrix.indices, matrix.data)
    key = (*(blake2b(part.tobytes()).digest() for part in parts), matrix.shape, rank, block, effort, seed)
    if key in shared:
        shared.lent += shared[key][1]
    else:
        started = time.perf_counter()
        made = _decomposed(matrix, rank, block, effort, seed)
        shared[key] = made, time.perf_counter() - started
        if len(shared) > _MOST_SHARED:
            shared.popitem(last=False)
    shared.move_to_end(key)
    u, s, v = shared[key][0]
    return u.clone(), s.clone(), v.clone()


def row_space(matrix: sparse.csr_matrix, rank: int, *, effort: int = 4) -> tuple[Tensor, Tensor]:
    """The leading singular values and right vectors, without directions in which the matrix is zero.

    A matrix of lower rank than is asked for has none of its own beyond it: what a decomposition gives there are any vectors
    of its null space, others for another numbering of the rows, and no model may take something from them.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n, m)
    rank : int
        k, at most min(n, m).
    effort : int
        See :func:`truncated_svd`.

    Returns
    -------
    s : Tensor of float32, shape (k,)
        Decreasing; 0 where it cannot be told from 0.
    v : Tensor of float32, shape (m, k)
        Zero where s is.
    """
    _, s, v = truncated_svd(matrix, rank, effort=effort)
    some = s > s[:1] * _rounding(matrix.shape, rank, effort)
    return torch.where(some, s, 0), torch.where(some, v, 0)


def _rounding(shape: tuple[int, int], rank: int, effort: int) -> float:
    """What a singular value of 0 may be after rounding, as a part of the largest.

    In full it is off by some machine epsilons, which grow like the root of the number of rows (up to 9 in 20,000). A Krylov
    space knows the squares, to half an epsilon (20,000 rows, 4,000 columns). Both bounds leave room for others.
    """
    if _in_full(shape, rank, _BLOCK, effort):
        return 4 * _EPS * sqrt(max(shape))
    return sqrt(16 * _EPS)


@contextmanager
def shared_decompositions() -> Iterator[None]:
    """Inside, a matrix that was just decomposed in the same way is not decomposed again; the last four are remembered."""
    before = _SHARED.set(_Shared())
    try:
        yield
    finally:
        _SHARED.reset(before)


def lent_seconds() -> float:
    """What has been spared so far in the present :func:`shared_decompositions`: fits by themselves take so much longer."""
    shared = _SHARED.get()
    return 0.0 if shared is None else shared.lent


def _in_full(shape: tuple[int, int], rank: int, block: int, effort: int) -> bool:
    return min(shape) <= 2 * -(-effort * rank // block) * block


def _decomposed(matrix: sparse.csr_matrix, rank: int, block: int, effort: int, seed: int) -> Decomposition:
    steps = -(-effort * rank // block)
    if _in_full(matrix.shape, rank, block, effort):
        u, s, vt = torch.linalg.svd(torch.from_numpy(matrix.toarray()), full_matrices=False)
        return u[:, :rank], s[:rank], vt[:rank].T
    a, at = _torch_csr(matrix), _torch_csr(matrix.T.tocsr())
    basis, projection = _krylov(a, at, block, steps, seed)
    values, vectors = torch.linalg.eigh(projection.double())
    s = values.flip(0)[:rank].clamp(min=0).sqrt().float()
    v = basis @ vectors.flip(1)[:, :rank].float()
    return torch.where(s > 0, (a @ v) / s, 0), s, v


def _krylov(a: Tensor, at: Tensor, block: int, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """An orthonormal basis Q (m, steps · block) of the Krylov space, and Qᵀ AᵀA Q."""
    basis = torch.empty(a.shape[1], steps * block, dtype=torch.float32)
    projection = torch.zeros(steps * block, steps * block, dtype=torch.float32)
    x = torch.linalg.qr(torch.randn(a.shape[1], block, generator=torch.Generator().manual_seed(seed), dtype=torch.float32))[0]
    for step in range(steps):
        start, end = step * block, (step + 1) * block
        basis[:, start:end] = x
        q = basis[:, :end]
        y = at @ (a @ x)
        projection[:end, start:end] = q.T @ y
        x = torch.linalg.qr(y - q @ projection[:end, start:end])[0]
        # Rounding leaves traces of q. Where the space is exhausted nothing but traces is left of y, and it takes
        # several passes until a direction appears that is new; there is one, because the span is the smaller half.
        for _ in range(_PASSES):
            traces = q.T @ x
            if traces.abs().max() < _ORTHOGONAL:
                break
            x = torch.linalg.qr(x - q @ traces)[0]
    upper = projection.triu()
    return basis, upper + upper.triu(1).T


def _torch_csr(matrix: sparse.csr_matrix) -> Tensor:
    with warnings.catch_warnings():
        # torch announces that CSR tensors are new; a user of this library cannot act on it.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            device="cpu",
            check_invariants=False,
        )
