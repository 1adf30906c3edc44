"""The table every other part starts from: who met what, checked once and then frozen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphrec.data.columns import IntArray, as_index, as_ratings, as_times, encode_ids, look_up
from graphrec.data.fingerprint import fingerprint_of
from graphrec.deferred import sparse
from graphrec.errors import InputError, unknown_name

__all__ = ["Duplicates", "Interactions"]

Duplicates = Literal["error", "keep", "first", "last", "mean", "sum", "max"]
_DUPLICATES = ("error", "keep", "first", "last", "mean", "sum", "max")


@dataclass(frozen=True, eq=False, repr=False)
class Interactions:
    """Observed (user, item) pairs with optional ratings and times.

    Users and items are counted from zero; the caller's own ids are kept in both directions. Build one
    with :meth:`from_frame` or :meth:`from_indices`, which check everything; later stages trust it.
    Arrays are read-only, and every transformation returns a new object.

    Attributes
    ----------
    users, items : ndarray of int32, shape (n,)
        Row by row, the index of the user and of the item.
    user_ids, item_ids : ndarray, shapes (n_users,) and (n_items,)
        The caller's id of each index.
    ratings : ndarray of float32, shape (n,), or None
        Explicit feedback; None for implicit feedback.
    times : ndarray of int64, shape (n,), or None
        Seconds since 1970 for dates, otherwise the caller's own integers.
    """

    users: IntArray
    items: IntArray
    user_ids: npt.NDArray[Any]
    item_ids: npt.NDArray[Any]
    ratings: npt.NDArray[np.float32] | None = None
    times: npt.NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for array in (self.users, self.items, self.user_ids, self.item_ids, self.ratings, self.times):
            if array is not None:
                array.flags.writeable = False

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
    ) -> Interactions:
        """Read a table with one row per interaction.

        Parameters
        ----------
        frame : DataFrame
            At least the two id columns. Ids may be integers or strings.
        user, item : str
            Names of the id columns.
        rating, time : str, optional
            Names of the rating column (numbers) and the time column (integers or dates).
        duplicates : {"error", "keep", "first", "last", "mean", "sum", "max"}
            What to do when a pair occurs more than once; see :meth:`drop_duplicates`. ``"keep"`` leaves
            repeated events in the table.

        Returns
        -------
        Interactions

        Raises
        ------
        InputError
            The table is empty, a column is missing, an id or value is missing, a rating is not a finite
            number, or a pair is repeated and no policy was named. The message names the column, how many
            rows are wrong and the first of them.
        """
        for column in filter(None, (user, item, rating, time)):
            if column not in frame.columns:
                found = ", ".join(map(str, frame.columns))
                raise InputError(f"column {column!r} is not in the table (columns: {found}).")
        if not len(frame):
            raise InputError(f"the table is empty: it has the columns {user!r} and {item!r} but no row.")
        users, user_ids = encode_ids(frame[user], user)
        items, item_ids = encode_ids(frame[item], item)
        table = cls(
            users,
            items,
            user_ids,
            item_ids,
            None if rating is None else as_ratings(frame[rating], rating),
            None if time is None else as_times(frame[time], time),
        )
        return table.drop_duplicates(duplicates)

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

        Returns
        -------
        Interactions

        Raises
        ------
        InputError
            An index is negative, not an integer, or beyond the id space; lengths differ; no row.
        """
        user_index, user_count = as_index(users, "users", n_users)
        item_index, item_count = as_index(items, "items", n_items)
        lengths = {"users": len(user_index), "items": len(item_index)}
        if ratings is not None:
            ratings = as_ratings(pd.Series(np.asarray(ratings)), "ratings")
            lengths["ratings"] = len(ratings)
        if times is not None:
            times = as_times(pd.Series(np.asarray(times)), "times")
            lengths["times"] = len(times)
        if len(set(lengths.values())) > 1:
            raise InputError("columns differ in length: " + ", ".join(f"{k} has {v}" for k, v in lengths.items()) + ".")
        table = cls(
            user_index, item_index, np.arange(user_count, dtype=np.int64), np.arange(item_count, dtype=np.int64), ratings, times
        )
        return table.drop_duplicates(duplicates)

    # ---- size and views -----------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.users)

    def __repr__(self) -> str:
        extras = [name for name, array in (("ratings", self.ratings), ("times", self.times)) if array is not None]
        with_extras = f", with {' and '.join(extras)}" if extras else ""
        return f"Interactions({len(self):,} pairs of {self.n_users:,} users and {self.n_items:,} items{with_extras})"

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
        # np.unique hashes before it sorts, which takes fifty times as long on a million keys.
        ordered = np.sort(self.keys)
        return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits, equal for tables of the same pairs of the same ids in any order."""
        return fingerprint_of(self.distinct_keys, self.user_ids, self.item_ids)

    @cached_property
    def structure(self) -> tuple[npt.NDArray[np.int64], IntArray]:
        """The distinct pairs as compressed rows: ``indptr`` (n_users + 1,) and sorted item ``indices``."""
        keys = self.distinct_keys
        rows, columns = np.divmod(keys, max(self.n_items, 1))
        indptr = np.zeros(self.n_users + 1, np.int64)
        np.cumsum(np.bincount(rows, minlength=self.n_users), out=indptr[1:])
        indices = columns.astype(np.int32)
        indptr.flags.writeable = indices.flags.writeable = False
        return indptr, indices

    def has_keys(self, keys: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some :attr:`keys`, of any shape, are pairs of this table."""
        known = self.distinct_keys
        if not len(known):
            return np.zeros(keys.shape, bool)
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.asarray(known[place] == keys)

    def to_csr(self, values: Literal["auto", "ones", "ratings"] = "auto") -> sparse.csr_matrix:
        """The users × items matrix.

        Parameters
        ----------
        values : {"auto", "ones", "ratings"}
            What the stored entries hold; ``"auto"`` is the ratings where there are any, else ones.
            Repeated pairs are stored once: as one, or with the rating of their last row.

        Returns
        -------
        scipy.sparse.csr_matrix of float32, shape (n_users, n_items)
        """
        indptr, indices = self.structure
        shape = (self.n_users, self.n_items)
        if values == "ones" or (values == "auto" and self.ratings is None):
            return sparse.csr_matrix((np.ones(len(indices), np.float32), indices.copy(), indptr.copy()), shape=shape)
        if self.ratings is None:
            raise InputError("to_csr(values='ratings') needs ratings, and this table has none.")
        data = np.empty(len(indices), np.float32)
        data[np.searchsorted(self.distinct_keys, self.keys)] = self.ratings
        return sparse.csr_matrix((data, indices.copy(), indptr.copy()), shape=shape)

    def to_frame(self) -> pd.DataFrame:
        """The table in the caller's ids: user_id, item_id and, where present, rating and time."""
        frame = pd.DataFrame({"user_id": self.user_ids[self.users], "item_id": self.item_ids[self.items]})
        if self.ratings is not None:
            frame["rating"] = self.ratings
        if self.times is not None:
            frame["time"] = self.times
        return frame

    # ---- ids ----------------------------------------------------------------------------------

    @cached_property
    def _user_lookup(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.user_ids)
        return index

    @cached_property
    def _item_lookup(self) -> pd.Index[Any]:
        index: pd.Index[Any] = pd.Index(self.item_ids)
        return index

    def user_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's user ids; an unknown id is an :class:`InputError`."""
        return look_up(self._user_lookup, ids, "user")

    def item_index(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> IntArray:
        """Indices (int32, shape (n,)) of the caller's item ids; an unknown id is an :class:`InputError`."""
        return look_up(self._item_lookup, ids, "item")

    def shares_ids_with(self, other: Interactions) -> bool:
        """Whether an index means the same user and the same item in both tables."""
        return _same(self.user_ids, other.user_ids) and _same(self.item_ids, other.item_ids)

    # ---- transformations ----------------------------------------------------------------------

    def select(self, rows: npt.NDArray[Any]) -> Interactions:
        """The rows of a boolean mask or of an index array, in the same id space."""
        return replace(
            self,
            users=self.users[rows],
            items=self.items[rows],
            ratings=None if self.ratings is None else self.ratings[rows],
            times=None if self.times is None else self.times[rows],
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

    def binarize(self, min_rating: float = 0.0) -> Interactions:
        """Keep ratings of at least `min_rating` as implicit feedback; the id space stays as it is.

        Raises
        ------
        InputError
            There are no ratings, or none is high enough.
        """
        if self.ratings is None:
            raise InputError("binarize needs ratings, and this table has none.")
        keep = self.ratings >= min_rating
        if not keep.any():
            raise InputError(f"binarize(min_rating={min_rating}) leaves no row: the highest rating is {self.ratings.max():g}.")
        return replace(self.select(keep), ratings=None)

    def drop_duplicates(self, keep: Duplicates = "last") -> Interactions:
        """Make every (user, item) pair occur once; the rows stay in their order.

        Parameters
        ----------
        keep : {"last", "first", "mean", "sum", "max", "keep", "error"}
            ``"first"`` and ``"last"`` go by time where there are times, else by the order of rows. The
            three others join the ratings of a pair and keep the time of its last row. ``"keep"`` does
            nothing; ``"error"`` raises when a pair is repeated.

        Returns
        -------
        Interactions
        """
        if keep not in _DUPLICATES:
            raise unknown_name("duplicates policy", keep, _DUPLICATES)
        if keep == "keep":
            return self
        if self.times is None or keep == "error":
            order = np.argsort(self.keys, kind="stable")
        else:
            order = np.lexsort((self.times, self.keys))
        keys = self.keys[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, np.int64)
        if len(starts) == len(keys):
            return self
        if keep == "error":
            again = order[np.flatnonzero(keys[1:] == keys[:-1]) + 1].min()
            raise InputError(
                f"{len(keys) - len(starts):,} rows repeat an earlier (user, item) pair, first at row {again}: user "
                f"{self.user_ids[self.users[again]]!s}, item {self.item_ids[self.items[again]]!s}. "
                "Say what to do with them: duplicates='last', 'first', 'mean', 'sum', 'max' or 'keep'."
            )
        ends = np.r_[starts[1:], len(keys)] - 1
        chosen = order[starts if keep == "first" else ends]
        by_row = np.argsort(chosen, kind="stable")
        kept = self.select(chosen[by_row])
        if self.ratings is None or keep in ("first", "last"):
            return kept
        joined = (np.maximum if keep == "max" else np.add).reduceat(self.ratings[order].astype(np.float64), starts)
        if keep == "mean":
            joined /= ends - starts + 1
        return replace(kept, ratings=joined[by_row].astype(np.float32))

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
            Nothing is left.
        """
        k_items = k if k_items is None else k_items
        _, first, pair_of_row = np.unique(self.keys, return_index=True, return_inverse=True)
        users, items = self.users[first], self.items[first]
        alive = np.ones(len(first), bool)
        while True:
            user_degree = np.bincount(users[alive], minlength=self.n_users)
            item_degree = np.bincount(items[alive], minlength=self.n_items)
            still = alive & (user_degree[users] >= k) & (item_degree[items] >= k_items)
            if still.sum() == alive.sum():
                break
            alive = still
        if not alive.any():
            raise InputError(f"the {k}-core is empty: no group of users and items is that densely connected.")
        return self.select(alive[pair_of_row]).compact()

    def subset_users(self, ids: Sequence[Any] | npt.NDArray[Any]) -> Interactions:
        """The rows of the named users, in an id space without the other users and their lone items."""
        wanted = np.zeros(self.n_users, bool)
        wanted[self.user_index(ids)] = True
        kept = self.select(wanted[self.users])
        if not len(kept):
            raise InputError("subset_users leaves no row: the named users have none.")
        return kept.compact()


def _same(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> bool:
    return a is b or (a.shape == b.shape and bool((a == b).all()))
