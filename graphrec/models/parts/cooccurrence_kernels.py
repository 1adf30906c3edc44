"""Compiled loops over sparse similarities of items, each for the rows ``lo:hi`` (see graphrec.threads).

Row i of the co-occurrences c_ij = Σ weight_u x_ui x_uj, over the users u who have met both i and j, is gathered in a
dense array from the items of the users of i; all rows together cost Σ_u d_u² additions. `pairs` and `ratio`
are the tuples of :mod:`graphrec.models.parts.cooccurrence`.
"""

from __future__ import annotations

import numba
import numpy as np

from graphrec.graph.instructions import prefetch

__all__ = ["add_rows", "add_similar", "count_partners", "fill_partners", "strongest_partners"]

_compile = numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy", boundscheck=False)
_GROUP, _BEGIN, _AHEAD = 32, 256, 512  # entries


@_compile
def count_partners(lo, hi, pairs, diagonal, counts):  # type: ignore[no-untyped-def]
    """counts[i] = number of items j with c_ij > 0 for the items lo:hi; i itself counts if `diagonal`."""
    last = np.full(len(counts), -1, np.int32)
    for i in range(lo, hi):
        if not diagonal:
            last[i] = i
        found = 0
        for e in range(pairs.item_indptr[i], pairs.item_indptr[i + 1]):
            u = pairs.item_users[e]
            if pairs.weight[u] > 0.0:
                for f in range(pairs.user_indptr[u], pairs.user_indptr[u + 1]):
                    j = np.uint64(pairs.user_items[f])
                    found += last[j] != i
                    last[j] = i
        counts[i] = found


@_compile
def _gather(i, pairs, total, touched):  # type: ignore[no-untyped-def]
    """total[j] = c_ij; lists the items j it touched, in order of appearance, and returns their number.

    `total` is zero on entry; `touched` needs room for one item more than there are, because each item is
    written before it is known whether it is new: that spares a branch.
    """
    found = np.uint64(0)
    for e in range(pairs.item_indptr[i], pairs.item_indptr[i + 1]):
        u = pairs.item_users[e]
        w = pairs.weight[u]
        if w > 0.0:
            for f in range(pairs.user_indptr[u], pairs.user_indptr[u + 1]):
                j = np.uint64(pairs.user_items[f])
                touched[found] = j
                found += np.uint64(total[j] == 0.0)
                total[j] += w
    return found


@_compile
def _gather_weighted(i, pairs, total, touched, last):  # type: ignore[no-untyped-def]
    """As :func:`_gather`, where the entries are not all ones: their products may be too small for a float32, which is 0.

    last[j] tells by the number of the row in which j was touched last that it was not yet in this one.
    """
    found = 0
    for e in range(pairs.item_indptr[i], pairs.item_indptr[i + 1]):
        u = pairs.item_users[e]
        w = pairs.weight[u]
        if w > 0.0:
            w *= pairs.item_values[e]
            for f in range(pairs.user_indptr[u], pairs.user_indptr[u + 1]):
                j = pairs.user_items[f]
                if last[j] != i:
                    last[j] = i
                    touched[found] = j
                    found += 1
                total[j] += w * pairs.user_values[f]
    return np.uint64(found)


@_compile
def _gather_any(i, pairs, total, touched, last):  # type: ignore[no-untyped-def]
    if len(pairs.user_values):
        return _gather_weighted(i, pairs, total, touched, last)
    return _gather(i, pairs, total, touched)


@_compile
def _marks(pairs, n_items):  # type: ignore[no-untyped-def]
    """What :func:`_gather_weighted` needs, of no length where it is not called."""
    return np.full(n_items if len(pairs.user_values) else 0, -1, np.int32)


@_compile
def _similarity(c, i, j, ratio):  # type: ignore[no-untyped-def]
    s = c / (ratio.left[i] * ratio.right[j] + ratio.left_sum[i] + ratio.right_sum[j] - ratio.overlap * c)
    return s if ratio.power == 1.0 else s**ratio.power


@_compile
def fill_partners(lo, hi, pairs, ratio, diagonal, indptr, indices, values):  # type: ignore[no-untyped-def]
    """All similarities of the items lo:hi, into rows that :func:`count_partners` has measured."""
    n_items = len(pairs.item_indptr) - 1
    total = np.zeros(n_items, np.float32)
    touched, last = np.empty(n_items + 1, np.int32), _marks(pairs, n_items)
    for i in range(lo, hi):
        at = indptr[i]
        for t in range(_gather_any(i, pairs, total, touched, last)):
            j = touched[t]
            if diagonal or j != i:
                indices[at] = j
                values[at] = _similarity(total[j], i, j, ratio)
                at += 1
            total[j] = 0.0


@_compile
def strongest_partners(lo, hi, pairs, ratio, limit, kept, indices, values):  # type: ignore[no-untyped-def]
    """The `limit` largest similarities of the items lo:hi without the item itself, strongest first.

    Row i starts at ``i * limit``; kept[i] says how many there are.
    """
    n_items = len(pairs.item_indptr) - 1
    total = np.zeros(n_items, np.float32)
    touched, last = np.empty(n_items + 1, np.int32), _marks(pairs, n_items)
    for i in range(lo, hi):
        start = i * limit
        size = 0
        for t in range(_gather_any(i, pairs, total, touched, last)):
            j = touched[t]
            c = total[j]
            total[j] = 0.0
            if j == i:
                continue
            s = _similarity(c, i, j, ratio)
            if size < limit:
                values[start + size], indices[start + size] = s, j
                size += 1
                if size == limit:
                    _heapify(values, indices, start, size)
            elif _weaker(values[start], indices[start], s, j):
                values[start], indices[start] = s, j
                _sink(values, indices, start, 0, size)
        if size < limit:
            _heapify(values, indices, start, size)
        for end in range(size - 1, 0, -1):  # the weakest goes to the end, again and again: heap sort
            _swap(values, indices, start, start + end)
            _sink(values, indices, start, 0, end)
        kept[i] = size


@_compile
def _weaker(value, item, than_value, than_item):  # type: ignore[no-untyped-def]
    """Order of neighbours: by similarity, of equal ones the lower index is the stronger."""
    return value < than_value or (value == than_value and item > than_item)


@_compile
def _swap(values, items, p, q):  # type: ignore[no-untyped-def]
    values[p], values[q] = values[q], values[p]
    items[p], items[q] = items[q], items[p]


@_compile
def _sink(values, items, start, at, size):  # type: ignore[no-untyped-def]
    """Let entry `at` of the heap start:start + size, which has the weakest on top, sink to its place."""
    while 2 * at + 1 < size:
        parent, child = start + at, start + 2 * at + 1
        if 2 * at + 2 < size and _weaker(values[child + 1], items[child + 1], values[child], items[child]):
            child += 1
        if not _weaker(values[child], items[child], values[parent], items[parent]):
            return
        _swap(values, items, parent, child)
        at = child - start


@_compile
def _heapify(values, items, start, size):  # type: ignore[no-untyped-def]
    for at in range(size // 2 - 1, -1, -1):
        _sink(values, items, start, at, size)


@_compile
def _begin_row(i, indptr, indices, values):  # type: ignore[no-untyped-def]
    """Ask for the first entries of row i, which no hardware prefetcher can foresee."""
    start = np.uint64(indptr[i])
    for f in range(start, min(np.uint64(indptr[i + 1]), start + np.uint64(_BEGIN)), np.uint64(_GROUP)):
        _ask_for(f, indices, values)


@_compile
def _ask_for(f, indices, values):  # type: ignore[no-untyped-def]
    """Ask for a group of 32 entries: two cache lines of columns, which are one if they have 16 bits, and two of values.

    A branch between the two would keep this from being inlined, which costs all that is gained.
    """
    zero, half = np.uint64(0), np.uint64(_GROUP // 2)
    prefetch(indices, zero, f)
    prefetch(indices, zero, f + half)
    prefetch(values, zero, f)
    prefetch(values, zero, f + half)


@_compile
def add_rows(u, sums, total):  # type: ignore[no-untyped-def]
    """Add to `total` the score of every item for user u; `sums` is a :class:`graphrec.models.scoring.Sums`.

    This waits for S to come from memory, six or eight bytes for one addition, in rows that are too short for the hardware to
    read ahead well. Naming what comes 512 entries later, and where the next row begins, makes it 1.4 times faster on Gowalla,
    half of the way to what it takes when all lies in the cache; unsigned indices 1.2 to 1.5 times. Slices of columns that fit
    the first-level cache, columns in the order of popularity or sorted within a row, and going through the users instead
    (Rᵀ R never formed) were no faster.
    """
    first, last = sums.user_indptr[u], sums.user_indptr[u + 1]
    indices, values = sums.indices.reshape((1, -1)), sums.values.reshape((1, -1))
    for e in range(first, last):
        if e + 1 < last:
            _begin_row(sums.user_items[e + 1], sums.indptr, indices, values)
        i = sums.user_items[e]
        x = sums.user_values[e] if len(sums.user_values) else np.float32(1)
        start, end = np.uint64(sums.indptr[i]), np.uint64(sums.indptr[i + 1])
        for group in range(start, end, np.uint64(_GROUP)):
            _ask_for(group + np.uint64(_AHEAD), indices, values)
            for f in range(group, min(group + np.uint64(_GROUP), end)):
                total[np.uint64(sums.indices[f])] += x * sums.values[f]


@_compile
def add_similar(lo, hi, rows, sums, out):  # type: ignore[no-untyped-def]
    """out[r] = the scores of every item for user rows[r], for the rows lo:hi of out."""
    for r in range(lo, hi):
        out[r] = 0.0
        add_rows(rows[r], sums, out[r])
