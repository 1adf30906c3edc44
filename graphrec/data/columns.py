"""Checking one column of a raw table: ids, ratings, times, indices. Messages name the column and the first bad row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphrec.errors import InputError

__all__ = ["IntArray", "as_index", "as_ratings", "as_times", "encode_ids", "look_up"]

IntArray = npt.NDArray[np.int32]


def encode_ids(column: pd.Series[Any], name: str) -> tuple[IntArray, npt.NDArray[Any]]:
    """Index of each row's id (int32, (n,)) and the sorted distinct ids; missing or mixed ids are refused."""
    refuse_missing(column, name)
    if column.dtype == object and len(kinds := {type(value).__name__ for value in column}) > 1:
        raise InputError(
            f"column {name!r} mixes kinds of ids ({', '.join(sorted(kinds))}); make them all integers or all strings."
        )
    codes, ids = pd.factorize(column, sort=True)
    return codes.astype(np.int32), np.array(ids)


def refuse_missing(column: pd.Series[Any], name: str) -> None:
    """Raise where a value is missing, naming how many and the first row."""
    missing = column.isna().to_numpy()
    if missing.any():
        raise InputError(f"column {name!r} has {missing.sum():,} missing values, first at row {int(missing.argmax())}.")


def as_ratings(column: pd.Series[Any], name: str) -> npt.NDArray[np.float32]:
    """Finite float32 ratings, (n,)."""
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"column {name!r} has {bad.sum():,} ratings that are not finite numbers, first at row {row}: {column.iloc[row]!r}."
        )
    return numbers.astype(np.float32)


def as_times(column: pd.Series[Any], name: str) -> npt.NDArray[np.int64]:
    """int64 times, (n,): seconds since 1970 for dates, whole numbers as they are."""
    refuse_missing(column, name)
    if pd.api.types.is_datetime64_any_dtype(column):
        naive = column.dt.tz_convert(None) if column.dt.tz is not None else column
        return naive.to_numpy("datetime64[s]").astype(np.int64)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    bad = ~np.isfinite(numbers)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"column {name!r} has {bad.sum():,} times that are neither numbers nor dates, "
            f"first at row {row}: {column.iloc[row]!r}."
        )
    return column.to_numpy(np.int64) if pd.api.types.is_integer_dtype(column) else numbers.astype(np.int64)


def as_index(values: npt.ArrayLike, name: str, size: int | None) -> tuple[IntArray, int]:
    """int32 indices, (n,), and the size of their space: `size`, or the largest index + 1."""
    array = np.asarray(values)
    if array.ndim != 1 or not len(array):
        raise InputError(f"{name} must be a non-empty one-dimensional array, got shape {array.shape}.")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"{name} must be integers that count from zero, got {array.dtype}.")
    low, high = int(array.min()), int(array.max())
    if low < 0:
        bad = array < 0
        raise InputError(f"{name} has {bad.sum():,} negative indices, first at row {int(bad.argmax())}: {array[bad.argmax()]}.")
    if size is not None and high >= size:
        raise InputError(f"{name} has the index {high} at row {int(array.argmax())}, beyond the stated size {size}.")
    return array.astype(np.int32), high + 1 if size is None else size


def look_up(lookup: pd.Index[Any], ids: Sequence[Any] | npt.NDArray[Any] | str | int, kind: str) -> IntArray:
    """Position of each id (int32, (n,)) in an index of ids; an unknown one is refused."""
    found = lookup.get_indexer(pd.Index(np.asarray(ids)))
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        raise InputError(f"unknown {kind} id {np.asarray(ids)[unknown[0]]!s}{more}: not in the data this was fitted on.")
    return found.astype(np.int32)
