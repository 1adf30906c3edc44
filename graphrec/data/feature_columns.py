"""One column of a table of metadata: what kind it is, and its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphrec.data.ids import half_a_character
from graphrec.deferred import pandas as pd
from graphrec.deferred import sparse
from graphrec.errors import InputError

__all__ = ["Column", "Kind", "guess_kind"]

Kind = Literal["numeric", "category", "labels"]


def guess_kind(values: pd.Series[Any], name: str, separator: str, *, named: bool) -> Kind:
    """How to read a column of which nothing is said.

    Parameters
    ----------
    values : Series
    name : str
        For messages.
    separator : str
        A text that contains it makes the column ``"labels"``.
    named : bool
        Whether the caller chose the column. One that was not chosen is refused when it looks like a title,
        with a different text in most of its rows.

    Raises
    ------
    InputError
        The column holds dates, or looks like a title.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        raise InputError(f"column {name!r} holds dates; make it a number first, such as the year.")
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return "numeric"
    known = values.dropna()
    if known.map(lambda value: isinstance(value, str) and separator in value).any():
        return "labels"
    if not named and len(known) > 20 and known.nunique() > len(known) / 2:
        raise InputError(
            f"column {name!r} has {known.nunique():,} different values in {len(known):,} rows and describes nothing; "
            "name the columns to use: columns=[…]."
        )
    return "category"


@dataclass(frozen=True, eq=False)
class Column:
    """A column in the order of the ids, and what messages call its rows.

    Attributes
    ----------
    name : str
    values : Series of length n, index 0 … n − 1
        Missing where an id has no row.
    ids : ndarray, shape (n,)
    side : str
        ``"item"`` or ``"user"``.
    """

    name: str
    values: pd.Series[Any]
    ids: npt.NDArray[Any]
    side: str

    def refuse_gaps(self, gaps: npt.NDArray[np.bool_]) -> None:
        """Raise :class:`InputError` if any row is marked in `gaps` (n,), naming the first."""
        if gaps.any():
            raise InputError(
                f"column {self.name!r} has no value for {gaps.sum():,} {self.side}s, first {self.side} "
                f"{self.ids[gaps.argmax()]!s}; fill it, or say missing='zeros'."
            )

    def standardised(self) -> sparse.csr_matrix:
        """One column (n, 1) of mean 0 and standard deviation 1 over the known values; unknown ones are 0.

        Raises
        ------
        InputError
            A value is not a finite number.
        """
        numbers = pd.to_numeric(self.values, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        known = np.isfinite(numbers)
        wrong = ~known & ~self.values.isna().to_numpy()
        if wrong.any():
            at = int(wrong.argmax())
            raise InputError(
                f"column {self.name!r} is not a finite number for {self.side} {self.ids[at]!s}: {self.values.iloc[at]!s}."
            )
        scaled = np.zeros(len(numbers), np.float32)
        largest = np.abs(numbers[known]).max(initial=0.0)
        if largest > 0:
            values = numbers[known] / largest  # so that no square is beyond what a float holds
            spread = values.std()
            scaled[known] = (values - values.mean()) / spread if spread > 0 else 0.0
        return sparse.csr_matrix(scaled[:, None])

    def one_hot(self, separator: str | None) -> tuple[sparse.csr_matrix, npt.NDArray[Any], npt.NDArray[np.int32]]:
        """A 0/1 column for each label.

        Parameters
        ----------
        separator : str or None
            Between several labels of a value; None takes each value whole.

        Returns
        -------
        csr_matrix of float32, shape (n, m)
        ndarray of str, shape (m,)
            The labels, sorted.
        ndarray of int32, shape (n,)
            Column of each row's first label; −1 for a row without any.

        Raises
        ------
        InputError
            A text has half a character, of which no column of texts can be made.
        """

        def labels_of(value: object) -> list[str]:
            parts = [str(value)] if separator is None else str(value).split(separator)
            return [part.strip() for part in parts if part.strip()]

        wrong = self.values.map(half_a_character).to_numpy(bool)
        if wrong.any():
            raise InputError(
                f"column {self.name!r} has half a character (a surrogate) for {wrong.sum():,} {self.side}s, first {self.side} "
                f"{self.ids[wrong.argmax()]!s}; decode the texts anew."
            )
        flat = self.values.map(labels_of, na_action="ignore").explode().dropna()
        codes, names = pd.factorize(flat, sort=True)
        rows = flat.index.to_numpy()
        first = np.full(len(self.values), -1, np.int32)
        first[rows[::-1]] = codes[::-1]  # from back to front, so that the first label is what stays
        block = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, codes)), shape=(len(self.values), len(names)))
        block.data[:] = 1  # the constructor adds up a label that a row names twice
        return block, np.array(names, dtype=str), first
