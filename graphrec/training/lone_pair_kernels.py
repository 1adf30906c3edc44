"""Compiled steps of one positive and one negative item each, in place and without locks, for the places ``lo:hi``.

With nothing to be grouped and nothing to be kept for later, a step reads three rows once and writes them once. Squared norms
of its three gradients, which row-wise Adagrad asks for, follow from six inner products that are taken along the way.
"""

from __future__ import annotations

import numpy as np

from graphrec.graph.kernels import _prefetch_row as prefetch_row
from graphrec.training.pair_kernels import BCE, against, softplus
from graphrec.training.row_kernels import ADAGRAD, compile_loops

__all__ = ["step_pairs"]

_AHEAD = 8  # pairs between the one that is worked on and the one whose rows are prefetched


@compile_loops
def _products(users, u, items, i, n):  # type: ignore[no-untyped-def]
    """u·i, u·n, i·n, u·u, i·i and n·n."""
    ui = un = x = uu = ii = nn = np.float32(0.0)
    for k in range(np.uint64(users.shape[1])):
        p, q, r = users[u, k], items[i, k], items[n, k]
        ui += p * q
        un += p * r
        x += q * r
        uu += p * p
        ii += q * q
        nn += r * r
    return ui, un, x, uu, ii, nn


@compile_loops
def _move(users, u, items, i, n, up, down, keep, rates):  # type: ignore[no-untyped-def]
    """u −= r_u (up i + down n + λ u), and i and n likewise; `keep` are 1 − r λ of each."""
    of_u, of_i, of_n = rates
    keep_u, keep_i, keep_n = keep
    for k in range(np.uint64(users.shape[1])):
        p, q, r = users[u, k], items[i, k], items[n, k]
        users[u, k] = keep_u * p - of_u * (up * q + down * r)
        items[i, k] = keep_i * q - of_i * up * p
        items[n, k] = keep_n * r - of_n * down * p


@compile_loops
def _rate(rule, numbers, sums, row, square):  # type: ignore[no-untyped-def]
    """The rate of a row whose gradient has this mean square; rounding may have made it less than zero."""
    if rule != ADAGRAD:
        return numbers[0]
    sums[row, 0] += max(square, np.float32(0.0))
    return numbers[0] / (np.sqrt(sums[row, 0]) + numbers[1])


@compile_loops
def step_pairs(lo, hi, how, numbers, pairs, users, items, out):  # type: ignore[no-untyped-def]
    """The steps lo:hi, one after the other, while other threads may take others.

    Nothing is locked: an update that another thread makes between a row's reading and its writing is lost.

    Parameters
    ----------
    how, users, items
        As for :func:`graphrec.training.pair_kernels.step_users`, for a batch of one pair with one negative.
    numbers : ndarray of float32
        Of SGD or ADAGRAD.
    pairs : (ndarray, ndarray, ndarray)
        Users, items and negatives, (n,) each.
    out : ndarray of float64, shape (2,)
        Takes the sums of the losses and of the squared norms, before each step.
    """
    rule, loss, margin, scale, penalty = how
    of_users, positives, negatives = pairs
    table, _, sums, bias, _, bias_sums, mean = users
    item_table, _, item_sums, item_bias, _, item_bias_sums, _ = items
    user_biased, biased, one, two = len(bias) > 0, len(item_bias) > 0, np.float32(1.0), np.float32(2.0)
    share = one / np.float32(table.shape[1])
    total, norms = 0.0, 0.0
    for s in range(lo, hi):
        if s + _AHEAD < hi:
            prefetch_row(table, np.uint64(of_users[s + _AHEAD]))
            prefetch_row(item_table, np.uint64(positives[s + _AHEAD]))
            prefetch_row(item_table, np.uint64(negatives[s + _AHEAD]))
        u, i, n = np.uint64(of_users[s]), np.uint64(positives[s]), np.uint64(negatives[s])
        ui, un, x, uu, ii, nn = _products(table, u, item_table, i, n)
        base = mean + (bias[u, 0] if user_biased else np.float32(0.0))
        positive, negative = ui + base, un + base
        if biased:
            positive += item_bias[i, 0]
            negative += item_bias[n, 0]
        value, down = against(loss, margin, positive, negative)
        up = -down
        if loss == BCE:
            more, slope = softplus(-positive)
            value += more
            up = -slope
        total += value
        norms += uu + ii + nn
        if i == n:  # negatives="approximate" may draw the positive: rare, and two updates of one row would not add up
            continue
        up *= scale
        down *= scale
        pull = penalty
        square = up * up * ii + down * down * nn + two * up * down * x + pull * (two * (up * ui + down * un) + pull * uu)
        of_u = _rate(rule, numbers, sums, u, square * share)
        of_i = _rate(rule, numbers, item_sums, i, (up * up * uu + pull * (two * up * ui + pull * ii)) * share)
        of_n = _rate(rule, numbers, item_sums, n, (down * down * uu + pull * (two * down * un + pull * nn)) * share)
        keep = one - of_u * pull, one - of_i * pull, one - of_n * pull
        _move(table, u, item_table, i, n, up, down, keep, (of_u, of_i, of_n))
        if user_biased:
            slope = up + down
            bias[u, 0] -= _rate(rule, numbers, bias_sums, u, slope * slope) * slope
        if biased:
            item_bias[i, 0] -= _rate(rule, numbers, item_bias_sums, i, up * up) * up
            item_bias[n, 0] -= _rate(rule, numbers, item_bias_sums, n, down * down) * down
    out[0] += total
    out[1] += norms
