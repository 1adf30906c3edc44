"""Arrays that a caller wrote: indices that count from zero, and what stands beside them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.ids import IntArray
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["as_column", "as_index"]

_MAX_INDEX = np.iinfo(np.int32).max


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
