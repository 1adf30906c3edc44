"""Compiled steps of a pairwise loss on two tables of factors, each for the rows ``lo:hi`` (see graphrec.threads).

A step is two passes. `step_users` goes through the batch's users: it scores each one's pairs, takes the loss and its slopes,
and updates the user's row. `step_items` goes through the items, adds up slopes times the users' old rows, and updates.
Threads take ranges of users and of items, so that no two write to one row, nothing is added up in an order of chance, and the
result does not depend on their number.
"""

from __future__ import annotations

import numpy as np

from graphrec.graph.kernels import _prefetch_row as prefetch_row
from graphrec.training.row_kernels import AHEAD, compile_loops, group_rows, touch

__all__ = ["BCE", "BPR", "HINGE", "against", "hogwild", "softplus", "step_items", "step_users"]

BPR, BCE, HINGE = 0, 1, 2


# Rows are short: what can be done in one loop over their columns is, because it is the starts of loops that cost.
@compile_loops
def _dot(left, u, right, i):  # type: ignore[no-untyped-def]
    total = np.float32(0.0)
    for k in range(np.uint64(left.shape[1])):
        total += left[u, k] * right[i, k]
    return total


@compile_loops
def _dots(left, u, right, i, n):  # type: ignore[no-untyped-def]
    a, b = np.float32(0.0), np.float32(0.0)
    for k in range(np.uint64(left.shape[1])):
        a += left[u, k] * right[i, k]
        b += left[u, k] * right[n, k]
    return a, b


@compile_loops
def _set(scale, row, table, out):  # type: ignore[no-untyped-def]
    for k in range(np.uint64(table.shape[1])):
        out[0, k] = scale * table[row, k]


@compile_loops
def _add(scale, row, table, out):  # type: ignore[no-untyped-def]
    for k in range(np.uint64(table.shape[1])):
        out[0, k] += scale * table[row, k]


@compile_loops
def _add_both(a, i, b, n, table, out):  # type: ignore[no-untyped-def]
    for k in range(np.uint64(table.shape[1])):
        out[0, k] += a * table[i, k] + b * table[n, k]


@compile_loops
def softplus(x):  # type: ignore[no-untyped-def]
    """log(1 + e^x) and its slope, the sigmoid."""
    one = np.float32(1.0)
    e = np.exp(-abs(x))
    return max(x, np.float32(0.0)) + np.log1p(e), (one if x >= 0 else e) / (one + e)


@compile_loops
def against(loss, margin, positive, negative):  # type: ignore[no-untyped-def]
    """What a negative adds to the loss, and the slope of that by the negative's score."""
    if loss == BCE:
        return softplus(negative)
    if loss == BPR:
        return softplus(negative - positive)
    lead = negative - positive + margin
    return max(lead, np.float32(0.0)), np.float32(lead > 0)


@compile_loops
def step_users(lo, hi, how, numbers, groups, batch, users, items, out):  # type: ignore[no-untyped-def]
    """Scores, loss, slopes and the update of the distinct users lo:hi of a batch.

    Parameters
    ----------
    how : (int, int, float32, float32, float32)
        The optimiser's rule; the loss, its margin, the scale that makes its sum a mean; λ over the size of the batch.
    numbers : ndarray of float32
        Of the optimiser, see :func:`graphrec.training.row_kernels.touch`.
    groups : (ndarray, ndarray, ndarray)
        Distinct users, and `indptr` and `order` of :func:`graphrec.training.row_kernels.group_rows`.
    batch : (ndarray, ndarray)
        Items (b,) and negatives (b, k).
    users, items : (table, first, second, bias, bias_first, bias_second, mean)
        Tables with an optimiser's moments; a bias (0, 1) is none. The user's mean is added to every score.
    out : (old, slopes, values, squares)
        The users' rows before the update (u, d), slopes by the scores (b, 1 + k), the summed loss of each pair (b,), and
        the squared norms of the old rows, as often as they occur (u,).
    """
    rule, loss, margin, scale, penalty = how
    rows, indptr, order = groups
    positives, negatives = batch
    # Arrays out of the tuples once and for all: each time costs their counters of references.
    table, first, second, bias, bias_first, bias_second, mean = users
    item_table, item_bias = items[0], items[3]
    old, slopes, values, squares = out
    biased, moments, k, none = len(bias) > 0, len(first) > 0, negatives.shape[1], np.float32(0.0)
    gradient, bias_gradient = np.empty((1, table.shape[1]), np.float32), np.empty((1, 1), np.float32)
    only = np.uint64(0)
    for s in range(lo, hi):
        if s + AHEAD < hi:
            following, pair = np.uint64(rows[s + AHEAD]), order[indptr[s + AHEAD]]
            prefetch_row(table, following)
            if moments:
                prefetch_row(first, following)
                prefetch_row(second, following)
            prefetch_row(item_table, np.uint64(positives[pair]))
            prefetch_row(item_table, np.uint64(negatives[pair, 0]))
        u, place = np.uint64(rows[s]), np.uint64(s)
        base = mean + (bias[u, 0] if biased else none)
        for c in range(np.uint64(table.shape[1])):
            old[place, c] = table[u, c]
            gradient[only, c] = 0.0
        bias_gradient[0, 0] = 0.0
        for e in range(indptr[s], indptr[s + 1]):
            r = order[e]
            i, n = np.uint64(positives[r]), np.uint64(negatives[r, 0])
            positive, score = _dots(table, u, item_table, i, n)
            positive += base + (item_bias[i, 0] if biased else none)
            value, slope = none, none
            if loss == BCE:
                value, slope = softplus(-positive)
                slope *= -scale
            for j in range(k):
                n = np.uint64(negatives[r, j])
                if j > 0:
                    score = _dot(table, u, item_table, n)
                score += base + (item_bias[n, 0] if biased else none)
                more, steep = against(loss, margin, positive, score)
                value += more
                steep *= scale
                slopes[r, j + 1] = steep
                bias_gradient[0, 0] += steep
                if loss != BCE:
                    slope -= steep
                if j > 0:
                    _add(steep, n, item_table, gradient)
            _add_both(slope, i, slopes[r, 1], np.uint64(negatives[r, 0]), item_table, gradient)
            bias_gradient[0, 0] += slope
            slopes[r, 0] = slope
            values[r] = value
        count = np.float32(indptr[s + 1] - indptr[s])
        norm = touch(rule, rows[s], gradient, only, count * penalty, numbers, table, first, second)
        squares[s] = count * norm
        if biased:
            touch(rule, rows[s], bias_gradient, only, none, numbers, bias, bias_first, bias_second)


@compile_loops
def step_items(lo, hi, how, numbers, groups, position, old, slopes, items, squares):  # type: ignore[no-untyped-def]
    """The update of the distinct items lo:hi among a batch's positives (places 0 … b − 1) and negatives.

    Parameters
    ----------
    how, numbers, items, old, slopes
        As for :func:`step_users`.
    groups : (ndarray, ndarray, ndarray)
        Distinct items, `indptr` and `order`.
    position : ndarray, shape (b,)
        For each pair the row of its user in `old`.
    squares : ndarray of float32, shape (u,)
        Takes the squared norms of the old rows, as often as they occur.
    """
    rule, penalty, none = how[0], how[4], np.float32(0.0)
    rows, indptr, order = groups
    table, first, second, bias, bias_first, bias_second, _ = items
    biased, moments, b, k = len(bias) > 0, len(first) > 0, slopes.shape[0], slopes.shape[1] - 1
    gradient, bias_gradient = np.empty((1, table.shape[1]), np.float32), np.empty((1, 1), np.float32)
    only = np.uint64(0)
    for s in range(lo, hi):
        if s + AHEAD < hi:
            following = np.uint64(rows[s + AHEAD])
            prefetch_row(table, following)
            if moments:
                prefetch_row(first, following)
                prefetch_row(second, following)
        bias_gradient[0, 0] = 0.0
        for e in range(indptr[s], indptr[s + 1]):
            place = order[e]
            r, j = place, 0
            if place >= b:
                r = (place - b) // k
                j = place - b - r * k + 1
            slope = slopes[r, j]
            bias_gradient[0, 0] += slope
            if e == indptr[s]:
                _set(slope, np.uint64(position[r]), old, gradient)
            else:
                _add(slope, np.uint64(position[r]), old, gradient)
        count = np.float32(indptr[s + 1] - indptr[s])
        squares[s] = count * touch(rule, rows[s], gradient, only, count * penalty, numbers, table, first, second)
        if biased:
            touch(rule, rows[s], bias_gradient, only, none, numbers, bias, bias_first, bias_second)


@compile_loops
def hogwild(lo, hi, size, how, numbers, pairs, users, items, slots, out):  # type: ignore[no-untyped-def]
    """The batches lo:hi of `size` pairs, one after the other, while other threads do the same to other batches.

    Nothing is locked: an update that another thread makes between a row's reading and its writing is lost. `how` is that of
    a whole batch; `slots` are the `slot` and `marks` of users and of items. ``out[batch]`` takes loss and penalty.
    """
    n, k = len(pairs[0]), pairs[2].shape[1]
    rule, loss, margin, scale, penalty = how
    most = size * (1 + k)
    distinct, where, indptr, order = (
        np.empty(most, np.int64),
        np.empty(most, np.int64),
        np.empty(most + 1, np.int64),
        np.empty(most, np.int64),
    )
    rows, position, starts, places = (
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size + 1, np.int64),
        np.empty(size, np.int64),
    )
    named = np.empty(most, np.int64)
    old, slopes = np.empty((size, users[0].shape[1]), np.float32), np.empty((size, 1 + k), np.float32)
    values, squares = np.empty(size, np.float32), np.empty(most, np.float32)
    for batch in range(lo, hi):
        start, end = batch * size, min(batch * size + size, n)
        b = end - start
        ratio = np.float32(size) / np.float32(b)  # the last batch may be smaller
        mine = rule, loss, margin, scale * ratio, penalty * ratio
        positives, negatives = pairs[1][start:end], pairs[2][start:end]
        for r in range(b):
            named[r] = positives[r]
            for j in range(k):
                named[b + r * k + j] = negatives[r, j]
        used = group_rows(pairs[0][start:end], slots[0], slots[1], rows, position, starts, places)
        step_users(
            0, used, mine, numbers, (rows, starts, places), (positives, negatives), users, items, (old, slopes, values, squares)
        )
        norms = np.sum(squares[:used])
        used = group_rows(named[: b * (1 + k)], slots[2], slots[3], distinct, where, indptr, order)
        step_items(0, used, mine, numbers, (distinct, indptr, order), position, old, slopes[:b], items, squares)
        out[batch, 0] = np.sum(values[:b]) * scale * ratio
        out[batch, 1] = (norms + np.sum(squares[:used])) * penalty * ratio / np.float32(2.0)
