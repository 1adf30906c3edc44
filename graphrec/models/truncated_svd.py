"""The leading singular vectors of a large sparse matrix, by randomised subspace iteration."""

from __future__ import annotations

import warnings

import torch
from scipy import sparse
from torch import Tensor

__all__ = ["truncated_svd"]


def truncated_svd(
    matrix: sparse.csr_matrix, rank: int, *, oversample: int = 16, iterations: int = 6, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Rank-k approximation U diag(s) Vᵀ (Halko, Martinsson and Tropp 2011, algorithm 5.1 with power iteration).

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (n, m)
    rank : int
        k, at most min(n, m).
    oversample : int
        Further dimensions that are carried along and thrown away.
    iterations : int
        Number of products with AᵀA; each shrinks the error by (σ_{k+1+oversample} / σ_k)².
    seed : int
        Of the random start.

    Returns
    -------
    u : Tensor of float32, shape (n, k)
    s : Tensor of float32, shape (k,)
        Decreasing.
    v : Tensor of float32, shape (m, k)
    """
    n, m = matrix.shape
    a, at = _torch_csr(matrix), _torch_csr(matrix.T.tocsr())
    width = min(rank + oversample, n, m)
    start = torch.randn(m, width, generator=torch.Generator().manual_seed(seed))
    basis = torch.linalg.qr(start)[0]
    for _ in range(iterations):
        basis = torch.linalg.qr(at @ (a @ basis))[0]
    q, r = torch.linalg.qr(a @ basis)
    u, s, vt = torch.linalg.svd(r, full_matrices=False)
    return q @ u[:, :rank], s[:rank], basis @ vt[:rank].T


def _torch_csr(matrix: sparse.csr_matrix) -> Tensor:
    with warnings.catch_warnings():
        # torch announces that CSR tensors are new; a user of this library cannot act on it.
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr),
            torch.from_numpy(matrix.indices),
            torch.from_numpy(matrix.data),
            size=matrix.shape,
            check_invariants=False,
        )
