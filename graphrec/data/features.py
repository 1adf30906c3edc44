"""Side information: what is known of items or users, in the index space of an interaction table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphrec.data.arrays import as_column
from graphrec.data.feature_columns import Column, Kind, guess_kind
from graphrec.data.ids import id_lookup, plain_ids
from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.deferred import sparse
from graphrec.errors import InputError, unknown_name

__all__ = ["Features", "Labels"]

Side = Literal["item", "user"]
Missing = Literal["error", "zeros"]
_KINDS = ("numeric", "category", "labels")


@dataclass(frozen=True, eq=False)
class Labels:
    """The first label of every row in one categorical column.

    Attributes
    ----------
    codes : ndarray of int32, shape (n,)
        Position in `names`; −1 for a row without a label.
    names : ndarray of str
    """

    codes: npt.NDArray[np.int32]
    names: npt.NDArray[Any]


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """A matrix of features, one row for each item (or user) of an :class:`Interactions`.

    Build one with :meth:`from_frame` or :meth:`from_matrix`; both take rows in any order under the caller's
    own ids and put them into the order of the interactions. Rows of ids that have no interaction are left
    out.

    Attributes
    ----------
    matrix : scipy.sparse.csr_matrix of float32, shape (n, m)
    columns : tuple of str
        A name for each column of the matrix: ``"age"`` or ``"genres=Comedy"``.
    ids : ndarray, shape (n,)
        The caller's id of each row: ``item_ids`` or ``user_ids`` of the interactions.
    side : {"item", "user"}
    """

    matrix: sparse.csr_matrix
    columns: tuple[str, ...]
    ids: npt.NDArray[Any]
    side: Side
    _labels: Mapping[str, Labels] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for array in (self.matrix.data, self.matrix.indices, self.matrix.indptr):
            array.flags.writeable = False

    def __repr__(self) -> str:
        return f"Features({len(self.ids):,} {self.side}s × {len(self.columns):,} columns)"

    @classmethod
    def from_frame(
        cls,
        frame: pd.DataFrame,
        interactions: Interactions,
        *,
        side: Side = "item",
        id: str | None = None,
        columns: Sequence[str] | Mapping[str, Kind] | None = None,
        separator: str = "|",
        missing: Missing = "error",
    ) -> Features:
        """Read a table with one row per item or user.

        Numbers become one column each, shifted and scaled to mean 0 and standard deviation 1 over the rows
        that are kept. Other values become one 0/1 column each (one-hot); a text such as ``"Action|Comedy"``
        sets several.

        Parameters
        ----------
        frame : DataFrame
        interactions : Interactions
            Whose ids are described.
        side : {"item", "user"}
        id : str, optional
            Name of the id column; ``"item_id"`` or ``"user_id"`` unless given.
        columns : sequence of str, or mapping of str to {"numeric", "category", "labels"}, optional
            Which columns to use; all but the id column unless given. A mapping says how to read each. A
            sequence leaves that to the column: numbers are numeric, texts are labels where any contains the
            separator, all else is a category.
        separator : str
            Between the labels of a multi-label text.
        missing : {"error", "zeros"}
            What to do about an id without a row in the table, or a row without a value: refuse, or put
            zeros (the mean of a numeric column, no label of a categorical one).

        Returns
        -------
        Features

        Raises
        ------
        InputError
            A column is not there, an id is there twice, metadata are missing under ``missing="error"``, a
            numeric column holds something else, or columns were not named and one has a different text in
            most of its rows (a title describes nothing). The message names the column and the first id.
        """
        ids = _ids_of(interactions, side)
        id = f"{side}_id" if id is None else id
        chosen = _choose(frame, id, columns)
        rows = _align(frame[id], ids, side, id, missing)
        blocks, names, labels = [], [], {}
        for column, kind in chosen.items():
            ordered = frame[column].iloc[np.maximum(rows, 0)].reset_index(drop=True)
            values = Column(column, ordered.where(pd.Series(rows >= 0)), ids, side)
            kind = guess_kind(frame[column], column, separator, named=columns is not None) if kind is None else kind
            if missing == "error":
                values.refuse_gaps(values.values.isna().to_numpy())
            if kind == "numeric":
                blocks.append(values.standardised())
                names.append(column)
                continue
            block, found, first = values.one_hot(separator if kind == "labels" else None)
            if missing == "error":
                values.refuse_gaps(first < 0)
            blocks.append(block)
            names += [f"{column}={label}" for label in found]
            labels[column] = Labels(first, found)
        return cls(sparse.hstack(blocks, format="csr", dtype=np.float32), tuple(names), ids, side, labels)

    @classmethod
    def from_matrix(
        cls,
        matrix: npt.ArrayLike | sparse.spmatrix | sparse.sparray,
        ids: Sequence[Any] | npt.NDArray[Any],
        interactions: Interactions,
        *,
        side: Side = "item",
        columns: Sequence[str] | None = None,
        missing: Missing = "error",
    ) -> Features:
        """Take numbers as they are.

        Parameters
        ----------
        matrix : array_like or scipy sparse matrix, shape (r, m)
        ids : array_like, shape (r,)
            The caller's id of each row of `matrix`.
        interactions, side, missing
            As in :meth:`from_frame`.
        columns : sequence of str, optional
            Names of the m columns; their numbers unless given.

        Returns
        -------
        Features

        Raises
        ------
        InputError
            Shapes do not fit, a number is not finite, an id is there twice, or one has no row under
            ``missing="error"``.
        """
        try:
            with np.errstate(over="ignore"):  # what becomes infinite is refused below
                table = sparse.csr_matrix(matrix).astype(np.float32)
        except (TypeError, ValueError) as error:
            raise InputError(f"the feature matrix is no matrix of numbers: {' '.join(str(error).split())}.") from error
        keys = as_column(ids, "ids")
        if table.shape[0] != len(keys):
            raise InputError(f"the feature matrix has {table.shape[0]:,} rows and there are {len(keys):,} ids.")
        if columns is not None and len(columns) != table.shape[1]:
            raise InputError(f"the feature matrix has {table.shape[1]:,} columns and there are {len(columns):,} names.")
        if not np.isfinite(table.data).all():
            raise InputError("the feature matrix holds numbers that are not finite.")
        own = _ids_of(interactions, side)
        rows = _align(keys, own, side, "ids", missing)
        known = np.flatnonzero(rows >= 0)
        pick = sparse.csr_matrix((np.ones(len(known), np.float32), (known, rows[known])), shape=(len(own), len(keys)))
        names = map(str, range(table.shape[1]) if columns is None else columns)
        return cls((pick @ table).tocsr(), tuple(names), own, side)

    @property
    def labels(self) -> Mapping[str, Labels]:
        """The first labels of every categorical column, by its name."""
        return self._labels

    def first_label(self, column: str) -> Labels:
        """The first label of every row in a categorical column, such as the first genre of each film.

        Raises
        ------
        InputError
            There is no such column, or it is numeric.
        """
        if column not in self._labels:
            if not self._labels:
                raise InputError(f"these {self.side} features have no categorical column, so no {column!r} either.")
            raise unknown_name("categorical column", column, self._labels)
        return self._labels[column]


def _ids_of(interactions: Interactions, side: Side) -> npt.NDArray[Any]:
    if side not in ("item", "user"):
        raise InputError(f"side must be 'item' or 'user', got {side!r}.")
    return interactions.item_ids if side == "item" else interactions.user_ids


def _choose(frame: pd.DataFrame, id: str, columns: Sequence[str] | Mapping[str, Kind] | None) -> dict[str, Kind | None]:
    """The columns to read and, where the caller said so, how."""
    chosen: dict[str, Kind | None]
    if isinstance(columns, Mapping):
        chosen = dict(columns)
    else:
        chosen = dict.fromkeys([c for c in frame.columns if c != id] if columns is None else columns)
    for column in (id, *chosen):
        if column not in frame.columns:
            raise InputError(f"column {column!r} is not in the table (columns: {', '.join(map(str, frame.columns))}).")
        if isinstance(frame[column], pd.DataFrame):
            raise InputError(f"column {column!r} is in the table more than once.")
    for kind in chosen.values():
        if kind is not None and kind not in _KINDS:
            raise unknown_name("kind of column", kind, _KINDS)
    if not chosen:
        raise InputError(f"the table has no column of features beside {id!r}.")
    return chosen


def _align(keys: pd.Series[Any], ids: npt.NDArray[Any], side: Side, name: str, missing: Missing) -> npt.NDArray[np.intp]:
    """For each of `ids` its row among `keys`, −1 where it has none and that is allowed."""
    if missing not in ("error", "zeros"):
        raise unknown_name("missing policy", missing, ("error", "zeros"))
    if keys.isna().any():
        raise InputError(f"{name!r} has {keys.isna().sum():,} missing ids; leave those rows out.")
    lookup = id_lookup(plain_ids(keys, name))
    if lookup.has_duplicates:
        again = lookup[lookup.duplicated()]
        raise InputError(f"{name!r} names {len(again):,} {side}s more than once, first {again[0]!s}; keep one row for each.")
    own = id_lookup(ids)
    alike = lookup.dtype == own.dtype  # else no id of the one can be one of the other
    rows: npt.NDArray[np.intp] = lookup.get_indexer(own) if alike else np.full(len(ids), -1, np.intp)
    absent = rows < 0
    if absent.all():
        raise InputError(
            f"{name!r} names no {side} of the interactions: its ids look like {lookup[:1].tolist()}, "
            f"theirs like {ids[:1].tolist()}."
        )
    if missing == "error" and absent.any():
        raise InputError(
            f"{absent.sum():,} {side}s have no row of metadata, first {side} {ids[absent.argmax()]!s}; "
            "add them, or say missing='zeros'."
        )
    return rows
