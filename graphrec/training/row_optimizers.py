"""Optimisers whose step costs as much as the rows that a batch has looked at, and not as the whole tables.

`RowAdam` is Adam: what it computes is what dense Adam does, to rounding, once the rows are caught up with. Row-wise Adagrad
keeps one number for each row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.distributed.reduction import Reduction
from graphrec.errors import InputError
from graphrec.threads import run_ranges
from graphrec.training.missed_steps import MissedSteps, Rows, row_ranges

__all__ = ["RowAdagrad", "RowAdam", "RowOptimizer", "RowSGD"]

Array = npt.NDArray[np.float32]
_NOTHING = np.empty((0, 1), np.float32)


class RowOptimizer(torch.optim.Optimizer):
    """What a step over the rows of some tables asks of an optimiser, beside what torch does.

    Tables are parameters of two axes, float32, on the CPU; others are stepped as by torch. A gradient of a table may be
    sparse, repeated rows included.

    Attributes
    ----------
    rule : int
        The kernels' number for it, see :mod:`graphrec.training.row_kernels`.
    """

    rule: ClassVar[int]

    def begin(self, table: Tensor) -> Array:
        """Begin a step of a table; the numbers that :func:`graphrec.training.row_kernels.touch` reads."""
        raise NotImplementedError

    def arrays(self, table: Tensor) -> tuple[Array, Array, Array]:
        """The table and its two arrays of state, sharing their memory; (0, 1) for one that there is not."""
        raise NotImplementedError

    def end(self, table: Tensor, rows: Rows) -> None:
        """End the step, which has touched these distinct rows."""

    def catch_up(self, table: Tensor, rows: Rows) -> None:
        """Make up for the steps that distinct rows have missed: to be called before they are read."""

    def settle(self) -> None:
        """Catch up with all rows: to be called before the tables are read as a whole."""

    def owns(self, table: Tensor) -> bool:
        """Whether it is one of this optimiser's parameters."""
        return any(p is table for group in self.param_groups for p in group["params"])

    def _group(self, table: Tensor) -> dict[str, Any]:
        return next(group for group in self.param_groups if any(p is table for p in group["params"]))

    def _lr(self, table: Tensor) -> float:
        return float(self._group(table)["lr"])

    def _take_sparse(self) -> list[tuple[Tensor, Tensor]]:
        """Tables with a sparse gradient and that gradient, which is taken away from them."""
        found = [(p, p.grad) for group in self.param_groups for p in group["params"] if p.grad is not None and p.grad.is_sparse]
        for p, _ in found:
            p.grad = None
        return found

    def _step_rows(self, table: Tensor, gradient: Tensor) -> None:
        """A step of one table under a sparse gradient."""
        from graphrec.graph import kernels
        from graphrec.training import row_kernels

        nodes, values = gradient._indices()[0].numpy(), gradient._values().contiguous().numpy()
        position, distinct = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64)
        used = kernels.index_rows(nodes, np.full(len(table), -1, np.int32), position, distinct)
        rows, summed = distinct[:used], np.empty((used, values.shape[1]), np.float32)
        kernels.sum_rows(position, values, summed)
        self.catch_up(table, rows)
        numbers = self.begin(table)
        fixed = self.rule, rows, summed, numbers, *self.arrays(table)
        run_ranges(lambda lo, hi: row_kernels.touch_rows(lo, hi, *fixed), row_ranges(used))
        self.end(table, rows)


class RowAdam(RowOptimizer, torch.optim.Adam):
    """Adam (Kingma and Ba, ICLR 2015) that catches up with a row's missed steps when the row is read.

    Its state is that of ``torch.optim.Adam``, and saving it catches up with all rows first.

    Parameters
    ----------
    params : iterable
    lr : float
    betas : (float, float)
    eps : float
    """

    rule = 0

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8
    ) -> None:
        self._missed: dict[Tensor, MissedSteps] = {}
        super().__init__(params, lr=lr, betas=betas, eps=eps, fused=True)

    def _of(self, table: Tensor) -> MissedSteps:
        if table not in self._missed:
            group = self._group(table)
            state = self.state[table]
            if not state:
                state["step"] = torch.zeros((), dtype=torch.float32)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(table), torch.zeros_like(table)
            self._missed[table] = MissedSteps(table, state, group["betas"], group["eps"])
        return self._missed[table]

    def begin(self, table: Tensor) -> Array:
        """See :class:`RowOptimizer`."""
        return self._of(table).begin(self._lr(table))

    def arrays(self, table: Tensor) -> tuple[Array, Array, Array]:
        """See :class:`RowOptimizer`."""
        return self._of(table).tables

    def end(self, table: Tensor, rows: Rows) -> None:
        """See :class:`RowOptimizer`."""
        self._of(table).end(rows)

    def catch_up(self, table: Tensor, rows: Rows) -> None:
        """See :class:`RowOptimizer`."""
        self._of(table).catch_up(rows)

    def settle(self) -> None:
        """See :class:`RowOptimizer`."""
        for missed in self._missed.values():
            missed.settle()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; rows of a sparse gradient must have been caught up with before it was computed."""
        tables = self._take_sparse()
        for missed in [
            self._missed[p] for g in self.param_groups for p in g["params"] if p.grad is not None and p in self._missed
        ]:
            missed.settle()
        value: float | None = super().step(closure)
        for table, gradient in tables:
            self._step_rows(table, gradient)
        return value

    def state_dict(self) -> dict[str, Any]:
        """That of ``torch.optim.Adam``."""
        self.settle()
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take back what :meth:`state_dict`, or that of ``torch.optim.Adam``, gave."""
        self._missed = {}
        super().load_state_dict(state_dict)

    def __getstate__(self) -> dict[str, Any]:
        self.settle()
        return super().__getstate__()

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._missed = {}


class RowAdagrad(RowOptimizer):
    """Adagrad with one sum for each row: of the mean of the squares of the row's gradients, over all steps.

    ``sum += mean(g²)``, ``row −= lr / (√sum + eps) · g``: the "row-wise Adagrad" of large embedding tables. A row that a step
    does not look at stays as it is, so that there is nothing to catch up with. Adagrad: Duchi, Hazan and Singer, JMLR 2011;
    one number a row: Mudigere et al., "Software-Hardware Co-design for Fast and Scalable Training of Deep Learning
    Recommendation Models", ISCA 2022, section 4.1.4.

    Parameters
    ----------
    params : iterable
        A row is a slice of the first axis; of a vector, an entry.
    lr : float
        About the size of the first change of an entry.
    eps : float
    """

    rule = 1
    reduction = Reduction()  # of processes that have some columns of each row

    def __init__(self, params: Iterable[Any], lr: float = 0.05, eps: float = 1e-10) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if not value >= 0:
                raise InputError(f"{name} of row_adagrad must be at least 0, got {value!r}.")
        super().__init__(params, {"lr": lr, "eps": eps})

    def _sum(self, parameter: Tensor) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["sum"] = parameter.new_zeros(len(parameter) if parameter.ndim else 1, 1)
        total: Tensor = state["sum"]
        return total

    def begin(self, table: Tensor) -> Array:
        """See :class:`RowOptimizer`."""
        return np.array([self._lr(table), self._group(table)["eps"]], np.float32)

    def arrays(self, table: Tensor) -> tuple[Array, Array, Array]:
        """See :class:`RowOptimizer`."""
        return table.detach().numpy(), _NOTHING, self._sum(table).numpy()

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step."""
        value = None
        if closure is not None:
            with torch.enable_grad():
                value = closure()
        if not self.reduction.whole:
            self._step_columns()
            return value
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                if p.grad.is_sparse and p.is_cpu:
                    self._step_rows(p, p.grad)
                    continue
                total = self._sum(p)
                gradient = (p.grad.to_dense() if p.grad.is_sparse else p.grad).reshape(len(total), -1)
                total += gradient.square().mean(1, keepdim=True)
                p.sub_((group["lr"] / (total.sqrt() + group["eps"]) * gradient).view_as(p))
        return value

    def _step_columns(self) -> None:
        """A step of which each process takes its columns: the sums are of whole rows, and the same in all processes."""
        steps: list[tuple[Tensor, float, float, Tensor | slice, Tensor]] = []
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    gradient = p.grad.coalesce() if p.grad.is_sparse else p.grad
                    rows = gradient.indices()[0] if p.grad.is_sparse else slice(None)
                    values = gradient.values() if p.grad.is_sparse else gradient
                    steps.append((p, group["lr"], group["eps"], rows, values))
        means = self.reduction.mean_squares([values for *_, values in steps])
        for (p, lr, eps, rows, values), mean in zip(steps, means, strict=True):
            total = self._sum(p)
            total[rows] += mean
            p[rows] -= lr / (total[rows].sqrt() + eps) * values


class RowSGD(RowOptimizer, torch.optim.SGD):
    """Plain SGD, which touches a batch's rows only as it is.

    Parameters
    ----------
    params : iterable
    lr : float
    """

    rule = 2

    def __init__(self, params: Iterable[Any], lr: float = 1e-3) -> None:
        super().__init__(params, lr=lr)

    def begin(self, table: Tensor) -> Array:
        """See :class:`RowOptimizer`."""
        return np.array([self._lr(table)], np.float32)

    def arrays(self, table: Tensor) -> tuple[Array, Array, Array]:
        """See :class:`RowOptimizer`."""
        return table.detach().numpy(), _NOTHING, _NOTHING

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step."""
        tables = self._take_sparse()
        value: float | None = super().step(closure)
        for table, gradient in tables:
            self._step_rows(table, gradient)
        return value
