"""Checks of hyper-parameters."""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from graphrec.errors import InputError, unknown_name

__all__ = ["check_at_least", "check_dropout", "check_one_of", "check_range", "check_widths", "checked_options"]


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise :class:`InputError` unless ``value >= low``; not-a-number is refused too."""
    if not (_is_number(value) and value >= low):
        raise InputError(f"{name} must be at least {low:g}, got {value!r}.")


def check_one_of(name: str, value: str, known: Sequence[str]) -> None:
    """Raise :class:`InputError` with the nearest of the known values unless `value` is one of them."""
    if value not in known:
        raise unknown_name(name, value, known)


def check_dropout(name: str, value: float) -> float:
    """`value`, a probability of dropping; :class:`InputError` unless it lies in [0, 1)."""
    if not (_is_number(value) and 0 <= value < 1):
        raise InputError(f"{name} must be at least 0 and below 1, got {value!r}.")
    return value


def check_range(name: str, bounds: Sequence[float]) -> tuple[float, float]:
    """The two ends of an interval; :class:`InputError` unless they are finite numbers in increasing order."""
    good = isinstance(bounds, Sequence) and len(bounds) == 2 and all(_is_number(b) and math.isfinite(b) for b in bounds)
    if not good or not bounds[0] < bounds[1]:
        raise InputError(f"{name} must be (low, high) with low < high, got {bounds!r}.")
    return bounds[0], bounds[1]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def check_widths(name: str, widths: Sequence[int], *, may_be_empty: bool = False) -> list[int]:
    """The widths of a stack of layers as a list.

    Raises
    ------
    InputError
        `widths` is not a sequence of whole numbers above zero, or is empty where at least one is needed.
    """
    good = isinstance(widths, Sequence) and not isinstance(widths, str)
    good = good and all(isinstance(w, int) and not isinstance(w, bool) and w > 0 for w in widths)
    if not good or not (widths or may_be_empty):
        raise InputError(f"{name} must list the width of each layer, such as [64, 32], all at least 1; got {widths!r}.")
    return list(widths)


def checked_options(kind: type, name: str, given: Mapping[str, Any], of_fit: Collection[str] = ()) -> dict[str, Any]:
    """Options for the constructor of a model, by its signature.

    Parameters
    ----------
    kind : type
        Whose constructor has annotations; those of ``int``, ``float``, ``bool`` and ``str``, or None beside them, are
        checked, and all others are left to the constructor.
    name : str
        Of the model, for messages.
    given : mapping
    of_fit : collection of str
        Options that are not the model's, but of how it is fitted: the message says where they go.

    Returns
    -------
    dict
        NumPy's numbers as Python's own.

    Raises
    ------
    InputError
        An unknown option, with the nearest name, or a value of another type.
    """
    known = [option for option in inspect.signature(kind.__init__).parameters if option not in ("self", "train")]  # type: ignore[misc]
    try:
        hints = typing.get_type_hints(kind.__init__)  # type: ignore[misc]
    except NameError:  # an annotation that is only there for a type checker
        hints = {}
    options = {}
    for option, value in given.items():
        if option not in known and option in of_fit:
            raise InputError(f"unknown option of model {name} {option!r}; it is an option of fit: fit(train, {option}=…).")
        if option not in known:
            raise unknown_name(f"option of model {name}", option, known)
        value = value.item() if isinstance(value, np.generic) else value
        options[option] = _of_type(option, value, hints.get(option))
    return options


_MOST = float(np.finfo(np.float32).max)
_WORDS = {int: "a whole number", float: "a number", bool: "True or False", str: "a text"}


def _of_type(option: str, value: Any, hint: Any) -> Any:
    # With a Literal in it a union is of the older kind.
    allowed = typing.get_args(hint) if typing.get_origin(hint) in (types.UnionType, typing.Union) else (hint,)
    allowed = tuple(str if typing.get_origin(kind) is typing.Literal else kind for kind in allowed)  # which text is seen later
    plain = [kind for kind in allowed if kind in _WORDS]
    if not plain or any(kind not in _WORDS and kind is not type(None) for kind in allowed):
        return value
    if value is None and type(None) in allowed:
        return value
    for kind in plain:
        wider = int | float if kind is float else kind
        if isinstance(value, wider) and (kind is bool or not isinstance(value, bool)):
            if isinstance(value, int) and not -(2**63) <= value < 2**63:
                raise InputError(f"{option} must be below 2**63, got {value}.")
            if isinstance(value, float) and not abs(value) <= _MOST:
                raise InputError(f"{option} must be a finite number that fits into a float32, got {value!r}.")
            return value
    raise InputError(f"{option} must be {' or '.join(_WORDS[kind] for kind in plain)}, got {value!r}.")
