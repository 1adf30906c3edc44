"""Compiled scans of a block of scores, for the users ``lo:hi`` of the block."""

from __future__ import annotations

import math

import numba
import numpy as np

from graphrec.graph.instructions import lowest_bit

__all__ = ["count_above", "not_finite", "scan"]

_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
_GROUP = 64
_WORTH_A_GUESS = 16  # times as many scores as places
_LARGEST, _INFINITE, _ZERO = np.finfo(np.float32).max, np.float32(np.inf), np.float32(0)


@_compile
def _any_above(row, start, threshold):  # type: ignore[no-untyped-def]
    """Whether one of the 64 scores from `start` on beats the threshold.

    Written so that LLVM compares eight at a time: unsigned indices (signed ones may wrap around), a constant
    count, and an OR instead of a maximum, whose order floats do not let it change.
    """
    found = np.int32(0)
    first = np.uint64(start)
    for j in range(np.uint64(_GROUP)):
        found |= np.int32(row[first + np.uint64(j)] > threshold)
    return found != 0


@_compile
def _any_above_or_not_finite(row, start, threshold):  # type: ignore[no-untyped-def]
    """As :func:`_any_above`, or is no finite number: NaN fails every comparison. It takes a third more time."""
    found = np.int32(0)
    first = np.uint64(start)
    for j in range(np.uint64(_GROUP)):
        score = row[first + np.uint64(j)]
        found |= np.int32(not (score <= threshold)) | np.int32(not (score >= -_LARGEST))
    return found != 0


@_compile
def _which_above(row, start, threshold):  # type: ignore[no-untyped-def]
    """The 64 scores from `start` on as bits, the first one the lowest: 1 where one beats the threshold."""
    bits = np.uint64(0)
    first = np.uint64(start)
    for j in range(np.uint64(_GROUP)):
        bits |= np.uint64(row[first + j] > threshold) << j
    return bits


@_compile
def _all_finite(row, start, end):  # type: ignore[no-untyped-def]
    found = np.int32(0)
    for j in range(np.uint64(start), np.uint64(end)):
        found |= np.int32(not (abs(row[j]) <= _LARGEST))
    return found == 0


@_compile
def not_finite(lo, hi, scores, bad):  # type: ignore[no-untyped-def]
    """bad[r] = 1 for the rows lo:hi with a score that is NaN or infinite."""
    for r in range(lo, hi):
        if not _all_finite(scores[r], 0, scores.shape[1]):
            bad[r] = 1


@_compile
def _first_from(sorted_items, lo, hi, item):  # type: ignore[no-untyped-def]
    """The first position in lo:hi whose item is not below `item`; hi if there is none."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if sorted_items[middle] < item:
            lo = middle + 1
        else:
            hi = middle
    return lo


@_compile
def _guess(row, share):  # type: ignore[no-untyped-def]
    """What a share of a row's scores would beat if they were spread normally as the first 256 are (by the logistic curve)."""
    n = min(len(row), 256) // 4 * 4
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO  # four sums, which LLVM may not make of one
    for j in range(0, n, 4):
        a, b, c, d = a + row[j], b + row[j + 1], c + row[j + 2], d + row[j + 3]
    mean = (a + b + c + d) / np.float32(n)
    a, b, c, d = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(0, n, 4):
        a, b = a + (row[j] - mean) ** 2, b + (row[j + 1] - mean) ** 2
        c, d = c + (row[j + 2] - mean) ** 2, d + (row[j + 3] - mean) ** 2
    guess = np.float32(mean + math.sqrt((a + b + c + d) / n) * math.log((1 - share) / share) / 1.702)
    return guess if abs(guess) <= _LARGEST else -_INFINITE


@_compile
def _scan_row(r, row, threshold, first, labels, indptr, indices, users, best, best_scores, bad, check):  # type: ignore[no-untyped-def]
    """As :func:`scan`, for one row and what beats a threshold."""
    k, width = best.shape[1], len(row)
    seen, end_seen = indptr[users[r]], indptr[users[r] + 1]
    seen = _first_from(indices, seen, end_seen, labels[first])
    for start in range(0, width, _GROUP):
        end = min(start + _GROUP, width)
        if end - start == _GROUP:
            if check:
                if not _any_above_or_not_finite(row, start, threshold):
                    continue
            elif not _any_above(row, start, threshold):
                continue
            above = _which_above(row, start, threshold)
        else:
            above = np.uint64(0)
            for j in range(start, end):
                above |= np.uint64(row[j] > threshold) << np.uint64(j - start)
        if check and not _all_finite(row, start, end):
            bad[r] = 1
        while above != np.uint64(0):
            at = start + np.int64(lowest_bit(above))
            above &= above - np.uint64(1)
            s = row[at]
            if not s > threshold:  # it has risen meanwhile
                continue
            item = labels[first + at]
            while seen < end_seen and indices[seen] < item:
                seen += 1
            if seen < end_seen and indices[seen] == item:
                continue
            place = k - 1
            while place > 0 and best_scores[r, place - 1] < s:
                best_scores[r, place] = best_scores[r, place - 1]
                best[r, place] = best[r, place - 1]
                place -= 1
            best_scores[r, place] = s
            best[r, place] = item
            threshold = max(threshold, best_scores[r, k - 1])


@_compile
def scan(lo, hi, scores, first, labels, indptr, indices, users, best, best_scores, bad, check):  # type: ignore[no-untyped-def]
    """Carry the best k of each user over one more block of items.

    Groups of 64 scores are looked into only when one of them beats the user's k-th best so far. Items
    come in ascending order and must be strictly better to enter, so of equal scores the lower index wins.

    Parameters
    ----------
    scores : float32 (b, m)
    first : int
        Position in `labels` of the block's first column.
    labels : int64 (n,)
        Item index of each position, ascending.
    indptr, indices
        Items to leave out, as compressed rows by user; ``users[r]`` is the row of block row r.
    best, best_scores : int32 and float32 (b, k)
        Sorted by falling score; -1 and -inf where nothing is found yet.
    bad : uint8 (b,)
        Set to 1 where a score, of whatever item, is NaN or infinite.
    check : bool
        Whether that can be.
    """
    k = best.shape[1]
    width = scores.shape[1]
    for r in range(lo, hi):
        row = scores[r]
        # Nobody is there yet: a guess at what about 2 k of this block will beat spares the list most that do not stay.
        guessed = best[r, 0] < 0 and width >= _WORTH_A_GUESS * k
        threshold = _guess(row, 2 * k / width) if guessed else best_scores[r, k - 1]
        _scan_row(r, row, threshold, first, labels, indptr, indices, users, best, best_scores, bad, check)
        if guessed and best[r, k - 1] < 0:  # fewer than k have beaten it
            best[r], best_scores[r] = -1, -np.inf
            _scan_row(r, row, -_INFINITE, first, labels, indptr, indices, users, best, best_scores, bad, check)


@_compile
def _count(row, lo, hi, score):  # type: ignore[no-untyped-def]
    """How many of row[lo:hi] are above a score, and how many equal it; compared eight at a time, see _any_above."""
    higher, level = np.int32(0), np.int32(0)
    for j in range(np.uint64(lo), np.uint64(hi)):
        higher += np.int32(row[j] > score)
        level += np.int32(row[j] == score)
    return np.int64(higher), np.int64(level)


@_compile
def count_above(lo, hi, scores, indptr, indices, users, test_indptr, test_items, above, ties, first_ties):  # type: ignore[no-untyped-def]
    """For each test item of the block's users, count the other ranked items above it and level with it.

    Parameters
    ----------
    scores : float32 (b, n_items)
        Whole rows.
    indptr, indices
        Items that are not ranked, by user.
    test_indptr, test_items
        Test items by user, sorted; `above`, `ties` and `first_ties` have one entry for each: how many ranked
        items score higher, equal, and equal at a lower index.
    """
    for r in range(lo, hi):
        row = scores[r]
        user = users[r]
        for e in range(test_indptr[user], test_indptr[user + 1]):
            own = test_items[e]
            s = row[own]
            higher, level = _count(row, 0, len(row), s)
            before = _count(row, 0, own, s)[1]
            for x in range(indptr[user], indptr[user + 1]):
                t = row[indices[x]]
                higher -= t > s
                level -= t == s
                before -= (t == s) and (indices[x] < own)
            above[e] = higher
            ties[e] = level - 1
            first_ties[e] = before
