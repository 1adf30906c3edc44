"""Compiled ranking of scores that are sums of rows of a sparse matrix."""

from __future__ import annotations

import numba
import numpy as np

from graphrec.models.parts.cooccurrence_kernels import add_rows

__all__ = ["best_of_sums"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
_GROUP = 64
_LARGEST = np.finfo(np.float32).max
_NOTHING = np.iinfo(np.int32).min


@_compile
def _ordered(bits):  # type: ignore[no-untyped-def]
    """The bits of a float32 as an integer that is ordered as the numbers are; NaN lies beyond both infinities."""
    return np.int32(bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@_compile
def _extremes(bits, start, end):  # type: ignore[no-untyped-def]
    """The lowest and the highest of bits[start:end], in order; integers are compared sixteen at a time, floats are not."""
    low, high = np.int32(-1 - _NOTHING), np.int32(_NOTHING)
    for j in range(np.uint64(start), np.uint64(end)):
        value = _ordered(bits[j])
        low, high = min(low, value), max(high, value)
    return low, high


@_compile
def _insert(values, value, places, place):  # type: ignore[no-untyped-def]
    """Put a value that beats the last one into a falling list, behind those that equal it, and its place into another list."""
    at = len(values) - 1
    while at > 0 and values[at - 1] < value:
        values[at], places[at] = values[at - 1], places[at - 1]
        at -= 1
    values[at], places[at] = value, place


@_compile
def best_of_sums(lo, hi, users, sums, indptr, indices, rows, best, best_scores, bad):  # type: ignore[no-untyped-def]
    """Find the best k of the people lo:hi, each of whom has a row of scores that never leaves the core's cache.

    Blocks of whole rows, as other filters need them, go out to memory and back before they are looked through: on Gowalla as
    many bytes as the similarities themselves. The highest scores of groups of 64 tell first how good one of the best k must be
    at least, since k groups have a score as good; then a few groups are left to be looked into.

    Parameters
    ----------
    users : int64 (n,)
        Row of each in `sums`, a :class:`graphrec.models.scoring.Sums`.
    indptr, indices
        Items to leave out, as compressed rows; ``rows[r]`` is the row of person r.
    best, best_scores : int32 and float32 (n, k)
        Sorted by falling score, of equal ones the lower index first; -1 and -inf are left where there is no item.
    bad : uint8 (n,)
        Set to 1 where a score, of whatever item, is NaN or infinite.
    """
    n_items, k = len(sums.indptr) - 1, best.shape[1]
    scores = np.zeros(n_items, np.float32)
    bits = scores.view(np.int32)
    lowest, highest = np.array([-_LARGEST, _LARGEST], np.float32).view(np.int32)
    lowest, highest = _ordered(lowest), _ordered(highest)
    tops = np.empty(-(-n_items // _GROUP), np.int32)
    floor, ignored = np.empty(k, np.int32), np.empty(k, np.int32)
    for r in range(lo, hi):
        scores[:] = 0.0
        add_rows(users[r], sums, scores)
        for e in range(indptr[rows[r]], indptr[rows[r] + 1]):
            if not abs(scores[indices[e]]) <= _LARGEST:
                bad[r] = 1
            scores[indices[e]] = -_LARGEST
        floor[:] = lowest
        for group in range(len(tops)):
            start = group * _GROUP
            if start + _GROUP <= n_items:
                low, high = _extremes(bits, start, start + _GROUP)
            else:
                low, high = _extremes(bits, start, n_items)
            if low < lowest or high > highest:
                bad[r] = 1
            tops[group] = high
            if high > floor[k - 1]:
                _insert(floor, high, ignored, group)
        least = max(floor[k - 1], lowest + np.int32(1))
        for group in range(len(tops)):
            if tops[group] < least:
                continue
            for j in range(group * _GROUP, min(group * _GROUP + _GROUP, n_items)):
                if _ordered(bits[j]) >= least and scores[j] > best_scores[r, k - 1]:
                    _insert(best_scores[r], scores[j], best[r], j)
