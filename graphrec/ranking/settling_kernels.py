"""Compiled scores of single pairs, which depend on nothing but the pair, and the order that follows from them."""

from __future__ import annotations

import numba
import numpy as np

from graphrec.graph.instructions import prefetch

__all__ = ["pair_scores", "row_scores", "settle", "settled_ranks"]

# No licence to reorder: a sum has one order, which is what all this is for.
_compile = numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
_GROUP = 64
_STRETCH = 512  # scores that are looked at before one of them is
_LINE = np.uint64(16)  # floats in a cache line


@_compile
def _score(base, left, right, r, item):  # type: ignore[no-untyped-def]
    """The score of row r with an item: base + left · right in double precision, rounded once.

    Eight sums, so that LLVM can compute several at a time.
    """
    d = left.shape[1]
    a, b, c, e = 0.0, 0.0, 0.0, 0.0
    f, g, h, i = 0.0, 0.0, 0.0, 0.0
    whole = d - d % 8
    for k in range(0, whole, 8):
        a += np.float64(left[r, k]) * np.float64(right[item, k])
        b += np.float64(left[r, k + 1]) * np.float64(right[item, k + 1])
        c += np.float64(left[r, k + 2]) * np.float64(right[item, k + 2])
        e += np.float64(left[r, k + 3]) * np.float64(right[item, k + 3])
        f += np.float64(left[r, k + 4]) * np.float64(right[item, k + 4])
        g += np.float64(left[r, k + 5]) * np.float64(right[item, k + 5])
        h += np.float64(left[r, k + 6]) * np.float64(right[item, k + 6])
        i += np.float64(left[r, k + 7]) * np.float64(right[item, k + 7])
    total = ((a + b) + (c + e)) + ((f + g) + (h + i))
    for k in range(whole, d):
        total += np.float64(left[r, k]) * np.float64(right[item, k])
    if base.shape[1] > 0:
        total += np.float64(base[r, item])
    return np.float32(total)


@_compile
def _prefetch_row(x, row):  # type: ignore[no-untyped-def]
    for k in range(np.uint64(0), np.uint64(x.shape[1]), _LINE):
        prefetch(x, row, np.uint64(k))


@_compile
def pair_scores(lo, hi, base, left, right, items, out):  # type: ignore[no-untyped-def]
    """out[r, c] is the score of row r with items[r, c], for the rows lo:hi; base is (b, 0) where there is none."""
    for r in range(lo, hi):
        for c in range(items.shape[1]):
            out[r, c] = _score(base, left, right, r, items[r, c])


@_compile
def row_scores(r, base, left, right, labels, out):  # type: ignore[no-untyped-def]
    """out[0, c] is the score of row r with the item labels[c]."""
    for c in range(len(labels)):
        out[0, c] = _score(base, left, right, r, labels[c])


@_compile
def settle(lo, hi, wide, wide_scores, doubt, everything, base, left, right, best, scores, left_open):  # type: ignore[no-untyped-def]
    """The best k of each row lo:hi out of a few more that a product has found, by their own scores.

    Parameters
    ----------
    wide, wide_scores : int32 and float32 (b, w)
        As of :func:`graphrec.ranking.kernels.scan`: the best w by scores that are off by at most doubt[r].
    doubt : float64 (b,)
    everything : bool
        Whether there is no other item to choose from.
    base, left, right : float32 (b, n_items) or (b, 0), float64 (b, d) and float32 (n_items, d)
    best, scores : int32 and float32 (b, k)
        The result: of equal scores the lower item first; -1 and -inf where there is none.
    left_open : uint8 (b,)
        Set to 1 where an item that was not found might belong to the best k.
    """
    w, k = wide.shape[1], best.shape[1]
    items, own = np.empty(w, np.int32), np.empty(w, np.float32)
    for r in range(lo, hi):
        found = 0
        for c in range(min(w, _GROUP)):  # rows that lie apart: the memory brings them while the first are worked on
            if wide[r, c] >= 0:
                _prefetch_row(right, np.uint64(wide[r, c]))
        for c in range(w):
            item = wide[r, c]
            if item < 0 or (found >= k and wide_scores[r, c] + doubt[r] < own[k - 1]):
                break  # there is none, or neither it nor any after it can be among the best k
            s = _score(base, left, right, r, item)
            place = found
            while place > 0 and (own[place - 1] < s or (own[place - 1] == s and items[place - 1] > item)):
                own[place], items[place] = own[place - 1], items[place - 1]
                place -= 1
            own[place], items[place] = s, item
            found += 1
        for c in range(min(k, found)):
            best[r, c], scores[r, c] = items[c], own[c]
        if found == w and not everything and not (own[k - 1] > wide_scores[r, w - 1] + doubt[r]):
            left_open[r] = 1


@_compile
def _look(row, start, bottom, top):  # type: ignore[no-untyped-def]
    """How many of 512 scores from `start` on are above `top`, and how many from `bottom` on; compared eight at a time."""
    higher, from_bottom = np.int32(0), np.int32(0)
    first = np.uint64(start)
    for j in range(np.uint64(_STRETCH)):
        higher += np.int32(row[first + np.uint64(j)] > top)
        from_bottom += np.int32(row[first + np.uint64(j)] >= bottom)
    return higher, from_bottom


@_compile
def settled_ranks(  # type: ignore[no-untyped-def]
    lo, hi, scores, doubt, base, left, right, indptr, indices, users, test_indptr, test_items, above, ties, first_ties
):
    """As :func:`graphrec.ranking.kernels.count_above`, by the pairs' own scores where those of a product leave a doubt."""
    n, within = scores.shape[1], np.empty(_STRETCH, np.int64)
    for r in range(lo, hi):
        row, user = scores[r], users[r]
        for e in range(test_indptr[user], test_indptr[user + 1]):
            own = test_items[e]
            s = _score(base, left, right, r, own)
            top = np.nextafter(np.float32(s + doubt[r]), np.float32(np.inf))
            bottom = np.nextafter(np.float32(s - doubt[r]), np.float32(-np.inf))
            higher, level, before = np.int64(0), np.int64(0), np.int64(0)
            for start in range(0, n, _STRETCH):
                end = min(start + _STRETCH, n)
                if end - start == _STRETCH:
                    more, from_bottom = _look(row, start, bottom, top)
                    higher += more
                    if more == from_bottom:
                        continue
                else:
                    for j in range(start, end):
                        higher += row[j] > top
                found = 0
                for j in range(start, end):  # without a branch, which would be mispredicted
                    within[found] = j
                    found += (row[j] >= bottom) & (row[j] <= top)
                for c in range(found):
                    j = within[c]
                    if j != own:
                        t = _score(base, left, right, r, j)
                        higher += t > s
                        level += t == s
                        before += (t == s) and (j < own)
            for x in range(indptr[user], indptr[user + 1]):
                j = indices[x]
                if row[j] > top:
                    higher -= 1
                elif row[j] >= bottom:
                    t = _score(base, left, right, r, j)
                    higher -= t > s
                    level -= t == s
                    before -= (t == s) and (j < own)
            above[e], ties[e], first_ties[e] = higher, level, before
