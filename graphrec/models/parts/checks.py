"""Checks of hyper-parameters that several models share."""

from __future__ import annotations

from collections.abc import Sequence

from graphrec.errors import InputError

__all__ = ["check_at_least", "check_dropout", "check_widths"]


def check_at_least(name: str, value: float, low: float) -> None:
    """Raise :class:`InputError` unless ``value >= low``; not-a-number is refused too."""
    if not value >= low:
        raise InputError(f"{name} must be at least {low:g}, got {value!r}.")


def check_dropout(name: str, value: float) -> float:
    """`value`, a probability of dropping; :class:`InputError` unless it lies in [0, 1)."""
    if not 0 <= value < 1:
        raise InputError(f"{name} must be at least 0 and below 1, got {value!r}.")
    return value


def check_widths(name: str, widths: Sequence[int], *, may_be_empty: bool = False) -> list[int]:
    """The widths of a stack of layers as a list.

    Raises
    ------
    InputError
        `widths` is not a sequence of whole numbers above zero, or is empty where at least one is needed.
    """
    good = not isinstance(widths, (int, str)) and all(isinstance(w, int) and not isinstance(w, bool) and w > 0 for w in widths)
    if not good or not (widths or may_be_empty):
        raise InputError(f"{name} must list the width of each layer, such as [64, 32], all at least 1; got {widths!r}.")
    return list(widths)
