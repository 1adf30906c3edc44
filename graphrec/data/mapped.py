"""A table whose columns stay on disk and are mapped into memory: opened at once, and shared by all that open it.

``table.json``                       sizes, kinds of ids, and the name of the folder with the columns
``columns-NAME/*.npy``               users, items, ratings, times, weights; what is derived from them; the ids

The columns are written into a folder of another name. It gets its own when they are complete and on the disk, and it is the
table when ``table.json``, which is replaced in one move, names it. What a killed process left is not a table, and goes when
the next one is written.
"""

from __future__ import annotations

import itertools
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.column_files import checksum, is_column_folder, mapped
from graphrec.data.interactions import Interactions
from graphrec.errors import InputError

__all__ = ["COLUMNS", "FORMAT", "MappedInteractions", "open_table"]

FORMAT = 1
COLUMNS: dict[str, Any] = {
    "users": np.int32,
    "items": np.int32,
    "ratings": np.float32,
    "times": np.int64,
    "weights": np.float32,
    "keys": np.int64,
    "distinct_keys": np.int64,
    "indptr": np.int64,
    "indices": np.int32,
    "node_indptr": np.int64,
    "node_indices": np.int32,
}
_BLOCK = 2**22
_OPTIONAL = ("ratings", "times", "weights")
_REQUIRED = [name for name in COLUMNS if name not in _OPTIONAL]
_IDS: dict[str, dict[str, Any]] = {"integers": {"": np.int64}, "texts": {".text": np.uint8, ".starts": np.int64}}


class MappedInteractions(Interactions):
    """Interactions whose arrays are read-only views of files; see :func:`open_table`.

    A pickle or a copy holds the name of the folder and opens it again. What is made of this table, such as the parts of a
    split, is an ordinary table in memory with the same ids; ``write_table`` maps it, too.
    """

    _opened: _Opened | None = None

    @property
    def folder(self) -> Path | None:
        """Where the files are; None for a table that was made of this one."""
        return None if self._opened is None else self._opened.folder

    @property
    def columns(self) -> str | None:
        """Name of the folder of columns, which no other table has; None for a table that was made of this one."""
        return None if self._opened is None else str(self._opened.record["columns"])

    @cached_property
    def user_ids(self) -> npt.NDArray[Any]:
        """See :class:`Interactions`; texts are read when they are first asked for, and are then in memory."""
        return self._read("user")

    @cached_property
    def item_ids(self) -> npt.NDArray[Any]:
        """As :attr:`user_ids`."""
        return self._read("item")

    def _read(self, side: str) -> npt.NDArray[Any]:
        if self._opened is None:  # the fields of any other table are set when it is made
            raise AttributeError(f"{side}_ids")
        return self._opened.ids(side)

    @property
    def n_users(self) -> int:
        """Number of users in the id space, with or without a row."""
        return super().n_users if self._opened is None else int(self._opened.record["n_users"])

    @property
    def n_items(self) -> int:
        """Number of items in the id space, with or without a row."""
        return super().n_items if self._opened is None else int(self._opened.record["n_items"])

    def node_structure(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
        """As of :class:`Interactions`, mapped: no process that builds a graph on this table holds one of its own."""
        if self._opened is None:
            return super().node_structure()
        return self._opened.array("node_indptr", np.int64), self._opened.array("node_indices", np.int32)

    @cached_property
    def _in_range(self) -> bool:
        """Whether every index is one of this table; an index that is not would be read from somebody else's memory."""
        if self._opened is None:
            return True
        nodes = self.node_structure()
        limits = (
            (self.users, self.n_users),
            (self.items, self.n_items),
            (self.structure[1], self.n_items),
            (nodes[1], self.n_users + self.n_items),
        )
        starts = ((self.structure[0], len(self.structure[1])), (nodes[0], len(nodes[1])))
        return all(_below(array, limit) for array, limit in limits) and all(_bounds(array, end) for array, end in starts)

    @cached_property
    def _changed(self) -> str | None:
        """A column whose file is not what was written; None also where an earlier version has not noted what that was."""
        if self._opened is None:
            return None
        sums = self._opened.record.get("checksums", {})
        return next((name for name, value in sums.items() if checksum(self._opened.columns / f"{name}.npy") != value), None)

    def check(self) -> None:
        """Refuse columns whose sizes are right and whose content is damaged: all of them are read once, block by block.

        Raises
        ------
        InputError
            A file has changed since the table was written, a user or an item is none of this table, or the rows of users do
            not follow one another.
        """
        if self._changed is not None:
            raise InputError(f"{self.folder} is damaged: {self._changed}.npy is not what was written; write the table anew.")
        if not self._in_range:
            raise InputError(f"{self.folder} is damaged: it has a user or an item that is not in the table; write it anew.")

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._opened is None:
            return super().__reduce_ex__(protocol)
        return open_table, (str(self.folder), self.columns, False)


def _below(array: npt.NDArray[Any], limit: int) -> bool:
    blocks = (array[start : start + _BLOCK] for start in range(0, len(array), _BLOCK))
    return all(int(block.min()) >= 0 and int(block.max()) < limit for block in blocks)


def _bounds(array: npt.NDArray[Any], end: int) -> bool:
    if not len(array) or int(array[0]) != 0 or int(array[-1]) != end:
        return False
    blocks = (array[start : start + _BLOCK + 1] for start in range(0, len(array), _BLOCK))
    return all(bool((block[1:] >= block[:-1]).all()) for block in blocks)


class _Opened:
    """A folder and what its ``table.json`` says."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder, self.record = folder, record
        self.columns = folder / record["columns"]

    def array(self, name: str, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        return mapped(self.columns / f"{name}.npy", dtype, int(self.record["lengths"][name]))

    def ids(self, side: str) -> npt.NDArray[Any]:
        kind = self.record["ids"][side]
        if kind == "integers":
            return self.array(f"{side}_ids", np.int64)
        text, starts = (self.array(f"{side}_ids{part}", dtype) for part, dtype in _IDS["texts"].items())
        ids, whole = np.empty(len(starts) - 1, object), text.data
        ids[:] = [str(whole[a:b], "utf-8", "surrogatepass") for a, b in itertools.pairwise(starts.tolist())]
        ids.flags.writeable = False
        return ids


def open_table(folder: str | os.PathLike[str], columns: str | None = None, check: bool = True) -> MappedInteractions:
    """Open a table that :func:`~graphrec.data.folder.read_folder` or :func:`~graphrec.data.mapped_writing.write_table` wrote.

    The files are read once, at a gigabyte a second and more, so that what is damaged is refused; then they are mapped. The
    operating system reads pages as they are needed, gives them back when memory is short, and holds them once for
    all processes. Do not change the files of a table that is open.

    Parameters
    ----------
    folder : path
    columns : str, optional
        Name of the folder of columns that is expected, so that a table that was written anew is not taken for the old one.
    check : bool
        False opens in milliseconds whatever the size: then only the sizes of the files are looked at, until a fit on the whole
        table calls :meth:`MappedInteractions.check`.

    Returns
    -------
    MappedInteractions

    Raises
    ------
    InputError
        There is no table, it is of another version, or a file is missing or is not what was written.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InputError(f"open_table takes the path of a folder, not {type(folder).__name__}.")
    path = Path(folder).absolute()
    record = _record(path)
    if columns is not None and columns != record["columns"]:
        raise InputError(f"{path} has been written anew and is another table now.")
    opened = _Opened(path, record)
    array: dict[str, Any] = {name: opened.array(name, dtype) for name, dtype in COLUMNS.items() if name in record["lengths"]}
    for side, kind in record["ids"].items():
        for part, dtype in _IDS[kind].items():
            opened.array(f"{side}_ids{part}", dtype)  # so that what is damaged is found now
    table = MappedInteractions.__new__(MappedInteractions)
    table.__dict__.update(
        users=array["users"],
        items=array["items"],
        ratings=array.get("ratings"),
        times=array.get("times"),
        weights=array.get("weights"),
        keys=array["keys"],
        distinct_keys=array["distinct_keys"],
        structure=(array["indptr"], array["indices"]),
        _opened=opened,
    )
    if check:
        table.check()
    return table


def _record(folder: Path) -> dict[str, Any]:
    path = folder / "table.json"
    if not path.is_file():
        raise InputError(f"{folder} is not a table: it has no table.json. read_folder and write_table make one.")
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version, writer = record["format"], record["graphrec"]
    except (OSError, ValueError, KeyError, TypeError):
        raise _damaged(path) from None
    if version != FORMAT:
        raise InputError(f"{folder} was written by graphrec {writer}, in format {version}; this one reads format {FORMAT}.")
    try:
        lengths, kinds = record["lengths"], record["ids"]
        parts = [f"{side}_ids{part}" for side in ("user", "item") for part in _IDS[kinds[side]]]
        right = all(type(lengths[name]) is int and lengths[name] > 0 for name in (*_REQUIRED, *parts))
        right &= is_column_folder(record["columns"]) and min(record["n_users"], record["n_items"]) > 0
        right &= lengths["indptr"] == record["n_users"] + 1 and lengths["indices"] == lengths["distinct_keys"]
        right &= lengths["node_indptr"] == record["n_users"] + record["n_items"] + 1
        right &= lengths["node_indices"] == 2 * lengths["indices"]
    except (KeyError, TypeError, AttributeError):
        right = False
    if not right or any(
        lengths.get(name, lengths["users"]) != lengths["users"] for name in ("items", "keys", "ratings", "times")
    ):
        raise _damaged(path)
    return record


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged and cannot be read.")
