"""Things that the same people have met: nothing in the data tells one from the other."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import numpy.typing as npt

from graphrec.deferred import sparse

__all__ = ["twin_columns"]


def twin_columns(matrix: sparse.csr_matrix) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Columns that are equal to an earlier one, entry by entry; columns without an entry are not looked at.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (n, m)

    Returns
    -------
    twins, firsts : ndarray of int64, shape (t,)
        Each such column, ascending, and the first one that it is equal to.

    Examples
    --------
    >>> from scipy.sparse import csr_matrix
    >>> twins, firsts = twin_columns(csr_matrix([[1, 0, 1, 1], [1, 2, 1, 2]]))
    >>> twins.tolist(), firsts.tolist()
    ([2], [0])
    """
    columns = matrix.tocsc()
    columns.sort_indices()
    starts, lengths = columns.indptr[:-1], np.diff(columns.indptr)
    some = np.flatnonzero(lengths)
    if not len(some):
        return some, some
    # A sum of random numbers tells most columns apart; those that agree in it are compared.
    g = np.random.default_rng(0)
    of_row, of_value = g.integers(0, 2**64, columns.shape[0], np.uint64), np.asarray(columns.data, np.float64).view(np.uint64)
    sums = np.add.reduceat(of_row[columns.indices] * (of_value | np.uint64(1)), starts[some])
    _, group, sizes = np.unique(sums, return_inverse=True, return_counts=True)
    alike = some[sizes[group] > 1]
    kinds: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for column in alike.tolist():
        part = slice(columns.indptr[column], columns.indptr[column + 1])
        kinds[columns.indices[part].tobytes(), columns.data[part].tobytes()].append(column)
    pairs = sorted((twin, members[0]) for members in kinds.values() for twin in members[1:])
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
