"""Files that make up one table, read a batch at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from graphrec.data.arrow_columns import NO_VALUE, blank_texts, decoded, gaps_of, with_nul
from graphrec.data.bounded import one_line
from graphrec.data.columns import Missing, Roles
from graphrec.data.dates import kind_of_times
from graphrec.data.gaps import Gaps
from graphrec.data.ids import plain_ids
from graphrec.data.parquet import require_pyarrow
from graphrec.data.part_files import is_parquet_part
from graphrec.data.separators import other_separator
from graphrec.data.values import as_ratings, as_times, as_weights
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, NoRowLeft, about

__all__ = ["Batch", "PartReader", "Place"]

_ROWS = 1 << 19
_TEXT_BLOCK = 16 << 20  # bytes of a text file


class Place:
    """Names the rows of a batch; holds the few bytes that this takes.

    Parameters
    ----------
    path : Path
    first : int
        Position in the file of the first row that was read.
    kept : ndarray of bool or None
        Which of the rows that were read are in the batch; None for all.
    groups : sequence of int
        Where the row groups of a Parquet file begin; none for a text.
    """

    def __init__(self, path: Path, first: int, kept: npt.NDArray[np.bool_] | None, groups: Sequence[int]) -> None:
        self.path, self.first, self._groups = path, first, groups
        self._kept = None if kept is None else (np.packbits(kept), len(kept))

    def __call__(self, row: int) -> str:
        if self._kept is not None:
            row = int(np.flatnonzero(np.unpackbits(self._kept[0], count=self._kept[1]))[row])
        row += self.first
        if not self._groups:
            return f"at row {row} of {self.path}"
        group = int(np.searchsorted(self._groups, row, side="right")) - 1
        return f"at row {row} of {self.path} (row group {group})"


class Batch(NamedTuple):
    """Checked rows of one file.

    Attributes
    ----------
    users, items : pyarrow.Array
        Of int64 or large_string, without gaps.
    ratings, times, weights : ndarray or None
        float32, int64 and float32.
    place : callable
        Names a row by its position in the batch.
    """

    users: Any
    items: Any
    ratings: npt.NDArray[np.float32] | None
    times: npt.NDArray[np.int64] | None
    weights: npt.NDArray[np.float32] | None
    place: Place


class PartReader:
    """Reads files one after the other and sees to it that they fit together.

    Parameters
    ----------
    roles : Roles
    missing : {"error", "drop"}
    sep : str
        Between the columns of text files.
    encoding : str
        Of text files.

    Attributes
    ----------
    dropped, rows : int
        How many rows were left out, and how many there were.
    """

    def __init__(self, roles: Roles, missing: Missing, sep: str, encoding: str = "utf-8") -> None:
        require_pyarrow("read_folder needs")
        self.roles, self.missing, self.sep, self.encoding = roles, missing, sep, encoding
        self.dropped = self.rows = 0
        self.is_text_file = self._counts = False
        self._gaps = Gaps()
        self._kinds: dict[str, tuple[str, Path]] = {}
        self._hollow: list[Path] = []  # text files of no byte

    def read(self, paths: Sequence[Path]) -> Iterator[Batch]:
        """The batches of all files.

        Raises
        ------
        InputError
            A file cannot be read, lacks a column, or holds what is no id, rating or time, or another kind of it than the
            files before; or no file has a row. The message names the file, and the row where one is at fault.
        """
        import pyarrow as pa

        for path in paths:
            self.is_text_file = not is_parquet_part(path)
            first = 0
            if self.is_text_file and path.is_file() and not path.stat().st_size:
                self._hollow.append(path)
                continue
            try:
                groups, batches = self._texts(path) if self.is_text_file else self._parquet(path)
                for batch in batches:
                    if batch.num_rows:
                        yield from self._checked(decoded(batch), path, first, groups)
                    first += batch.num_rows
            except (pa.ArrowException, OSError, ValueError, LookupError) as error:
                if isinstance(error, InputError):
                    raise
                if "invalid UTF8" in str(error) or isinstance(error, UnicodeDecodeError):
                    raise InputError(f"{path} is not a text in UTF-8; encoding='cp1252' reads what Windows writes.") from error
                raise InputError(f"{path} cannot be read: {one_line(error)}.") from error
            self.rows += first
        if not self.rows:
            raise InputError(f"the table is empty: {paths[0]}{' and the other files' * (len(paths) > 1)} have no row.")
        if self._hollow:
            words = (
                f"{len(self._hollow):,} of {len(paths):,} files are empty, first {self._hollow[0]}: they count as without rows."
            )
            warnings.warn(words, stacklevel=5)
        if self._gaps and self.missing == "error":
            raise self._gaps.refusal()
        if self.roles.weight is not None and self.dropped < self.rows and not self._counts:
            raise InputError(f"column {self.roles.weight!r} has no weight above 0: nothing would count.")
        if self.dropped == self.rows:
            raise NoRowLeft(f"missing='drop' leaves no row: each of {self.rows:,} has no value in some column ({self._gaps}).")
        if self.dropped:
            words = f"{self.dropped:,} of {self.rows:,} rows were dropped because a value is missing ({self._gaps})."
            warnings.warn(words, stacklevel=5)

    def _parquet(self, path: Path) -> tuple[Sequence[int], Iterator[Any]]:
        import pyarrow.parquet as parquet

        file = parquet.ParquetFile(path, pre_buffer=False)
        self._require(file.schema_arrow.names, path)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
        groups = np.concatenate([[0], np.cumsum(sizes)])[:-1].astype(int).tolist() if sizes else []
        return groups, file.iter_batches(_ROWS, columns=self._wanted())

    def _texts(self, path: Path) -> tuple[Sequence[int], Iterator[Any]]:
        import pyarrow as pa
        import pyarrow.csv as csv

        if (other := other_separator(path, self.sep, self.encoding)) is not None:
            raise InputError(
                f"{path}: its first line has no {self.sep!r}, but {other!r}: sep={other!r} says what separates columns."
            )
        parse = csv.ParseOptions(delimiter=self.sep, newlines_in_values=True)
        read = csv.ReadOptions(block_size=_TEXT_BLOCK, encoding=self.encoding)
        with csv.open_csv(path, csv.ReadOptions(encoding=self.encoding), parse) as begin:
            self._require(begin.schema.names, path)
        convert = csv.ConvertOptions(
            column_types=dict.fromkeys(self._wanted(), pa.string()),  # pandas and this library say what they are
            include_columns=self._wanted(),
            null_values=NO_VALUE,
            strings_can_be_null=True,
        )
        return (), csv.open_csv(path, read, parse, convert)

    def _wanted(self) -> list[str]:
        return list(dict.fromkeys(str(name) for name in self.roles.names()))

    def _require(self, names: Sequence[str], path: Path) -> None:
        absent = [repr(name) for name in self._wanted() if name not in names]
        if absent:
            what = f"column {absent[0]} is" if len(absent) == 1 else f"columns {', '.join(absent)} are"
            raise InputError(f"{path}: {what} not in the table (columns: {', '.join(names)[:400]}).")
        for name in self._wanted():
            if list(names).count(name) > 1:
                raise InputError(f"{path}: column {name!r} is in the header more than once.")

    # ---- one batch ------------------------------------------------------------------------------

    def _checked(self, batch: Any, path: Path, first: int, groups: Sequence[int]) -> Iterator[Batch]:
        place, ids = Place(path, first, None, groups), (str(self.roles.user), str(self.roles.item))
        gone = np.zeros(batch.num_rows, bool)
        for name in self._wanted():
            if self.is_text_file and (zero := with_nul(batch.column(name))).any():
                raise InputError(
                    f"column {name!r} holds a NUL character {place(int(zero.argmax()))}: it is no text, or needs encoding=."
                )
            gaps = gaps_of(batch.column(name))
            if name in ids:
                gaps = gaps | blank_texts(batch.column(name))
            self._gaps.add(name, gaps, place)
            gone |= gaps
        if self.missing == "error" and self._gaps:  # the rest is read for its number of gaps alone
            return
        if gone.any():
            import pyarrow as pa

            self.dropped += int(gone.sum())
            batch, place = batch.filter(pa.array(~gone)), Place(path, first, ~gone, groups)
            if not batch.num_rows:
                return
        users, items = (self._ids(batch.column(name), name, path) for name in ids)
        ratings = times = weights = None
        if self.roles.rating is not None:
            ratings = as_ratings(batch.column(str(self.roles.rating)).to_pandas(), self.roles.rating, place)
        if self.roles.time is not None:
            times = self._times(batch.column(str(self.roles.time)).to_pandas(), str(self.roles.time), path, place)
        if self.roles.weight is not None:
            weights = as_weights(batch.column(str(self.roles.weight)).to_pandas(), self.roles.weight, place, some=False)
            self._counts |= bool(weights.any())
        yield Batch(users, items, ratings, times, weights, place)

    def _ids(self, column: Any, name: str, path: Path) -> Any:
        import pyarrow as pa

        kind = column.type
        if pa.types.is_integer(kind):
            self._agree(name, "integers", path)
            with suppress(pa.ArrowInvalid):  # an integer beyond 64 bits: said below
                return column.cast(pa.int64())
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view":
            self._agree(name, "texts", path)
            return column.cast(pa.large_string())
        with about(path):
            plain_ids(column.to_pandas(), name)
        raise InputError(f"{path}: column {name!r} holds {kind}, and ids are integers or texts.")

    def _times(self, column: pd.Series[Any], name: str, path: Path, place: Place) -> npt.NDArray[np.int64]:
        times = as_times(column, name, place)
        self._agree(name, kind_of_times(column), path)
        return times

    def _agree(self, name: str, kind: str, path: Path) -> None:
        before, where = self._kinds.setdefault(name, (kind, path))
        if before != kind:
            raise InputError(
                f"{path}: column {name!r} holds {kind}, and in {where} it holds {before}; make them all of one kind."
            )
