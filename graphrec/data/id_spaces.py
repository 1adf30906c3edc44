"""Ids of a table that does not fit into memory: numbered batch by batch first, and in their order once all are known.

What is held is a copy of each distinct id, in Arrow's compact form; rows and the ids of each batch wait on disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError

__all__ = ["IdSpace"]

_PENDING = 1 << 20  # ids that wait to be merged, at least
_MOST = np.iinfo(np.int32).max


class IdSpace:
    """The distinct ids of one side, and of every row which it is.

    Parameters
    ----------
    scratch : Path
        A folder for files that are of no use later.
    side : str
        Begins their names.
    """

    def __init__(self, scratch: Path, side: str) -> None:
        self._codes_path, self._ids_path = scratch / f"{side}.codes", scratch / f"{side}.arrow"
        self._codes = self._codes_path.open("wb")
        self._writer: Any = None
        self._lengths: list[int] = []
        self._known: Any = None
        self._pending: list[Any] = []
        self._waiting = 0

    def __len__(self) -> int:
        return 0 if self._known is None else len(self._known)

    def add(self, column: Any) -> None:
        """Take the ids of the next rows, a pyarrow array without gaps."""
        import pyarrow as pa

        coded = column.dictionary_encode()
        if self._writer is None:
            self._writer = pa.ipc.new_file(str(self._ids_path), pa.schema([("id", column.type)]))
        self._writer.write_batch(pa.record_batch([coded.dictionary], names=["id"]))
        self._codes.write(np.ascontiguousarray(coded.indices.to_numpy(zero_copy_only=False), np.int32).data)
        self._lengths.append(len(column))
        self._pending.append(coded.dictionary)
        self._waiting += len(coded.dictionary)
        if self._waiting >= max(_PENDING, len(self)):
            self._merge()

    def _merge(self) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        parts = self._pending if self._known is None else [self._known, *self._pending]
        self._known = pc.unique(pa.chunked_array(parts))
        self._pending, self._waiting = [], 0
        if len(self._known) > _MOST:
            raise InputError(f"there are more than {_MOST:,} distinct ids, and an index is a number of 32 bits.")

    def order(self, guess: bool) -> tuple[Any, bool]:
        """End of the rows: all ids ascending, a pyarrow array, and whether they are integers.

        Parameters
        ----------
        guess : bool
            Take texts for integers if every one is how Python writes an integer of 64 bits.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        self._merge()
        self._writer.close()
        self._codes.close()
        integers = pa.types.is_integer(self._known.type)
        numbers = self._known if integers else _integers(self._known) if guess else None
        order = pc.sort_indices(self._known if numbers is None else numbers)
        self._known = self._known.take(order)  # as they are written: that is how the rows name them
        return (self._known, False) if numbers is None else (numbers.take(order), True)

    def indices(self) -> Iterator[npt.NDArray[np.int32]]:
        """Once they are in order, the index of each row's id, batch by batch, int32."""
        import pyarrow as pa
        import pyarrow.compute as pc

        with pa.memory_map(str(self._ids_path)) as source, self._codes_path.open("rb") as codes:
            batches = pa.ipc.open_file(source)
            done = 0
            while done < len(self._lengths):
                # The look-up makes a hash table of all ids each time: so many batches at once that it pays.
                group: list[Any] = []
                while done + len(group) < len(self._lengths) and sum(map(len, group)) < max(_PENDING, len(self)):
                    group.append(batches.get_batch(done + len(group)).column(0))
                places = pc.index_in(pa.chunked_array(group), value_set=self._known).to_numpy().astype(np.int32, copy=False)
                start = 0
                for ids in group:
                    mine = places[start : start + len(ids)]
                    yield mine[np.fromfile(codes, np.int32, self._lengths[done])]
                    start, done = start + len(ids), done + 1

    def remove(self) -> None:
        """Close and remove the files, and let the ids go."""
        self._codes.close()
        self._known = None
        for path in (self._codes_path, self._ids_path):
            path.unlink(missing_ok=True)


def _integers(texts: Any) -> Any:
    """The integers that some texts are, if each is written as Python writes it; else None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        numbers = pc.cast(texts, pa.int64())
    except pa.ArrowInvalid:
        return None
    return numbers if pc.all(pc.equal(pc.cast(numbers, pa.large_string()), texts)).as_py() else None
