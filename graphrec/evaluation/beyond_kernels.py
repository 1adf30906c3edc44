"""A compiled loop over lists: how alike the items within each are."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["likeness_within"]


@numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
def likeness_within(lo, hi, lists, indptr, indices, values, sums, out):  # type: ignore[no-untyped-def]
    """out[r] = the mean product of two rows of a list, for the lists lo:hi; 1 for a list of one item.

    `sums`, as wide as the rows, is zeros before and after. Each row meets the sum of those before it: a list of k rows
    costs as much as its rows are long, not k times that, and no pair is made.
    """
    for r in range(lo, hi):
        total, n = 0.0, 0
        for item in lists[r]:
            if item >= 0:
                n += 1
                for place in range(indptr[item], indptr[np.int64(item) + 1]):
                    column = indices[place]
                    total += sums[column] * values[place]
                    sums[column] += values[place]
        for item in lists[r]:
            if item >= 0:
                for place in range(indptr[item], indptr[np.int64(item) + 1]):
                    sums[indices[place]] = 0.0
        out[r] = 2 * total / (n * (n - 1)) if n > 1 else 1.0
