"""The state of a training by several processes on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.rows import SharedRows
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.optimizers import Optimizers
from graphrec.training.row_optimizers import RowAdagrad

__all__ = ["SharedCheckpoint"]


class SharedCheckpoint(Checkpoint):
    """A checkpoint with whole tables, written and read by one process: it resumes with any number of them, one included.

    Parameters
    ----------
    folder, fingerprint
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

    def announce(self, resume: bool) -> None:
        """See :class:`Checkpoint`; the writer says it for all."""
        if self._group.is_writer:
            super().announce(resume)

    def write(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """See :class:`Checkpoint`."""
        tables, whole = self._tables(tensors), dict(tensors)
        for key, name in tables.items():
            table = self._shared.whole(name, tensors[key])
            if self._group.is_writer:  # nobody else keeps more than one whole table
                whole[key] = table
        self._group.from_writer(lambda: super(SharedCheckpoint, self).write(whole, meta))

    def read(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """See :class:`Checkpoint`; of every table this process's part."""
        found = self._group.from_writer(super().read)
        if found is None:
            return None
        groups, meta = found
        for kind, tensors in groups.items():
            tables = self._tables({f"{kind}.{name}": tensor for name, tensor in tensors.items()})
            for name in tensors:
                if (table := tables.get(f"{kind}.{name}")) is not None:
                    tensors[name] = self._shared.mine(table, tensors[name])
        return groups, meta

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
