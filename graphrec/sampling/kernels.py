"""Compiled draws, each for the positions ``lo:hi`` of a longer sequence (see graphrec.threads).

A random number is a hash of (seed, position). There is no state, so the same draws come out however the
sequence is cut into threads and chunks.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["draw_items", "draw_pairs", "draw_pairs_by_weight", "draw_unseen", "draw_unseen_weighted", "fill_filter"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_A = np.uint64(0xBF58476D1CE4E5B9)
_MIX_B = np.uint64(0x94D049BB133111EB)
_ITEM = np.uint64(0xC2B2AE3D27D4EB4F)
_ONE, _HALF, _LOW = np.uint64(1), np.uint64(32), np.uint64(0xFFFFFFFF)
_TRIES = 32
_BLOCK = 512


@_compile
def _mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> np.uint64(30))) * _MIX_A
    z = (z ^ (z >> np.uint64(27))) * _MIX_B
    return z ^ (z >> np.uint64(31))


@_compile
def _random(seed, position):  # type: ignore[no-untyped-def]
    """SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) at a position of its sequence."""
    return _mix(seed + np.uint64(position) * _GOLDEN)


@_compile
def _next(bits):  # type: ignore[no-untyped-def]
    """Fresh bits for a position whose `bits` were of no use."""
    return _mix(bits + _GOLDEN)


@_compile
def _is_uneven(product, n):  # type: ignore[no-untyped-def]
    """Whether ``product = (32 random bits) * n`` may have to be rejected for the draw to be uniform."""
    return (product & _LOW) < n


@_compile
def _below(bits, count):  # type: ignore[no-untyped-def]
    """A uniform integer below `count` < 2^31 from the upper half of `bits` (Lemire, ACM TOMACS 2019), no bias."""
    n = np.uint64(count)
    product = (bits >> _HALF) * n
    if _is_uneven(product, n):
        least = ((_ONE << _HALF) - n) % n
        while (product & _LOW) < least:
            bits = _next(bits)
            product = (bits >> _HALF) * n
    return np.int64(product >> _HALF)


@_compile
def _pair_hash(user, item):  # type: ignore[no-untyped-def]
    """Multiply-shift hashing of a pair (Dietzfelbinger et al., 1997): the upper bits are the good ones."""
    return np.uint64(user) * _GOLDEN + np.uint64(item) * _ITEM


@_compile
def _mark(pair):  # type: ignore[no-untyped-def]
    """The two bits, of one word, that a pair sets; the bits of the hash below those that choose the word."""
    return (_ONE << ((pair >> np.uint64(30)) & np.uint64(63))) | (_ONE << ((pair >> np.uint64(24)) & np.uint64(63)))


@_compile
def fill_filter(indptr, indices, shift, words):  # type: ignore[no-untyped-def]
    """Mark every pair in `words`, a Bloom filter: a bit that is not set proves that the pair is not there."""
    for user in range(len(indptr) - 1):
        for e in range(indptr[user], indptr[user + 1]):
            pair = _pair_hash(user, indices[e])
            words[pair >> shift] |= _mark(pair)


@_compile
def _may_be_seen(pair, shift, words):  # type: ignore[no-untyped-def]
    mark = _mark(pair)
    return (words[pair >> shift] & mark) == mark


@_compile
def _is_seen(user, item, indptr, indices):  # type: ignore[no-untyped-def]
    lo, end = indptr[user], indptr[user + 1]
    hi = end
    while lo < hi:
        middle = (lo + hi) >> 1
        if indices[middle] < item:
            lo = middle + 1
        else:
            hi = middle
    return lo < end and indices[lo] == item


@_compile
def _unseen_by_rank(rank, user, indptr, indices):  # type: ignore[no-untyped-def]
    """The item that `rank` unseen items come before."""
    start, hi = indptr[user], indptr[user + 1]
    lo = start
    while lo < hi:
        middle = (lo + hi) >> 1
        if indices[middle] - (middle - start) <= rank:
            lo = middle + 1
        else:
            hi = middle
    return rank + lo - start


@_compile
def _unseen(bits, user, n_items, indptr, indices):  # type: ignore[no-untyped-def]
    """A uniform unseen item; -1 for a user who has met them all.

    Rejection, and after many tries, when nearly all is seen, a uniform rank among the unseen: both are exact.
    """
    for _ in range(_TRIES):
        item = _below(bits, n_items)
        if not _is_seen(user, item, indptr, indices):
            return item
        bits = _next(bits)
    count = n_items - (indptr[user + 1] - indptr[user])
    return _unseen_by_rank(_below(bits, count), user, indptr, indices) if count > 0 else -1


@_compile
def _by_alias(bits, bucket, buckets):  # type: ignore[no-untyped-def]
    """The bucket's own item or its alias; the lower half of `bits` is the coin."""
    entry = buckets[bucket]
    return bucket if (bits & _LOW) < (entry >> _HALF) else np.int64(entry & _LOW)


@_compile
def _unseen_weighted(bits, user, n_items, indptr, indices, buckets, cumulative):  # type: ignore[no-untyped-def]
    """An unseen item in proportion to its weight; -1 for a user who has met them all."""
    for _ in range(_TRIES):
        item = _by_alias(bits, _below(bits, n_items), buckets)
        if not _is_seen(user, item, indptr, indices):
            return item
        bits = _next(bits)
    return _unseen_by_weight(bits, user, n_items, indptr, indices, cumulative)


@_compile
def _unit(bits):  # type: ignore[no-untyped-def]
    return (bits >> np.uint64(11)) * 2.0**-53


@_compile
def _unseen_by_weight(bits, user, n_items, indptr, indices, cumulative):  # type: ignore[no-untyped-def]
    """A gap between the user's items in proportion to its weight, and an item of it; uniform where none weighs."""
    end = indptr[user + 1]
    total, first, gap, gap_end = 0.0, 0, 0, 0
    for e in range(indptr[user], end + 1):
        stop = indices[e] if e < end else n_items
        weight = cumulative[stop] - cumulative[first]
        if weight > 0.0:  # of the gaps so far, this one is the choice with probability weight / total
            total += weight
            bits = _next(bits)
            if _unit(bits) * total <= weight:
                gap, gap_end = first, stop
        first = stop + 1
    if total == 0.0:
        return _unseen(bits, user, n_items, indptr, indices)
    low, high = cumulative[gap], cumulative[gap_end]
    target = min(low + _unit(_next(bits)) * (high - low), np.nextafter(high, 0.0))  # rounding must not reach `high`
    return np.searchsorted(cumulative[gap + 1 : gap_end + 1], target, side="right") + gap


@_compile
def _start_block(lo, hi, users, k, pairs):  # type: ignore[no-untyped-def]
    """Put the users' part of the pair hash in place; returns the highest user."""
    highest = np.uint64(0)
    if k == 1:  # a loop of its own, since an inner one of a single step would not be vectorised
        for j in range(hi - lo):
            user = np.uint64(users[lo + j])  # a negative one becomes huge
            highest = max(highest, user)
            pairs[j] = _pair_hash(user, 0)
        return highest
    for r in range(lo, hi):
        user = np.uint64(users[r])
        highest = max(highest, user)
        for c in range(k):
            pairs[(r - lo) * k + c] = _pair_hash(user, 0)
    return highest


@_compile
def _find_suspects(size, uneven, seed, position, n_items, pairs, shift, words, suspects):  # type: ignore[no-untyped-def]
    """List the draws of a block that may be wrong: perhaps seen, perhaps uneven. Returns their number.

    The list is written without a branch: one that is taken for a few per cent of the draws cannot be
    predicted, and would hold up the look-ups behind it.
    """
    count = np.uint64(0)
    for j in range(size):
        suspects[count] = j
        count += np.uint64(_may_be_seen(pairs[j], shift, words))
    if uneven:
        n = np.uint64(n_items)
        for j in range(size):
            if _is_uneven((_random(seed, position + j) >> _HALF) * n, n):
                suspects[count] = j
                count += _ONE
    return count


@_compile
def draw_unseen(lo, hi, first, users, k, seed, n_items, indptr, indices, shift, words, out):  # type: ignore[no-untyped-def]
    """out[r, c] is a uniform item that users[r] has not met, for the rows lo:hi.

    Row r is row `first` + r of the whole sequence. Returns -1, or a row whose user is out of range or has
    met every item. Candidates for a block of rows are drawn first, and then the few that the filter does not
    clear are drawn again with care: the simple loops run several times as fast as one that does it all.
    """
    n = np.uint64(n_items)
    rows = max(1, _BLOCK // k)
    pairs, suspects = np.empty(rows * k, np.uint64), np.empty(2 * rows * k, np.int64)
    flat = out.reshape(-1)
    for start in range(lo, hi, rows):
        stop = min(start + rows, hi)
        size, offset, position = (stop - start) * k, start * k, (first + start) * k
        if _start_block(start, stop, users, k, pairs) >= np.uint64(len(indptr) - 1):
            return start
        uneven = False
        for j in range(size):
            product = (_random(seed, position + j) >> _HALF) * n
            item = product >> _HALF
            flat[offset + j] = item
            pairs[j] += _pair_hash(0, item)
            uneven |= _is_uneven(product, n)
        for s in range(_find_suspects(size, uneven, seed, position, n_items, pairs, shift, words, suspects)):
            j = suspects[s]
            row = start + j // k
            chosen = _unseen(_random(seed, position + j), users[row], n_items, indptr, indices)
            if chosen < 0:
                return row
            flat[offset + j] = chosen
    return -1


@_compile
def draw_unseen_weighted(lo, hi, first, users, k, seed, n_items, indptr, indices, shift, words, buckets, cumulative, out):  # type: ignore[no-untyped-def]
    """As :func:`draw_unseen`, in proportion to the weights behind `buckets` (alias table) and `cumulative`."""
    n = np.uint64(n_items)
    rows = max(1, _BLOCK // k)
    pairs, suspects = np.empty(rows * k, np.uint64), np.empty(2 * rows * k, np.int64)
    flat = out.reshape(-1)
    for start in range(lo, hi, rows):
        stop = min(start + rows, hi)
        size, offset, position = (stop - start) * k, start * k, (first + start) * k
        if _start_block(start, stop, users, k, pairs) >= np.uint64(len(indptr) - 1):
            return start
        uneven = False
        for j in range(size):
            bits = _random(seed, position + j)
            product = (bits >> _HALF) * n
            item = _by_alias(bits, np.int64(product >> _HALF), buckets)
            flat[offset + j] = item
            pairs[j] += _pair_hash(0, item)
            uneven |= _is_uneven(product, n)
        for s in range(_find_suspects(size, uneven, seed, position, n_items, pairs, shift, words, suspects)):
            j = suspects[s]
            row = start + j // k
            bits = _random(seed, position + j)
            chosen = _unseen_weighted(bits, users[row], n_items, indptr, indices, buckets, cumulative)
            if chosen < 0:
                return row
            flat[offset + j] = chosen
    return -1


@_compile
def draw_items(lo, hi, first, seed, n_items, buckets, out):  # type: ignore[no-untyped-def]
    """out[j] is any item, for the entries lo:hi: by the alias table, or uniform when that is empty."""
    weighted = len(buckets) > 0
    for j in range(lo, hi):
        bits = _random(seed, first + j)
        item = _below(bits, n_items)
        out[j] = _by_alias(bits, item, buckets) if weighted else item


@_compile
def draw_pairs(lo, hi, first, seed, eligible, indptr, indices, users, items):  # type: ignore[no-untyped-def]
    """A uniform user among the eligible, then one of that user's items, uniform, for the entries lo:hi."""
    for r in range(lo, hi):
        bits = _random(seed, first + r)
        user = eligible[_below(bits, len(eligible))]
        start = indptr[user]
        users[r] = user
        items[r] = indices[start + _below(_next(bits), indptr[user + 1] - start)]


@_compile
def draw_pairs_by_weight(lo, hi, below, first, seed, eligible, indptr, indices, users, items):  # type: ignore[no-untyped-def]
    """As :func:`draw_pairs`, each item of the user in proportion to its weight.

    below[e] is the sum of the weights before entry e; an entry of weight 0 is never drawn.
    """
    for r in range(lo, hi):
        bits = _random(seed, first + r)
        user = eligible[_below(bits, len(eligible))]
        start, end = indptr[user], indptr[user + 1]
        point = below[start] + (below[end] - below[start]) * (np.float64(_next(bits) >> np.uint64(11)) * 2.0**-53)
        while end - start > 1:  # the last entry whose sum before it is not above the point
            middle = (start + end) >> 1
            if below[middle] <= point:
                start = middle
            else:
                end = middle
        while below[start + 1] == below[start]:  # rounded up to the end of the row, behind which entries of weight 0 may lie
            start -= 1
        users[r] = user
        items[r] = indices[start]
