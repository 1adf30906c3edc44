"""Solutions in which items that the same people have met are equal: solving leaves them different by its rounding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.twins import twin_columns
from graphrec.deferred import sparse

__all__ = ["level_columns", "level_rows", "level_square"]

_ROWS = 512  # that are copied at a time: no second matrix is needed
_COLUMNS = 64  # that are averaged at a time, for the same reason


def level_rows(rows: Tensor, matrix: sparse.csr_matrix) -> Tensor:
    """A table of the items' rows, changed in place: items with equal columns in `matrix` have the mean of their rows.

    A mean is a projection: what tells the rows apart, and is no part of the data, is gone, and nothing is there twice.

    Parameters
    ----------
    rows : Tensor, shape (n_items, k)
    matrix : scipy.sparse.csr_matrix, shape (n_users, n_items)

    Returns
    -------
    Tensor
        `rows` itself.
    """
    twins, firsts = twin_columns(matrix)
    if not len(twins):
        return rows
    heads, kind = np.unique(firsts, return_inverse=True)
    members, kinds = np.concatenate([heads, twins]), np.concatenate([np.arange(len(heads)), kind.reshape(-1)])
    order = np.argsort(kinds, kind="stable")
    sizes = np.bincount(kinds)
    index, starts = torch.from_numpy(members[order]).to(rows.device), np.cumsum(sizes) - sizes
    for part in torch.split(rows, _COLUMNS, dim=1):
        sums = np.add.reduceat(part[index].double().cpu().numpy(), starts)
        part[index] = torch.from_numpy(np.repeat(sums / sizes[:, None], sizes, axis=0)).to(part)
    return rows


def level_square(weights: Tensor, matrix: sparse.csr_matrix) -> Tensor:
    """What items say for each other, changed in place: those with equal columns in `matrix` say and are told the same.

    Parameters
    ----------
    weights : Tensor, shape (n_items, n_items)
        With a diagonal of zeros, which it keeps; all of one kind say for each other what the first two do.
    matrix : scipy.sparse.csr_matrix, shape (n_users, n_items)

    Returns
    -------
    Tensor
        `weights` itself.
    """
    twins, firsts = (torch.from_numpy(index).to(weights.device) for index in twin_columns(matrix))
    if not len(twins):
        return weights
    each_other = weights[firsts, twins]
    for part in torch.split(weights, _ROWS):
        part[:, twins] = part[:, firsts]
    for some, like in zip(torch.split(twins, _ROWS), torch.split(firsts, _ROWS), strict=True):
        weights[some] = weights[like]
    sizes = torch.unique(firsts, return_counts=True)[1].tolist()
    for mine in torch.split(firsts.argsort(stable=True), sizes):
        members = torch.cat([firsts[mine[:1]], twins[mine]])
        weights[members[:, None], members] = each_other[mine[0]]
    return weights.fill_diagonal_(0)


def level_columns(columns: sparse.csr_matrix, matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """The same for a sparse matrix that is given by its columns, each with the items that are nearest to its own.

    Parameters
    ----------
    columns : scipy.sparse.csr_matrix, shape (n_items, n_items)
        Row j holds what others say for item j, and nothing for j itself.
    matrix : scipy.sparse.csr_matrix, shape (n_users, n_items)

    Returns
    -------
    scipy.sparse.csr_matrix, shape (n_items, n_items)
        For a later item of a kind the first one's row, in which the two have changed places.
    """
    twins, firsts = twin_columns(matrix)
    if not len(twins):
        return columns
    n = columns.shape[0]
    of, several = np.arange(n), np.zeros(n, np.bool_)
    of[twins], several[twins], several[firsts] = firsts, True, True
    columns = columns[of]
    owner = np.repeat(np.arange(n), np.diff(columns.indptr))
    itself = columns.indices == owner
    columns.indices[itself] = of[owner[itself]]
    some = np.flatnonzero(several[columns.indices])
    _, first, kind = np.unique(owner[some] * n + of[columns.indices[some]], return_index=True, return_inverse=True)
    columns.data[some] = columns.data[some[first]][kind.reshape(-1)]
    return columns
