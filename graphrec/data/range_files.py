"""Records dealt out to files by ranges of their owners, of nearly equally many records each: what fits into memory together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

__all__ = ["RangeFiles"]

_ROWS = 1 << 20  # records of a file
_MOST_FILES = 256  # a process may not open many more


class RangeFiles:
    """The first half of a sort that does not fit into memory.

    Parameters
    ----------
    scratch : Path
        A folder for files that are of no use later.
    name : str
        Begins their names.
    degree : ndarray of int64, shape (n,)
        Records of each owner, or more.
    dtype : dtype
        Of a record.
    """

    def __init__(self, scratch: Path, name: str, degree: npt.NDArray[np.int64], dtype: npt.DTypeLike) -> None:
        ends = np.cumsum(degree)
        step = max(_ROWS, -(-int(ends[-1]) // _MOST_FILES))
        self._range_of = ((ends - degree) // step).astype(np.uint16)  # by an owner's first record
        self._dtype = np.dtype(dtype)
        self._paths = [scratch / f"{name}.{number}" for number in range(int(self._range_of[-1]) + 1)]
        self._files: list[IO[bytes]] = [path.open("wb") for path in self._paths]

    def deal(self, owners: npt.NDArray[np.integer], records: npt.NDArray[Any]) -> None:
        """Take records; those of one owner stay in their order."""
        ranges = self._range_of[owners]
        ordered = records[np.argsort(ranges, kind="stable")]
        ends = np.cumsum(np.bincount(ranges, minlength=len(self._files)))
        for file, lo, hi in zip(self._files, [0, *ends[:-1]], ends, strict=True):
            if hi > lo:
                file.write(ordered[lo:hi].view(np.uint8).data)

    def read(self) -> Iterator[npt.NDArray[Any]]:
        """The records of each range, in the order of the ranges; the files go as they are read."""
        self.close()
        for path in self._paths:
            records = np.fromfile(path, self._dtype)
            path.unlink()
            yield records

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()
