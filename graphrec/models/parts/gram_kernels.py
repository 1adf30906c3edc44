"""Compiled gathering of small dense squares out of a large sparse matrix, for the items ``lo:hi`` (see graphrec.threads)."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["gather_square", "squares_of"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)


@_compile
def gather_square(j, some, indptr, indices, counts, slot, square):  # type: ignore[no-untyped-def]
    """Entries of G for `some` items (m,) among themselves and with j, in the first m rows and m + 1 columns of `square`.

    `slot` holds −1 for every item, before and after.
    """
    m = len(some)
    for c in range(m):
        slot[some[c]] = c
    slot[j] = m
    for c in range(m):
        i = some[c]
        square[c, : m + 1] = 0.0
        for e in range(indptr[i], indptr[i + 1]):
            s = slot[indices[e]]
            if s >= 0:
                square[c, s] = counts[e]
    for c in range(m):
        slot[some[c]] = -1
    slot[j] = -1


@_compile
def squares_of(lo, hi, start, chosen, indptr, indices, counts, squares):  # type: ignore[no-untyped-def]
    """For each item of lo:hi, G among its chosen ones chosen[start[j]:start[j + 1]], and their entries with it last.

    `squares` (hi − lo, w, w + 1) is zero where an item has fewer than w.
    """
    slot = np.full(len(indptr) - 1, -1, np.int32)
    wide = squares.shape[1]
    for j in range(lo, hi):
        some = chosen[start[j] : start[j + 1]]
        m = len(some)
        square = squares[j - lo]
        gather_square(j, some, indptr, indices, counts, slot, square)
        if m < wide:
            for c in range(m):
                square[c, wide] = square[c, m]
                square[c, m] = 0.0
