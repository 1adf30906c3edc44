"""From files to the columns of a mapped table, in passes that each go over what the one before wrote."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.column_files import Staging
from graphrec.data.id_spaces import IdSpace
from graphrec.data.mapped_writing import id_at, stage_ids, table_record
from graphrec.data.pair_sorting import PairSorter
from graphrec.data.range_files import RangeFiles
from graphrec.data.repeats import Duplicates
from graphrec.data.table_parts import PartReader, Place
from graphrec.errors import InputError

__all__ = ["FolderPasses"]

_BLOCK = 1 << 20  # rows
_MOST = np.iinfo(np.int32).max
_EXTRAS: dict[str, Any] = {"rating": np.float32, "time": np.int64, "weight": np.float32}


class FolderPasses:
    """The making of one table.

    Parameters
    ----------
    staging : Staging
        Where its columns go; entered, and committed at the end.
    reader : PartReader
    """

    def __init__(self, staging: Staging, reader: PartReader) -> None:
        self.staging, self.reader = staging, reader
        self.scratch = staging.path / "scratch"
        self.extras = {name: dtype for name, dtype in _EXTRAS.items() if getattr(reader.roles, name) is not None}
        self.places: list[Place] = []
        self.starts = [0]  # of the batches, in rows of the table; and the end
        self.spaces: list[IdSpace] = []
        self.kinds: list[str] = []
        self.sizes: list[int] = []
        self.sorter: PairSorter | None = None
        self.by_item: RangeFiles | None = None

    def run(self, paths: Sequence[Path], duplicates: Duplicates) -> None:
        """Make the table; see :func:`graphrec.data.folder.read_folder`."""
        self.scratch.mkdir()
        try:
            self._number_ids(paths)
            self._index_rows()
            self._sort_pairs(duplicates)
        finally:  # an error's traceback would keep them open, and their room taken
            for space in self.spaces:
                space.remove()
            for files in (self.sorter, self.by_item):
                if files is not None:
                    files.close()
        self.scratch.rmdir()
        kinds = dict(zip(("user", "item"), self.kinds, strict=True))
        self.staging.commit(table_record(self.sizes[0], self.sizes[1], kinds))

    def _number_ids(self, paths: Sequence[Path]) -> None:
        """First pass, the only one over the source: ids batch by batch; ratings, times and weights."""
        self.spaces = [IdSpace(self.scratch, side) for side in ("user", "item")]
        columns = {name: self.staging.column(f"{name}s", dtype) for name, dtype in self.extras.items()}
        for batch in self.reader.read(paths):
            self.spaces[0].add(batch.users)
            self.spaces[1].add(batch.items)
            for name, column in columns.items():
                column.add(getattr(batch, f"{name}s"))
            self.places.append(batch.place)
            self.starts.append(self.starts[-1] + len(batch.users))
        for column in columns.values():
            column.close()

    def _index_rows(self) -> None:
        """Second pass: indices instead of ids."""
        for side, space in zip(("user", "item"), self.spaces, strict=True):
            ids, integers = space.order(guess=self.reader.is_text_file)
            self.sizes.append(len(ids))
            self.kinds.append(
                stage_ids(self.staging, side, ids.to_numpy()) if integers else _stage_texts(self.staging, side, ids)
            )
            del ids
            with self.staging.column(f"{side}s", np.int32) as column:
                for index in space.indices():
                    column.add(index)
            space.remove()
        if sum(self.sizes) > _MOST:
            raise InputError(f"there are more than {_MOST:,} users and items, and a node is a number of 32 bits.")

    def _rows(self, names: Sequence[str]) -> Iterator[tuple[slice, dict[str, npt.NDArray[Any]]]]:
        """Positions of rows, and their values in columns that are written, block by block."""
        for lo in range(0, self.starts[-1], _BLOCK):
            rows = slice(lo, min(lo + _BLOCK, self.starts[-1]))
            yield rows, {name: self.staging.read(name, rows) for name in names}

    def _sort_pairs(self, duplicates: Duplicates) -> None:
        """Third pass: keys, then pairs in their order, and what becomes of those that are repeated."""
        self.sorter = PairSorter(self.scratch, self._degrees("users", self.sizes[0]), self.sizes[1], self.extras)
        names = ["users", "items", *(f"{name}s" for name in self.extras)]
        with self.staging.column("keys", np.int64) as keys:
            for _, columns in self._rows(names):
                extras = {name: columns[f"{name}s"] for name in self.extras}
                keys.add(self.sorter.add(columns["users"], columns["items"], extras))
        self.by_item = RangeFiles(self.scratch, "items", self._degrees("items", self.sizes[1]), np.int64)
        gone, repeats, first = _Gone(self.scratch / "gone", self.starts[-1]), 0, self.starts[-1]
        rows = _Rows(self.staging, *self.sizes)
        for piece in self.sorter.pieces(duplicates):
            users, items = rows.add(piece.keys)
            self.by_item.deal(items, items * self.sizes[0] + users)
            repeats, first = repeats + piece.repeats, first if piece.first < 0 else min(first, piece.first)
            if len(piece.gone):
                gone.mark(piece.gone)
            for name, values in piece.joined.items():
                self.staging.change(name, piece.changed, values)
        if duplicates == "error" and repeats:
            raise self._repeated(repeats, first)
        if duplicates not in ("error", "keep") and repeats:
            warnings.warn(
                f"{repeats:,} of {self.starts[-1]:,} rows repeat an earlier pair, which counts once "
                f"(duplicates={duplicates!r}).",
                stacklevel=4,
            )
        for keys_by_item in self.by_item.read():
            rows.add_turned(np.sort(keys_by_item))
        rows.close()
        if gone.marks is not None:
            self._leave_out(gone.marks, [*names, "keys"])
        gone.remove()

    def _degrees(self, name: str, size: int) -> npt.NDArray[np.int64]:
        """Rows of each user or item."""
        degree = np.zeros(size, np.int64)
        for _, columns in self._rows([name]):
            np.add.at(degree, columns[name], 1)
        return degree

    def _leave_out(self, marks: npt.NDArray[np.bool_], names: Sequence[str]) -> None:
        shorter = {name: self.staging.column(f"{name}.kept", self.staging.dtype(name)) for name in names}
        for rows, columns in self._rows(names):
            stay = ~marks[rows]
            for name, column in shorter.items():
                column.add(columns[name][stay])
        for name, column in shorter.items():
            column.close()
            self.staging.rename(f"{name}.kept", name)

    def _repeated(self, count: int, row: int) -> InputError:
        batch = int(np.searchsorted(self.starts, row, side="right")) - 1
        who, what = (
            id_at(self.staging, side, kind, int(self.staging.read(f"{side}s", slice(row, row + 1))[0]))
            for side, kind in zip(("user", "item"), self.kinds, strict=True)
        )
        return InputError(
            f"{count:,} rows repeat an earlier (user, item) pair, first {self.places[batch](row - self.starts[batch])}: user "
            f"{who!s}, item {what!s}. Say what to do with them: duplicates='last', 'first', 'mean', 'sum', 'max' or 'keep'."
        )


class _Rows:
    """Distinct pairs that come in order, as compressed rows of users and then of all nodes."""

    def __init__(self, staging: Staging, n_users: int, n_items: int) -> None:
        self._staging, self._n_users, self._n_items = staging, n_users, n_items
        self._keys, self._items = staging.column("distinct_keys", np.int64), staging.column("indices", np.int32)
        self._nodes = staging.column("node_indices", np.int32)
        self._lengths = np.zeros(n_users + n_items + 1, np.int64)  # of the rows, each one place on

    def add(self, keys: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The next pairs by user, as users and items."""
        users, items = np.divmod(keys, self._n_items)
        np.add.at(self._lengths, users + 1, 1)
        self._keys.add(keys)
        self._items.add(items.astype(np.int32))
        self._nodes.add((items + self._n_users).astype(np.int32))
        return users, items

    def add_turned(self, keys: npt.NDArray[np.int64]) -> None:
        """The next pairs by item, ``item * n_users + user``, when all are there by user."""
        items, users = np.divmod(keys, self._n_users)
        np.add.at(self._lengths, items + (self._n_users + 1), 1)
        self._nodes.add(users.astype(np.int32))

    def close(self) -> None:
        for column in (self._keys, self._items, self._nodes):
            column.close()
        ends = np.cumsum(self._lengths)
        self._staging.write("indptr", np.int64, ends[: self._n_users + 1])
        self._staging.write("node_indptr", np.int64, ends)


class _Gone:
    """Which rows of the table are to be left out, as a mapped file that is made when there is one."""

    def __init__(self, path: Path, n: int) -> None:
        self._path, self._n = path, n
        self.marks: npt.NDArray[np.bool_] | None = None

    def mark(self, rows: npt.NDArray[np.int64]) -> None:
        if self.marks is None:
            with self._path.open("wb") as file:  # not a file of holes: writing to one ends the process when the disk is full
                for lo in range(0, self._n, _BLOCK):
                    file.write(bytes(min(_BLOCK, self._n - lo)))
            self.marks = np.memmap(self._path, bool, "r+", shape=(self._n,))
        self.marks[rows] = True

    def remove(self) -> None:
        self.marks = None
        self._path.unlink(missing_ok=True)


def _stage_texts(staging: Staging, side: str, ids: Any) -> str:
    """As :func:`stage_ids`, from pyarrow's large_string without making objects of them."""
    _, offsets, data = ids.buffers()
    starts = np.frombuffer(offsets, np.int64, len(ids) + 1, ids.offset * 8)
    text = np.frombuffer(data, np.uint8)[starts[0] : starts[-1]]
    staging.write(f"{side}_ids.text", np.uint8, text)
    staging.write(f"{side}_ids.starts", np.int64, starts - starts[0])
    return "texts"
