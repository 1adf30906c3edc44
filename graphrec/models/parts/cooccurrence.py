"""Sparse similarities of items from the users they have in common."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.together import Together
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
    together: Together | None = None,
) -> sparse.csr_matrix:
    """As :func:`cooccurrence_rows`, for SciPy: scipy.sparse.csr_matrix of float32, shape (n_items, n_items)."""
    options: dict[str, Any] = {"neighbours": neighbours, "diagonal": diagonal, "together": together}
    return cooccurrence_rows(matrix, weight, form, columns=np.int32, **options).matrix()


def cooccurrence_rows(
    matrix: sparse.csr_matrix,
    weight: npt.NDArray[np.floating],
    form: Ratio,
    *,
    neighbours: int | None = None,
    diagonal: bool = False,
    columns: type[np.integer[Any]] | None = None,
    together: Together | None = None,
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
    together : Together, optional
        Processes that find it together: each the rows of some items, all get the whole, bit for bit that of one process.

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
    first, last = _my_items(pairs, together)
    columns = columns or (np.uint16 if n_items <= 2**16 else np.int32)
    # Many more ranges than threads: an item's cost depends on how active its users are.
    bounds = [
        first + at
        for at in balanced_bounds(pairs.item_indptr[first : last + 1] - pairs.item_indptr[first], 32 * thread_count())
    ]
    counts = np.zeros(n_items, np.int64)
    if neighbours is None:
        run_ranges(lambda lo, hi: kernels.count_partners(lo, hi, pairs, diagonal, counts), bounds)
        counts = _joined(counts[first:last], together)
        indptr = _indptr(counts, "every pair of items with a user in common")
        room = indptr[last] - indptr[first]
        indices, values = np.empty(room, columns), np.empty(room, np.float32)
        places = indptr - indptr[first]
        run_ranges(lambda lo, hi: kernels.fill_partners(lo, hi, pairs, form, diagonal, places, indices, values), bounds)
    else:
        limit = min(neighbours, n_items)
        room = int(_indptr(np.full(n_items, limit), f"neighbours={neighbours}")[-1])
        wide_indices, wide_values = np.empty(room, columns), np.empty(room, np.float32)
        run_ranges(
            lambda lo, hi: kernels.strongest_partners(lo, hi, pairs, form, limit, counts, wide_indices, wide_values), bounds
        )
        used = (np.arange(limit) < counts[:, None]).ravel()  # none of the items of others
        indices, values = wide_indices[used], wide_values[used]
        indptr = _indptr(_joined(counts[first:last], together), "")
    return Rows(indptr, _joined(indices, together), _joined(values, together))


def _my_items(pairs: Pairs, together: Together | None) -> tuple[int, int]:
    """The items whose rows this process finds: as many additions as any other's, which are Σ d_u over an item's users."""
    n_items = len(pairs.item_indptr) - 1
    if together is None:
        return 0, n_items
    of_entries = np.cumsum(np.diff(pairs.user_indptr)[pairs.item_users])
    additions = np.concatenate([[0], of_entries])[pairs.item_indptr]
    bounds = balanced_bounds(additions, together.size)
    bounds += [n_items] * (together.size + 1 - len(bounds))
    return bounds[together.rank], bounds[together.rank + 1]


def _joined(mine: npt.NDArray[Any], together: Together | None) -> npt.NDArray[Any]:
    if together is None:
        return mine
    sent = mine.view(np.uint8) if mine.itemsize == 2 else mine  # gloo has no messages of 16 bits
    return together.stacked(torch.from_numpy(sent)).numpy().view(mine.dtype)


def _indptr(counts: npt.NDArray[np.integer], what: str) -> npt.NDArray[np.int64]:
    indptr = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=indptr[1:])
    if indptr[-1] > MAX_ENTRIES:
        raise InputError(
            f"{what} makes {indptr[-1]:,} similarities ({8 * indptr[-1] / 2**30:.0f} GiB), more than the {MAX_ENTRIES:,} "
            "allowed; keep fewer with the option neighbours."
        )
    return indptr
