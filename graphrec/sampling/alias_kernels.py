"""The compiled construction of alias tables."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["build_alias"]


@numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
def build_alias(weights):  # type: ignore[no-untyped-def]
    """Walker's alias table (1977) by Vose's method (1991).

    Entry i holds in its upper half the share of bucket i, in 2^-32, that is item i's own, and in its lower
    half the item that has the rest.
    """
    n = len(weights)
    share = weights * (n / weights.sum())
    heaviest = np.argmax(weights)
    buckets = np.empty(n, np.uint64)
    queue = np.empty(n, np.int64)  # buckets not full from the front, overfull ones from the back
    small, large = 0, n
    for i in range(n):
        if share[i] < 1.0:
            queue[small] = i
            small += 1
        else:
            large -= 1
            queue[large] = i
    while small > 0 and large < n:
        small -= 1
        below, above = queue[small], queue[large]
        buckets[below] = (np.uint64(share[below] * 2.0**32) << np.uint64(32)) | np.uint64(above)
        share[above] -= 1.0 - share[below]
        if share[above] < 1.0:
            large += 1
            queue[small] = above
            small += 1
    for q in range(n):  # what is left is full but for rounding; an item without weight must stay without
        if q < small or q >= large:
            i = queue[q]
            buckets[i] = np.uint64(i if weights[i] > 0.0 else heaviest)
    return buckets
