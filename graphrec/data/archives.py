"""One way to read a publisher's files, whether they are still in the zip archive or unpacked in a folder."""

from __future__ import annotations

import hashlib
import io
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from graphrec.data.bounded import DAMAGE, SMALL_STEP, STEP, Bounded, one_line, room_for
from graphrec.errors import InputError

__all__ = ["Archive", "Folder", "ZipArchive", "open_archive"]

Stamp = tuple[int, int]


class Archive(ABC):
    """Named files of one data set; build one with :func:`open_archive`.

    Attributes
    ----------
    path : Path
        The folder or the zip archive.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def has(self, member: str) -> bool:
        """Whether there is a file of that name (without any leading folder)."""

    @abstractmethod
    def where(self, member: str) -> str:
        """How messages name the file."""

    @abstractmethod
    def stamp(self, member: str) -> Stamp:
        """Size in bytes and time of the last change in nanoseconds; both change when the content may have."""

    @abstractmethod
    def _open(self, member: str) -> IO[bytes]: ...

    @contextmanager
    def open(self, member: str) -> Iterator[IO[bytes]]:
        """The file as a stream of bytes, to be parsed inside the ``with`` block.

        Raises
        ------
        InputError
            The file is missing, damaged, or larger than its packed size allows (:mod:`graphrec.data.bounded`), or the
            block failed to parse it (any ValueError).
        """
        if not self.has(member):
            raise InputError(f"{self.path} has no file {member!r}; is it the whole data set, as its publisher packed it?")
        try:
            with self._open(member) as stream:
                yield stream
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(f"{self.where(member)} cannot be read: {one_line(error)}.") from error

    def read(self, member: str) -> bytes:
        """The whole content of a file."""
        with self.open(member) as stream:
            return stream.read()

    def verify(self, md5: Mapping[str, str]) -> None:
        """Compare files with their checksums, given as member → md5 in hexadecimal.

        Raises
        ------
        InputError
            A file differs from the published one, or cannot be read.
        """
        for member, expected in md5.items():
            found = hashlib.md5(self.read(member), usedforsecurity=False).hexdigest()
            if found != expected:
                raise InputError(
                    f"{self.where(member)} has the wrong checksum: md5 {found}, but the published file has {expected}."
                )


class Folder(Archive):
    """Unpacked files, in the folder itself or in a folder of the same name inside it."""

    def _find(self, member: str) -> Path:
        inner = self.path / self.path.name / member
        return inner if inner.is_file() else self.path / member

    def has(self, member: str) -> bool:
        return self._find(member).is_file()

    def where(self, member: str) -> str:
        return str(self._find(member))

    def stamp(self, member: str) -> Stamp:
        stat = self._find(member).stat()
        return stat.st_size, stat.st_mtime_ns

    def _open(self, member: str) -> IO[bytes]:
        return self._find(member).open("rb")


class ZipArchive(Archive):
    """Files inside a zip archive, read without unpacking it; folders inside the archive do not matter."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        try:
            self._zip = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise InputError(f"{path} is not a readable zip archive ({one_line(error)}); it may be cut short.") from error
        self._compare_names()
        names = [name for name in self._zip.namelist() if not name.startswith("__MACOSX/")]
        self._members = {name.rpartition("/")[2]: name for name in sorted(names, key=lambda n: -n.count("/"))}

    def _compare_names(self) -> None:
        """Refuse a directory that names another file than lies at its place.

        A checksum guards what a file holds and none guards its name: a file that is optional would be missed in silence.
        """
        with self.path.open("rb") as file:
            for info in self._zip.infolist():
                name = info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace")
                file.seek(info.header_offset + 26)
                length = int.from_bytes(file.read(2), "little")
                file.seek(2, 1)
                if length != len(name) or file.read(length) != name:
                    raise InputError(f"{self.path} is damaged: its directory names a file {info.filename!r} that is not there.")

    @property
    def members(self) -> list[str]:
        """Every file, without the folder it is in."""
        return [name for name in self._members if name]

    def has(self, member: str) -> bool:
        return member in self._members

    def where(self, member: str) -> str:
        return f"{self._members.get(member, member)} in {self.path}"

    def stamp(self, member: str) -> Stamp:
        stat = self.path.stat()
        return stat.st_size, stat.st_mtime_ns

    def _open(self, member: str) -> IO[bytes]:
        entry = self._zip.getinfo(self._members[member])
        where = self.where(member)
        if entry.flag_bits & 1:
            raise InputError(f"{where} is encrypted.")
        if entry.file_size > room_for(entry.compress_size):
            raise InputError(
                f"{where} says that it unpacks from {entry.compress_size:,} to {entry.file_size:,} bytes, which no table "
                "does; if it is what it should be, unpack it first."
            )
        # Python's own reader stops at the stated size as well, but only after it has unpacked what there is
        by_pieces = entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        bounded = Bounded(self._zip.open(entry), entry.file_size, where, STEP if by_pieces else SMALL_STEP, exact=True)
        return io.BufferedReader(bounded, STEP)


def open_archive(path: Path) -> Archive:
    """The data set in a folder or a zip archive.

    Raises
    ------
    InputError
        There is nothing at `path`, or it is not a readable zip archive.
    """
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise InputError(f"{path} does not exist.")
    return ZipArchive(path)
