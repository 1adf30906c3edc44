"""A training by several processes, each of which has some columns of every table; all take the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.reduction import ColumnReduction
from graphrec.errors import InputError
from graphrec.losses import PAIRWISE, POINTWISE, SHARED
from graphrec.training.objectives import kind_of
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowAdagrad
from graphrec.training.shared_trainer import SharedTrainer
from graphrec.training.trainer import Evaluate
from graphrec.training.unread import name_of

__all__ = ["ColumnTrainer"]


class ColumnTrainer(SharedTrainer):
    """Every process looks at all pairs of a batch; nothing but partial scores is exchanged in a step.

    Parameters
    ----------
    shared : SharedColumns
        The model, cut.
    options, evaluate, callbacks
        As of :class:`SharedTrainer`, and so are the rest.

    Raises
    ------
    InputError
        The loss reads whole rows of a model or scores of whole catalogues, or an option is for one process alone.
    """

    def __init__(
        self,
        shared: SharedColumns,
        options: FitOptions,
        evaluate: Evaluate | None = None,
        callbacks: Sequence[object] = (),
        **more: Any,
    ) -> None:
        if not kind_of(options.loss).by_columns:
            raise InputError(
                f"loss={name_of(options.loss)!r} cannot be trained by several processes, which exchange scores of a batch's "
                f"pairs only; {', '.join((*PAIRWISE, *POINTWISE, *SHARED))} and functions of positive and negative scores can."
            )
        super().__init__(shared, options, evaluate, callbacks, **more)
        reduction = ColumnReduction(self.group)
        self.objective.reduction = reduction
        for optimizer in self.optimizers.all:
            if isinstance(optimizer, RowAdagrad):
                optimizer.reduction = reduction
