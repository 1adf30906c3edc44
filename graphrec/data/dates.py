"""Dates that are written as texts or stand there as objects: what they are in UTC, and whether they say their zone."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["NUMBERS", "dates_in_utc", "how_to_write", "is_zoned", "kind_of_times"]

NUMBERS = "numbers"
_OF_THE_CLOCK = ("now", "today")  # which pandas takes for the time at which it reads
_ZONE = re.compile(r"[T ].*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")  # behind a time of day: "2024-01-05" ends in no zone

_ORDERS = (("%d", "%m"), ("%m", "%d"))
_DAY_OR_MONTH_FIRST = re.compile(r"(\d\d?)([./-])(\d\d?)\2(\d{4}|\d\d)(?:([ T])\d\d?:\d\d(:\d\d)?)?")


def is_zoned(value: object) -> bool:
    """Whether a date, a text in ISO 8601 or an object, says its zone."""
    if isinstance(value, str):
        return _ZONE.search(value.strip()) is not None
    return getattr(value, "tzinfo", None) is not None


def how_to_write(value: object, name: Hashable) -> str:
    """What to do about a text that is no date in ISO 8601: a further sentence for the message; empty for what is no text.

    How the text is written is told where it begins with the day or the month, and both where it may be either.
    """
    if not isinstance(value, str):
        return ""
    formats = "…"
    if (found := _DAY_OR_MONTH_FIRST.fullmatch(value.strip())) is not None:
        first, sep, second, year, between, seconds = found.groups()
        clock = "" if between is None else f"{between}%H:%M{'' if seconds is None else ':%S'}"
        by_day, by_month = (f"'{sep.join((*order, '%Y' if len(year) == 4 else '%y'))}{clock}'" for order in _ORDERS)
        formats = f"{by_day}, or {by_month} if the month comes first"
        if int(first) > 12 or (sep == "." and int(second) <= 12):
            formats = by_day
        elif int(second) > 12:
            formats = by_month
    return (
        " Dates are read as 2024-12-31 or 2024-12-31T18:30:00 (ISO 8601), and no option reads others; pandas writes them so: "
        f"frame[{name!r}] = pandas.to_datetime(frame[{name!r}], format={formats})."
    )


def kind_of_times(column: pd.Series[Any]) -> str:
    """What a column of times without gaps holds, in words, by its first value: tables are of one kind."""
    numeric = pd.api.types.is_numeric_dtype(column.dtype) or not pd.to_numeric(column.iloc[:1], errors="coerce").isna().any()
    if numeric and not ("date" in str(column.dtype) or "timestamp" in str(column.dtype)):
        return NUMBERS
    return "dates with a zone" if is_zoned(column.iloc[0]) else "dates without a zone"


def dates_in_utc(column: pd.Series[Any], name: Hashable, place: Callable[[int], str]) -> pd.Series[Any]:
    """Dates in UTC, NaT where a value is none; those without a zone are taken for UTC, and a warning says so.

    Days without a time of day have no zone to speak of, and are midnight in UTC.

    Parameters
    ----------
    column : Series, shape (n,)
        Texts in ISO 8601 or objects; a missing value stays one.
    name : hashable
        Of the column, for messages.
    place : callable
        Names a row, from its position.

    Raises
    ------
    InputError
        Some dates have a zone and others have none, so that their order is not known; or they are beyond what pandas reads.
    """
    clock = column.isin(_OF_THE_CLOCK).to_numpy(bool)
    if clock.any():
        row = int(clock.argmax())
        raise InputError(f"column {name!r} has {column.iloc[row]!r} {place(row)}, which is no date that is written down.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # older pandas warns of several zones, newer ones raise
            dates = pd.to_datetime(column, format="ISO8601", errors="coerce")
    except (TypeError, ValueError):
        dates = None
    if dates is None or dates.dtype == object or not dates.isna().equals(column.isna()):
        dates = _one_by_one(column, name, place)
    if dates.dt.tz is not None:
        return dates.dt.tz_convert("UTC")
    _say_utc(dates, name)
    return dates.dt.tz_localize("UTC")


def _say_utc(dates: pd.Series[Any], name: Hashable) -> None:
    there = dates.dropna().to_numpy()
    if (there != there.astype("datetime64[D]")).any():
        warnings.warn(f"column {name!r} has times without a zone, which are taken for UTC.", stacklevel=8)


def _one_by_one(column: pd.Series[Any], name: Hashable, place: Callable[[int], str]) -> pd.Series[Any]:
    """Of several zones, or with values that are no dates."""
    try:
        dates = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
    except (TypeError, ValueError, OverflowError, ArithmeticError) as error:
        raise InputError(f"column {name!r} holds times that cannot be read: {' '.join(str(error).split())}.") from error
    there = dates.notna().to_numpy(bool)
    zoned: npt.NDArray[np.bool_] = np.array([is_zoned(value) for value in column], bool) & there
    without = there & ~zoned
    if zoned.any() and without.any():
        one, other = int(zoned.argmax()), int(without.argmax())
        raise InputError(
            f"column {name!r} has times with a zone, first {place(one)}, and {without.sum():,} without one, first "
            f"{place(other)}: {column.iloc[other]!s}. Their order is not known; give all a zone, or none."
        )
    return dates
