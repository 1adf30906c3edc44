"""The checkpoint of a training by several processes: each writes its columns, and one file names them and has the rest."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from graphrec.distributed.columns import SharedColumns
from graphrec.errors import InputError
from graphrec.threads import even_bounds
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.column_files import read_columns, write_columns
from graphrec.training.shared_checkpoint import SharedCheckpoint

__all__ = ["ColumnCheckpoint"]


class ColumnCheckpoint(SharedCheckpoint):
    """A checkpoint that resumes with any number of processes, one included, and one of one process as well.

    Nobody ever holds a whole table for it: beside its columns a process needs room for those of three tables for a moment. The
    file that names the columns is replaced when all of them are on the disk: a process that dies on the way leaves the older
    state, whole.

    Parameters
    ----------
    folder : Path
        Which all processes must see.
    fingerprint, shared, optimizers
        As of :class:`SharedCheckpoint`.
    """

    _shared: SharedColumns

    def write(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """See :class:`Checkpoint`."""
        tables = self._tables(tensors)

        def mine() -> list[dict[str, Any]]:
            written = []
            for key, table in tables.items():  # one after another: a file is made in memory
                width = self._shared.tables[table]
                written.append(write_columns(self.folder, key, tensors[key], self._place(width)[0], width))
            return written

        files = self._group.from_all(mine)
        rest = {key: tensor for key, tensor in tensors.items() if key not in tables}

        def swap() -> None:
            for rank, written in enumerate(files):
                if not all((self.folder / file["name"]).exists() for file in written):
                    raise InputError(
                        f"process {rank} wrote its part of the checkpoint where process 0 does not see it; {self.folder} must "
                        "be one folder for all processes."
                    )
            Checkpoint.write(self, rest, {**meta, "columns": list(itertools.chain(*files))})

        self._group.from_writer(swap)

    def read(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """See :class:`Checkpoint`; of every table this process's columns."""
        found = self._group.from_writer(lambda: Checkpoint.read(self))
        if found is None:
            return None
        groups, meta = found
        for kind, tensors in groups.items():  # of a checkpoint of one process
            tables = self._tables({f"{kind}.{name}": tensor for name, tensor in tensors.items()})
            for name in tensors:
                if (table := tables.get(f"{kind}.{name}")) is not None:
                    tensors[name] = self._shared.mine(table, tensors[name])
        mine: dict[str, Tensor] = {}
        self._group.from_all(lambda: mine.update(read_columns(self.folder, meta.get("columns", ()), self._place)))
        for key, tensor in mine.items():
            kind, name = key.split(".", 1)
            groups.setdefault(kind, {})[name] = tensor
        return groups, meta

    def _columns(self, meta: Mapping[str, Any]) -> dict[str, Tensor]:
        return {}  # each process reads its own

    def _place(self, width: int) -> tuple[int, int]:
        bounds = even_bounds(width, self._group.size)
        return bounds[self._group.rank], bounds[self._group.rank + 1]
