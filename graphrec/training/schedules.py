"""Learning-rate schedules by name, run by torch's own schedulers.

=============== ================================================= =====================================================
name            rate                                              options and their defaults
=============== ================================================= =====================================================
constant        that of the optimiser
triangular      between min_lr and max_lr, in straight lines      min_lr (max_lr / 10), max_lr, step_size (two epochs)
triangular2     the same, the amplitude halved every cycle        the same
exp_range       the same, the amplitude times gamma every step    the same and gamma (0.9999)
exponential     times gamma after every epoch                     gamma (0.99)
cosine          half a cosine to min_lr, after a linear warm-up   min_lr (0), warmup (0)
cosine_restarts half a cosine to min_lr again and again           min_lr (0), period (a quarter of all), growth (1)
one_cycle       up to max_lr, then down far below the start       max_lr, pct_start, div_factor, final_div_factor
plateau         times factor when validation no longer improves   mode, factor, patience, threshold, cooldown, min_lr
steps           the given rates, one stage after the other        rates, milestones (stages of equal length)
=============== ================================================= =====================================================

`max_lr` is the optimiser's rate unless given. `step_size` is half a cycle (Smith, "Cyclical Learning Rates for Training
Neural Networks", WACV 2017). `period` is the first half cosine, and each is `growth` times longer than the one before
(Loshchilov and Hutter, "SGDR", ICLR 2017). `milestones` are where the second and later stages begin. The others are as of
``torch.optim.lr_scheduler.OneCycleLR`` (momentum is left alone) and ``ReduceLROnPlateau`` (patience counts evaluations, and
`mode` follows the metric). Any other scheduler of torch's is given as a function that makes it of an optimiser:
``schedule=lambda optimizer: PolynomialLR(optimizer, total_iters=500)``.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.optim import Optimizer, lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

from graphrec.errors import InputError, unknown_name
from graphrec.training.running_schedule import RunningSchedule, rates_of

__all__ = ["Schedule", "preview", "schedule_names"]

_Maker = Callable[[Optimizer], LRScheduler]
_Given: TypeAlias = "Schedule | str | _Maker | Mapping[str, Any]"

# None stands for a default that depends on the training. Torch's are repeated: a new release of it must change no rate.
_CYCLE: dict[str, Any] = {"min_lr": None, "max_lr": None, "step_size": None}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "constant": {},
    "triangular": _CYCLE,
    "triangular2": _CYCLE,
    "exp_range": {**_CYCLE, "gamma": 0.9999},
    "exponential": {"gamma": 0.99},
    "cosine": {"min_lr": 0.0, "warmup": 0},
    "cosine_restarts": {"min_lr": 0.0, "period": None, "growth": 1},
    "one_cycle": {"max_lr": None, "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
    "plateau": {"mode": None, "factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0},
    "steps": {"rates": None, "milestones": None},
}
_BY_EPOCH = ("exponential", "steps", "plateau")
# Torch refuses few of the values that cannot be, late, and under names of its own.
_MUST_BE: list[tuple[str, type, Callable[[Any], bool], tuple[str, ...]]] = [
    ("a whole number of at least 0", int, lambda v: v >= 0, ("warmup", "patience", "cooldown")),
    ("a whole number of at least 1", int, lambda v: v >= 1, ("step_size", "period", "growth")),
    ("a finite number of at least 0", float, lambda v: 0 <= v < math.inf, ("min_lr", "threshold")),
    ("a finite number above 0", float, lambda v: 0 < v < math.inf, ("max_lr", "div_factor", "final_div_factor")),
    ("a number between 0 and 1", float, lambda v: 0 < v < 1, ("pct_start", "factor")),
    ("a number above 0 and at most 1", float, lambda v: 0 < v <= 1, ("gamma",)),
    ("'min' or 'max'", str, lambda v: v in ("min", "max"), ("mode",)),
    ("a list of finite numbers above 0", list, lambda v: all(_fits("max_lr", rate) for rate in v), ("rates",)),
    ("a list of whole numbers of at least 1", list, lambda v: all(_fits("period", at) for at in v), ("milestones",)),
]
_RULES = {option: (words, kind, test) for words, kind, test, options in _MUST_BE for option in options}


def _fits(option: str, value: Any) -> bool:
    _, kind, test = _RULES[option]
    return isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool) and test(value)


def schedule_names() -> list[str]:
    """Names of all schedules."""
    return list(_DEFAULTS)


@dataclass(frozen=True, init=False)
class Schedule:
    """A learning-rate schedule, not yet bound to an optimiser.

    Parameters
    ----------
    name : str or callable
        One of the table above, or a function from a ``torch.optim.Optimizer`` to one of torch's schedulers; ``fit`` and
        :func:`preview` take the bare function too.
    per : {"step", "epoch"}, optional
        Whether the rate changes after every step or every epoch; lengths (`step_size`, `warmup`, `period`,
        `milestones`) count in the same unit. Steps unless given, but epochs for ``"steps"``, ``"exponential"`` and what
        follows the validation metric.
    **options
        Those of the table above.

    Raises
    ------
    InputError
        An unknown name or option (the nearest is offered), or values that cannot be: min_lr above max_lr.
    """

    name: str | _Maker
    per: str
    options: dict[str, Any]

    def __init__(self, name: str | _Maker, per: str | None = None, **options: Any) -> None:
        if per not in (None, "step", "epoch"):
            raise unknown_name("value of per", per, ("step", "epoch"))
        if name == "plateau" and per == "step":
            raise InputError("schedule 'plateau' looks at the validation metric and so goes per epoch, not per step.")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "per", per or ("epoch" if name in _BY_EPOCH else "step"))
        object.__setattr__(self, "options", _checked(name, options))

    @classmethod
    def of(cls, value: _Given) -> Schedule:
        """A schedule from a name, a function, a table of name and options, or what ``dataclasses.asdict`` makes of one."""
        if isinstance(value, Schedule):
            return value
        given: dict[str, Any] = dict(value) if isinstance(value, Mapping) else {"name": value}
        if not isinstance(given.get("name"), str) and not callable(given.get("name")):
            raise InputError(f"a schedule is a name, a table with a name, a function or a Schedule; got {value!r}.")
        options = given.pop("options", {})
        return cls(**{**options, **given})

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int, mode: str = "max") -> RunningSchedule:
        """Bind the schedule to an optimiser, whose rate is set to that of the first step.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            The rates of its groups are the highest ones, unless `max_lr` is given.
        total_steps : int
            Steps of the whole training.
        steps_per_epoch : int
        mode : {"max", "min"}
            Which validation metric is better, for ``"plateau"`` without its own `mode`.

        Raises
        ------
        InputError
            min_lr is above the optimiser's rate, the training is too short, or the function makes no scheduler.
        """
        epoch = 1 if self.per == "epoch" else steps_per_epoch
        total = math.ceil(total_steps / steps_per_epoch) if self.per == "epoch" else total_steps
        if isinstance(self.name, str):
            scheduler = _named(self, optimizer, total, epoch, mode)
        else:
            try:
                scheduler = self.name(optimizer)
            except (TypeError, ValueError) as error:
                raise InputError(f"schedule {self.name!r}: {error}") from error
            if not isinstance(scheduler, LRScheduler):
                raise InputError(f"schedule {self.name!r} makes no scheduler of torch's, but {scheduler!r}.")
        whole = self.name in ("cosine", "one_cycle") or None in (self.options.get(o, 0) for o in ("period", "milestones"))
        return RunningSchedule(self.name, self.per, scheduler, total if whole else None)


def _checked(name: str | _Maker, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options with the schedule's defaults, and tuples as lists, as JSON would have them."""
    if isinstance(name, str) and name not in _DEFAULTS:
        raise unknown_name("schedule", name, _DEFAULTS)
    options = dict(_DEFAULTS[name]) if isinstance(name, str) else {}
    for option, value in given.items():
        if not options:
            raise InputError(f"schedule {name!r} has no options, got {option!r}.")
        if option not in options:
            raise unknown_name(f"option of schedule {name!r}", option, options)
        value = list(value) if isinstance(value, tuple) else value
        if not (value is None and options[option] is None) and not _fits(option, value):
            raise InputError(f"{option} of schedule {name!r} must be {_RULES[option][0]}, got {value!r}.")
        options[option] = value
    low, high = options.get("min_lr"), options.get("max_lr")
    if low is not None and high is not None and low > high:
        raise InputError(f"schedule {name!r} has min_lr={low:g} above max_lr={high:g}.")
    if name == "steps":
        n, starts = len(options["rates"] or []), options["milestones"]
        if not n:
            raise InputError("schedule 'steps' needs rates, the learning rates of its stages.")
        if starts is not None and (len(starts) != n - 1 or starts != sorted(set(starts))):
            raise InputError(
                f"schedule 'steps' needs increasing milestones: {n} rates take {n - 1}, got {len(starts)} ({starts})."
            )
    return options


def _named(schedule: Schedule, optimizer: Optimizer, total: int, epoch: int, mode: Any) -> LRScheduler:
    """Torch's scheduler of a name; `total`, `epoch` and the lengths among the options are in the schedule's own unit."""
    o, per, name, low = schedule.options, schedule.per, cast(Any, schedule.name), cast(Any, schedule.options.get("min_lr"))
    peaks = [o.get("max_lr") or rate for rate in rates_of(optimizer)]
    if low is not None and low > min(peaks):
        raise InputError(f"schedule {name!r} has min_lr={low:g} above the learning rate, {min(peaks):g}.")
    match name:
        case "constant":
            return lr_scheduler.ConstantLR(optimizer, factor=1.0, total_iters=0)
        case "cosine":
            warmup = o["warmup"]
            if warmup >= total:
                raise InputError(
                    f"schedule 'cosine' has a warmup of {warmup} {per}s, and the whole training has {total}; train for more "
                    'epochs, or give the schedule a shorter warmup: schedule={"name": "cosine", "warmup": 0}.'
                )
            decay = lr_scheduler.CosineAnnealingLR(optimizer, total - warmup, low)
            if not warmup:
                return decay
            # Rates 1/(w+1), 2/(w+1), …, w/(w+1) of the peak, and the peak as the first of the cosine.
            rise = lr_scheduler.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
            return lr_scheduler.SequentialLR(optimizer, [rise, decay], milestones=[warmup])
        case "cosine_restarts":
            return lr_scheduler.CosineAnnealingWarmRestarts(optimizer, o["period"] or max(1, total // 4), o["growth"], low)
        case "exponential":
            return lr_scheduler.ExponentialLR(optimizer, o["gamma"])
        case "one_cycle":
            if o["pct_start"] * total <= 1:
                raise InputError(
                    f"schedule 'one_cycle' rises for pct_start={o['pct_start']:g} of the training, which must be more than "
                    f"one {per}; the training has {total}."
                )
            return lr_scheduler.OneCycleLR(optimizer, total_steps=total, cycle_momentum=False, **{**o, "max_lr": peaks})
        case "plateau":
            return lr_scheduler.ReduceLROnPlateau(optimizer, **{**o, "mode": o["mode"] or mode})
        case "steps":
            rates, starts = o["rates"], o["milestones"]
            if starts is None and total < len(rates):
                raise InputError(f"schedule 'steps' has {len(rates)} rates for a training of {total} {per}s.")
            starts = starts or [total * stage // len(rates) for stage in range(1, len(rates))]
            # Relative to the first group, so that groups with rates of their own keep their ratio.
            return lr_scheduler.LambdaLR(optimizer, lambda at: rates[bisect_right(starts, at)] / peaks[0])
    lows, half = [peak / 10 if low is None else low for peak in peaks], o["step_size"] or 2 * epoch
    # With cycle_momentum torch would move Adam's beta1 too.
    return lr_scheduler.CyclicLR(optimizer, lows, peaks, half, mode=name, gamma=o.get("gamma", 1.0), cycle_momentum=False)


def preview(
    schedule: _Given, lr: float, steps: int, steps_per_epoch: int = 1, metrics: Sequence[float] | None = None
) -> npt.NDArray[np.float64]:
    """The learning rate of every step of a training, without training.

    Parameters
    ----------
    schedule : Schedule, str, callable or mapping
        As for :meth:`Schedule.of`.
    lr : float
        The optimiser's rate.
    steps : int
        Steps in all.
    steps_per_epoch : int
    metrics : sequence of float, optional
        Validation metric after each epoch, larger being better, for ``"plateau"``; one that never changes unless given.

    Returns
    -------
    ndarray of float64, shape (steps,)
    """
    if steps < 1 or steps_per_epoch < 1:
        raise InputError(f"preview needs at least one step and one step an epoch, got {steps} and {steps_per_epoch}.")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True, dtype=torch.float32)], lr=lr)
    running = Schedule.of(schedule).build(optimizer, steps, steps_per_epoch)
    rates = np.empty(steps)
    for step in range(steps):
        rates[step] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        running.step_ended()
        epoch, rest = divmod(step + 1, steps_per_epoch)
        if rest == 0:
            running.epoch_ended(0.0 if metrics is None else metrics[epoch - 1])
    return rates
