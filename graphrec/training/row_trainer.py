"""A training by several processes, each of which has some rows of every table; all take the same steps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from graphrec.distributed.masks import SameMasks
from graphrec.distributed.row_reduction import RowReduction
from graphrec.distributed.rows import SharedRows
from graphrec.errors import InputError
from graphrec.losses import PAIRWISE, POINTWISE
from graphrec.sampling import PairBatch
from graphrec.training.loss_watch import LossWatch
from graphrec.training.objectives import kind_of
from graphrec.training.options import FitOptions
from graphrec.training.shared_trainer import SharedTrainer
from graphrec.training.trainer import Evaluate
from graphrec.training.unread import name_of

__all__ = ["RowTrainer"]


class RowTrainer(SharedTrainer):
    """Each process scores a part of a batch's pairs, of rows that it fetches from their owners, and steps its own rows.

    Parameters
    ----------
    shared : SharedRows
        The model, cut.
    options, evaluate, callbacks
        As of :class:`SharedTrainer`, and so are the rest.

    Raises
    ------
    InputError
        The loss, or the negatives, are not those of each pair by itself, or an option is for one process alone.
    """

    def __init__(
        self,
        shared: SharedRows,
        options: FitOptions,
        evaluate: Evaluate | None = None,
        callbacks: Sequence[object] = (),
        **more: Any,
    ) -> None:
        _check(options, type(shared.model).__name__)
        super().__init__(shared, options, evaluate, callbacks, **more)
        tables = {id(self.model.get_parameter(name)) for name in shared.tables}
        self._dense = [p for p in self.model.parameters() if id(p) not in tables]
        drops = any(isinstance(module, nn.Dropout) and module.p for module in self.model.modules())
        self._masks = SameMasks() if drops else None
        self.objective.reduction = RowReduction(shared, self._before_read, self._masks)
        self.optimizers.after_backward = self._add_up

    def _step(self, batch: Any, watch: LossWatch) -> None:
        with self._masks or nullcontext():
            super()._step(batch, watch)

    def _catch_up(self, batch: Any) -> None:
        """Which rows will be read is known when the others have asked for them."""

    def _before_read(self, users: Tensor, items: Tensor) -> None:
        super()._catch_up(PairBatch(users, items))

    def _add_up(self) -> None:
        """Make the gradients of what every process has those of all pairs, in one message."""
        gradients = [p.grad for p in self._dense if p.grad is not None]
        if not gradients:
            return
        whole = self.group.add_up(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, part in zip(gradients, torch.split(whole, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def _check(options: FitOptions, model: str) -> None:
    """Refuse what needs more than the scores of single pairs, or the rows of other processes' neighbourhoods."""
    if options.fanout is not None:
        raise InputError(
            f"fanout draws neighbours in a table that is whole, and each process has some rows of {model} only; LightGCN, "
            "LightGCN++ and LR-GCCF, which are cut by columns, can be trained so by several processes."
        )
    if not kind_of(options.loss).by_pairs:
        raise InputError(
            f"loss={name_of(options.loss)!r} cannot be trained by several processes that have some rows of {model} each, and "
            f"score some pairs; {', '.join((*PAIRWISE, *POINTWISE))} and functions of positive and negative scores can."
        )
    if options.negatives == "in-batch" or options.shared_negatives:
        given = "negatives='in-batch'" if options.negatives == "in-batch" else "shared_negatives=True"
        raise InputError(
            f"{given} lets every pair of a batch look at all others; several processes that have some rows of {model} each "
            "score some pairs, with negatives of each pair's own."
        )
