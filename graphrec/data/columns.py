"""From a raw table to checked arrays. Messages name every column that is at fault, how many rows, and the first of them."""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterable
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.dates import dates_in_utc
from graphrec.data.ids import IntArray, Place, at_row, encode_ids, find, id_lookup
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name

__all__ = [
    "Columns",
    "Missing",
    "Roles",
    "Unknown",
    "as_column",
    "as_index",
    "as_ratings",
    "as_times",
    "as_weights",
    "read_columns",
]

Missing = Literal["error", "drop"]
Unknown = Literal["error", "drop"]
Mask: TypeAlias = npt.NDArray[np.bool_]
IdArray: TypeAlias = npt.NDArray[Any]

_MAX_INDEX = np.iinfo(np.int32).max
_MAX_RATING = float(np.finfo(np.float32).max)
_LONG = 400  # characters of a list of columns that a message shows
_MISSING = "; missing='drop' leaves such rows out."
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
    last = max((n for n, fault in enumerate(found) if fault.endswith(_MISSING)), default=-1)
    for n, fault in enumerate(found):
        told += ("; " if n else "") + (fault.removesuffix(_MISSING) if n != last else fault).rstrip(".")
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
        raise InputError(f"missing='drop' leaves no row: each of {len(frame):,} has no value in some column ({which}).")
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


def _refuse_missing(column: pd.Series[Any], name: Hashable, place: Place) -> None:
    missing = column.isna().to_numpy(bool)
    if missing.any():
        raise InputError(
            f"column {name!r} has {missing.sum():,} missing values, first {place(int(missing.argmax()))}{_MISSING}"
        )


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
    _refuse_missing(column, name, place)
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


# ---- ratings, weights and times --------------------------------------------------------------


def as_ratings(column: pd.Series[Any], name: Hashable, place: Place = at_row) -> npt.NDArray[np.float32]:
    """Finite float32 ratings, (n,)."""
    return _finite(column, name, "ratings", place).astype(np.float32)


def as_weights(column: pd.Series[Any], name: Hashable, place: Place = at_row, *, some: bool = True) -> npt.NDArray[np.float32]:
    """Finite float32 weights, none below 0 and, unless `some` is False because there are more rows, not all of them 0, (n,)."""
    numbers = _finite(column, name, "weights", place)
    _refuse(numbers < 0, column, name, "weights below 0", place)
    if some and len(numbers) and not numbers.any():
        raise InputError(f"column {name!r} has no weight above 0: nothing would count.")
    return numbers.astype(np.float32)


def _finite(column: pd.Series[Any], name: Hashable, what: str, place: Place) -> npt.NDArray[np.float64]:
    """Finite numbers that fit a float32."""
    _refuse_missing(column, name, place)
    numbers = _numbers(column, name, what).to_numpy(np.float64, na_value=np.nan)
    _refuse(~np.isfinite(numbers), column, name, f"{what} that are not finite numbers", place)
    tiny = (numbers != 0) & (np.abs(numbers) < np.finfo(np.float32).smallest_subnormal)
    _refuse(tiny | (np.abs(numbers) > _MAX_RATING), column, name, f"{what} that do not fit into a float32", place)
    return numbers


def as_times(column: pd.Series[Any], name: Hashable, place: Place = at_row) -> npt.NDArray[np.int64]:
    """int64 times, (n,): seconds since 1970 (UTC, rounded down) for dates, whole numbers as they are.

    Dates without a zone are taken for UTC; of texts and objects a warning says so, and those of both kinds are refused.
    """
    _refuse_missing(column, name, place)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if "date" in str(column.dtype) or "timestamp" in str(column.dtype):
        return _seconds(pd.to_datetime(column, utc=True, errors="coerce"), column, name, place)
    numbers = _numbers(column, name, "times")
    if pd.api.types.is_bool_dtype(numbers.dtype):
        raise InputError(f"column {name!r} holds booleans, and times are whole numbers or dates.")
    if pd.api.types.is_integer_dtype(numbers.dtype):
        if pd.api.types.is_unsigned_integer_dtype(numbers.dtype):
            large = numbers.to_numpy(np.uint64) > np.iinfo(np.int64).max
            _refuse(large, column, name, "times that do not fit into 64 bits", place)
        return numbers.to_numpy(np.int64)
    values = numbers.to_numpy(np.float64, na_value=np.nan)
    if np.isnan(values).all() or (np.isnan(values).any() and not pd.api.types.is_numeric_dtype(column.dtype)):
        return _dates(column, ~np.isnan(values), name, place)
    _refuse(~np.isfinite(values), column, name, "times that are neither numbers nor dates", place)
    _refuse(np.abs(values) > _EXACT, column, name, "times that do not fit into 64 bits, or not exactly", place)
    _refuse(values != np.floor(values), column, name, "times with a fraction (round them, or count in a smaller unit)", place)
    return values.astype(np.int64)


def _numbers(column: pd.Series[Any], name: Hashable, what: str) -> pd.Series[Any]:
    """The numbers of a column, missing where a value is none."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    kind = column.dtype.kind if isinstance(column.dtype, np.dtype) else "O"
    if kind not in "iufbOSU" or not (
        pd.api.types.is_numeric_dtype(column.dtype) or column.dtype == object or "str" in str(column.dtype)
    ):
        raise InputError(f"column {name!r} holds {column.dtype}, which are no {what}.")
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        raise InputError(f"column {name!r} holds what are no {what}: {' '.join(str(error).split())}.") from error
    if numbers.dtype == object or pd.api.types.is_complex_dtype(numbers.dtype):
        raise InputError(f"column {name!r} holds what are no {what}.")
    return numbers


def _dates(column: pd.Series[Any], numeric: Mask, name: Hashable, place: Place) -> npt.NDArray[np.int64]:
    """Seconds of a column of dates as texts in ISO 8601 or as objects."""
    dates = dates_in_utc(column.where(~numeric), name, place)
    _refuse(dates.isna().to_numpy(bool) & ~numeric, column, name, "times that are neither numbers nor dates", place)
    if numeric.any():
        raise InputError(
            f"column {name!r} has dates, first {place(int((~numeric).argmax()))}, and numbers, "
            f"first {place(int(numeric.argmax()))}; make them all the one or the other."
        )
    return _seconds(dates, column, name, place)


def _seconds(dates: pd.Series[Any], column: pd.Series[Any], name: Hashable, place: Place) -> npt.NDArray[np.int64]:
    _refuse(dates.isna().to_numpy(bool), column, name, "times that are neither numbers nor dates", place)
    seconds: npt.NDArray[np.int64] = dates.dt.tz_convert(None).to_numpy("datetime64[s]").astype(np.int64)
    return seconds


def _refuse(bad: Mask, column: pd.Series[Any], name: Hashable, what: str, place: Place) -> None:
    if bad.any():
        row = int(bad.argmax())
        value = column.iloc[row]
        shown = value.item() if isinstance(value, np.generic) else value
        raise InputError(f"column {name!r} has {bad.sum():,} {what}, first {place(row)}: {shown!r}.")


# ---- indices ---------------------------------------------------------------------------------


def as_index(values: npt.ArrayLike, name: str, size: int | None) -> tuple[IntArray, int]:
    """int32 indices, (n,), and the size of their space: `size`, or the largest index + 1."""
    array = _as_array(values, name)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name} must be a non-empty one-dimensional array, got shape {array.shape}.")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must be integers that count from zero, got {array.dtype}.")
    if size is not None and (
        isinstance(size, bool) or not isinstance(size, int | np.integer) or not 0 < size <= _MAX_INDEX + 1
    ):
        raise InputError(f"n_{name} must be a whole number from 1 to {_MAX_INDEX + 1}, got {size!r}.")
    low, high = int(array.min()), int(array.max())
    if low < 0:
        bad = array < 0
        raise InputError(f"{name} has {bad.sum():,} negative indices, first at row {int(bad.argmax())}: {array[bad.argmax()]}.")
    if high > (_MAX_INDEX if size is None else size - 1):
        beyond = f"the largest possible, {_MAX_INDEX}" if size is None else f"the stated size {size}"
        raise InputError(f"{name} has the index {high} at row {int(array.argmax())}, beyond {beyond}.")
    return array.astype(np.int32), high + 1 if size is None else int(size)


def as_column(values: npt.ArrayLike, name: str) -> pd.Series[Any]:
    """An array that a caller wrote, as a column, (n,)."""
    array = _as_array(values, name)
    if array.ndim != 1:
        raise InputError(f"{name} must be a one-dimensional array, got shape {array.shape}.")
    return pd.Series(array)


def _as_array(values: Any, name: str) -> npt.NDArray[Any]:
    try:
        return np.asarray(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{name} is not an array of numbers: {' '.join(str(error).split())}.") from error
