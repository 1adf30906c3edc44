"""Streams that end where they should: what unpacks into more than the machine holds is refused, and what ends early, too."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO

from graphrec.errors import InputError

__all__ = [
    "DAMAGE",
    "MOST_BYTES",
    "MOST_RATIO",
    "SMALL_BYTES",
    "SMALL_STEP",
    "STEP",
    "Bounded",
    "one_line",
    "room_for",
    "unpacked",
]

SMALL_BYTES = 256 << 20
"""A file may unpack to this size, whatever its packed size."""
MOST_RATIO = 200
"""Beyond that, to no more than this many times its packed size; tables of interactions reach about 20."""
MOST_BYTES = 16 << 30
"""And never to more than this."""
STEP = 1 << 20
"""Bytes that are read at a time."""
SMALL_STEP = 1 << 12
"""Packed bytes that are read at a time where a method unpacks all of a piece at once."""

DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
)
"""What the readers of packed files raise about damaged ones."""


def room_for(packed: int) -> int:
    """The most bytes that a file of `packed` bytes may unpack to."""
    return min(max(SMALL_BYTES, MOST_RATIO * packed), MOST_BYTES)


class Bounded(io.RawIOBase):
    """A stream of bytes, read a piece at a time, that raises once more comes than there should.

    Parameters
    ----------
    source : binary stream
        Closed with this one.
    most : int
        Number of bytes.
    name : str
        For messages.
    step : int
        The most bytes asked of the source at a time.
    exact : bool
        Whether fewer bytes are an error, too.
    """

    def __init__(self, source: IO[bytes], most: int, name: str, step: int = STEP, exact: bool = False) -> None:
        self._source, self._left, self._most, self._name, self._step = source, most, most, name, step
        self._exact = exact

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        piece = self._source.read(min(len(view), self._step))
        self._left -= len(piece)
        if self._left < 0:
            raise InputError(
                f"{self._name} unpacks to more than the {self._most:,} bytes that its size allows; "
                "if it is what it should be, unpack it first."
            )
        if self._exact and self._left and len(view) and not piece:
            raise InputError(
                f"{self._name} is damaged: it ends {self._left:,} bytes before the {self._most:,} that it should have."
            )
        view[: len(piece)] = piece
        return len(piece)

    def readall(self) -> bytes:
        pieces = []
        while piece := self.read(STEP):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        if not self.closed:
            self._source.close()
        super().close()


def unpacked(path: Path, compression: str | None) -> IO[bytes]:
    """A file as a stream of its unpacked bytes.

    Parameters
    ----------
    path : Path
    compression : {"gzip", "bz2", "xz", None}
    """
    if compression is None:
        return path.open("rb")
    openers: dict[str, Callable[[Path], IO[bytes]]] = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}  # type: ignore[dict-item]
    step = STEP if compression == "gzip" else SMALL_STEP
    return io.BufferedReader(Bounded(openers[compression](path), room_for(os.path.getsize(path)), str(path), step), STEP)


def one_line(error: BaseException) -> str:
    """The message of a foreign error, or its name, for the middle of a sentence."""
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
