"""The plain version of the compiled draw of negatives, in numpy: its oracle, and the figure it is measured against."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions

__all__ = ["reference_negatives", "splitmix64"]

_TRIES = 32
Words = npt.NDArray[np.uint64]


def _mix(z: Words) -> Words:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _next(bits: Words) -> Words:
    return _mix(bits + np.uint64(0x9E3779B97F4A7C15))


def splitmix64(seed: int | np.uint64, positions: npt.NDArray[Any]) -> Words:
    """Entries of the SplitMix64 sequence of a seed, uint64, in the shape of `positions`."""
    return _mix(np.uint64(seed) + positions.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _below(bits: Words, count: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Uniform integers below `count`, without bias, from the upper halves of `bits`."""
    n = count.astype(np.uint64)
    product = (bits >> np.uint64(32)) * n
    least = np.uint64(2**32) % n
    while (uneven := (product & np.uint64(2**32 - 1)) < least).any():
        bits = np.where(uneven, _next(bits), bits)
        product = np.where(uneven, (bits >> np.uint64(32)) * n, product)
    return (product >> np.uint64(32)).astype(np.int64)


def reference_negatives(
    train: Interactions, users: npt.NDArray[np.integer[Any]], k: int, seed: int | np.uint64, first: int = 0
) -> npt.NDArray[np.int64]:
    """The draws of :func:`graphrec.sampling.draw_negatives`, number by number, by searching sorted keys.

    Parameters
    ----------
    train : Interactions
    users : ndarray of int, shape (n,)
        None of them has met every item.
    k, seed, first : int

    Returns
    -------
    ndarray of int64, shape (n, k)
    """
    indptr, indices = train.structure
    keys = np.repeat(np.arange(train.n_users), np.diff(indptr)) * train.n_items + indices
    keys = np.append(keys, train.n_users * train.n_items)  # so that a search always finds a key to compare with
    user = np.repeat(np.asarray(users, np.int64), k)
    bits = splitmix64(seed, first * k + np.arange(len(user)))
    out = np.empty(len(user), np.int64)
    open_ = np.arange(len(user))
    for _ in range(_TRIES):
        out[open_] = _below(bits, np.full(len(open_), train.n_items))
        wanted = user[open_] * train.n_items + out[open_]
        seen = keys[np.searchsorted(keys, wanted)] == wanted
        open_, bits = open_[seen], _next(bits[seen])
        if not len(open_):
            break
    for place, rank in zip(open_, _below(bits, (train.n_items - np.diff(indptr))[user[open_]]), strict=True):
        mine = indices[indptr[user[place]] : indptr[user[place] + 1]]
        out[place] = np.setdiff1d(np.arange(train.n_items), mine)[rank]
    return out.reshape(-1, k)
