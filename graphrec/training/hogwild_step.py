"""Many steps of one pair each, by all threads at once and without locks, on tables of factors."""

from __future__ import annotations

import numpy as np

from graphrec.devices import device_of
from graphrec.errors import InputError
from graphrec.sampling import PairBatch
from graphrec.threads import even_bounds, run_ranges, thread_count
from graphrec.training.factor_step import FactorStep
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions

__all__ = ["STRETCH", "HogwildStep", "hogwild_step"]

STRETCH = 2**18
"""Pairs that are handed to the threads at once, unless the caller says otherwise."""


class HogwildStep(FactorStep):
    """As :class:`FactorStep` with batches of one pair, for all pairs of what it is called with.

    Niu, Recht, Ré and Wright, "HOGWILD!", NIPS 2011. A step touches three rows, so that two threads seldom meet, and where
    they do one update may be lost. One thread repeats itself; several do not.
    """

    def __call__(self, batch: PairBatch) -> tuple[float, float]:
        """Take a step for each pair; means of the losses and of the penalties, as they were before each."""
        from graphrec.training import lone_pair_kernels

        assert batch.negatives is not None
        if not self._begun:
            self.optimizer.step()
            self._begun = True
        f, how, n = self.factors, self.how(1, 1), len(batch.users)
        pairs = batch.users.numpy(), batch.items.numpy(), batch.negatives.numpy().reshape(-1)
        numbers, *_ = [self.optimizer.begin(p) for p in (f.users, f.items, f.user_bias, f.item_bias) if p is not None]
        left, right = self.side(f.users, f.user_bias), self.side(f.items, f.item_bias)
        bounds = even_bounds(n, thread_count())
        sums = np.zeros((len(bounds) - 1, 2))

        def work(lo: int, hi: int) -> None:
            lone_pair_kernels.step_pairs(lo, hi, how, numbers, pairs, left, right, sums[bounds.index(lo)])

        run_ranges(work, bounds)
        loss, norms = sums.sum(0) / n
        return float(loss) * float(how[3]), float(norms) * self.l2 / 2


def hogwild_step(step: FactorStep | None, options: FitOptions, optimizers: Optimizers) -> HogwildStep:
    """In place of the compiled step of batches, one that goes pair by pair.

    Raises
    ------
    InputError
        Steps of one pair cannot be taken in place for this model, loss or optimiser.
    """
    model, where = type(optimizers.model).__name__, device_of(optimizers.model)
    if options.n_negatives != 1:
        raise InputError(f"hogwild=True takes a pair and one negative a step; n_negatives={options.n_negatives} is not for it.")
    for name, nothing in (("weight_decay", 0), ("parameter_groups", {}), ("shared_negatives", False), ("credit", None)):
        if getattr(options, name) != nothing:
            raise InputError(f"hogwild=True reads no {name}, and {getattr(options, name)!r} was given.")
    if step is None or options.optimizer not in ("sgd", "row_adagrad"):
        raise InputError(
            "hogwild=True is for factors scored by a bare dot product (MF without dropout) on the CPU, for bpr, bce and hinge "
            f"with drawn negatives, and for row_adagrad and sgd; this is {model} with loss={options.loss!r}, "
            f"negatives={options.negatives!r} and optimizer={options.optimizer!r} on {where}."
        )
    return HogwildStep(step.factors, step.optimizer, step.loss, step.margin, step.l2)
