"""The terms of a step's objective: added up to be minimised, checked once, and written down by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from graphrec.errors import InputError

__all__ = ["COLUMNS", "AlignedRows", "Terms", "check_gradient", "check_terms", "total"]

Terms = dict[str, Tensor]
# What the history has columns for in any case.
COLUMNS = frozenset({"epoch", "loss", "l2", "lr", "seconds", "eval_seconds"})


def total(terms: Terms) -> Tensor:
    """What is minimised: the sum of all terms."""
    value, *rest = terms.values()
    for term in rest:
        value = value + term
    return value


def check_terms(terms: Any, who: str, taken: frozenset[str] = frozenset()) -> None:
    """Refuse what is no mapping from names to scalars, or has a name that is taken.

    Parameters
    ----------
    terms : object
    who : str
        Where they come from, for the message.
    taken : frozenset of str
    """
    if not hasattr(terms, "items"):
        raise InputError(f"{who} must return a mapping from names to scalar tensors, got {type(terms).__name__}.")
    for name, value in terms.items():
        if name in taken:
            raise InputError(f"{who} has a term {name!r}, which is a column of the history already; call it otherwise.")
        if not isinstance(value, Tensor) or value.shape != () or value.is_complex():
            got = type(value).__name__
            if isinstance(value, Tensor):
                got = "a complex number" if value.is_complex() else f"shape {tuple(value.shape)}"
            raise InputError(f"{who} must give a scalar tensor, got {got}{'' if name == 'loss' else f' for {name!r}'}.")


def check_gradient(terms: Terms, who: str) -> None:
    """Refuse terms from which nothing can be learnt."""
    if torch.is_grad_enabled() and not any(value.grad_fn is not None for value in terms.values()):
        raise InputError(f"{who} gives a number without a gradient; it must be computed from the model's scores by torch.")


class AlignedRows(TorchFunctionMode):
    """Refuses an operation of a loss that would pair every positive with the negatives of every other one.

    Positives (b,) against negatives (b, 1) or (b, b) are spread over the columns and not over the rows, silently: a loss
    must write ``pos[:, None]``.

    Parameters
    ----------
    who : str
        For the message.
    size : int
        b; of one positive there is nothing to mistake.
    """

    def __init__(self, who: str, size: int) -> None:
        super().__init__()
        self._who, self._size = who, size

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        b = self._size
        shapes = {tuple(one.shape) for one in args if isinstance(one, Tensor)}
        if b > 1 and isinstance(result, Tensor) and result.shape == (b, b) and (b,) in shapes and shapes & {(b, 1), (b, b)}:
            raise InputError(
                f"{self._who} joins its positives of shape ({b},) with its negatives row against column, which pairs every one "
                "with those of all others; write pos[:, None] for one positive a row."
            )
        return result
