"""Compiled updates of the rows of a table that a step has looked at, each for the rows ``lo:hi`` (see graphrec.threads).

Dense Adam moves every row at every step: where the gradient is zero the moments decay, and the row moves on by what is left
of them. `catch_up` makes up for such steps when the row is next looked at. With m and v the moments after step t, and no
gradient since, the n steps after it move the row by

    −Σ_j a_j m / (√v · q_j + ε),   a_j = β₁^j · lr / (1 − β₁^(t+j)),   q_j = √(β₂^j / (1 − β₂^(t+j))),   j = 1 … n.

The a_j soon vanish and the q_j hardly differ while they do not, so that, about the mean q̄ of the q_j under the weights a_j,

    Σ_j a_j / (s q_j + ε) = Σ_j a_j / D · (1 + r² c₂ − r³ c₃ + …),   D = s q̄ + ε,   r = s q̄ / D,

where c_p = (Σ_j a_j (q_j / q̄ − 1)^p) / Σ_j a_j does not depend on the entry: four numbers per step t, added to as steps are
taken, stand for all its rows. Where c₄ says that what is left out could be seen, in the first few hundred steps, the sum is
taken term by term.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from graphrec.graph.kernels import _prefetch_row as prefetch_row

__all__ = ["ADAGRAD", "ADAM", "SGD", "add_step", "catch_up", "group_rows", "touch", "touch_rows"]

compile_loops = numba.njit(
    nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"}, error_model="numpy", boundscheck=False
)
ADAM, ADAGRAD, SGD = 0, 1, 2
AHEAD = 4  # rows between the one that is worked on and the one that is prefetched
_UNSEEN = 2e-8  # a part of an update that float32 rounds away, with something to spare


@intrinsic  # type: ignore[untyped-decorator]
def _lowest_bit(typing_context: Any, word: Any) -> Any:
    """The place of the lowest bit that is set in a word that is not zero."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), generate


@compile_loops
def group_rows(nodes, slot, marks, distinct, position, indptr, order):  # type: ignore[no-untyped-def]
    """Number the distinct nodes in ascending order and list where each occurs; returns how many there are.

    ``nodes[order[indptr[s]:indptr[s + 1]]]`` are all ``distinct[s]``, in ascending order of place, and
    ``distinct[position[r]] == nodes[r]``. `slot` (a number for each node) and `marks` (a bit) are 0 on entry and on
    return. Ascending order, because threads that then take ranges work on much the same rows at every step, which stay
    in their caches, and because pages are visited once.
    """
    one, low, six = np.uint64(1), np.uint64(63), np.uint64(6)
    for node in nodes:
        slot[node] += 1
        marks[np.uint64(node) >> six] |= one << (np.uint64(node) & low)
    used, start = 0, 0
    for w in range(len(marks)):
        word = marks[w]
        marks[w] = 0
        while word:
            node = w * 64 + np.int64(_lowest_bit(word))
            word &= word - one
            distinct[used] = node
            indptr[used] = start
            start += slot[node]
            slot[node] = used
            used += 1
    for r in range(len(nodes)):
        s = slot[nodes[r]]
        position[r] = s
        order[indptr[s]] = r
        indptr[s] += 1
    for s in range(used - 1, -1, -1):  # beginnings have become ends
        slot[distinct[s]] = 0
        indptr[s + 1] = indptr[s]
    indptr[0] = 0
    return used


@compile_loops
def add_step(n, reach, rates, roots, decays, sums, series):  # type: ignore[no-untyped-def]
    """Take the step number `n` into the series of all steps before it, for rows that it did not touch.

    Parameters
    ----------
    n : int
        Steps are counted from the last time all rows were caught up with, from 1.
    reach : int
        Steps after which nothing is left of a first moment.
    rates, roots : ndarray of float64, shape (m,)
        lr / (1 − β₁^t) and 1 / √(1 − β₂^t) of each step; those of step n are there.
    decays : ndarray of float64, shape (m, 2)
        β₁^j and √β₂^j.
    sums : ndarray of float64, shape (m, 5)
        Of each step the Σ a_j (q_j − q_1)^p, p = 0 … 4.
    series : ndarray of float32, shape (m, 5)
        Of each step Σ a_j, q̄, c₂, c₃, and 1 if the sum must be taken term by term.
    """
    for t in range(max(0, n - reach), n):
        j = n - t
        first = decays[1, 1] * roots[t + 1]
        offset = decays[j, 1] * roots[n] - first
        term = decays[j, 0] * rates[n]
        for p in range(5):
            sums[t, p] += term
            term *= offset
        total = sums[t, 0]
        if total == 0.0:
            series[t, 0] = 0.0
            series[t, 1] = first
            series[t, 4] = 0.0
            continue
        a = sums[t, 1] / total
        b, c, d = sums[t, 2] / total, sums[t, 3] / total, sums[t, 4] / total
        mean = first + a
        series[t, 0] = total
        series[t, 1] = mean
        series[t, 2] = (b - a * a) / mean**2
        series[t, 3] = (c - 3 * a * b + 2 * a**3) / mean**3
        series[t, 4] = (d - 4 * a * c + 6 * a * a * b - 3 * a**4) / mean**4 > _UNSEEN


@compile_loops
def catch_up(lo, hi, rows, now, reach, eps, rates, roots, decays, series, last, w, m, v):  # type: ignore[no-untyped-def]
    """Bring the weights and moments of ``rows[lo:hi]`` from the step of `last` to the step `now`, under no gradient."""
    root, total = np.empty(w.shape[1], np.float32), np.empty(w.shape[1], np.float32)
    one = np.float32(1.0)
    for s in range(lo, hi):
        if s + AHEAD < hi:
            following = np.uint64(rows[s + AHEAD])
            prefetch_row(w, following)
            prefetch_row(m, following)
            prefetch_row(v, following)
        t = last[rows[s]]
        missed = now - t
        if missed <= 0:
            continue
        i, width = np.uint64(rows[s]), np.uint64(w.shape[1])
        last[rows[s]] = now
        decay, spread = np.float32(decays[missed, 0]), np.float32(decays[missed, 1] ** 2)
        if series[t, 4] == 0:
            weight, mean, c2, c3 = series[t, 0], series[t, 1], series[t, 2], series[t, 3]
            for k in range(width):
                scaled = np.sqrt(v[i, k]) * mean
                inverse = one / (scaled + eps)
                r = scaled * inverse
                w[i, k] -= m[i, k] * inverse * weight * (one + r * r * (c2 - r * c3))
                m[i, k] *= decay
                v[i, k] *= spread
            continue
        largest = np.float32(0.0)
        for k in range(width):
            root[k] = np.sqrt(v[i, k])
            total[k] = 0.0
            largest = max(largest, abs(m[i, k]))
        if largest == 0:  # no gradient has ever come here
            continue
        for j in range(1, min(missed, reach) + 1):
            a, q = np.float32(decays[j, 0] * rates[t + j]), np.float32(decays[j, 1] * roots[t + j])
            for k in range(width):
                total[k] += a / (root[k] * q + eps)
        for k in range(width):
            w[i, k] -= m[i, k] * total[k]
            m[i, k] *= decay
            v[i, k] *= spread


@compile_loops
def touch(rule, row, gradients, place, pull, numbers, w, first, second):  # type: ignore[no-untyped-def]
    """One step of an optimiser on one row, which has missed none before it; returns the row's squared norm before the step.

    The gradient is ``gradients[place] + pull · row``. `numbers` (float32) are the rate and, for
    ADAM, 1 / √(1 − β₂^t), ε, β₁, 1 − β₁, β₂ and 1 − β₂, the rate being lr / (1 − β₁^t); for ADAGRAD ε.
    """
    i, width, rate, norm = np.uint64(row), np.uint64(w.shape[1]), numbers[0], np.float32(0.0)
    if rule == ADAM:
        root, eps, b1, one_b1, b2, one_b2 = numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]
        for k in range(width):
            old = w[i, k]
            norm += old * old
            g = gradients[place, k] + pull * old
            m = b1 * first[i, k] + one_b1 * g
            v = b2 * second[i, k] + one_b2 * g * g
            first[i, k] = m
            second[i, k] = v
            w[i, k] = old - rate * m / (np.sqrt(v) * root + eps)
        return norm
    square = np.float32(0.0)
    for k in range(width):
        old = w[i, k]
        norm += old * old
        g = gradients[place, k] + pull * old
        square += g * g
    if rule == ADAGRAD:
        second[i, 0] += square / np.float32(w.shape[1])
        rate /= np.sqrt(second[i, 0]) + numbers[1]
    for k in range(width):
        w[i, k] -= rate * (gradients[place, k] + pull * w[i, k])
    return norm


@compile_loops
def touch_rows(lo, hi, rule, rows, gradients, numbers, w, first, second):  # type: ignore[no-untyped-def]
    """:func:`touch` for ``rows[lo:hi]``, which are distinct, with the same rows of `gradients`."""
    for s in range(lo, hi):
        touch(rule, rows[s], gradients, np.uint64(s), np.float32(0.0), numbers, w, first, second)
