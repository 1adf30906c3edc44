"""The steps of Adam that the rows of one table have missed, kept so that any row can be brought up to date when it is read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["MissedSteps"]

Rows = npt.NDArray[np.int64]
_LONGEST = 2048  # steps after which every row is caught up with; bounds the memory
_WORTH_A_THREAD = 512  # rows


class MissedSteps:
    """The clock of one table under Adam, and how far each of its rows is behind.

    Parameters
    ----------
    parameter : Tensor of float32, shape (n, d)
        On the CPU and contiguous.
    state : dict
        The optimiser's entry for it: ``step`` (scalar tensor), ``exp_avg`` and ``exp_avg_sq``. They and the parameter are
        those of dense Adam once :meth:`settle` has been called.
    betas : (float, float)
    eps : float
    """

    def __init__(self, parameter: Tensor, state: dict[str, Any], betas: tuple[float, float], eps: float) -> None:
        self.state = state
        self._parameter, self._betas, self._eps = parameter, betas, np.float32(eps)
        self._everyone: Rows = np.arange(len(parameter))
        self._last = np.zeros(len(parameter), np.int32)
        self._since = 0  # steps taken since all rows were caught up with
        steps = np.arange(_LONGEST + 1)
        self._decays = np.stack([betas[0] ** steps, betas[1] ** (steps / 2)], axis=1).astype(np.float64)
        self._reach = _reach(*betas)
        self._rates, self._roots = np.zeros(_LONGEST + 1), np.zeros(_LONGEST + 1)
        self._sums, self._series = np.zeros((_LONGEST + 1, 5)), np.zeros((_LONGEST + 1, 5), np.float32)

    @property
    def tables(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Weights and both moments, as arrays that share their memory."""
        return self._parameter.detach().numpy(), self.state["exp_avg"].numpy(), self.state["exp_avg_sq"].numpy()

    def begin(self, lr: float) -> npt.NDArray[np.float32]:
        """Begin a step; what :func:`graphrec.training.row_kernels.touch` needs to know of it."""
        if self._since == _LONGEST:
            self.settle()
        self.state["step"] += 1
        t, (b1, b2) = int(self.state["step"]), self._betas
        self._since += 1
        rate, root = lr / (1 - b1**t), 1 / math.sqrt(1 - b2**t)
        self._rates[self._since], self._roots[self._since] = rate, root
        return np.array([rate, root, self._eps, b1, 1 - b1, b2, 1 - b2], np.float32)

    def end(self, rows: Rows) -> None:
        """End the step, which has touched these rows; all others have missed it."""
        from graphrec.training import row_kernels

        self._last[rows] = self._since
        row_kernels.add_step(self._since, self._reach, self._rates, self._roots, self._decays, self._sums, self._series)

    def catch_up(self, rows: Rows) -> None:
        """Bring distinct rows to where dense Adam has them after the steps that have ended."""
        from graphrec.training import row_kernels

        if not self._since:
            return
        fixed = self._reach, self._eps, self._rates, self._roots, self._decays, self._series, self._last, *self.tables
        run_ranges(lambda lo, hi: row_kernels.catch_up(lo, hi, rows, self._since, *fixed), row_ranges(len(rows)))

    def settle(self) -> None:
        """Catch up with every row."""
        self.catch_up(self._everyone)
        self._last[:] = 0
        self._since = 0
        self._sums[:] = 0.0


def row_ranges(n: int) -> list[int]:
    """Ranges of `n` rows, two a thread, where they are worth the threads."""
    return even_bounds(n, 1 if n < 2 * _WORTH_A_THREAD else 2 * thread_count())


def _reach(b1: float, b2: float) -> int:
    """Steps after which float32 sees nothing of what is left of a first moment, over the root of the second."""
    ratio = max(b1, b1 / math.sqrt(b2)) if b2 > 0 else 1.0
    if ratio >= 1:
        return _LONGEST
    return 0 if ratio == 0 else min(_LONGEST, math.ceil(math.log(2**-27 * (1 - ratio)) / math.log(ratio)))
