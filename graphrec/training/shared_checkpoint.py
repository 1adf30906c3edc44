"""The state of a training by several processes on disk."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.rows import SharedRows
from graphrec.errors import InputError
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.optimizers import Optimizers
from graphrec.training.row_optimizers import RowAdagrad
from graphrec.training.table_files import read_parts, write_part

__all__ = ["SharedCheckpoint"]


class SharedCheckpoint(Checkpoint):
    """A checkpoint that resumes with any number of processes, one included, and one of one process as well.

    Each process writes its part of every table, and one file names them and has the rest. Nobody ever holds a whole table for
    it: beside its part a process needs room for those of three tables for a moment. The file that names the parts is replaced
    when all of them are on the disk: a process that dies on the way leaves the older state, whole.

    Parameters
    ----------
    folder : Path
        Which all processes must see.
    fingerprint
        As of :class:`Checkpoint`.
    shared : SharedColumns or SharedRows
    optimizers : Optimizers
        Whose state is cut as the tables are.
    """

    def __init__(
        self, folder: Path, fingerprint: Mapping[str, Any], shared: SharedColumns | SharedRows, optimizers: Optimizers
    ) -> None:
        self._shared, self._group, self._optimizers = shared, shared.group, optimizers
        self.folder, self.path = folder, folder / Checkpoint.name
        self._group.from_writer(lambda: super(SharedCheckpoint, self).__init__(folder, fingerprint))
        self._check_seen_by_all()

    def _check_seen_by_all(self) -> None:
        """Whether what the writer puts into the folder is there for every process."""

        def put() -> str:
            mark = self.folder / f".for-all-{uuid.uuid4().hex}"
            mark.touch()
            return mark.name

        mark = self.folder / self._group.from_writer(put)
        sees = self._group.from_all(mark.exists)
        if self._group.is_writer:
            mark.unlink()
        if not all(sees):
            raise InputError(
                f"process {sees.index(False)} does not see the checkpoint folder of process 0, {self.folder}: it has to be one "
                "folder, which all processes and machines share."
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """See :class:`Checkpoint`; the writer holds it for all."""
        with ExitStack() as stack:
            self._group.from_writer(lambda: stack.enter_context(super(SharedCheckpoint, self).held()))
            yield

    def announce(self, resume: bool) -> None:
        """See :class:`Checkpoint`; the writer says it for all."""
        if self._group.is_writer:
            super().announce(resume)

    def write(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """See :class:`Checkpoint`."""
        tables = self._tables(tensors)

        def mine() -> list[dict[str, Any]]:
            written = []
            for key, table in tables.items():  # one after another: a file is made in memory
                whole = self._shared.count(table)
                first, _ = self._shared.place(whole)
                written.append(write_part(self.folder, key, tensors[key], self._shared.axis, first, whole))
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
            Checkpoint.write(self, rest, {**meta, "parts": list(itertools.chain(*files))})

        self._group.from_writer(swap)

    def read(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """See :class:`Checkpoint`; of every table this process's part."""
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
        self._group.from_all(lambda: mine.update(read_parts(self.folder, meta.get("parts", ()), self._shared.place)))
        for key, tensor in mine.items():
            kind, name = key.split(".", 1)
            groups.setdefault(kind, {})[name] = tensor
        return groups, meta

    def _parts(self, meta: Mapping[str, Any]) -> dict[str, Tensor]:
        return {}  # each process reads its own

    def _tables(self, tensors: Mapping[str, Tensor]) -> dict[str, str]:
        """The table whose rows, or columns, a tensor has, by the tensor's key; tensors of no table are not there."""
        found = {f"{kind}.{name}": name for name in self._shared.tables for kind in ("model", "best")}
        names = {id(self._shared.model.get_parameter(name)): name for name in self._shared.tables}
        for number, optimizer in enumerate(self._optimizers.all):
            if isinstance(optimizer, RowAdagrad) and isinstance(self._shared, SharedColumns):
                continue  # a number a row, which is everybody's
            for index, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
                start = f"optimizer.{number}.{index}."
                if id(p) in names:
                    found |= {key: names[id(p)] for key, t in tensors.items() if key.startswith(start) and t.ndim == 2}
        return {key: table for key, table in found.items() if key in tensors}
