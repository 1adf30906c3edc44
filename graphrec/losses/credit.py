"""Partial credit: a negative that has something in common with the positive is punished less."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["metadata_credit", "partial_credit"]

PairwiseLoss = Callable[..., Tensor]


def partial_credit(loss: PairwiseLoss, credit: Tensor) -> PairwiseLoss:
    """A pairwise loss in which a negative with credit c counts as only 1 − c of a negative.

    The wrapped loss sees neg + log(1 − c) in place of neg. For :func:`~graphrec.losses.softmax` this is exactly
    a weight of 1 − c in the sum over negatives, e^{neg + log(1−c)} = (1 − c) e^{neg}; for
    :func:`~graphrec.losses.bpr` the term becomes log(1 + (1 − c) e^{neg − pos}); and a
    :func:`~graphrec.losses.hinge` asks for a smaller lead, margin + log(1 − c). A credit of 0 changes nothing, a
    credit of 1 takes the negative out of the loss, and between the two the loss and the negative's gradient
    fall as the credit grows. Every pairwise loss that rises with `neg` can be wrapped; :func:`~graphrec.losses.bsl`
    alone compares a row's negatives only with each other, so that equal credit for all of them shifts its value but
    not its gradient.

    Parameters
    ----------
    loss : callable
        ``loss(pos (n,), neg (n, k), **options) -> scalar``.
    credit : Tensor, shape (n, k) or one that broadcasts to it
        Between 0 and 1; see :func:`metadata_credit`.

    Returns
    -------
    callable
        With the signature of `loss`.

    Raises
    ------
    InputError
        A credit outside [0, 1], or of a shape that does not fit `neg`.
    """
    if not bool(((credit >= 0) & (credit <= 1)).all()):
        raise InputError(
            f"partial credit must lie in [0, 1], got values from {float(credit.min()):g} to {float(credit.max()):g}."
        )
    # Not −inf for a credit of 1: e^−10000 is 0 in every float type, and the loss stays finite if all have it.
    shift = torch.log1p(-credit).clamp(min=-1e4)

    @functools.wraps(loss)
    def credited(pos: Tensor, neg: Tensor, **options: Any) -> Tensor:
        try:
            shifted = neg + shift.to(neg.dtype).expand(neg.shape)
        except RuntimeError:
            raise InputError(
                f"credit has shape {tuple(shift.shape)}, which does not fit neg of shape {tuple(neg.shape)}."
            ) from None
        return loss(pos, shifted, **options)

    return credited


def metadata_credit(positives: Tensor, negatives: Tensor, codes: Tensor, weights: Sequence[float]) -> Tensor:
    """Credit of negatives for the metadata they share with their positive: Σ_c weight_c · [equal in column c].

    Parameters
    ----------
    positives : Tensor of int64, shape (n,)
        Item indices.
    negatives : Tensor of int64, shape (n, k) or (m,)
        Item indices; one axis is taken for negatives that all rows share.
    codes : Tensor of int64, shape (n_items, c)
        A column per kind of metadata (first genre, …), a code per value; negative codes mean unknown, which is
        shared with nothing.
    weights : sequence of float, length c
        Each in [0, 1], and not above 1 together: 0.4 for an equal first genre.

    Returns
    -------
    Tensor of float32, shape (n, k) or (n, m)

    Raises
    ------
    InputError
        A weight outside [0, 1], or their number is not that of the columns.
    """
    if codes.ndim != 2 or codes.shape[1] != len(weights):
        raise InputError(
            f"metadata codes must have a column per weight; got shape {tuple(codes.shape)}, {len(weights)} weights."
        )
    for weight in weights:
        if not 0 <= weight <= 1:
            raise InputError(f"a partial-credit weight must lie in [0, 1], got {weight!r}.")
    if sum(weights) > 1 + 1e-9:
        raise InputError(f"partial-credit weights must not add up to more than 1, got {sum(weights):g}.")
    mine = codes[positives][:, None]
    theirs = codes[negatives]
    shared = (mine == theirs) & (mine >= 0)
    return (shared * shared.new_tensor(weights, dtype=torch.float32)).sum(-1).clamp(max=1.0)
