"""A training by several processes, each of which has a part of every table; all take the same steps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.rows import SharedRows
from graphrec.distributed.sharing import sentence
from graphrec.errors import InputError
from graphrec.models.base import Scorer
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.options import FitOptions
from graphrec.training.shared_checkpoint import SharedCheckpoint
from graphrec.training.state import TrainingState
from graphrec.training.trainer import Evaluate, Trainer
from graphrec.training.unread import name_of

__all__ = ["SharedTrainer"]


class SharedTrainer(Trainer):
    """As :class:`Trainer`, in each of several processes; losses, metrics and decisions are the same in all of them.

    Batches and initial weights come from one seed. Callbacks are called on the process that writes, whose ``state.model`` has
    that process's part; what they say about stopping holds for all. How a step is shared is the subclasses' to say, and which
    options they take.

    Parameters
    ----------
    shared : SharedColumns or SharedRows
        The model, cut.
    options, evaluate, callbacks, identity, stage, before
        As of :class:`Trainer`; what is evaluated has whole rows of all.

    Raises
    ------
    InputError
        An option is for one process alone.
    """

    def __init__(
        self,
        shared: SharedColumns | SharedRows,
        options: FitOptions,
        evaluate: Evaluate | None = None,
        callbacks: Sequence[object] = (),
        *,
        identity: Mapping[str, Any] | None = None,
        stage: int = 0,
        before: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        if options.negatives is not None and not isinstance(options.negatives, str):
            raise InputError(
                f"negatives={name_of(options.negatives)} would be asked by every process for itself, and each has another part "
                "of the model to look at; several processes take negatives by name: uniform, popularity, …."
            )
        if options.hogwild:
            raise InputError("hogwild=True is for the threads of one process; several processes take the same steps together.")
        self.shared, self.group = shared, shared.group
        here = replace(options, device=self.group.device(options.device), progress=options.progress and self.group.is_writer)
        ours = callbacks if self.group.is_writer else ()
        super().__init__(shared.model, here, self._whole(evaluate), ours, identity=identity, stage=stage, before=before)
        self.compiled = None  # its kernels go from rows to new rows without a stop at the scores

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
        if self.options.progress:
            print(sentence(self.shared), file=sys.stderr, flush=True)
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
        return SharedCheckpoint(folder, fingerprint, self.shared, self.optimizers)
