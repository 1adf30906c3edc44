"""The table every other part starts from: who met what, checked once and then frozen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.arrays import as_column, as_index
from graphrec.data.columns import Missing, Roles, Unknown, read_columns
from graphrec.data.hetero import hetero_data
from graphrec.data.ids import Place, at_row
from graphrec.data.repeats import Duplicates, check_policy
from graphrec.data.selecting import Selecting
from graphrec.data.values import as_ratings, as_times, as_weights
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.html_table import html_table

__all__ = ["Interactions", "id_spaces"]


@dataclass(frozen=True, eq=False, repr=False)
class Interactions(Selecting):
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
            as such or as ISO 8601 texts, which become seconds since 1970 in UTC, fractions of a second left out, as
            a warning says). Dates without a zone are taken for UTC (of texts, a warning says so); one of both kinds is refused.
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
        extras: dict[str, Any] = {}
        for name, values, read in (
            ("ratings", ratings, as_ratings),
            ("times", times, as_times),
            ("weights", weights, as_weights),
        ):
            if values is not None:
                extras[name] = read(as_column(values, name), name)
        lengths = {name: len(column) for name, column in {"users": user_index, "items": item_index, **extras}.items()}
        if len(set(lengths.values())) > 1:
            raise InputError("columns differ in length: " + ", ".join(f"{k} has {v}" for k, v in lengths.items()) + ".")
        ids = np.arange(user_count, dtype=np.int64), np.arange(item_count, dtype=np.int64)
        return cls(user_index, item_index, *ids, **extras).drop_duplicates(duplicates)

    # ---- for people, and for other libraries --------------------------------------------------

    def __repr__(self) -> str:
        extras = [name for name in ("ratings", "times", "weights") if getattr(self, name) is not None]
        listed = " and ".join([*([", ".join(extras[:-1])] if extras[1:] else []), *extras[-1:]])
        with_extras = f", with {listed}" if extras else ""
        return f"Interactions({len(self):,} pairs of {self.n_users:,} users and {self.n_items:,} items{with_extras})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the sizes and the first rows."""
        return html_table(repr(self), self.select(np.arange(min(len(self), 5))).to_frame(), index=False)

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


def id_spaces(ids: Interactions | None) -> tuple[npt.NDArray[Any], npt.NDArray[Any]] | None:
    """User and item ids of the table that another is to share its id space with, if there is one."""
    if ids is not None and not isinstance(ids, Interactions):
        raise InputError(f"ids must be Interactions whose id space is taken over, not {type(ids).__name__}.")
    return None if ids is None else (ids.user_ids, ids.item_ids)
