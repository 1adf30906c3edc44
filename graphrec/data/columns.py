"""From a raw table to checked arrays. Messages name every column that is at fault, how many rows, and the first of them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.gaps import MISSING, refuse_missing
from graphrec.data.ids import IntArray, Place, at_row, encode_ids, find, id_lookup
from graphrec.data.values import as_ratings, as_times, as_weights
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, NoRowLeft, unknown_name

__all__ = ["Columns", "Missing", "Roles", "Unknown", "read_columns"]

Missing = Literal["error", "drop"]
Unknown = Literal["error", "drop"]
Mask: TypeAlias = npt.NDArray[np.bool_]
IdArray: TypeAlias = npt.NDArray[Any]

_LONG = 400  # characters of a list of columns that a message shows
_EXACT = 1 << 53  # whole numbers up to here are exact in float64


class Roles(NamedTuple):
    """Which column of a table is what."""

    user: Hashable
    item: Hashable
    rating: Hashable | None = None
    time: Hashable | None = None
    weight: Hashable | None = None

    def names(self) -> list[Hashable]:
        """The columns that are wanted, each once: stars may be rating and weight."""
        return list(dict.fromkeys(name for name in self if name is not None))


class Columns(NamedTuple):
    """Checked columns, in the order of the fields of ``Interactions``, and how messages name a row of them."""

    users: IntArray
    items: IntArray
    user_ids: IdArray
    item_ids: IdArray
    ratings: npt.NDArray[np.float32] | None
    times: npt.NDArray[np.int64] | None
    weights: npt.NDArray[np.float32] | None
    place: Place


def read_columns(
    frame: pd.DataFrame,
    roles: Roles,
    missing: Missing,
    spaces: tuple[IdArray, IdArray] | None,
    unknown: Unknown,
    place: Place = at_row,
) -> Columns:
    """Check the columns of a table and number its ids.

    Parameters
    ----------
    frame : DataFrame
    roles : Roles
    missing : {"error", "drop"}
        What to do with rows in which a wanted column has no value.
    spaces : (user_ids, item_ids), optional
        The id space to number in; one of the table's own unless given.
    unknown : {"error", "drop"}
        What to do with rows whose user or item is not in `spaces`.
    place : callable
        Names a row, from its position.

    Raises
    ------
    InputError
        As :meth:`Interactions.from_frame` says; all columns that are at fault are in one message.
    """
    for option, value in (("missing", missing), ("unknown", unknown)):
        if value not in ("error", "drop"):
            raise unknown_name(f"policy for {option}=", value, ("error", "drop"))
    _check_roles(frame, roles)
    if missing == "drop":
        frame, place = _drop_missing(frame, roles, place)
    faults: list[InputError] = []

    def told(read: Any, name: Hashable | None, *more: Any) -> Any:
        try:
            return None if name is None else read(frame[name], name, place, *more)
        except InputError as error:
            faults.append(error)
            return None

    ids = spaces if spaces is not None else (None, None)
    users = told(_ids, roles.user, "user", ids[0], missing, unknown)
    items = told(_ids, roles.item, "item", ids[1], missing, unknown)
    ratings, times, weights = told(as_ratings, roles.rating), told(as_times, roles.time), told(as_weights, roles.weight)
    if len(faults) > 1:
        raise InputError(f"{len(faults)} columns are at fault: {_joined(map(str, faults))}")
    if faults:
        raise faults[0]
    table = Columns(users[0], items[0], users[1], items[1], ratings, times, weights, place)
    known = (table.users >= 0) & (table.items >= 0)
    return table if known.all() else _drop_unknown(table, known)


def _joined(faults: Iterable[str]) -> str:
    """Several messages as one; what mends all of them is said at the end of the last that it mends."""
    told, found = "", list(faults)
    last = max((n for n, fault in enumerate(found) if fault.endswith(MISSING)), default=-1)
    for n, fault in enumerate(found):
        told += ("; " if n else "") + (fault.removesuffix(MISSING) if n != last else fault).rstrip(".")
    return f"{told}."


def _check_roles(frame: pd.DataFrame, roles: Roles) -> None:
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"a table must be a pandas DataFrame, not {type(frame).__name__}.")
    found = " ".join(", ".join(map(str, frame.columns)).split())
    found = found if len(found) <= _LONG else f"{found[:_LONG]}…"
    absent = [repr(name) for name in roles.names() if name not in frame.columns]
    if absent:
        what = f"column {absent[0]} is" if len(absent) == 1 else f"columns {', '.join(absent)} are"
        raise InputError(f"{what} not in the table (columns: {found}).")
    for name in roles.names():
        if isinstance(frame[name], pd.DataFrame):
            raise InputError(f"column {name!r} is in the table more than once (columns: {found}).")
    if roles.user == roles.item:
        raise InputError(f"user and item are one and the same column, {roles.user!r}.")
    if not len(frame):
        raise InputError(f"the table is empty: it has the columns {roles.user!r} and {roles.item!r} but no row.")


# ---- rows that are left out ------------------------------------------------------------------


def _drop_missing(frame: pd.DataFrame, roles: Roles, place: Place) -> tuple[pd.DataFrame, Place]:
    gaps = {name: _gaps(frame[name], is_id=name in (roles.user, roles.item)) for name in roles.names()}
    gone = np.logical_or.reduce(list(gaps.values()))
    if not gone.any():
        return frame, place
    which = ", ".join(f"{name} {mask.sum():,}" for name, mask in gaps.items() if mask.any())
    if gone.all():
        raise NoRowLeft(f"missing='drop' leaves no row: each of {len(frame):,} has no value in some column ({which}).")
    warnings.warn(f"{gone.sum():,} of {len(frame):,} rows were dropped because a value is missing ({which}).", stacklevel=4)
    kept = np.flatnonzero(~gone)
    frame = frame[roles.names()].iloc[kept]
    whole = {name: _whole_again(frame[name]) for name in (roles.user, roles.item) if gaps[name].any()}
    return frame.assign(**whole) if whole else frame, lambda row: place(int(kept[row]))  # type: ignore[arg-type]


def _whole_again(column: pd.Series[Any]) -> pd.Series[Any]:
    """Integers that pandas made floats only because some were missing, as integers again."""
    if not (isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"):
        return column
    numbers = column.to_numpy(np.float64)
    whole = (numbers == np.floor(numbers)) & (np.abs(numbers) < _EXACT)
    return column.astype(np.int64) if whole.all() else column


def _drop_unknown(table: Columns, known: Mask) -> Columns:
    kept = np.flatnonzero(known)
    if not len(kept):
        raise InputError(f"unknown='drop' leaves no row: none of {len(known):,} has a user and an item that ids= knows.")
    warnings.warn(
        f"{len(known) - len(kept):,} of {len(known):,} rows were dropped because ids= does not know their user or item.",
        stacklevel=4,
    )
    place = table.place
    return Columns(
        table.users[kept],
        table.items[kept],
        table.user_ids,
        table.item_ids,
        None if table.ratings is None else table.ratings[kept],
        None if table.times is None else table.times[kept],
        None if table.weights is None else table.weights[kept],
        lambda row: place(int(kept[row])),
    )


def _gaps(column: pd.Series[Any], is_id: bool) -> Mask:
    """Where there is no value; an empty text is no id."""
    gaps: Mask = column.isna().to_numpy(bool, copy=True)
    if is_id and not pd.api.types.is_numeric_dtype(column.dtype):
        gaps |= np.array([isinstance(value, str) and not value for value in column.to_numpy(object)], bool)
    return gaps


# ---- ids -------------------------------------------------------------------------------------


def _ids(
    column: pd.Series[Any],
    name: Hashable,
    place: Place,
    kind: str,
    space: IdArray | None,
    missing: Missing,
    unknown: Unknown,
) -> tuple[IntArray, IdArray]:
    refuse_missing(column, name, place)
    if space is None:
        return encode_ids(column, str(name), place)
    codes, ids = _each_kind(column, str(name), place)
    positions = np.full(len(ids), -1, np.int64)
    lookup = id_lookup(space)
    alike = np.array([isinstance(value, str) != (lookup.dtype.kind in "iu") for value in ids.tolist()], bool)
    if alike.any():
        positions[alike] = find(lookup, ids[alike], kind)
    found = positions[codes].astype(np.int32)
    absent = found < 0
    if unknown == "error" and absent.any():
        first = int(absent.argmax())
        raise InputError(
            f"column {name!r} has {(positions < 0).sum():,} {kind}s that ids= does not know, first "
            f"{ids.tolist()[codes[first]]!r} {place(first)}; unknown='drop' leaves their rows out."
        )
    return found, space


def _each_kind(column: pd.Series[Any], name: str, place: Place) -> tuple[IntArray, IdArray]:
    """Codes and distinct ids; integers and texts may stand side by side, because each is sought by its type."""
    if column.dtype != object or pd.api.types.infer_dtype(column, skipna=False) != "mixed-integer":
        return encode_ids(column, name, place)
    texts = np.array([isinstance(value, str) for value in column], bool)
    codes = np.empty(len(column), np.int32)
    codes[texts], some = encode_ids(column[texts], name, lambda row: place(int(np.flatnonzero(texts)[row])))
    codes[~texts], others = encode_ids(column[~texts], name, lambda row: place(int(np.flatnonzero(~texts)[row])))
    codes[~texts] += len(some)
    return codes, np.concatenate([some.astype(object), others.astype(object)])
