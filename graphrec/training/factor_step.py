"""A step of a pairwise loss on tables of factors: scores, loss, gradient and update in two compiled passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphrec.models.factors import Factors
from graphrec.sampling import PairBatch
from graphrec.threads import run_ranges
from graphrec.training.missed_steps import row_ranges
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowOptimizer

__all__ = ["FUSED_LOSSES", "FactorStep", "factor_step", "slots_of"]

FUSED_LOSSES = {"bpr": 0, "bce": 1, "hinge": 2}
Slots = tuple[npt.NDArray[np.int32], npt.NDArray[np.uint64]]
_NO_TABLE = np.empty((0, 1), np.float32)


def slots_of(n: int) -> Slots:
    """What the kernels need to group the nodes of a batch among n: a number and a bit for each, all 0."""
    return np.zeros(n, np.int32), np.zeros(-(-n // 64), np.uint64)


class FactorStep:
    """Takes the steps of one training.

    Parameters
    ----------
    factors : Factors
        What the score of the model is made of; on the CPU.
    optimizer : RowOptimizer
        Of all these tables.
    loss : {"bpr", "bce", "hinge"}
    margin : float
        Of the hinge.
    l2 : float
        λ of the penalty ``λ · ½‖·‖² / batch`` on the factors (not the biases) that a step looks at.
    """

    def __init__(self, factors: Factors, optimizer: RowOptimizer, loss: str, margin: float = 1.0, l2: float = 0.0) -> None:
        self.factors, self.optimizer = factors, optimizer
        self.loss, self.margin, self.l2 = loss, margin, l2
        self._begun = False
        self._user_slots, self._item_slots = slots_of(len(factors.users)), slots_of(len(factors.items))

    def how(self, b: int, k: int) -> tuple[Any, ...]:
        """What the kernels need to know of loss and penalty for a batch of b pairs with k negatives each."""
        scale = 1 / (b * (1 + k)) if self.loss == "bce" else 1 / (b * k)
        f = np.float32
        return self.optimizer.rule, FUSED_LOSSES[self.loss], f(self.margin), f(scale), f(self.l2 / b)

    def __call__(self, batch: PairBatch) -> tuple[float, float]:
        """Take a step; the loss and the penalty, as they were before it.

        Parameters
        ----------
        batch : PairBatch
            With negatives (b, k) of each pair.
        """
        from graphrec.training import pair_kernels

        assert batch.negatives is not None
        if not self._begun:  # without gradients it does nothing; but schedules ask whether it has been called
            self.optimizer.step()
            self._begun = True
        u, i, n = batch.users.numpy(), batch.items.numpy(), batch.negatives.numpy()
        b, k = n.shape
        users, items = _Groups(u, self._user_slots), _Groups(np.concatenate([i, n.reshape(-1)]), self._item_slots)
        f, how = self.factors, self.how(b, k)
        sides = ((f.users, f.user_bias, users), (f.items, f.item_bias, items))
        for table, bias, groups in sides:
            for parameter in (table, bias):
                if parameter is not None:
                    self.optimizer.catch_up(parameter, groups.distinct)
        numbers, *_ = [self.optimizer.begin(p) for p in (f.users, f.items, f.user_bias, f.item_bias) if p is not None]
        left, right = self.side(f.users, f.user_bias), self.side(f.items, f.item_bias)
        old, slopes = np.empty((len(users.distinct), f.users.shape[1]), np.float32), np.empty((b, 1 + k), np.float32)
        values = np.empty(b, np.float32)
        squares = np.empty(len(users.distinct), np.float32), np.empty(len(items.distinct), np.float32)
        out = old, slopes, values, squares[0]
        run_ranges(
            lambda lo, hi: pair_kernels.step_users(lo, hi, how, numbers, users.arrays, (i, n), left, right, out),
            row_ranges(len(users.distinct)),
        )
        run_ranges(
            lambda lo, hi: pair_kernels.step_items(
                lo, hi, how, numbers, items.arrays, users.position, old, slopes, right, squares[1]
            ),
            row_ranges(len(items.distinct)),
        )
        for table, bias, groups in sides:
            for parameter in (table, bias):
                if parameter is not None:
                    self.optimizer.end(parameter, groups.distinct)
        penalty = sum(float(s.sum(dtype=np.float64)) for s in squares) * self.l2 / (2 * b)
        return float(values.sum(dtype=np.float64)) * float(how[3]), penalty

    def side(self, table: Tensor, bias: Tensor | None) -> tuple[Any, ...]:
        """A table and its bias with the optimiser's arrays, as the kernels take them."""
        beside = (_NO_TABLE, _NO_TABLE, _NO_TABLE) if bias is None else self.optimizer.arrays(bias)
        return (*self.optimizer.arrays(table), *beside, np.float32(self.factors.constant))


def factor_step(options: FitOptions, optimizers: Optimizers) -> FactorStep | None:
    """The compiled step for a training, where its loss and its model's score are of the kind; None otherwise.

    Parameters
    ----------
    options : FitOptions
    optimizers : Optimizers
        Made to go by rows.
    """
    factors, (optimizer, *others) = optimizers.model.factors(), optimizers.all
    drawn = options.negatives in ("uniform", "popularity", "approximate") and not options.shared_negatives
    known = isinstance(options.loss, str) and options.loss in FUSED_LOSSES and options.credit is None
    if factors is None or optimizers.tables is None or others or not drawn or not known:
        return None
    assert isinstance(optimizer, RowOptimizer)
    return FactorStep(factors, optimizer, options.loss, options.loss_options.get("margin", 1.0), options.l2)


class _Groups:
    """The distinct nodes of a batch, and where each occurs."""

    def __init__(self, nodes: npt.NDArray[np.int64], slots: Slots) -> None:
        from graphrec.training import row_kernels

        n = len(nodes)
        distinct, self.position, indptr, order = np.empty((4, n + 1), np.int64)
        used = row_kernels.group_rows(nodes, *slots, distinct, self.position, indptr, order)
        self.distinct = distinct[:used]
        self.arrays = self.distinct, indptr, order
