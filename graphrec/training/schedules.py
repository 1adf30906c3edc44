"""Learning-rate schedules by name, run by torch's own schedulers.

=============== =================================================== ================================================
name            rate                                                options
=============== =================================================== ================================================
constant        that of the optimiser
triangular      between min_lr and max_lr, in straight lines        min_lr, max_lr, step_size
triangular2     the same, the amplitude halved every cycle          min_lr, max_lr, step_size
exp_range       the same, the amplitude times gamma every step      min_lr, max_lr, step_size, gamma
cosine          half a cosine to min_lr, after a linear warm-up     min_lr, warmup
cosine_restarts half a cosine to min_lr again and again             min_lr, period, growth
one_cycle       up to max_lr, then down far below the start         max_lr, pct_start, div_factor, final_div_factor
plateau         times factor when validation no longer improves     mode, factor, patience, threshold, cooldown, min_lr
steps           the given rates, one stage after the other          rates, milestones
=============== =================================================== ================================================
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import numpy.typing as npt
import torch
from torch.optim import Optimizer, lr_scheduler

from graphrec.errors import InputError, unknown_name
from graphrec.training.running_schedule import MetricSchedule, RunningSchedule
from graphrec.training.schedule_options import OPTIONS, checked_options

__all__ = ["RunningSchedule", "Schedule", "preview", "schedule_names"]


def schedule_names() -> list[str]:
    """Names of all schedules."""
    return list(OPTIONS)


@dataclass(frozen=True, init=False)
class Schedule:
    """A learning-rate schedule, not yet bound to an optimiser.

    Parameters
    ----------
    name : str
        One of the table above.
    per : {"step", "epoch"}, optional
        Whether the rate changes after every step or every epoch; lengths (`step_size`, `warmup`, `period`,
        `milestones`) count in the same unit. Steps unless given, but epochs for ``"steps"`` and ``"plateau"``.
    **options
        ``min_lr``, ``max_lr``
            Lowest and highest rate. `max_lr` is the optimiser's rate unless given; for the cyclical schedules
            `min_lr` is a tenth of `max_lr` unless given, and 0 for the others.
        ``step_size``
            Length of half a cycle (Smith, "Cyclical Learning Rates for Training Neural Networks", WACV 2017);
            two epochs unless given.
        ``gamma``
            Factor of the amplitude of ``exp_range``, 0.9999.
        ``warmup``
            Length of the linear rise of ``cosine`` to the optimiser's rate, 0.
        ``period``, ``growth``
            Length of the first half cosine, a quarter of the training unless given, and the whole number by
            which each is longer than the one before, 1 (Loshchilov and Hutter, "SGDR", ICLR 2017).
        ``pct_start``, ``div_factor``, ``final_div_factor``
            Share of the rise, start as a fraction of the top, end as a fraction of the start
            (``torch.optim.lr_scheduler.OneCycleLR``); 0.3, 25 and 10,000. Momentum is left alone.
        ``mode``, ``factor``, ``patience``, ``threshold``, ``cooldown``
            As of ``torch.optim.lr_scheduler.ReduceLROnPlateau``; patience counts evaluations. `mode` follows the
            metric unless given.
        ``rates``, ``milestones``
            Rate of each stage, and where the second and later ones begin; stages of equal length unless given.

    Raises
    ------
    InputError
        An unknown name or option (the nearest is offered), or values that cannot be: min_lr above max_lr.
    """

    name: str
    per: str
    options: dict[str, Any]

    def __init__(self, name: str, per: str | None = None, **options: Any) -> None:
        chosen = checked_options(name, options)
        natural = "epoch" if name in ("steps", "plateau") else "step"
        per = natural if per is None else per
        if per not in ("step", "epoch"):
            raise unknown_name("value of per", per, ("step", "epoch"))
        if name == "plateau" and per == "step":
            raise InputError("schedule 'plateau' looks at the validation metric and so goes per epoch, not per step.")
        for field, value in (("name", name), ("per", per), ("options", chosen)):
            object.__setattr__(self, field, value)

    @classmethod
    def of(cls, value: Schedule | str | Mapping[str, Any]) -> Schedule:
        """A schedule from what a caller or a file may give.

        Parameters
        ----------
        value : Schedule, str or mapping
            A mapping has ``name`` and perhaps ``per``, and the options beside them or under ``options``, which
            is what ``dataclasses.asdict`` makes of a schedule.

        Returns
        -------
        Schedule
        """
        if isinstance(value, Schedule):
            return value
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            raise InputError(f"a schedule is a name, a table with a name, or a Schedule; got {value!r}.")
        rest = {option: given for option, given in value.items() if option not in ("name", "per", "options")}
        return cls(value["name"], value.get("per"), **{**value.get("options", {}), **rest})

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

        Returns
        -------
        RunningSchedule

        Raises
        ------
        InputError
            min_lr is above the optimiser's rate, or the training is too short for the schedule.
        """
        epoch = 1 if self.per == "epoch" else steps_per_epoch
        total = math.ceil(total_steps / steps_per_epoch) if self.per == "epoch" else total_steps
        peaks = [float(group["lr"]) for group in optimizer.param_groups]
        if self.options.get("max_lr") is not None:
            peaks = [self.options["max_lr"]] * len(peaks)
        low = self.options.get("min_lr")
        if low is not None and low > min(peaks):
            raise InputError(f"schedule {self.name!r} has min_lr={low:g} above the learning rate, {min(peaks):g}.")
        plan = _Plan(optimizer, peaks, total, epoch, mode, self)
        return _BUILDERS[self.name](plan)


class _Plan(NamedTuple):
    """What a schedule is built from; lengths are in the schedule's own unit."""

    optimizer: Optimizer
    peaks: list[float]
    total: int
    epoch: int
    mode: str
    schedule: Schedule

    def running(self, scheduler: lr_scheduler.LRScheduler, whole: bool = False) -> RunningSchedule:
        """The scheduler under way; `whole` if it is laid out over the whole training."""
        return RunningSchedule(self.schedule.name, scheduler, self.schedule.per, self.total if whole else None)


def _constant(plan: _Plan) -> RunningSchedule:
    return plan.running(lr_scheduler.ConstantLR(plan.optimizer, factor=1.0, total_iters=0))


def _cyclical(plan: _Plan) -> RunningSchedule:
    o = plan.schedule.options
    scheduler = lr_scheduler.CyclicLR(
        plan.optimizer,
        base_lr=[peak / 10 if o["min_lr"] is None else o["min_lr"] for peak in plan.peaks],
        max_lr=plan.peaks,
        step_size_up=o["step_size"] or 2 * plan.epoch,
        mode=cast(Literal["triangular", "triangular2", "exp_range"], plan.schedule.name),
        gamma=o.get("gamma", 1.0),
        cycle_momentum=False,  # torch would move Adam's beta1 too
    )
    return plan.running(scheduler)


def _cosine(plan: _Plan) -> RunningSchedule:
    warmup, total = plan.schedule.options["warmup"], plan.total
    if warmup >= total:
        raise InputError(
            f"schedule 'cosine' has a warmup of {warmup} {plan.schedule.per}s, and the whole training has {total}."
        )
    decay = lr_scheduler.CosineAnnealingLR(plan.optimizer, total - warmup, eta_min=plan.schedule.options["min_lr"])
    if not warmup:
        return plan.running(decay, whole=True)
    # Rates 1/(w+1), 2/(w+1), …, w/(w+1) of the peak, and the peak as the first of the cosine.
    rise = lr_scheduler.LinearLR(plan.optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return plan.running(lr_scheduler.SequentialLR(plan.optimizer, [rise, decay], milestones=[warmup]), whole=True)


def _cosine_restarts(plan: _Plan) -> RunningSchedule:
    o = plan.schedule.options
    period = o["period"] or max(1, plan.total // 4)
    scheduler = lr_scheduler.CosineAnnealingWarmRestarts(plan.optimizer, period, o["growth"], eta_min=o["min_lr"])
    return plan.running(scheduler, whole=o["period"] is None)


def _one_cycle(plan: _Plan) -> RunningSchedule:
    o = plan.schedule.options
    if o["pct_start"] * plan.total <= 1:
        raise InputError(
            f"schedule 'one_cycle' rises for pct_start={o['pct_start']:g} of the training, which must be more than "
            f"one {plan.schedule.per}; the training has {plan.total}."
        )
    scheduler = lr_scheduler.OneCycleLR(
        plan.optimizer,
        max_lr=plan.peaks,
        total_steps=plan.total,
        pct_start=o["pct_start"],
        div_factor=o["div_factor"],
        final_div_factor=o["final_div_factor"],
        cycle_momentum=False,
    )
    return plan.running(scheduler, whole=True)


def _plateau(plan: _Plan) -> RunningSchedule:
    options = {**plan.schedule.options, "mode": plan.schedule.options["mode"] or plan.mode}
    scheduler = lr_scheduler.ReduceLROnPlateau(plan.optimizer, **options)
    return MetricSchedule(plan.schedule.name, scheduler, plan.schedule.per, None)


def _steps(plan: _Plan) -> RunningSchedule:
    rates, milestones = plan.schedule.options["rates"], plan.schedule.options["milestones"]
    whole = milestones is None
    if milestones is None:
        if plan.total < len(rates):
            raise InputError(f"schedule 'steps' has {len(rates)} rates for a training of {plan.total} {plan.schedule.per}s.")
        milestones = [plan.total * stage // len(rates) for stage in range(1, len(rates))]
    # Relative to the first group, so that groups with rates of their own keep their ratio.
    first = plan.peaks[0]
    scheduler = lr_scheduler.LambdaLR(plan.optimizer, lambda at: rates[bisect.bisect_right(milestones, at)] / first)
    return plan.running(scheduler, whole)


_BUILDERS: dict[str, Callable[[_Plan], RunningSchedule]] = {
    "constant": _constant,
    "triangular": _cyclical,
    "triangular2": _cyclical,
    "exp_range": _cyclical,
    "cosine": _cosine,
    "cosine_restarts": _cosine_restarts,
    "one_cycle": _one_cycle,
    "plateau": _plateau,
    "steps": _steps,
}


def preview(
    schedule: Schedule | str,
    lr: float,
    steps: int,
    steps_per_epoch: int = 1,
    metrics: Sequence[float] | None = None,
) -> npt.NDArray[np.float64]:
    """The learning rate of every step of a training, without training.

    Parameters
    ----------
    schedule : Schedule or str
    lr : float
        The optimiser's rate.
    steps : int
        Steps in all.
    steps_per_epoch : int
    metrics : sequence of float, optional
        Validation metric after each epoch, larger being better, for ``"plateau"``; one that never changes
        unless given.

    Returns
    -------
    ndarray of float64, shape (steps,)
    """
    if steps < 1 or steps_per_epoch < 1:
        raise InputError(f"preview needs at least one step and one step an epoch, got {steps} and {steps_per_epoch}.")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
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
