"""What a named data set is: how a copy is found, fetched, read and proved whole."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from graphrec.data.archives import Archive, open_archive
from graphrec.data.download import download
from graphrec.data.interactions import Interactions
from graphrec.data.movielens import Tables
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["Counts", "Embedded", "Entry", "Published", "RemoteFile"]


class Counts(NamedTuple):
    """Published size of a data set: users and items with at least one interaction, and interactions."""

    users: int
    items: int
    interactions: int


@dataclass(frozen=True)
class RemoteFile:
    """A file to download: its address, the path it gets below the data folder, and its published md5."""

    url: str
    path: str
    md5: str | None = None


@dataclass(frozen=True, kw_only=True)
class Entry(ABC):
    """A data set with a name.

    Attributes
    ----------
    name : str
    source, licence, citation : str
        Where it is published, on what terms (in short; the source has the text), and what to cite.
    """

    name: str
    source: str
    licence: str
    citation: str

    @property
    @abstractmethod
    def size(self) -> Counts:
        """Users, items and interactions."""

    @abstractmethod
    def find(self, folders: Sequence[Path]) -> Path | None:
        """The first folder or archive among `folders` that holds it."""

    @abstractmethod
    def load(self, folders: Sequence[Path], download_to: Path | None) -> tuple[Tables, Path | None]:
        """Its tables and where they were found.

        Parameters
        ----------
        folders : sequence of Path
            Looked at in this order.
        download_to : Path or None
            The folder that a download goes to; None forbids it.
        """


@dataclass(frozen=True, kw_only=True)
class Published(Entry):
    """A data set in its publisher's files: a folder ``name`` or an archive ``name.zip``.

    Attributes
    ----------
    main : str
        The file with the interactions: a folder without it is not taken for the data set.
    read : callable
        From the opened folder or archive to :class:`Tables`.
    files : tuple of RemoteFile
        What a download fetches; the one that holds `main` comes last.
    counts : Counts
        Published size.
    frozen : bool
        Whether every copy must have that size; False for a data set that its publisher keeps renewing.
    md5 : mapping
        Checksums of files inside, which hold for repacked archives and unpacked folders as well.
    """

    main: str
    read: Callable[[Archive], Tables]
    files: tuple[RemoteFile, ...]
    counts: Counts
    frozen: bool = True
    md5: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> Counts:
        return self.counts

    def find(self, folders: Sequence[Path]) -> Path | None:
        for folder in folders:
            unpacked, packed = folder / self.name, folder / f"{self.name}.zip"
            if unpacked.is_dir() and open_archive(unpacked).has(self.main):
                return unpacked
            if packed.is_file():
                return packed
        return None

    def load(self, folders: Sequence[Path], download_to: Path | None) -> tuple[Tables, Path | None]:
        path = self.find(folders)
        if path is not None:
            return self.tables(path), path
        if download_to is not None:
            return self._download(download_to)
        looked = " or ".join(str(folder / self.name / self.main) for folder in folders)
        raise InputError(
            f"data set {self.name!r} is not here: looked for {looked}, and for {self.name}.zip beside those folders; "
            f"it is published at {self.files[-1].url}."
        )

    def tables(self, path: Path) -> Tables:
        """Read a copy, and refuse one that is not the published data set."""
        archive = open_archive(path)
        archive.verify(self.md5)
        tables = self.read(archive)
        found = Counts(tables.interactions.n_users, tables.interactions.n_items, len(tables.interactions))
        if self.frozen and found != self.counts:
            raise InputError(
                f"{path} is not the published {self.name!r} (size mismatch): it has {_in_words(found)}, "
                f"but should have {_in_words(self.counts)}."
            )
        return tables

    def _download(self, base: Path) -> tuple[Tables, Path]:
        """Fetch every file, `main` last so that an interrupted download is not found, and keep what can be read."""
        for file in self.files:
            try:
                download(file.url, base / file.path, file.md5)
            except InputError as error:
                others = " and ".join(Path(other.path).name for other in self.files if other is not file)
                beside = f" (and {others} beside it)" if others else ""
                raise InputError(
                    f"data set {self.name!r} is not on this machine, and {error}; fetch that file elsewhere and save it as "
                    f"{base / file.path}{beside}, or set GRAPHREC_DATA to a folder that has {self.name} or {self.name}.zip."
                ) from error
        path = self.find([base])
        try:
            if path is None:
                raise InputError(f"there is no {self.main} in it.")
            return self.tables(path), path
        except InputError as error:
            for file in self.files:
                (base / file.path).unlink(missing_ok=True)
            raise InputError(f"what {self.files[-1].url} sent is unusable and was not kept: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Embedded(Entry):
    """A data set that the library makes itself.

    Attributes
    ----------
    make : callable
        Gives interactions, items and users, the same each time.
    """

    make: Callable[[], tuple[Interactions, pd.DataFrame, pd.DataFrame]]

    @cached_property
    def size(self) -> Counts:
        inter = self.make()[0]
        return Counts(inter.n_users, inter.n_items, len(inter))

    def find(self, folders: Sequence[Path]) -> Path | None:
        return None

    def load(self, folders: Sequence[Path], download_to: Path | None) -> tuple[Tables, Path | None]:
        return Tables(*self.make()), None


def _in_words(counts: Counts) -> str:
    return f"{counts.users:,} users, {counts.items:,} items and {counts.interactions:,} interactions"
