"""Compiled products of a sparse matrix with dense rows, each for the rows ``lo:hi`` (see graphrec.threads).

Every kernel gathers: it reads rows of `x` and writes each output row once. Scattering was three times slower.
Four edges are unrolled by hand so that an output row is loaded and stored once for four neighbours.
"""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["add_rows", "dot_pairs", "group", "hop", "hop_from_marked", "hop_rows", "index_rows", "mean_rows", "sum_rows"]

_compile = numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy", boundscheck=False)


@_compile
def _accumulate(row, start, end, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[row] += Σ_e values[e] · x[indices[e]] over the entries start:end."""
    width = out.shape[1]
    e = start
    while e + 4 <= end:
        a, b, c, d = indices[e], indices[e + 1], indices[e + 2], indices[e + 3]
        wa, wb, wc, wd = values[e], values[e + 1], values[e + 2], values[e + 3]
        for k in range(width):
            out[row, k] += wa * x[a, k] + wb * x[b, k] + wc * x[c, k] + wd * x[d, k]
        e += 4
    while e < end:
        a, wa = indices[e], values[e]
        for k in range(width):
            out[row, k] += wa * x[a, k]
        e += 1


@_compile
def hop(lo, hi, indptr, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[i] = Σ_j A[i, j] · x[j] for the rows lo:hi of out."""
    for i in range(lo, hi):
        for k in range(out.shape[1]):
            out[i, k] = 0.0
        _accumulate(i, indptr[i], indptr[i + 1], indices, values, x, out)


@_compile
def hop_rows(lo, hi, rows, indptr, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[r] = Σ_j A[rows[r], j] · x[j]: the product for the asked rows only."""
    for r in range(lo, hi):
        for k in range(out.shape[1]):
            out[r, k] = 0.0
        i = rows[r]
        _accumulate(r, indptr[i], indptr[i + 1], indices, values, x, out)


@_compile
def mean_rows(lo, hi, rows, indptr, indices, values, layers, scale, mean, ego):  # type: ignore[no-untyped-def]
    """mean[r] = scale · (Σ_l layers[l][i] + (A · layers[-1])[i]) and ego[r] = layers[0][i] with i = rows[r]."""
    width = mean.shape[1]
    for r in range(lo, hi):
        i = rows[r]
        for k in range(width):
            ego[r, k] = layers[0][i, k]
            mean[r, k] = layers[0][i, k]
        for hop_number in range(1, len(layers)):
            x = layers[hop_number]
            for k in range(width):
                mean[r, k] += x[i, k]
        _accumulate(r, indptr[i], indptr[i + 1], indices, values, layers[-1], mean)
        for k in range(width):
            mean[r, k] *= scale


@_compile
def index_rows(rows, slot, position, distinct):  # type: ignore[no-untyped-def]
    """Number the distinct nodes among `rows` in order of appearance; returns how many there are.

    `slot` holds -1 for every node on entry, and the number of each node in `rows` on return;
    ``distinct[slot]`` is the node, and ``position[r]`` is the slot of ``rows[r]``.
    """
    used = 0
    for r in range(len(rows)):
        s = slot[rows[r]]
        if s < 0:
            s = used
            slot[rows[r]] = s
            distinct[s] = rows[r]
            used += 1
        position[r] = s
    return used


@_compile
def sum_rows(position, x, out):  # type: ignore[no-untyped-def]
    """out[position[r]] += x[r], after setting `out` to zero."""
    out[:] = 0.0
    for r in range(len(position)):
        for k in range(out.shape[1]):
            out[position[r], k] += x[r, k]


@_compile
def add_rows(lo, hi, rows, x, out):  # type: ignore[no-untyped-def]
    """out[rows[r]] += x[r] for r in lo:hi; no row is named twice."""
    for r in range(lo, hi):
        for k in range(out.shape[1]):
            out[rows[r], k] += x[r, k]


@_compile
def hop_from_marked(lo, hi, indptr, indices, values, slot, x, out):  # type: ignore[no-untyped-def]
    """out[i] = Σ_j A[i, j] · x[slot[j]] over the columns j with slot[j] >= 0, for the rows lo:hi.

    The marked columns of a row are first compacted without a branch; that makes the scan of all edges
    cheap when only a few of them lead to a row of `x`.
    """
    longest = 0
    for i in range(lo, hi):
        longest = max(longest, indptr[i + 1] - indptr[i])
    columns = np.empty(longest + 1, np.int32)
    weights = np.empty(longest + 1, np.float32)
    for i in range(lo, hi):
        for k in range(out.shape[1]):
            out[i, k] = 0.0
        found = 0
        for e in range(indptr[i], indptr[i + 1]):
            s = slot[indices[e]]
            columns[found] = s
            weights[found] = values[e]
            found += s >= 0
        _accumulate(i, 0, found, columns, weights, x, out)


@numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"}, error_model="numpy", boundscheck=False)
def dot_pairs(lo, hi, left, right, u, v, out):  # type: ignore[no-untyped-def]
    """out[e] = u[left[e]] · v[right[e]] for the pairs lo:hi."""
    for e in range(lo, hi):
        a, b = left[e], right[e]
        total = np.float32(0.0)
        for k in range(u.shape[1]):
            total += u[a, k] * v[b, k]
        out[e] = total


@_compile
def group(keys, indptr, order):  # type: ignore[no-untyped-def]
    """Counting sort: positions of equal keys lie together in `order`, those of key i in indptr[i]:indptr[i + 1]."""
    for key in keys:
        indptr[key + 1] += 1
    for i in range(len(indptr) - 1):
        indptr[i + 1] += indptr[i]
    place = indptr[:-1].copy()
    for e in range(len(keys)):
        order[place[keys[e]]] = e
        place[keys[e]] += 1
