"""What an option of training may be: each check gives the value in plain Python, or names the option."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from graphrec.errors import InputError, unknown_name

__all__ = ["instance", "number", "table", "whole", "word"]

_MOST = 2**31 - 1


def check_seed(seed: object) -> int:
    """What all that is drawn may begin with."""
    return whole("seed", seed, least=0, below=2**63)


def whole(name: str, value: object, least: int = 1, below: int = _MOST + 1) -> int:
    """A whole number of Python or NumPy from `least` up to, and without, `below`; True and 2.0 are none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}.")
    if value >= below:
        power = "2**63" if below == 2**63 else f"{below:,}"
        raise InputError(f"{name} must be below {power}, got {value}.")
    return int(value)


def number(name: str, value: object, above_zero: bool = False) -> float:
    """A finite number of Python or NumPy of at least 0, or above it; True is none. A whole one stays whole."""
    plain = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    plain = plain and (not isinstance(value, int) or value < 2**63)  # what a tensor can be multiplied by
    if not plain or not math.isfinite(value) or value < 0 or (above_zero and value == 0):  # type: ignore[arg-type, operator]
        raise InputError(f"{name} must be a finite number {'above' if above_zero else 'of at least'} 0, got {value!r}.")
    return value.item() if isinstance(value, np.generic) else value  # type: ignore[return-value]


def word(name: str, value: object, known: Iterable[str] = ()) -> str:
    """A string, and one of those that are known where any are."""
    if not isinstance(value, str):
        raise InputError(f"{name} must be a name, got {value!r}.")
    known = list(known)
    if known and value not in known:
        raise unknown_name(f"value of {name}", value, known)
    return value


def table(name: str, value: object) -> dict[str, Any]:
    """A mapping from names, as a dictionary."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise InputError(f"{name} must be a dictionary with names as keys, got {value!r}.")
    return dict(value)


def instance(name: str, value: object, method: str, what: str) -> object:
    """An object that has a method, and not its class."""
    if inspect.isclass(value):
        raise InputError(f"{name} is the class {value.__name__}; give an object, {value.__name__}(…).")
    if not callable(getattr(value, method, None)):
        raise InputError(f"{name} must be {what}, got {value!r}.")
    return value
