"""A learning-rate schedule under way: when it moves, and its place in a form that JSON can hold."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from torch.optim import lr_scheduler

from graphrec.errors import InputError

__all__ = ["MetricSchedule", "RunningSchedule"]


class RunningSchedule:
    """A schedule bound to an optimiser; made by :meth:`graphrec.training.schedules.Schedule.build`.

    Parameters
    ----------
    name : str
    scheduler : torch.optim.lr_scheduler.LRScheduler
    per : {"step", "epoch"}
    length : int or None
        How long the schedule is, in its own unit, if it is laid out over the whole training: its last rate is
        held from then on.

    Attributes
    ----------
    needs_metric : bool
        Whether the rate never changes without a validation metric.
    """

    needs_metric: ClassVar[bool] = False

    def __init__(self, name: str, scheduler: lr_scheduler.LRScheduler, per: str, length: int | None) -> None:
        self.name = name
        self.scheduler = scheduler
        self.per = per
        self.length = length
        self.position = 0

    def step_ended(self) -> None:
        """Set the rate of the next step; to be called after the optimiser's step."""
        if self.per == "step":
            self._advance()

    def epoch_ended(self, metric: float | None = None) -> None:
        """Set the rate of the next epoch.

        Parameters
        ----------
        metric : float, optional
            What the validation gave; None after an epoch without a look at it.
        """
        if self.per == "epoch":
            self._advance()

    def _advance(self) -> None:
        self.position += 1
        if self.length is None or self.position < self.length:
            self.scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Place and rates, in numbers, lists and dicts of them."""
        rates = [float(group["lr"]) for group in self.scheduler.optimizer.param_groups]
        return {
            "position": self.position,
            "length": self.length,
            "rates": rates,
            "scheduler": _numbers(self.scheduler.state_dict()),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state of :meth:`state_dict`, given by a schedule with the same options.

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
        self.position = state["position"]
        self.scheduler.load_state_dict(_merged(self.scheduler.state_dict(), state["scheduler"]))
        for group, rate in zip(self.scheduler.optimizer.param_groups, state["rates"], strict=True):
            group["lr"] = rate


class MetricSchedule(RunningSchedule):
    """A schedule that moves by what validation gave, and only then."""

    needs_metric: ClassVar[bool] = True
    scheduler: lr_scheduler.ReduceLROnPlateau

    def epoch_ended(self, metric: float | None = None) -> None:
        """Hand the metric of the epoch on, if there is one."""
        if metric is not None:
            self.position += 1
            self.scheduler.step(metric)


def _is_number(value: object) -> bool:
    # An infinite value is a start value ("best so far" of a plateau): a schedule newly built has it too.
    return isinstance(value, int | float) and math.isfinite(value)


def _numbers(state: dict[str, Any]) -> dict[str, Any]:
    """What changes while a scheduler runs; names and functions come back when it is built anew."""
    kept: dict[str, Any] = {}
    for key, value in state.items():
        if key == "_schedulers":
            kept[key] = [_numbers(part) for part in value]
        elif _is_number(value) or (isinstance(value, list) and all(map(_is_number, value))):
            kept[key] = value
    return kept


def _merged(fresh: dict[str, Any], numbers: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**fresh, **numbers}
    if "_schedulers" in numbers:
        merged["_schedulers"] = [_merged(a, b) for a, b in zip(fresh["_schedulers"], numbers["_schedulers"], strict=True)]
    return merged
