"""Ratings, weights and times out of a column of a table, checked; messages name the column and the first row that is wrong."""

from __future__ import annotations

import warnings
from collections.abc import Hashable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.dates import dates_in_utc, how_to_write
from graphrec.data.gaps import refuse_missing
from graphrec.data.ids import Place, at_row
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["as_ratings", "as_times", "as_weights"]

Mask: TypeAlias = npt.NDArray[np.bool_]
_MAX_RATING = float(np.finfo(np.float32).max)
_EXACT = 1 << 53  # whole numbers up to here are exact in float64


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
    refuse_missing(column, name, place)
    numbers = _numbers(column, name, what).to_numpy(np.float64, na_value=np.nan)
    _refuse(~np.isfinite(numbers), column, name, f"{what} that are not finite numbers", place)
    tiny = (numbers != 0) & (np.abs(numbers) < np.finfo(np.float32).smallest_subnormal)
    _refuse(tiny | (np.abs(numbers) > _MAX_RATING), column, name, f"{what} that do not fit into a float32", place)
    return numbers


def as_times(column: pd.Series[Any], name: Hashable, place: Place = at_row) -> npt.NDArray[np.int64]:
    """int64 times, (n,): seconds since 1970 (UTC, rounded down) for dates, whole numbers as they are.

    Dates without a zone are taken for UTC; of texts and objects a warning says so, and those of both kinds are refused.
    Where fractions of a second are left out, a warning says that, too.
    """
    refuse_missing(column, name, place)
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
        return _seconds(_dates(column, ~np.isnan(values), name, place), column, name, place)
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


def _dates(column: pd.Series[Any], numeric: Mask, name: Hashable, place: Place) -> pd.Series[Any]:
    """The dates of a column of texts in ISO 8601 or of objects, in UTC."""
    dates = dates_in_utc(column.where(~numeric), name, place)
    bad = dates.isna().to_numpy(bool) & ~numeric
    remedy = how_to_write(column.iloc[int(bad.argmax())], name) if bad.any() else ""
    _refuse(bad, column, name, "times that are neither numbers nor dates", place, remedy)
    if numeric.any():
        raise InputError(
            f"column {name!r} has dates, first {place(int((~numeric).argmax()))}, and numbers, "
            f"first {place(int(numeric.argmax()))}; make them all the one or the other."
        )
    return dates


def _seconds(dates: pd.Series[Any], column: pd.Series[Any], name: Hashable, place: Place) -> npt.NDArray[np.int64]:
    _refuse(dates.isna().to_numpy(bool), column, name, "times that are neither numbers nor dates", place)
    exact = dates.dt.tz_convert(None).to_numpy()
    seconds: npt.NDArray[np.datetime64] = exact.astype("datetime64[s]")
    if (seconds != exact).any():
        warnings.warn(
            f"column {name!r} has times with fractions of a second, which are left out: times within one second become the "
            "same. Give whole numbers of a smaller unit (milliseconds, say) where their order matters.",
            stacklevel=6,
        )
    return seconds.astype(np.int64)


def _refuse(bad: Mask, column: pd.Series[Any], name: Hashable, what: str, place: Place, remedy: str = "") -> None:
    if bad.any():
        row = int(bad.argmax())
        value = column.iloc[row]
        shown = value.item() if isinstance(value, np.generic) else value
        raise InputError(f"column {name!r} has {bad.sum():,} {what}, first {place(row)}: {shown!r}.{remedy}")
