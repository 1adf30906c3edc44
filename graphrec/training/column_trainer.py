"""A training by several processes, each of which has some columns of every table; all take the same steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.reduction import ColumnReduction
from graphrec.errors import InputError
from graphrec.losses import PAIRWISE, POINTWISE, SHARED
from graphrec.models.base import Scorer
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.objectives import kind_of
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowAdagrad
from graphrec.training.state import TrainingState
from graphrec.training.trainer import Evaluate, Trainer
from graphrec.training.unread import name_of

__all__ = ["ColumnTrainer", "check_options"]


def check_options(options: FitOptions) -> None:
    """Refuse a loss that looks at more than scores of pairs, and negatives that may follow what one process has.

    Raises
    ------
    InputError
        The loss reads whole rows of a model or scores of whole catalogues, or a sampler of one's own draws the negatives.
    """
    if options.negatives is not None and not isinstance(options.negatives, str):
        raise InputError(
            f"negatives={name_of(options.negatives)} would be asked by every process for itself, and each has other columns of "
            "the model to look at; several processes take negatives by name: uniform, popularity, …."
        )
    if not kind_of(options.loss).by_columns:
        raise InputError(
            f"loss={name_of(options.loss)!r} cannot be trained by several processes, which exchange scores of a batch's pairs "
            f"only; {', '.join((*PAIRWISE, *POINTWISE, *SHARED))} and functions of positive and negative scores can."
        )


class ColumnTrainer(Trainer):
    """As :class:`Trainer`, in each of several processes; losses, metrics and decisions are the same in all of them.

    Batches and initial weights come from one seed, so that nothing but scores is exchanged in a step. Callbacks are called on
    the process that writes, whose ``state.model`` has that process's columns; what they say about stopping holds for all.

    Parameters
    ----------
    shared : SharedColumns
        The model, cut.
    options, evaluate, callbacks, identity, stage
        As of :class:`Trainer`; what is evaluated has rows of all columns.
    """

    def __init__(
        self,
        shared: SharedColumns,
        options: FitOptions,
        evaluate: Evaluate | None = None,
        callbacks: Sequence[object] = (),
        *,
        identity: Mapping[str, Any] | None = None,
        stage: int = 0,
    ) -> None:
        check_options(options)
        if options.hogwild:
            raise InputError("hogwild=True is for the threads of one process; several processes take the same steps together.")
        self.shared, self.group = shared, shared.group
        here = replace(options, device=self.group.device(options.device), progress=options.progress and self.group.is_writer)
        ours = callbacks if self.group.is_writer else ()
        super().__init__(shared.model, here, self._whole(evaluate), ours, identity=identity, stage=stage)
        self.compiled = None  # its kernels go from rows to new rows without a stop at the scores
        reduction = ColumnReduction(self.group)
        self.objective.reduction = reduction
        for optimizer in self.optimizers.all:
            if isinstance(optimizer, RowAdagrad):
                optimizer.reduction = reduction

    def _run(self, sampler: Iterable[Any], valid: Interactions | None, checkpoint: Checkpoint | None) -> None:
        self.group.begin()
        super()._run(sampler, valid, checkpoint)

    def fit(
        self, train: Interactions, valid: Interactions | None = None, checkpoint: Path | None = None, resume: bool = False
    ) -> TrainingState:
        """See :class:`Trainer`.

        Raises
        ------
        InputError
            As there, or the processes were not given the same.
        """
        mine = self._fingerprint(train, valid)  # of the tables in the order of their rows: nothing more is to be said of them
        told = {name: value for name, value in mine.items() if name not in ("rows", "in_order")}
        self.group.check_same({**told, "checkpoint and resume": [checkpoint is not None, resume]})
        return super().fit(train, valid, checkpoint, resume)

    def _whole(self, evaluate: Evaluate | None) -> Evaluate | None:
        if evaluate is None:
            return None

        def of_whole(model: Scorer, valid: Interactions) -> dict[str, float]:
            values = evaluate(self.shared.scorer(), valid)
            return self.group.from_writer(lambda: values)

        return of_whole

    def _agree(self) -> None:
        self.state.stop = self.group.from_writer(lambda: self.state.stop)

    def _after_interrupt(self) -> None:
        """The others may be a step further: there are no weights to be kept that all of them have."""
        raise KeyboardInterrupt("training by several processes goes on from its checkpoint, if it has one")

    def _checkpoint(self, folder: Path, fingerprint: dict[str, Any]) -> Checkpoint:
        return _ColumnCheckpoint(folder, fingerprint, self.shared, self.optimizers)


class _ColumnCheckpoint(Checkpoint):
    """A checkpoint with whole tables, written and read by one process: it resumes with any number of them, one included."""

    def __init__(self, folder: Path, fingerprint: Mapping[str, Any], shared: SharedColumns, optimizers: Optimizers) -> None:
        self._shared, self._group, self._optimizers = shared, shared.group, optimizers
        self.folder, self.path = folder, folder / Checkpoint.name
        self._group.from_writer(lambda: super(_ColumnCheckpoint, self).__init__(folder, fingerprint))

    def announce(self, resume: bool) -> None:
        """See :class:`Checkpoint`; the writer says it for all."""
        if self._group.is_writer:
            super().announce(resume)

    def write(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """See :class:`Checkpoint`."""
        tables = self._tables(tensors)
        whole = {key: self._shared.whole(tables[key], t) if key in tables else t for key, t in tensors.items()}
        self._group.from_writer(lambda: super(_ColumnCheckpoint, self).write(whole, meta))

    def read(self) -> tuple[dict[str, dict[str, Tensor]], dict[str, Any]] | None:
        """See :class:`Checkpoint`; of every table this process's columns."""
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
        """The table whose shape a tensor has, by the tensor's key; tensors of no table are not there."""
        found = {f"{kind}.{name}": name for name in self._shared.widths for kind in ("model", "best")}
        names = {id(p): name for name, p in self._shared.model.named_parameters()}
        for number, optimizer in enumerate(self._optimizers.all):
            if isinstance(optimizer, RowAdagrad):
                continue  # a number a row, which is everybody's
            for index, p in enumerate(p for group in optimizer.param_groups for p in group["params"]):
                start = f"optimizer.{number}.{index}."
                found |= {key: names[id(p)] for key, t in tensors.items() if key.startswith(start) and t.ndim == 2}
        return {key: table for key, table in found.items() if key in tensors}
