"""The terms of a step's objective: added up to be minimised, checked once, and written down by name."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["COLUMNS", "Terms", "check_gradient", "check_terms", "total"]

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
        if not isinstance(value, Tensor) or value.shape != ():
            got = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"{who} must give a scalar tensor, got {got}{'' if name == 'loss' else f' for {name!r}'}.")


def check_gradient(terms: Terms, who: str) -> None:
    """Refuse terms from which nothing can be learnt."""
    if torch.is_grad_enabled() and not any(value.requires_grad for value in terms.values()):
        raise InputError(f"{who} gives a number without a gradient; it must be computed from the model's scores by torch.")
