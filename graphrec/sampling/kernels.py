"""Compiled draws. Random numbers are a hash of (seed, number of the draw): no state, the same for any threads."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["draw_negatives", "draw_pairs", "fill_filter"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_ITEM = np.uint64(0xC2B2AE3D27D4EB4F)
_LOW = np.uint64(0xFFFFFFFF)
_MANY = 256


@_compile
def _random(seed, counter):  # type: ignore[no-untyped-def]
    """SplitMix64 (Steele et al., OOPSLA 2014) at a position of its sequence."""
    z = seed + counter * _GOLDEN
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    return z ^ (z >> np.uint64(31))


@_compile
def _below(bits, n):  # type: ignore[no-untyped-def]
    """An integer below n < 2^31 from the upper 32 bits; the bias is below n / 2^32."""
    return ((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32)


@_compile
def _place(user, item, shift):  # type: ignore[no-untyped-def]
    return (np.uint64(user) * _GOLDEN + np.uint64(item) * _ITEM) * _MIX_A >> shift


@_compile
def fill_filter(indptr, indices, shift, words):  # type: ignore[no-untyped-def]
    """Mark every pair in a bit array: a zero bit proves that a pair is not there."""
    for u in range(len(indptr) - 1):
        for e in range(indptr[u], indptr[u + 1]):
            place = _place(u, indices[e], shift)
            words[place >> np.uint64(6)] |= np.uint64(1) << (place & np.uint64(63))


@_compile
def _has(user, item, indptr, indices, shift, words):  # type: ignore[no-untyped-def]
    place = _place(user, item, shift)
    if not (words[place >> np.uint64(6)] >> (place & np.uint64(63))) & np.uint64(1):
        return False
    lo, hi = indptr[user], indptr[user + 1]
    while lo < hi:
        middle = (lo + hi) >> 1
        if indices[middle] < item:
            lo = middle + 1
        else:
            hi = middle
    return lo < indptr[user + 1] and indices[lo] == item


@_compile
def draw_negatives(lo, hi, users, k, seed, n_items, indptr, indices, shift, words, threshold, alias, out):  # type: ignore[no-untyped-def]
    """out[r, c] is an item that users[r] has not met, for the rows lo:hi.

    With an alias table (Walker 1977: `threshold` in 32 bits, `alias`) items come with its probabilities,
    without one (length 0) uniformly. A user whose unmet items all have probability zero, which shows after
    many rejections, gets uniform ones.
    """
    weighted = len(alias) > 0
    for r in range(lo, hi):
        user = users[r]
        for c in range(k):
            draw = (np.uint64(r) * np.uint64(k) + np.uint64(c)) << np.uint64(16)
            attempt = 0
            while True:
                bits = _random(seed, draw + np.uint64(attempt))
                item = np.int64(_below(bits, n_items))
                if weighted and attempt < _MANY and (bits & _LOW) >= threshold[item]:
                    item = np.int64(alias[item])
                if not _has(user, item, indptr, indices, shift, words):
                    break
                attempt += 1
            out[r, c] = item


@_compile
def draw_pairs(lo, hi, eligible, seed, indptr, indices, users, items):  # type: ignore[no-untyped-def]
    """A uniform eligible user, then one of the user's items, uniform, for the draws lo:hi."""
    for r in range(lo, hi):
        user = eligible[_below(_random(seed, np.uint64(2 * r)), len(eligible))]
        start = indptr[user]
        users[r] = user
        items[r] = indices[start + np.int64(_below(_random(seed, np.uint64(2 * r + 1)), indptr[user + 1] - start))]
