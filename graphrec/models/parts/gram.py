"""Ridge regression of items on items: from XᵀX as a whole, from its leading vectors, or from small squares of it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.deferred import sparse
from graphrec.models.parts.cooccurrence import cooccurrence, over_product
from graphrec.models.parts.equal_twins import level_columns, level_rows
from graphrec.models.parts.symmetric_inverse import not_definite
from graphrec.models.parts.truncated_svd import row_space
from graphrec.threads import even_bounds, run_alone, thread_count

__all__ = ["dense_gram", "regressed_by_rank", "regressed_on_nearest"]

_ROWS = 512  # of the dense matrix that are counted at a time
_NUMBERS = 1 << 22  # of the squares that are solved at a time


def dense_gram(matrix: sparse.csr_matrix, device: torch.device) -> Tensor:
    """XᵀX as a dense matrix, on a device, without a sparse one beside it.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n_users, n_items)
    device : torch.device

    Returns
    -------
    Tensor of float32, shape (n_items, n_items)
    """
    by_item, n_items = matrix.T.tocsr(), matrix.shape[1]
    gram = torch.empty(n_items, n_items, device=device, dtype=torch.float32)
    for lo in range(0, n_items, _ROWS):
        gram[lo : lo + _ROWS] = torch.from_numpy((by_item[lo : lo + _ROWS] @ matrix).toarray())
    return gram


def regressed_by_rank(matrix: sparse.csr_matrix, rank: int, l2: float, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """B of EASE from the leading singular vectors V and values s of X alone.

    λ(XᵀX + λI)⁻¹ is then 1 − V diag(s² / (s² + λ)) Vᵀ (Woodbury), whose diagonal is known, too.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n_users, n_items)
        X.
    rank : int
    l2 : float
        λ.
    device : torch.device
        Of the result.

    Returns
    -------
    first, second, own : Tensor of float32, shapes (n_items, rank) twice and (n_items,)
        B = first · secondᵀ + diag(own).

    Raises
    ------
    InputError
        λ is too small for single precision.
    """
    s, v = row_space(matrix, rank)
    v = level_rows(v, matrix)
    share = s.square() / (s.square() + l2)
    left = 1 - v.square() @ share
    if not (left > 0).all():
        raise not_definite()
    return v.to(device), (v * share / left.unsqueeze(1)).to(device), (1 - 1 / left).to(device)


def regressed_on_nearest(matrix: sparse.csr_matrix, neighbours: int, l2: float, device: torch.device) -> sparse.csr_matrix:
    """Ridge regression of each item's column on those of the items that are nearest to it by cosine.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n_users, n_items)
        X, with entries above 0.
    neighbours : int
    l2 : float
        λ.
    device : torch.device
        Where the systems of equations are solved.

    Returns
    -------
    scipy.sparse.csr_matrix of float32, shape (n_items, n_items)
        Column j minimises ‖X_j − X b‖² + λ‖b‖² over the vectors b that are zero outside of j's nearest items.

    Raises
    ------
    InputError
        λ is too small for single precision.
    """
    from graphrec.models.parts import gram_kernels

    alone, one = np.ones(matrix.shape[0]), np.ones(matrix.shape[1])
    root = np.sqrt(np.asarray(matrix.astype(np.float64).power(2).sum(0)).ravel())
    root[root == 0] = 1
    nearest = cooccurrence(matrix, alone, over_product(root, root), neighbours=neighbours)
    gram = cooccurrence(matrix, alone, over_product(one, one), diagonal=True)
    starts, n_items = nearest.indptr.astype(np.int64), len(one)
    weights = np.empty(nearest.nnz, np.float32)

    def solve(lo: int, hi: int) -> None:
        while lo < hi:
            widths = np.diff(starts[lo : hi + 1])
            # Items lie together that are so few that their squares, all as wide as the widest, take no more than is allowed.
            widest = np.maximum.accumulate(widths)
            some = lo + max(1, int(np.searchsorted(np.arange(1, len(widths) + 1) * (widest + 1) ** 2, _NUMBERS, side="right")))
            wide = int(widest[some - lo - 1])
            squares = np.zeros((some - lo, wide, wide + 1), np.float32)
            gram_kernels.squares_of(lo, some, starts, nearest.indices, gram.indptr, gram.indices, gram.data, squares)
            there = torch.from_numpy(squares).to(device)
            left, right = there[:, :, :wide].clone(), there[:, :, wide:].clone()
            left.diagonal(dim1=1, dim2=2).add_(l2)
            factors, failed = torch.linalg.cholesky_ex(left)
            if failed.any():
                raise not_definite()
            found = torch.cholesky_solve(right, factors)[:, :, 0].cpu().numpy()
            weights[starts[lo] : starts[some]] = found[np.arange(wide) < widths[: some - lo, None]]
            lo = some

    run_alone(solve, even_bounds(n_items, 32 * thread_count()))
    columns = sparse.csr_matrix((weights, nearest.indices, nearest.indptr), shape=(n_items, n_items))
    return level_columns(columns, matrix).T.tocsr()
