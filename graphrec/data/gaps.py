"""Rows without a value, counted by column over a table or over its batches."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["MISSING", "Gaps", "refuse_missing"]

MISSING = "; missing='drop' leaves such rows out."
"""How every refusal of missing values ends."""


class Gaps:
    """How many values are missing in which column, and where the first of them is."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}
        self._first: dict[Hashable, str] = {}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def add(self, name: Hashable, gaps: npt.NDArray[np.bool_], place: Callable[[int], str]) -> None:
        """Take the next rows of a column.

        Parameters
        ----------
        name : hashable
        gaps : ndarray of bool, shape (n,)
            Where there is no value.
        place : callable
            Names a row, from its position among the n.
        """
        if count := int(np.count_nonzero(gaps)):
            self._counts[name] = self._counts.get(name, 0) + count
            self._first.setdefault(name, place(int(gaps.argmax())))

    def __str__(self) -> str:
        return ", ".join(f"{name} {count:,}" for name, count in self._counts.items())

    def refusal(self) -> InputError:
        """The error that names every column."""
        each = [
            f"column {name!r} has {count:,} missing values, first {self._first[name]}" for name, count in self._counts.items()
        ]
        return InputError(f"{'; '.join(each)}{MISSING}")


def refuse_missing(column: pd.Series[Any], name: Hashable, place: Callable[[int], str]) -> None:
    """Raise :class:`InputError` for a column in which a value is missing."""
    gaps = Gaps()
    gaps.add(name, column.isna().to_numpy(bool), place)
    if gaps:
        raise gaps.refusal()
