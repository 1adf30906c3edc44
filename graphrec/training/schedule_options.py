"""Which options each learning-rate schedule takes, their defaults, and what they may be."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

from graphrec.errors import InputError, unknown_name

__all__ = ["OPTIONS", "checked_options"]

_CYCLE: dict[str, Any] = {"min_lr": None, "max_lr": None, "step_size": None}

OPTIONS: dict[str, dict[str, Any]] = {
    "constant": {},
    "triangular": _CYCLE,
    "triangular2": _CYCLE,
    "exp_range": {**_CYCLE, "gamma": 0.9999},
    "cosine": {"min_lr": 0.0, "warmup": 0},
    "cosine_restarts": {"min_lr": 0.0, "period": None, "growth": 1},
    "one_cycle": {"max_lr": None, "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4},
    "plateau": {"mode": None, "factor": 0.1, "patience": 10, "threshold": 1e-4, "cooldown": 0, "min_lr": 0.0},
    "steps": {"rates": None, "milestones": None},
}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_rates(value: object) -> bool:
    return isinstance(value, list) and len(value) > 0 and all(_is_number(v) and v > 0 for v in value)


def _is_milestones(value: object) -> bool:
    if not isinstance(value, list) or not all(_is_whole(v, 1) for v in value):
        return False
    return all(a < b for a, b in itertools.pairwise(value))


_Check = tuple[Callable[[Any], bool], str]
_ABOVE_ZERO: _Check = (lambda v: _is_number(v) and v > 0, "a finite number above 0")
_AT_LEAST_ZERO: _Check = (lambda v: _is_number(v) and v >= 0, "a finite number of at least 0")
_BETWEEN: _Check = (lambda v: _is_number(v) and 0 < v < 1, "a number between 0 and 1")
_COUNT: _Check = (lambda v: _is_whole(v, 1), "a whole number of at least 1")
_COUNT_OR_NONE: _Check = (lambda v: _is_whole(v, 0), "a whole number of at least 0")

_CHECKS: dict[str, _Check] = {
    "min_lr": _AT_LEAST_ZERO,
    "max_lr": _ABOVE_ZERO,
    "step_size": _COUNT,
    "gamma": (lambda v: _is_number(v) and 0 < v <= 1, "a number above 0 and at most 1"),
    "warmup": _COUNT_OR_NONE,
    "period": _COUNT,
    "growth": _COUNT,
    "pct_start": _BETWEEN,
    "div_factor": _ABOVE_ZERO,
    "final_div_factor": _ABOVE_ZERO,
    "mode": (lambda v: v in ("min", "max"), "'min' or 'max'"),
    "factor": _BETWEEN,
    "patience": _COUNT_OR_NONE,
    "threshold": _AT_LEAST_ZERO,
    "cooldown": _COUNT_OR_NONE,
    "rates": (_is_rates, "a list of rates above 0"),
    "milestones": (_is_milestones, "a list of increasing whole numbers of at least 1"),
}


def checked_options(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a schedule with its defaults filled in.

    Parameters
    ----------
    name : str
        A key of :data:`OPTIONS`.
    given : mapping
        What the caller wrote; tuples become lists, as JSON would make them.

    Returns
    -------
    dict
        None stands for a default that depends on the training.

    Raises
    ------
    InputError
        An unknown schedule or option, or a value that cannot be.
    """
    if name not in OPTIONS:
        raise unknown_name("schedule", name, OPTIONS)
    options = dict(OPTIONS[name])
    for option, value in given.items():
        if option not in options:
            if not options:
                raise InputError(f"schedule {name!r} has no options, got {option!r}.")
            raise unknown_name(f"option of schedule {name!r}", option, options)
        value = list(value) if isinstance(value, tuple) else value
        test, words = _CHECKS[option]
        if value is None and OPTIONS[name][option] is None:
            continue
        if not test(value):
            raise InputError(f"{option} of schedule {name!r} must be {words}, got {value!r}.")
        options[option] = value
    _check_together(name, options)
    return options


def _check_together(name: str, options: dict[str, Any]) -> None:
    low, high = options.get("min_lr"), options.get("max_lr")
    if low is not None and high is not None and low > high:
        raise InputError(f"schedule {name!r} has min_lr={low:g} above max_lr={high:g}.")
    if name == "steps":
        rates, milestones = options["rates"], options["milestones"]
        if rates is None:
            raise InputError("schedule 'steps' needs rates, the learning rates of its stages.")
        if milestones is not None and len(milestones) != len(rates) - 1:
            raise InputError(
                f"schedule 'steps' needs a milestone between every two rates: "
                f"{len(rates)} rates take {len(rates) - 1}, got {len(milestones)}."
            )
