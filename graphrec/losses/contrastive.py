"""Losses that compare two views of the same rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.losses.checks import above_zero, same_shape
from graphrec.losses.log_sum_exp import Product, log_sum_exp

__all__ = ["info_nce", "info_nce_among"]


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


def info_nce_among(first: Tensor, others: Tensor, which: Tensor, temperature: float = 0.2) -> Tensor:
    """InfoNCE of some rows among many, by cosine: −log( e^{cos(a_i, b_w)/τ} / Σ_j e^{cos(a_i, b_j)/τ} ) with w = which_i.

    Lin et al., "Improving Graph Collaborative Filtering with Neighborhood-enriched Contrastive Learning", WWW 2022: against
    all users or items, or against the centres of clusters.

    Parameters
    ----------
    first : Tensor, shape (n, d)
        a.
    others : Tensor, shape (m, d)
        b; their matrix of n × m cosines exists once.
    which : Tensor of int64, shape (n,)
        The row of b that belongs to each row of a.
    temperature : float
        τ.

    Returns
    -------
    Tensor, shape (n,)
    """
    tau = above_zero("temperature", temperature)
    a, b = F.normalize(first, dim=1), F.normalize(others, dim=1)
    return log_sum_exp(Product(a, b), tau) - (a * F.embedding(which, b)).sum(1) / tau
