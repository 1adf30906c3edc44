"""Losses that compare two views of the same rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.losses.checks import above_zero, same_shape

__all__ = ["info_nce"]


def info_nce(first: Tensor, second: Tensor, temperature: float = 0.2, counted: Tensor | None = None) -> Tensor:
    """InfoNCE by cosine: mean over the rows i of −log( e^{cos(a_i, b_i)/τ} / Σ_j e^{cos(a_i, b_j)/τ} ).

    Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018; in this form Wu et al.,
    "Self-supervised Graph Learning for Recommendation", SIGIR 2021, eq. 10, as a mean instead of a sum.

    Parameters
    ----------
    first, second : Tensor, shape (n, d)
        a and b: row i of both is the same thing, every other row of b is another.
    temperature : float
        τ.
    counted : Tensor of bool, shape (n,), optional
        Which rows take part; all unless given. At least one must.

    Returns
    -------
    Tensor, scalar
    """
    same_shape("first", first, "second", second)
    tau = above_zero("temperature", temperature)
    logits = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T / tau
    if counted is None:
        return (logits.logsumexp(1) - logits.diagonal()).mean()
    each = logits.masked_fill(~counted, -torch.inf).logsumexp(1) - logits.diagonal()
    return torch.where(counted, each, 0.0).sum() / counted.sum()
