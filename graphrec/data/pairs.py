"""What the keys of a table's pairs, ``user * n_items + item``, tell: distinct ones, membership, rows, the dense core."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import sparse
from graphrec.errors import InputError

__all__ = ["both_directions", "compressed_rows", "contains", "distinct", "in_core"]

Keys = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def distinct(keys: Keys) -> Keys:
    """The distinct keys, ascending."""
    # np.unique hashes before it sorts, which takes fifty times as long on a million keys.
    ordered = np.sort(keys)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def contains(known: Keys, keys: Keys) -> Mask:
    """Which of some keys, of any shape, are among ascending ones."""
    if not len(known):
        return np.zeros(keys.shape, bool)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.asarray(known[place] == keys)


def compressed_rows(keys: Keys, n_users: int, n_items: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Distinct ascending keys as ``indptr`` (n_users + 1,) and sorted item ``indices``, both read-only."""
    rows, columns = np.divmod(keys, max(n_items, 1))
    indptr = np.zeros(n_users + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=n_users), out=indptr[1:])
    indices = columns.astype(np.int32)
    indptr.flags.writeable = indices.flags.writeable = False
    return indptr, indices


def both_directions(
    indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], n_users: int, n_items: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Compressed rows of users with their items as those of all nodes, users first, then items: each pair in both rows."""
    by_user = sparse.csr_matrix((np.ones(len(items), np.int8), items, indptr), shape=(n_users, n_items))
    by_item = by_user.tocsc()
    return (
        np.concatenate([indptr, indptr[-1] + by_item.indptr[1:].astype(np.int64)]),
        np.concatenate([items + np.int32(n_users), by_item.indices.astype(np.int32)]),
    )


def in_core(keys: Keys, users: npt.NDArray[Any], items: npt.NDArray[Any], k: int, k_items: int) -> Mask:
    """The rows of the largest part in which users have `k` and items `k_items` distinct partners at least.

    Parameters
    ----------
    keys, users, items : ndarray of int, shape (n,)
        The pairs, and their two halves; repeated pairs count once.
    k, k_items : int

    Returns
    -------
    ndarray of bool, shape (n,)

    Raises
    ------
    InputError
        `k` or `k_items` is no whole number.
    """
    for name, least in (("k", k), ("k_items", k_items)):
        if isinstance(least, bool) or not isinstance(least, int | np.integer) or least < 0:
            raise InputError(f"{name} must be a whole number from 0 on, got {least!r}.")
    _, first, pair_of_row = np.unique(keys, return_index=True, return_inverse=True)
    users, items = users[first], items[first]
    alive = np.ones(len(first), bool)
    while True:
        user_degree, item_degree = np.bincount(users[alive]), np.bincount(items[alive])
        still = alive.copy()
        still[alive] = (user_degree[users[alive]] >= k) & (item_degree[items[alive]] >= k_items)
        if still.sum() == alive.sum():
            return np.asarray(alive[pair_of_row])
        alive = still
