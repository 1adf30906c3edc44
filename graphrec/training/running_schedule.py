"""A learning-rate schedule on its way: the rate of the next step, and the moves so far as plain data."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from graphrec.errors import InputError

__all__ = ["RunningSchedule", "rates_of"]


def rates_of(optimizer: Optimizer) -> list[float]:
    """The present rate of each group of parameters."""
    return [float(group["lr"]) for group in optimizer.param_groups]


class RunningSchedule:
    """A schedule bound to an optimiser; made by :meth:`graphrec.training.schedules.Schedule.build`.

    Attributes
    ----------
    needs_metric : bool
        Whether the rate never changes without a validation metric.
    highest : float
        The highest rate so far, of the first group.
    """

    def __init__(self, name: object, per: str, scheduler: LRScheduler, length: int | None) -> None:
        self.name, self.scheduler = name, scheduler
        self.length = length  # of a schedule laid out over the whole training, whose last rate is held from then on
        self.needs_metric = isinstance(scheduler, lr_scheduler.ReduceLROnPlateau)
        self.per = "epoch" if self.needs_metric else per
        self._first = rates_of(scheduler.optimizer)
        self.highest = self._first[0]
        self.position = 0
        self.metrics: list[float] = []

    def step_ended(self) -> None:
        """Set the rate of the next step; to be called after the optimiser's step."""
        if self.per == "step":
            self._move()

    def epoch_ended(self, metric: float | None = None) -> None:
        """Set the rate of the next epoch; `metric` is what validation gave, None after an epoch without a look at it."""
        if self.needs_metric and metric is not None:
            self._move(metric)
        elif self.per == "epoch" and not self.needs_metric:
            self._move()

    def _move(self, *metric: Any) -> None:
        self.position += 1
        self.metrics += metric
        if self.length is None or self.position < self.length:
            self.scheduler.step(*metric)
            self.highest = max(self.highest, rates_of(self.scheduler.optimizer)[0])

    def state_dict(self) -> dict[str, Any]:
        """The moves so far, in numbers and lists."""
        return {"position": self.position, "length": self.length, "metrics": list(self.metrics)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Make the moves of :meth:`state_dict` again (3 µs each), in a schedule newly built with the same options.

        Raises
        ------
        InputError
            The schedule was laid out over a training of another length.
        """
        if state["length"] != self.length:
            raise InputError(
                f"schedule {self.name!r} was laid out over {state['length']} {self.per}s and is now asked to cover "
                f"{self.length}; resume with the same number of epochs."
            )
        for group, rate in zip(self.scheduler.optimizer.param_groups, self._first, strict=True):
            group["lr"] = rate
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch misses the optimiser's steps
            for metric in state["metrics"]:
                self._move(metric)
            while self.position < state["position"]:
                self._move()
