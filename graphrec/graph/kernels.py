"""Compiled products of a sparse matrix with dense rows, each for the rows ``lo:hi`` (see graphrec.threads).

Every long kernel gathers: it reads rows of `x` and writes each output row once. Scattering was three times slower.
Four edges are unrolled by hand so that an output row is loaded and stored once for four neighbours, and the rows of
later edges are prefetched, :func:`ahead` of them. Indices of rows and columns are unsigned: a signed one may count from
the end in Python, and looking for that keeps LLVM from the best loops.
"""

from __future__ import annotations

import numba
import numpy as np

from graphrec.graph.instructions import prefetch

__all__ = [
    "add_rows",
    "dot_pairs",
    "group",
    "hop",
    "hop_from_marked",
    "hop_rows",
    "index_rows",
    "mark_neighbours",
    "mean_rows",
    "scatter_rows",
    "sum_rows",
    "unit",
    "unit_gradient",
]

_compile = numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy", boundscheck=False)
_reorder = numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz", "reassoc"}, error_model="numpy", boundscheck=False)
_LINES_AHEAD, _LEAST_AHEAD, _MOST_AHEAD = 192, 16, 96
_LINE = np.uint64(16)  # floats in a cache line
_LINES = np.uint64(64)
_STRETCH = 1024  # entries that are compacted before they are summed
_THREE, _SEVEN, _ONE = np.uint32(3), np.uint32(7), np.uint8(1)  # the byte of a bit, its place there, and the bit


@_compile
def ahead(x):  # type: ignore[no-untyped-def]
    """How many edges before its use a row of `x` is prefetched: 12 kB of rows are then on their way, a third of a first cache.

    One thread, 3 M edges, ms a hop by the number of edges:

    =====  ====  ====  ====  ====  ====  ====
    width    16    24    32    48    64    96
    =====  ====  ====  ====  ====  ====  ====
    64     66.9  54.2  46.9  41.5  45.4  52.2
    32     56.3  44.8  37.8  30.5  26.9  25.6
    16     42.2  34.9  30.7  25.0  22.5  21.3
    =====  ====  ====  ====  ====  ====  ====
    """
    lines = max((x.shape[1] + 15) // 16, 1)
    return min(max(_LINES_AHEAD // lines, _LEAST_AHEAD), _MOST_AHEAD)


@_compile
def _prefetch_row(x, row):  # type: ignore[no-untyped-def]
    width, k = np.uint64(x.shape[1]), np.uint64(0)
    while k + _LINES <= width:  # without a loop for the usual 64
        prefetch(x, row, k)
        prefetch(x, row, k + _LINE)
        prefetch(x, row, k + _LINE + _LINE)
        prefetch(x, row, k + _LINE + _LINE + _LINE)
        k += _LINES
    while k < width:
        prefetch(x, row, k)
        k += _LINE
    if width % _LINE:  # such a row may end in a line more
        prefetch(x, row, width - np.uint64(1))


@_compile
def _prefetch_first(indices, start, end, first, x):  # type: ignore[no-untyped-def]
    """Prefetch the rows of the first edges among start:end."""
    for e in range(start, min(start + first, end)):
        _prefetch_row(x, np.uint64(indices[e]))


@_compile
def _accumulate(row, start, end, last, later, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[row] += Σ_e values[e] · x[indices[e]] over the entries start:end; rows are prefetched up to entry `last`."""
    r, width = np.uint64(row), np.uint64(out.shape[1])
    e = start
    while e + 4 <= end:
        f = e + later
        if f + 4 <= last:
            _prefetch_row(x, np.uint64(indices[f]))
            _prefetch_row(x, np.uint64(indices[f + 1]))
            _prefetch_row(x, np.uint64(indices[f + 2]))
            _prefetch_row(x, np.uint64(indices[f + 3]))
        a, b, c, d = np.uint64(indices[e]), np.uint64(indices[e + 1]), np.uint64(indices[e + 2]), np.uint64(indices[e + 3])
        wa, wb, wc, wd = values[e], values[e + 1], values[e + 2], values[e + 3]
        for k in range(width):
            out[r, k] += wa * x[a, k] + wb * x[b, k] + wc * x[c, k] + wd * x[d, k]
        e += 4
    while e < end:
        if e + later < last:
            _prefetch_row(x, np.uint64(indices[e + later]))
        a, wa = np.uint64(indices[e]), values[e]
        for k in range(width):
            out[r, k] += wa * x[a, k]
        e += 1


@_compile
def _clear(row, out):  # type: ignore[no-untyped-def]
    r = np.uint64(row)
    for k in range(np.uint64(out.shape[1])):
        out[r, k] = 0.0


@_compile
def hop(lo, hi, indptr, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[i] = Σ_j A[i, j] · x[j] for the rows lo:hi of out."""
    later = ahead(x)
    for i in range(lo, hi):
        _clear(i, out)
        _accumulate(i, indptr[i], indptr[i + 1], indptr[hi], later, indices, values, x, out)


@_compile
def hop_rows(lo, hi, rows, places, indptr, indices, values, x, out):  # type: ignore[no-untyped-def]
    """out[places[r]] = Σ_j A[rows[r], j] · x[j] for r in lo:hi; other rows of out are left as they are."""
    later = ahead(x)
    for r in range(lo, hi):
        if r + 1 < hi:
            _prefetch_first(indices, indptr[rows[r + 1]], indptr[rows[r + 1] + 1], later, x)
        _clear(places[r], out)
        start, end = indptr[rows[r]], indptr[rows[r] + 1]
        _accumulate(places[r], start, end, end, later, indices, values, x, out)


@_compile
def _room(longest):  # type: ignore[no-untyped-def]
    """For the columns, weights and ends of a stretch of rows of at most so many entries, and an entry more."""
    size = longest + _STRETCH + 1
    return np.empty(size, np.uint32), np.empty(size, np.float32), np.empty(_STRETCH, np.int64)


@_compile
def mark_neighbours(rows, indptr, indices, mark):  # type: ignore[no-untyped-def]
    """Set the mark of the nodes `rows` and of every neighbour of theirs."""
    for row in rows:
        mark[row] = True
        for e in range(indptr[row], indptr[row + 1]):
            mark[np.uint64(indices[e])] = True


@_compile
def mean_rows(lo, hi, rows, indptr, indices, values, layers, scale, mean, ego):  # type: ignore[no-untyped-def]
    """mean[r] = scale · (Σ_l layers[l][i] + (A · layers[-1])[i]) and ego[r] = layers[0][i] with i = rows[r]."""
    width, later = np.uint64(mean.shape[1]), ahead(mean)
    for r in range(lo, hi):
        if r + 1 < hi:
            _prefetch_first(indices, indptr[rows[r + 1]], indptr[rows[r + 1] + 1], later, layers[-1])
        i, to = np.uint64(rows[r]), np.uint64(r)
        for k in range(width):
            ego[to, k] = layers[0][i, k]
            mean[to, k] = layers[0][i, k]
        for hop_number in range(1, len(layers)):
            x = layers[hop_number]
            for k in range(width):
                mean[to, k] += x[i, k]
        start, end = indptr[rows[r]], indptr[rows[r] + 1]
        _accumulate(r, start, end, end, later, indices, values, layers[-1], mean)
        for k in range(width):
            mean[to, k] *= scale


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
        source, to = np.uint64(r), np.uint64(position[r])
        for k in range(np.uint64(out.shape[1])):
            out[to, k] += x[source, k]


@_compile
def add_rows(lo, hi, rows, x, out):  # type: ignore[no-untyped-def]
    """out[rows[r]] += x[r] for r in lo:hi; no row is named twice."""
    later = ahead(out)
    for r in range(lo, hi):
        if r + later < hi:
            _prefetch_row(out, np.uint64(rows[r + later]))
        source, to = np.uint64(r), np.uint64(rows[r])
        for k in range(np.uint64(out.shape[1])):
            out[to, k] += x[source, k]


@_compile
def hop_from_marked(lo, hi, indptr, indices, values, marked, slot, x, out):  # type: ignore[no-untyped-def]
    """out[i] = Σ_j A[i, j] · x[slot[j]] over the columns j whose bit in `marked` is set, for the rows lo:hi.

    The marked columns of a stretch of rows are first compacted without a branch: the scan of all edges is then
    cheap, and the rows of `x` that follow are known early enough to be prefetched. Bits, because every edge looks
    at one: those of millions of nodes still lie in the nearest caches.
    """
    longest = 0
    for i in range(lo, hi):
        longest = max(longest, indptr[i + 1] - indptr[i])
    columns, weights, ends = _room(longest)
    later, first = ahead(x), lo
    while first < hi:
        found, i = 0, first
        while i < hi and i - first < _STRETCH and found < _STRETCH:
            for e in range(indptr[i], indptr[i + 1]):
                column = np.uint32(indices[e])
                columns[found] = column
                weights[found] = values[e]
                found += (marked[column >> _THREE] >> np.uint8(column & _SEVEN)) & _ONE
            ends[i - first] = found
            i += 1
        for e in range(found):
            columns[e] = slot[columns[e]]
        _prefetch_first(columns, 0, found, later, x)
        start = 0
        for row in range(first, i):
            _clear(row, out)
            _accumulate(row, start, ends[row - first], found, later, columns, weights, x, out)
            start = ends[row - first]
        first = i


@_compile
def scatter_rows(lo, hi, rows, indptr, indices, values, slot, x, out):  # type: ignore[no-untyped-def]
    """out[slot[j]] += A[rows[r], j] · x[r] for every entry of the listed rows; for the columns lo:hi of x and out."""
    later = ahead(out)
    for r in range(len(rows)):
        source, end = np.uint64(r), indptr[rows[r] + 1]
        for e in range(indptr[rows[r]], end):
            if e + later < end:
                _prefetch_row(out, np.uint64(slot[np.uint64(indices[e + later])]))
            to, weight = np.uint64(slot[np.uint64(indices[e])]), values[e]
            for k in range(np.uint64(lo), np.uint64(hi)):
                out[to, k] += weight * x[source, k]


@_reorder
def dot_pairs(lo, hi, left, right, u, v, out):  # type: ignore[no-untyped-def]
    """out[e] = u[left[e]] · v[right[e]] for the pairs lo:hi."""
    later = ahead(v)
    for e in range(lo, hi):
        if e + later < hi:
            _prefetch_row(v, np.uint64(right[e + later]))
        a, b = np.uint64(left[e]), np.uint64(right[e])
        total = np.float32(0.0)
        for k in range(np.uint64(u.shape[1])):
            total += u[a, k] * v[b, k]
        out[e] = total


@_reorder
def unit(lo, hi, x, out, norms):  # type: ignore[no-untyped-def]
    """norms[r] = ‖x[r]‖ and out[r] = x[r] / norms[r]; a row of zeros stays one."""
    for r in range(lo, hi):
        i, total = np.uint64(r), np.float32(0.0)
        for k in range(np.uint64(x.shape[1])):
            total += x[i, k] * x[i, k]
        norms[i] = np.sqrt(total)
        scale = np.float32(1.0) / norms[i] if total > 0 else np.float32(0.0)
        for k in range(np.uint64(x.shape[1])):
            out[i, k] = x[i, k] * scale


@_reorder
def unit_gradient(lo, hi, gradient, y, norms, out):  # type: ignore[no-untyped-def]
    """out[r] = (g − y (y · g)) / norms[r], with row r of `gradient` and of `y`; 0 for a row of zeros."""
    for r in range(lo, hi):
        i, along = np.uint64(r), np.float32(0.0)
        for k in range(np.uint64(y.shape[1])):
            along += gradient[i, k] * y[i, k]
        scale = np.float32(1.0) / norms[i] if norms[i] > 0 else np.float32(0.0)
        for k in range(np.uint64(y.shape[1])):
            out[i, k] = (gradient[i, k] - along * y[i, k]) * scale


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
