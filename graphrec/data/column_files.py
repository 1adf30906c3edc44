"""Columns as .npy files that are written piece by piece, and become visible all together or not at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import uuid
import zlib
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError, of_file
from graphrec.tensor_files import is_running, replace_file

__all__ = ["ColumnFile", "Staging", "checksum", "is_column_folder", "mapped"]

_HEADER_BYTES = 128  # NumPy's format asks for a multiple of 64
_OURS = re.compile(r"columns-[0-9a-f]{12}(\.(\d+)\.part)?")
_ABANDONED = 3600.0  # seconds
_BLOCK = 2**22  # bytes
_MAGIC = b"\x93NUMPY\x01\x00"


class ColumnFile:
    """A one-dimensional .npy file that grows; its header is written last.

    Parameters
    ----------
    path : Path
    dtype : dtype
    """

    def __init__(self, path: Path, dtype: npt.DTypeLike) -> None:
        self.path, self.dtype, self.length = path, np.dtype(dtype), 0
        self._file: IO[bytes] = path.open("wb")
        self._file.write(bytes(_HEADER_BYTES))

    def add(self, values: npt.NDArray[Any]) -> None:
        """Append values."""
        self._file.write(np.ascontiguousarray(values, self.dtype).view(np.uint8).data)
        self.length += len(values)

    def close(self) -> None:
        """Complete the file and bring it to the disk."""
        words = f"{{'descr': '{self.dtype.str}', 'fortran_order': False, 'shape': ({self.length},), }}"
        rest = _HEADER_BYTES - len(_MAGIC) - 2
        with self._file as file:
            file.seek(0)
            file.write(_MAGIC + rest.to_bytes(2, "little") + words.ljust(rest - 1).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def __enter__(self) -> ColumnFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self.close()
        else:
            self._file.close()


def mapped(path: Path, dtype: npt.DTypeLike, length: int) -> npt.NDArray[Any]:
    """A column as a read-only array over the mapped file (its ``base`` is the :class:`numpy.memmap`).

    Raises
    ------
    InputError
        The file is missing, or not of the stated type and length.
    """
    try:
        values: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    except (OSError, ValueError, EOFError, SyntaxError) as error:
        raise InputError(f"{path} is missing or damaged ({' '.join(str(error).split())}).") from None
    if values.dtype != dtype or values.shape != (length,):
        raise InputError(f"{path} is damaged: it does not hold {length:,} values of {np.dtype(dtype)}.")
    return values


def checksum(path: Path) -> int:
    """CRC-32 of a file, which is read past this process's memory."""
    found = 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            found = zlib.crc32(block, found)
    return found


def is_column_folder(name: str) -> bool:
    """Whether a name is one that :class:`Staging` gives to columns that are complete."""
    return bool(_OURS.fullmatch(name)) and not name.endswith(".part")


class Staging:
    """Where the columns of a table are written until they are all there; used in a ``with`` statement.

    Leaving it without :meth:`commit`, by an error or not, leaves the folder as it was.

    Parameters
    ----------
    folder : Path
        Of the table. It must be new, empty, or hold a table.

    Attributes
    ----------
    path : Path
        The folder of the columns; what lies there beside columns must be gone before :meth:`commit`.

    Raises
    ------
    InputError
        The folder holds something else.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file; a table is written into a folder.")
        if folder.is_dir():
            strange = sorted(path.name for path in folder.iterdir() if not _is_ours(path.name))
            if strange:
                raise InputError(
                    f"{folder} holds {strange[0]!r}, which is no part of a table; name a folder for the table alone."
                )
        self._name = f"columns-{uuid.uuid4().hex[:12]}"
        self.path = folder / f"{self._name}.{os.getpid()}.part"
        self._columns: dict[str, ColumnFile] = {}

    def __enter__(self) -> Staging:
        self._made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            _remove_what_the_dead_left(self.folder)
            self.path.mkdir()
        except OSError:
            self._undo()
            raise
        return self

    def column(self, name: str, dtype: npt.DTypeLike) -> ColumnFile:
        """A new column; whoever asks for it completes it."""
        self._columns[name] = ColumnFile(self._path_of(name), dtype)
        return self._columns[name]

    def write(self, name: str, dtype: npt.DTypeLike, values: npt.NDArray[Any]) -> None:
        """A column whose values are all there."""
        with self.column(name, dtype) as column:
            column.add(values)

    def dtype(self, name: str) -> np.dtype[Any]:
        """The type of a column."""
        return self._columns[name].dtype

    def read(self, name: str, rows: slice) -> npt.NDArray[Any]:
        """Some values of a column that is complete, in memory."""
        column = self._columns[name]
        start = _HEADER_BYTES + rows.start * column.dtype.itemsize
        return np.fromfile(column.path, column.dtype, rows.stop - rows.start, offset=start)

    def change(self, name: str, rows: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        """Put other values into a column that is complete."""
        values_there: npt.NDArray[Any] = np.load(self._columns[name].path, mmap_mode="r+")
        values_there[rows] = values

    def rename(self, name: str, to: str) -> None:
        """Put a column that is complete in the place of another."""
        column = self._columns.pop(name)
        column.path = column.path.replace(self._path_of(to))
        self._columns[to] = column

    def _path_of(self, name: str) -> Path:
        return self.path / f"{name}.npy"

    def commit(self, record: dict[str, Any]) -> None:
        """Make the columns the table of the folder, and remove the columns of an earlier one."""
        before, lengths = _named(self.folder), {name: column.length for name, column in self._columns.items()}
        sums = {name: checksum(column.path) for name, column in self._columns.items()}
        os.replace(self.path, self.folder / self._name)
        text = json.dumps({**record, "columns": self._name, "lengths": lengths, "checksums": sums}, indent=1) + "\n"
        try:
            replace_file(self.folder / "table.json", text.encode())
        except OSError:
            shutil.rmtree(self.folder / self._name, ignore_errors=True)
            raise
        self._made = []
        for path in self.folder.glob("columns-*"):
            # Of columns that nothing names, young ones may be somebody's who is about to name them.
            old = path.name == before or time.time() - path.stat().st_mtime > _ABANDONED
            if old and path.name != self._name and is_column_folder(path.name):
                shutil.rmtree(path, ignore_errors=True)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._undo()
        if isinstance(error, OSError) and error.filename is None:
            raise of_file(error, self.folder) from None

    def _undo(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        for folder in self._made:  # innermost first
            try:
                folder.rmdir()
            except OSError:
                break


def _named(folder: Path) -> str | None:
    """The folder of columns that ``table.json`` names, if it can be read."""
    try:
        return str(json.loads((folder / "table.json").read_text(encoding="utf-8"))["columns"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_ours(name: str) -> bool:
    return name == "table.json" or (name.startswith("table.json.") and name.endswith(".part")) or bool(_OURS.fullmatch(name))


def _remove_what_the_dead_left(folder: Path) -> None:
    for path in folder.iterdir():
        found = _OURS.fullmatch(path.name)
        if found and found[2] and not is_running(int(found[2])):
            shutil.rmtree(path, ignore_errors=True)
