"""Compiled loops over rows of scores ``lo:hi``: where a row's scores lie and how far they reach (see graphrec.threads)."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["add_levelled"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)


@_compile
def _sift(heap, value):  # type: ignore[no-untyped-def]
    """Replace the least of a heap whose least comes first."""
    at, n = 0, len(heap)
    while True:
        child = 2 * at + 1
        if child >= n:
            break
        if child + 1 < n and heap[child + 1] < heap[child]:
            child += 1
        if heap[child] >= value:
            break
        heap[at] = heap[child]
        at = child
    heap[at] = value


@_compile
def add_levelled(lo, hi, scores, top, weight, out):  # type: ignore[no-untyped-def]
    """out += weight · (s − mean of the row) / (mean of its `top` highest − mean of the row); 0 for a row without a spread.

    A row with a score that is no finite number becomes NaN.
    """
    n = scores.shape[1]
    heap = np.empty(top, np.float32)
    for row in range(lo, hi):
        total = 0.0
        heap[:] = -np.inf
        for i in range(n):
            value = scores[row, i]
            total += value
            if value > heap[0]:
                _sift(heap, value)
        mean = total / n
        reach = 0.0
        for i in range(top):
            reach += heap[i]
        reach = reach / top - mean
        factor = weight if not np.isfinite(reach) else 0.0 if reach <= 1e-12 * (abs(mean) + 1e-30) else weight / reach
        if not np.isfinite(mean):
            factor = np.nan
        for i in range(n):
            out[row, i] += factor * (scores[row, i] - mean)
