"""Sparse similarities of items from the users they have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.threads import balanced_bounds, run_ranges, thread_count

__all__ = ["Pairs", "Ratio", "Rows", "cooccurrence", "cooccurrence_rows", "over_product", "over_sum"]

FloatArray = npt.NDArray[np.float32]
MAX_ENTRIES = 1 << 30  # eight bytes each


class Pairs(NamedTuple):
    """Who has met what, from both sides, how much each user counts, and the entries where they are not all ones."""

    item_indptr: npt.NDArray[np.int64]
    item_users: npt.NDArray[np.int32]
    user_indptr: npt.NDArray[np.int64]
    user_items: npt.NDArray[np.int32]
    weight: FloatArray
    item_values: FloatArray
    user_values: FloatArray


class Ratio(NamedTuple):
    """s_ij = (c_ij / (left_i · right_j + left_sum_i + right_sum_j − overlap · c_ij)) ^ power.

    With d the items' degrees this is, among others, the cosine (left = right = √d) and the Jaccard index
    (sums d, overlap 1).
    """

    left: FloatArray
    right: FloatArray
    left_sum: FloatArray
    right_sum: FloatArray
    overlap: np.float32
    power: np.float32


class Rows(NamedTuple):
    """A square sparse matrix in compressed rows, whose columns are not sorted by index.

    Attributes
    ----------
    indptr, indices, values : ndarray of int64 (n + 1,), uint16 or int32 (nnz,) and float32 (nnz,)
        Columns are numbers of 16 bits where these are enough: less to write, and less to read for each sum of rows.
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.integer[Any]]
    values: FloatArray

    def matrix(self) -> sparse.csr_matrix:
        """The same for SciPy, whose columns are numbers of 32 bits."""
        n = len(self.indptr) - 1
        similarity = sparse.csr_matrix((n, n), dtype=np.float32)
        similarity.indptr, similarity.indices = self.indptr.astype(np.int32), self.indices.astype(np.int32, copy=False)
        similarity.data = self.values
        return similarity


def over_product(
    left: npt.NDArray[np.floating], right: npt.NDArray[np.floating], *, shrink: float = 0.0, power: float = 1.0
) -> Ratio:
    """(c_ij / (left_i · right_j + shrink)) ^ power, from two arrays (n_items,)."""
    none = np.zeros(len(left), np.float32)
    shrinks = np.full(len(left), shrink, np.float32)
    return Ratio(left.astype(np.float32), right.astype(np.float32), shrinks, none, np.float32(0), np.float32(power))


def over_sum(left: npt.NDArray[np.floating], right: npt.NDArray[np.floating], *, overlap: float = 0.0) -> Ratio:
    """c_ij / (left_i + right_j − overlap · c_ij), from two arrays (n_items,)."""
    none = np.zeros(len(left), np.float32)
    return Ratio(none, none, left.astype(np.float32), right.astype(np.float32), np.float32(overlap), np.float32(1))


def cooccurrence(
    matrix: sparse.csr_matrix,
    weight: npt.NDArray[np.floating],
    form: Ratio,
    *,
    neighbours: int | None = None,
    diagonal: bool = False,
) -> sparse.csr_matrix:
    """As :func:`cooccurrence_rows`, for SciPy: scipy.sparse.csr_matrix of float32, shape (n_items, n_items)."""
    return cooccurrence_rows(matrix, weight, form, neighbours=neighbours, diagonal=diagonal, columns=np.int32).matrix()


def cooccurrence_rows(
    matrix: sparse.csr_matrix,
    weight: npt.NDArray[np.floating],
    form: Ratio,
    *,
    neighbours: int | None = None,
    diagonal: bool = False,
    columns: type[np.integer[Any]] | None = None,
) -> Rows:
    """Similarities of all pairs of items that have a user in common.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (n_users, n_items)
        X, with entries above 0: ones, or weights.
    weight : ndarray of float, shape (n_users,)
        ω in the co-occurrence c_ij = Σ_u ω_u x_ui x_uj; zero leaves a user out.
    form : Ratio
        From co-occurrence to similarity.
    neighbours : int, optional
        Keep this many of the largest entries of each row, strongest first; of equal ones the lower index.
    diagonal : bool
        Whether s_ii is stored; never when `neighbours` is given.
    columns : type, optional
        Of the column indices; the shorter of uint16 and int32 that is enough unless given.

    Returns
    -------
    Rows

    Raises
    ------
    InputError
        There would be more than 2^30 entries.
    """
    from graphrec.models.parts import cooccurrence_kernels as kernels

    by_item, none = matrix.tocsc(), np.zeros(0, np.float32)
    plain = bool((matrix.data == 1).all())
    pairs = Pairs(
        by_item.indptr.astype(np.int64),
        by_item.indices.astype(np.int32),
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        weight.astype(np.float32),
        none if plain else by_item.data.astype(np.float32),
        none if plain else matrix.data.astype(np.float32),
    )
    n_items = matrix.shape[1]
    columns = columns or (np.uint16 if n_items <= 2**16 else np.int32)
    # Many more ranges than threads: an item's cost depends on how active its users are.
    bounds = balanced_bounds(pairs.item_indptr, 32 * thread_count())
    counts = np.zeros(n_items, np.int64)
    if neighbours is None:
        run_ranges(lambda lo, hi: kernels.count_partners(lo, hi, pairs, diagonal, counts), bounds)
        indptr = _indptr(counts, "every pair of items with a user in common")
        indices, values = np.empty(indptr[-1], columns), np.empty(indptr[-1], np.float32)
        run_ranges(lambda lo, hi: kernels.fill_partners(lo, hi, pairs, form, diagonal, indptr, indices, values), bounds)
    else:
        limit = min(neighbours, n_items)
        room = int(_indptr(np.full(n_items, limit), f"neighbours={neighbours}")[-1])
        wide_indices, wide_values = np.empty(room, columns), np.empty(room, np.float32)
        run_ranges(
            lambda lo, hi: kernels.strongest_partners(lo, hi, pairs, form, limit, counts, wide_indices, wide_values), bounds
        )
        used = (np.arange(limit) < counts[:, None]).ravel()
        indptr, indices, values = _indptr(counts, ""), wide_indices[used], wide_values[used]
    return Rows(indptr, indices, values)


def _indptr(counts: npt.NDArray[np.integer], what: str) -> npt.NDArray[np.int64]:
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    if indptr[-1] > MAX_ENTRIES:
        raise InputError(
            f"{what} makes {indptr[-1]:,} similarities ({8 * indptr[-1] / 2**30:.0f} GiB), more than the {MAX_ENTRIES:,} "
            "allowed; keep fewer with the option neighbours."
        )
    return indptr
