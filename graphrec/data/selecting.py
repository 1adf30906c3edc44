"""Smaller tables out of a table: chosen rows, ratings that are high enough, pairs once each, the dense core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from graphrec.data.ids import Place, at_row
from graphrec.data.pair_table import PairTable
from graphrec.data.pairs import in_core
from graphrec.data.repeats import Duplicates, check_policy, first_repeat, keep_one
from graphrec.errors import InputError, NoRowLeft

__all__ = ["Selecting"]


@dataclass(frozen=True, eq=False, repr=False)
class Selecting(PairTable):
    """The half of :class:`~graphrec.data.interactions.Interactions` that leaves rows out; each method returns a new table."""

    def select(self, rows: npt.NDArray[Any]) -> Self:
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

    def compact(self) -> Self:
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

    def binarize(self, min_rating: float | None = None) -> Self:
        """Ratings of at least `min_rating`, or all of them, as implicit feedback; id space and weights stay as they are.

        The rows left out are gone: a recommender fitted on the others does not know that those people met those items, and
        may recommend them unless it is given them as `seen` (:meth:`graphrec.Recommender.fit`). Users and items that
        had low ratings alone stay in the id space, without a row; :meth:`compact` leaves them out.

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
            raise NoRowLeft(f"binarize(min_rating={min_rating}) leaves no row: the highest rating is {self.ratings.max():g}.")
        return replace(self.select(keep), ratings=None)

    def drop_duplicates(self, keep: Duplicates = "last") -> Self:
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

    def _without_repeats(self, keep: Duplicates, place: Place) -> Self:
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

    def k_core(self, k: int, k_items: int | None = None) -> Self:
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

    def subset_users(self, ids: Sequence[Any] | npt.NDArray[Any] | str | int) -> Self:
        """The rows of the named users, in an id space without the other users and their lone items."""
        wanted = np.zeros(self.n_users, bool)
        wanted[self.user_index(ids)] = True
        kept = self.select(wanted[self.users])
        if not len(kept):
            raise InputError("subset_users leaves no row: the named users have none.")
        return kept.compact()
