"""One way to read a publisher's files, whether they are still in the zip archive or unpacked in a folder."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

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
            The file is missing or damaged, or the block failed to parse it (any ValueError).
        """
        if not self.has(member):
            raise InputError(f"{self.path} has no file {member!r}; is it the whole data set, as its publisher packed it?")
        try:
            with self._open(member) as stream:
                yield stream
        except InputError:
            raise
        except (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
            raise InputError(f"{self.where(member)} cannot be read: {_one_line(error)}.") from error

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
        except (OSError, zipfile.BadZipFile) as error:
            raise InputError(f"{path} is not a readable zip archive ({_one_line(error)}); it may be cut short.") from error
        names = [name for name in self._zip.namelist() if not name.startswith("__MACOSX/")]
        self._members = {name.rpartition("/")[2]: name for name in sorted(names, key=lambda n: -n.count("/"))}

    def has(self, member: str) -> bool:
        return member in self._members

    def where(self, member: str) -> str:
        return f"{self._members.get(member, member)} in {self.path}"

    def stamp(self, member: str) -> Stamp:
        stat = self.path.stat()
        return stat.st_size, stat.st_mtime_ns

    def _open(self, member: str) -> IO[bytes]:
        name = self._members[member]
        if self._zip.getinfo(name).flag_bits & 1:
            raise InputError(f"{self.where(member)} is encrypted.")
        return self._zip.open(name)


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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
