"""The pairs of a table that does not fit into memory, in order: a range of users at a time.

Rows are dealt out to files by ranges of users of nearly equally many rows. Each file fits into memory, is sorted there, and
follows the one before it: sorted keys and compressed rows come out piece by piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphrec.data.pairs import contains, distinct
from graphrec.data.range_files import RangeFiles
from graphrec.data.repeats import Duplicates, first_repeat, keep_one

__all__ = ["PairSorter", "Piece"]

_NOTHING = np.zeros(0, np.int64)


class Piece(NamedTuple):
    """What one range of users has.

    Attributes
    ----------
    keys : ndarray of int64, shape (m,)
        Distinct and ascending, all of them beyond those of the piece before.
    gone : ndarray of int64, shape (g,)
        Rows that do not stay, as positions in the table.
    changed : ndarray of int64, shape (c,)
        Rows that get another rating or weight.
    joined : dict of str to ndarray of float32, shape (c,)
        ``ratings`` and ``weights``, as far as they are joined.
    repeats : int
        Rows that repeat an earlier pair.
    first : int
        The first of them as a position in the table; −1 where there is none.
    """

    keys: npt.NDArray[np.int64]
    gone: npt.NDArray[np.int64]
    changed: npt.NDArray[np.int64]
    joined: dict[str, npt.NDArray[np.float32]]
    repeats: int
    first: int


class PairSorter:
    """Takes the rows of a table in their order and gives the distinct pairs in theirs.

    Parameters
    ----------
    scratch : Path
        A folder for files that are of no use later.
    degree : ndarray of int64, shape (n_users,)
        Rows of each user.
    n_items : int
    extras : mapping of str to dtype
        ``rating``, ``time`` and ``weight``, where the table has them.
    """

    def __init__(self, scratch: Path, degree: npt.NDArray[np.int64], n_items: int, extras: dict[str, npt.DTypeLike]) -> None:
        self._dtype = np.dtype([("key", np.int64), ("row", np.int64), *extras.items()])
        self._files = RangeFiles(scratch, "pairs", degree, self._dtype)
        self._n_items = n_items
        self._done = 0

    def add(
        self, users: npt.NDArray[np.int32], items: npt.NDArray[np.int32], extras: dict[str, npt.NDArray[Any]]
    ) -> npt.NDArray[np.int64]:
        """Take the next rows, and return their keys ``user * n_items + item``."""
        keys = users.astype(np.int64) * self._n_items + items
        records = np.empty(len(keys), self._dtype)
        records["key"], records["row"] = keys, np.arange(self._done, self._done + len(keys))
        for name, values in extras.items():
            records[name] = values
        self._files.deal(users, records)
        self._done += len(keys)
        return keys

    def pieces(self, duplicates: Duplicates) -> Iterator[Piece]:
        """All ranges of users in ascending order."""
        for records in self._files.read():
            keys = np.ascontiguousarray(records["key"])
            ordered = np.sort(keys)
            again = ordered[1:] == ordered[:-1]
            repeats = int(again.sum())
            if not repeats:
                yield Piece(ordered, _NOTHING, _NOTHING, {}, 0, -1)
                continue
            # Few rows as a rule: only they are looked at more closely.
            rows = np.flatnonzero(contains(distinct(ordered[1:][again]), keys))
            yield self._piece(ordered[np.r_[True, ~again]], records[rows], repeats, duplicates)

    def _piece(self, keys: npt.NDArray[np.int64], repeated: npt.NDArray[Any], repeats: int, duplicates: Duplicates) -> Piece:
        rows = repeated["row"]
        first = int(rows[first_repeat(repeated["key"])[1]])
        names = repeated.dtype.names or ()
        if duplicates == "keep" or duplicates == "error":
            return Piece(keys, _NOTHING, _NOTHING, {}, repeats, first)
        times, ratings, weights = (repeated[name] if name in names else None for name in ("time", "rating", "weight"))
        kept = keep_one(repeated["key"], times, ratings, duplicates, weights)
        assert kept is not None
        gone = np.ones(len(rows), bool)
        gone[kept.rows] = False
        joined = {name: values for name, values in (("ratings", kept.ratings), ("weights", kept.weights)) if values is not None}
        return Piece(keys, rows[gone], rows[kept.rows], joined, repeats, first)

    def close(self) -> None:
        """Close the files."""
        self._files.close()
