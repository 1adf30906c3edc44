"""A training by several processes, each of which has some columns of every table; all take the same steps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.reduction import ColumnReduction
from graphrec.errors import InputError
from graphrec.losses import PAIRWISE, POINTWISE, SHARED
from graphrec.models.base import Scorer
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.column_checkpoint import ColumnCheckpoint
from graphrec.training.objectives import kind_of
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
        self.group.check_same({**self._fingerprint(train, valid), "checkpoint and resume": [checkpoint is not None, resume]})
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
        return ColumnCheckpoint(folder, fingerprint, self.shared, self.optimizers)
