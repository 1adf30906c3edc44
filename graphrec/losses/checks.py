"""What all losses ask of their arguments: shapes that fit, temperatures above zero."""

from __future__ import annotations

import math

from torch import Tensor

from graphrec.errors import InputError

__all__ = ["above_zero", "negatives_of", "same_shape"]


def negatives_of(pos: Tensor, neg: Tensor) -> Tensor:
    """The negatives as one row per positive.

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n,) or (n, k) or (n, ...)

    Returns
    -------
    Tensor, shape (n, k)
        With every axis but the first joined into one.

    Raises
    ------
    InputError
        The shapes do not belong together, or there is nothing to compare.
    """
    if pos.ndim != 1 or neg.ndim == 0 or neg.shape[0] != pos.shape[0]:
        raise InputError(
            f"pos must have shape (n,) and neg (n, k), a row of negatives for each positive; "
            f"got {tuple(pos.shape)} and {tuple(neg.shape)}."
        )
    if neg.numel() == 0:
        raise InputError(f"a loss needs a positive and a negative; pos has shape {tuple(pos.shape)}, neg {tuple(neg.shape)}.")
    return neg.reshape(len(pos), -1)


def same_shape(first: str, a: Tensor, second: str, b: Tensor) -> None:
    """Refuse tensors that only broadcasting would bring together: (n,) against (n, 1) gives n² differences."""
    if a.shape != b.shape:
        raise InputError(f"{first} and {second} must have one shape; got {tuple(a.shape)} and {tuple(b.shape)}.")


def above_zero(name: str, value: float) -> float:
    """The value as a float, if it is finite and above zero."""
    if not (value > 0 and math.isfinite(value)):
        raise InputError(f"{name} must be a finite number above 0, got {value!r}.")
    return float(value)
