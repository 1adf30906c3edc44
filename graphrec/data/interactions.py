"""The table every other part starts from: who met what, checked once and then frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphrec.data.columns import Missing, Roles, Unknown, as_column, as_index, as_ratings, as_times, as_weights, read_columns
from graphrec.data.hetero import hetero_data
from graphrec.data.ids import IntArray, Place, at_row, digest, find, id_lookup, look_up, one_dimension, same_ids
from graphrec.data.pairs import both_directions, compressed_rows, contains, distinct, in_core
from graphrec.data.repeats import Duplicates, check_policy, first_repeat, keep_one
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.html_table import html_table

__all__ = ["Duplicates", "Interactions", "id_spaces"]


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Observed (user, item) pairs with optional ratings, times and weights.

    Users and items are counted from zero; the caller's own ids are kept in both directions. Build one
    with :meth:`from_frame` or :meth:`from_indices`, which check everything; later stages trust it.
    Arrays are read-only, and every transformation returns a new object.

    A rating says what somebody thought of a thing, a weight how much a row counts. A rating is what a model of ratings
    predicts: 1 star is an observation as sure as 5 stars, and of the opposite. A weight (times bought, minutes watched, stars
    where a low number means little liking and not dislike) is evidence that somebody took to a thing, and more of it is more
    of the same: no model predicts it, but one that reads weights fits, draws or adds up a pair with weight 3 as it would
    three pairs. Only their ratio counts, for models divide them by their mean: equal weights are as none, and minutes as
    seconds. Where repeated pairs are kept their weights add up; without weights such a pair counts once in models of pairs.
    The graphs that models propagate over have no weights: a fit with weights says so, and they count in its loss alone.
    Long-tailed quantities are often better as their logarithm or root, which is the caller's to take.

    Attributes
    ----------
    users, items : ndarray of int32, shape (n,)
        Row by row, the index of the user and of the item.
    user_ids, item_ids : ndarray, shapes (n_users,) and (n_items,)
        The caller's id of each index: integers (int64) or texts (object array of str).
    ratings : ndarray of float32, shape (n,), or None
        Explicit feedback; None for implicit feedback.
    times : ndarray of int64, shape (n,), or None
        Seconds since 1970 for dates, otherwise the caller's own integers.
    weights : ndarray of float32, shape (n,), or None
        How much each row counts, 0 or more; None where all count alike.
    """

    users: IntArray
    items: IntArray
    user_ids: npt.NDArray[Any]
    item_ids: npt.NDArray[Any]
    ratings: npt.NDArray[np.float32] | None = None
    times: npt.NDArray[np.int64] | None = None
    weights: npt.NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for array in (self.users, self.items, self.user_ids, self.item_ids, self.ratings, self.times, self.weights):
            if array is not None:
                array.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: what is derived from them is made again where it is needed."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__post_init__()  # arrays that were copied or unpickled can be written to

    # ---- construction -------------------------------------------------------------------------

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        user: str = "user_id",
        item: str = "item_id",
        rating: str | None = None,
        time: str | None = None,
        duplicates: Duplicates = "error",
        *,
        missing: Missing = "error",
        ids: Interactions | None = None,
        unknown: Unknown = "error",
        place: Place = at_row,
        weight: str | None = None,
    ) -> Interactions:
        """Read a table with one row per interaction.

        Parameters
        ----------
        frame : DataFrame
            At least the two id columns. Ids are integers (that fit into 64 bits) or texts, in any pandas type that
            holds these, and stay what they are; an empty text is a missing id.
        user, item : str
            Names of the id columns.
        rating, time : str, optional
            Names of the rating column (numbers that fit a float32) and the time column (whole numbers, or dates:
            as such or as ISO 8601 texts, which become seconds since 1970 in UTC, fractions of a second left out). Dates
            without a zone are taken for UTC (of texts, a warning says so); a column of both kinds is refused.
        duplicates : {"error", "keep", "first", "last", "mean", "sum", "max"}
            What to do when a pair occurs more than once; see :meth:`drop_duplicates`. ``"keep"`` leaves
            repeated events in the table.
        missing : {"error", "drop"}
            What to do with rows in which one of the named columns has no value; a warning says how many were
            dropped.
        ids : Interactions, optional
            The table whose id space is taken over, so that an index means the same in both.
        unknown : {"error", "drop"}
            What to do with rows whose user or item `ids` does not know; a warning says how many were dropped.
        place : callable
            How messages name a row, by its position.
        weight : str, optional
            Name of the column that says how much each row counts: finite numbers, 0 or more, not all of them 0.

        Returns
        -------
        Interactions

        Raises
        ------
        InputError
            The table is empty, a column is missing, an id or value is missing, ids are of another or of several
            types, a rating, a time or a weight is not a finite number or does not fit its type, a time has a
            fraction, a weight is below 0, or a pair is repeated and no policy was named. The message names every
            column that is at fault, how many rows are wrong and the first of them.

        Examples
        --------
        >>> purchases = pd.DataFrame({"customer": ["ann", "ann", "bob"], "sku": ["007", "012", "007"], "stars": [5, 2, 4]})
        >>> inter = gr.Interactions.from_frame(purchases, user="customer", item="sku", rating="stars")
        >>> inter
        Interactions(3 pairs of 2 users and 2 items, with ratings)
        >>> inter.item_ids.tolist()
        ['007', '012']
        """
        check_policy(duplicates)
        found = read_columns(frame, Roles(user, item, rating, time, weight), missing, id_spaces(ids), unknown, place)
        table = cls(found.users, found.items, found.user_ids, found.item_ids, found.ratings, found.times, found.weights)
        return table._without_repeats(duplicates, found.place)

    @classmethod
    def from_indices(
        cls,
        users: npt.ArrayLike,
        items: npt.ArrayLike,
        ratings: npt.ArrayLike | None = None,
        times: npt.ArrayLike | None = None,
        n_users: int | None = None,
        n_items: int | None = None,
        duplicates: Duplicates = "error",
        weights: npt.ArrayLike | None = None,
    ) -> Interactions:
        """Take arrays of indices that already count from zero.

        Parameters
        ----------
        users, items : array_like of int, shape (n,)
            Indices; their own values become the ids.
        ratings, times : array_like, shape (n,), optional
            Ratings (finite numbers) and times (integers).
        n_users, n_items : int, optional
            Size of the id space; the largest index + 1 unless given.
        duplicates : str
            As in :meth:`from_frame`.
        weights : array_like, shape (n,), optional
            Finite numbers, 0 or more.

        Returns
        -------
        Interactions

        Raises
        ------
        InputError
            An index is negative, not an integer, beyond the id space or beyond int32; lengths differ; no row.

        Examples
        --------
        >>> gr.Interactions.from_indices([0, 0, 2], [1, 3, 3])
        Interactions(3 pairs of 3 users and 4 items)
        """
        check_policy(duplicates)
        user_index, user_count = as_index(users, "users", n_users)
        item_index, item_count = as_index(items, "items", n_items)
        lengths = {"users": len(user_index), "items": len(item_index)}
        if ratings is not None:
            ratings = as_ratings(as_column(ratings, "ratings"), "ratings")
            lengths["ratings"] = len(ratings)
        if times is not None:
            times = as_times(as_column(times, "times"), "times")
            lengths["times"] = len(times)
        if weights is not None:
            weights = as_weights(as_column(weights, "weights"), "weights")
            lengths["weights"] = len(weights)
        if len(set(lengths.values())) > 1:
            raise InputError("columns differ in length: " + ", ".join(f"{k} has {v}" for k, v in lengths.items()) + ".")
        ids = np.arange(user_count, dtype=np.int64), np.arange(item_count, dtype=np.int64)
        table = cls(user_index, item_index, *ids, ratings, times, weights)
        return table.drop_duplicates(duplicates)

    # ---- size and views -----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        extras = [name for name in ("ratings", "times", "weights") if getattr(self, name) is not None]
        listed = " and ".join([*([", ".join(extras[:-1])] if extras[1:] else []), *extras[-1:]])
        with_extras = f", with {listed}" if extras else ""
        return f"Interactions({len(self):,} pairs of {self.n_users:,} users and {self.n_items:,} items{with_extras})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the sizes and the first rows."""
        return html_table(repr(self), self.select(np.arange(min(len(self), 5))).to_frame(), index=False)

    @property
    def n_users(self) -> int:
        """Number of users in the id space, with or without a row."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Number of items in the id space, with or without a row."""
        return len(self.item_ids)

    @cached_property
    def keys(self) -> npt.NDArray[np.int64]:
        """One integer per row, ``user * n_items + item``, shape (n,): equal keys are equal pairs."""
        return self.users.astype(np.int64) * self.n_items + self.items

    @cached_property
    def distinct_keys(self) -> npt.NDArray[np.int64]:
        """The distinct values of :attr:`keys`, ascending."""
        return distinct(self.keys)

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell whether two tables hold the same pairs in the same id space.

        BLAKE2b over the distinct pairs, the shape, and the ids with their type. The order of the rows, how often
        a pair is repeated, ratings, times and weights make no difference.
        """
        return digest(np.array([self.n_users, self.n_items]), self.distinct_keys, self.user_ids, self.item_ids)

    @cached_property
    def structure(self) -> tuple[npt.NDArray[np.int64], IntArray]:
        """The distinct pairs as compressed rows: ``indptr`` (n_users + 1,) and sorted item ``indices``."""
        return compressed_rows(self.distinct_keys, self.n_users, self.n_items)

    def node_structure(self) -> tuple[npt.NDArray[np.int64], IntArray]:
        """The distinct pairs in both directions, as compressed rows of one set of nodes: users first, then items.

        Node ``u`` is user ``u``, node ``n_users + i`` is item ``i``. It is made anew each time, but for a mapped table.
        """
        return both_directions(*self.structure, self.n_users, self.n_items)

    def has_keys(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some :attr:`keys`, of any shape, are pairs of this table."""
        return contains(self.distinct_keys, keys)

    @cached_property
    def pair_weights(self) -> npt.NDArray[np.float32] | None:
        """What each distinct pair counts, in the order of :attr:`structure` and with mean 1; None where all count alike.

        The weights of a repeated pair add up.
        """
        return None if self.weights is None else _relative(self._summed_weights())

    @cached_property
    def row_weights(self) -> npt.NDArray[np.float32] | None:
        """What each row counts, shape (n,), with mean 1; None where all count alike."""
        return None if self.weights is None else _relative(self.weights.astype(np.float64))

    def _summed_weights(self) -> npt.NDArray[np.float64]:
        places = np.searchsorted(self.distinct_keys, self.keys)
        return np.bincount(places, self.weights, minlength=len(self.distinct_keys)).astype(np.float64)

    def to_csr(self, values: Literal["auto", "ones", "ratings", "weights", "relative"] = "auto") -> sparse.csr_matrix:
        """The users × items matrix.

        Parameters
        ----------
        values : {"auto", "ones", "ratings", "weights", "relative"}
            What the stored entries hold; ``"auto"`` is the ratings where there are any, else ones. ``"relative"`` is
            the weights divided by their mean over the distinct pairs, and ones where there are none or all are equal.
            Repeated pairs are stored once: as one, with the rating of their last row, or with the sum of their weights.

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n_users, n_items)

        Examples
        --------
        >>> gr.Interactions.from_indices([0, 0, 1], [0, 2, 1]).to_csr().toarray()
        array([[1., 0., 1.],
               [0., 1., 0.]], dtype=float32)
        """
        indptr, indices = self.structure
        shape = (self.n_users, self.n_items)
        if values == "weights" or (values == "relative" and self.pair_weights is not None):
            if self.weights is None:
                raise InputError("to_csr(values='weights') needs weights, and this table has none.")
            entries = self._summed_weights().astype(np.float32) if values == "weights" else self.pair_weights
            return sparse.csr_matrix((np.array(entries), indices.copy(), indptr.copy()), shape=shape)
        if values in ("ones", "relative") or (values == "auto" and self.ratings is None):
            return sparse.csr_matrix((np.ones(len(indices), np.float32), indices.copy(), indptr.copy()), shape=shape)
        if self.ratings is None:
            raise InputError("to_csr(values='ratings') needs ratings, and this table has none.")
        data = np.empty(len(indices), np.float32)
        data[np.searchsorted(self.distinct_keys, self.keys)] = self.ratings
        return sparse.csr_matrix((data, indices.copy(), indptr.copy()), shape=shape)

    def to_frame(self) -> pd.DataFrame:
        """The table in the caller's ids: user_id, item_id and, where present, rating, time and weight."""
        frame = pd.DataFrame({"user_id": self.user_ids[self.users], "item_id": self.item_ids[self.items]})
        if self.ratings is not None:
            frame["rating"] = self.ratings
        if self.times is not None:
            frame["time"] = self.times
        if self.weights is not None:
            frame["weight"] = self.weights
        return frame

    def to_hetero_data(self) -> Any:
        """The table as a graph of PyTorch Geometric, for models of one's own.

        Returns
        -------
        torch_geometric.data.HeteroData
            Node types ``"user"`` and ``"item"``, with ``num_nodes``; node i is the one whose id is ``user_ids[i]``, or
            ``item_ids[i]``. Edge types ``("user", "rates", "item")`` and ``("item", "rev_rates", "user")``, with ``edge_index``
            (2, n) of int64 and, where the table has them, ``rating`` and ``weight`` (float32) and ``time`` (int64), row by row:
            a repeated pair is an edge each time.

        Examples
        --------
        >>> data = gr.Interactions.from_indices([0, 0, 1], [0, 2, 1]).to_hetero_data()
        >>> data["user", "rates", "item"].edge_index
        tensor([[0, 0, 1],
                [0, 2, 1]])
        >>> data.metadata()
        (['user', 'item'], [('user', 'rates', 'item'), ('item', 'rev_rates', 'user')])
        """
        return hetero_data(self)

    # ---- ids ----------------------------------------------------------------------------------

    @cached_property
    def _user_lookup(self) -> pd.Index[Any]:
        return id_lookup(self.user_ids)

    @cached_property
    def _item_lookup(self) -> pd.Index[Any]:
        return id_lookup(self.item_ids)

    def user_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's user ids; one may stand alone.

        Ids are found by their type as well: neither ``"1"`` nor 1.0 nor ``True`` is the id 1.

        Raises
        ------
        InputError
            An id is unknown or can be none.
        """
        return look_up(self._user_lookup, ids, "user")

    def find_users(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> tuple[IntArray, npt.NDArray[Any]]:
        """As :meth:`user_index`, with -1 for an unknown id instead of an error; and the ids themselves, shape (n,) both."""
        index = find(self._user_lookup, ids, "user").astype(np.int32)
        if (index >= 0).all():
            return index, self.user_ids[index]
        asked = one_dimension(ids, "user")
        fits = self.user_ids.dtype.kind != "i" or all(-(2**63) <= number < 2**63 for number in asked.tolist())
        return index, asked.astype(self.user_ids.dtype if fits else object)

    def item_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's item ids, as :meth:`user_index`."""
        return look_up(self._item_lookup, ids, "item")

    def shares_ids_with(self, other: Interactions) -> bool:
        """Whether an index means the same user and the same item in both tables."""
        return same_ids(self.user_ids, other.user_ids) and same_ids(self.item_ids, other.item_ids)

    # ---- transformations ----------------------------------------------------------------------

    def select(self, rows: npt.NDArray[Any]) -> Interactions:
        """The rows of a boolean mask or of an index array, in the same id space.

        Raises
        ------
        InputError
            A mask is not of the table's length, or an index lies outside.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape != self.users.shape:
            raise InputError(f"select: the mask has shape {rows.shape}, and the table has {len(self):,} rows.")
        if rows.dtype != bool and rows.size and not -len(self) <= rows.min() <= rows.max() < len(self):
            raise InputError(f"select: rows are 0 … {len(self) - 1:,}, got {rows.min()} … {rows.max()}.")
        return replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            ratings=None if self.ratings is None else self.ratings[rows],
            times=None if self.times is None else self.times[rows],
            weights=None if self.weights is None else self.weights[rows],
        )

    def compact(self) -> Interactions:
        """The same rows in an id space without the users and items that have none."""
        user_used, users = np.unique(self.users, return_inverse=True)
        item_used, items = np.unique(self.items, return_inverse=True)
        return replace(
            self,
            users=users.astype(np.int32),
            items=items.astype(np.int32),
            user_ids=self.user_ids[user_used],
            item_ids=self.item_ids[item_used],
        )

    def binarize(self, min_rating: float | None = None) -> Interactions:
        """Ratings of at least `min_rating`, or all of them, as implicit feedback; id space and weights stay as they are.

        Raises
        ------
        InputError
            There are no ratings, or none is high enough; or `min_rating` is no number.

        Examples
        --------
        >>> inter = gr.Interactions.from_indices([0, 0, 1], [0, 1, 1], ratings=[5, 2, 4])
        >>> inter.binarize(min_rating=4).to_frame()
           user_id  item_id
        0        0        0
        1        1        1
        """
        if self.ratings is None:
            raise InputError("binarize needs ratings, and this table has none.")
        least: object = min_rating
        if least is not None and (isinstance(least, bool) or not isinstance(least, Real)):
            raise InputError(f"binarize: min_rating must be a number, got {min_rating!r}.")
        keep = self.ratings >= (-np.inf if min_rating is None else min_rating)
        if not len(self):
            raise InputError("binarize needs ratings, and this table has no row.")
        if not keep.any():
            raise InputError(f"binarize(min_rating={min_rating}) leaves no row: the highest rating is {self.ratings.max():g}.")
        return replace(self.select(keep), ratings=None)

    def drop_duplicates(self, keep: Duplicates = "last") -> Interactions:
        """Make every (user, item) pair occur once; the rows stay in their order.

        Parameters
        ----------
        keep : {"last", "first", "mean", "sum", "max", "keep", "error"}
            ``"first"`` and ``"last"`` go by time where there are times, else by the order of rows. The
            three others join the ratings of a pair, and in the same way its weights, and keep the time of its last
            row. ``"keep"`` does nothing; ``"error"`` raises when a pair is repeated.

        Returns
        -------
        Interactions

        Examples
        --------
        >>> visits = gr.Interactions.from_indices([0, 0, 1], [0, 0, 1], ratings=[1, 2, 1], duplicates="keep")
        >>> visits.drop_duplicates("sum").ratings.tolist()
        [3.0, 1.0]
        """
        check_policy(keep)
        return self._without_repeats(keep, at_row)

    def _without_repeats(self, keep: Duplicates, place: Place) -> Interactions:
        if keep == "keep":
            return self
        if keep == "error":
            if len(self.distinct_keys) == len(self):
                return self
            count, first = first_repeat(self.keys)
            raise InputError(
                f"{count:,} rows repeat an earlier (user, item) pair, first {place(first)}: user "
                f"{self.user_ids[self.users[first]]!s}, item {self.item_ids[self.items[first]]!s}. "
                "Say what to do with them: duplicates='last', 'first', 'mean', 'sum', 'max' or 'keep'."
            )
        kept = keep_one(self.keys, self.times, self.ratings, keep, self.weights)
        if kept is None:
            return self
        joined = {name: getattr(kept, name) for name in ("ratings", "weights") if getattr(kept, name) is not None}
        return replace(self.select(kept.rows), **joined)

    def k_core(self, k: int, k_items: int | None = None) -> Interactions:
        """The largest part in which every user and every item has at least `k` distinct partners.

        Parameters
        ----------
        k : int
            Least number of items of a user, and of users of an item unless `k_items` is given.
        k_items : int, optional
            Least number of users of an item.

        Returns
        -------
        Interactions
            In an id space of its own, without the users and items that fell away.

        Raises
        ------
        InputError
            `k` is no whole number, or nothing is left.
        """
        k_items = k if k_items is None else k_items
        kept = in_core(self.keys, self.users, self.items, k, k_items)
        if not kept.any():
            raise InputError(f"the {k}-core is empty: no group of users and items is that densely connected.")
        return self.select(kept).compact()

    def subset_users(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> Interactions:
        """The rows of the named users, in an id space without the other users and their lone items."""
        wanted = np.zeros(self.n_users, bool)
        wanted[self.user_index(ids)] = True
        kept = self.select(wanted[self.users])
        if not len(kept):
            raise InputError("subset_users leaves no row: the named users have none.")
        return kept.compact()


def _relative(weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float32] | None:
    """Weights divided by their mean; None where all are equal, which says as much as none."""
    if not len(weights):
        return None
    if not weights.any():
        raise InputError("all weights of the table are 0: nothing counts.")
    return None if weights.min() == weights.max() else (weights / weights.mean()).astype(np.float32)


def id_spaces(ids: Interactions | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
    """User and item ids of the table that another is to share its id space with, if there is one."""
    if ids is not None and not isinstance(ids, Interactions):
        raise InputError(f"ids must be Interactions whose id space is taken over, not {type(ids).__name__}.")
    return None if ids is None else (ids.user_ids, ids.item_ids)
