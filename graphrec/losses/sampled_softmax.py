"""Softmax losses over sampled negatives: one positive a row, or all items of a batch of users."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.losses.checks import above_zero, negatives_of, same_shape
from graphrec.losses.log_sum_exp import Product, group_log_mean_exp, log_sum_exp

__all__ = ["bsl", "shared_bsl", "shared_softmax", "softmax"]


def softmax(pos: Tensor, neg: Tensor, temperature: float = 1.0, log_q: Tensor | None = None) -> Tensor:
    """Sampled softmax: mean of −log( e^{pos/τ} / (e^{pos/τ} + Σ_j e^{neg_j/τ}) ).

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)
    temperature : float
        τ. Cosines need a small one, about 0.1; inner products 1.
    log_q : Tensor, shape (k,) or (n, k), optional
        Log of the probability with which each negative was drawn; for in-batch negatives the log of the
        item's share of the interactions. The sum then becomes 1/k · Σ_j e^{neg_j/τ} / q_j, an unbiased estimate
        of the sum over the whole catalogue (Bengio and Senécal, "Adaptive Importance Sampling to Accelerate
        Training of a Neural Probabilistic Language Model", 2008; for in-batch negatives Yi et al.,
        "Sampling-Bias-Corrected Neural Modeling for Large Corpus Item Recommendations", RecSys 2019).

    Returns
    -------
    Tensor, scalar

    Notes
    -----
    Without `log_q`, scores learnt against negatives drawn in proportion to q estimate the log-odds *over* q:
    adding τ · log q back when ranking gives the same order as the correction here.

    Examples
    --------
    >>> gr.losses.softmax(torch.tensor([1.0]), torch.tensor([[0.0, 0.0]]))
    tensor(0.5514)
    """
    rows = negatives_of(pos, neg)
    tau = above_zero("temperature", temperature)
    if log_q is not None and log_q.ndim > 1:
        log_q = negatives_of(pos, log_q)
    log_z = log_sum_exp(rows, tau, _importance(log_q, rows))
    return F.softplus(log_z - pos / tau).mean()


def shared_softmax(
    pos: Tensor,
    owner: Tensor,
    neg: Tensor | Product,
    temperature: float = 1.0,
    log_q: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Softmax of every interaction of a batch of users against negatives the batch shares.

    The mean over the interactions of log( e^{pos/τ} + Z_u ) − pos/τ with Z_u = Σ_j e^{neg_uj/τ}: the same as
    :func:`softmax` on the rows ``neg[owner]``, but Z is computed once a user instead of once an interaction.

    Parameters
    ----------
    pos : Tensor, shape (nnz,)
        Scores of all items of the users, user after user.
    owner : Tensor of int64, shape (nnz,)
        Row of `neg` that each interaction belongs to.
    neg : Tensor or Product, shape (b, m)
        Scores of the b users with the m shared negatives.
    temperature : float
    log_q : Tensor, shape (m,) or (b, m), optional
        As in :func:`softmax`.
    weight : Tensor, shape (nnz,), optional
        How much each interaction counts in the mean; not negative, and where all are 0 the loss is 0.

    Returns
    -------
    Tensor, scalar
    """
    _check_shared(pos, owner, neg)
    tau = above_zero("temperature", temperature)
    log_z = log_sum_exp(neg, tau, _importance(log_q, neg))
    each = F.softplus(log_z.index_select(0, owner) - pos / tau)
    if weight is None:
        return each.mean()
    same_shape("pos", pos, "weight", weight)
    return (weight * each).sum() / weight.sum().clamp(min=torch.finfo(each.dtype).tiny)


def bsl(
    pos: Tensor,
    neg: Tensor,
    temperature: float = 0.1,
    negative_temperature: float | None = None,
    power: float | None = None,
    users: Tensor | None = None,
) -> Tensor:
    """Bilateral softmax loss: mean of −log E⁺[e^{pos/τ⁺}] + p · log E⁻[e^{neg/τ⁻}].

    Wu et al., "BSL: Understanding and Improving Softmax Loss for Recommendation", ICDE 2024. E⁻ is the mean
    over the row's negatives, E⁺ the mean over the positives of the same user in the batch. The paper's form,
    −τ⁺ log E⁺[e^{s/τ⁺}] + τ⁻ log E⁻[e^{s/τ⁻}], is τ⁺ times this one with p = τ⁻/τ⁺, the default. The authors'
    code has one temperature on both sides and p as its second option ("temperature_2"; 1.22 for MF on Gowalla,
    at τ = 0.08): give `temperature` and `power` for it.

    Parameters
    ----------
    pos : Tensor, shape (n,)
        Meant to be cosines.
    neg : Tensor, shape (n, k)
    temperature : float
        τ⁺.
    negative_temperature : float, optional
        τ⁻; τ⁺ unless given.
    power : float, optional
        p; τ⁻/τ⁺ unless given.
    users : Tensor of int64, shape (n,), optional
        User of each row. Unless given, every positive stands for itself, which is the authors' mode "reweight";
        with it, positives of one user are averaged, their mode "multi".

    Returns
    -------
    Tensor, scalar
        It may be negative: the positive is not part of the denominator.
    """
    rows = negatives_of(pos, neg)
    plus, minus, p = _temperatures(temperature, negative_temperature, power)
    positive = pos / plus
    if users is not None:
        same_shape("pos", pos, "users", users)
        distinct, group = torch.unique(users, return_inverse=True)
        positive = group_log_mean_exp(positive, group, len(distinct))[group]
    negative = log_sum_exp(rows, minus) - math.log(rows.shape[1])
    return (p * negative - positive).mean()


def shared_bsl(
    pos: Tensor,
    owner: Tensor,
    neg: Tensor | Product,
    temperature: float = 0.1,
    negative_temperature: float | None = None,
    power: float | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Bilateral softmax loss of a batch of users with all their items and shared negatives.

    :func:`bsl` as the paper defines it, an expectation over users: the mean over the users of
    −log E⁺_u[e^{pos/τ⁺}] + p · log E⁻_u[e^{neg/τ⁻}]. Users without an item in `pos` are left out.

    Parameters
    ----------
    pos : Tensor, shape (nnz,)
    owner : Tensor of int64, shape (nnz,)
        Row of `neg` that each interaction belongs to.
    neg : Tensor or Product, shape (b, m)
    temperature, negative_temperature, power : float
        As in :func:`bsl`.
    weight : Tensor, shape (nnz,), optional
        How much each interaction counts in the mean E⁺ of its user; not negative.

    Returns
    -------
    Tensor, scalar
    """
    _check_shared(pos, owner, neg)
    plus, minus, p = _temperatures(temperature, negative_temperature, power)
    if weight is None:
        positive = group_log_mean_exp(pos / plus, owner, neg.shape[0])
    else:
        same_shape("pos", pos, "weight", weight)
        log_w = weight.clamp(min=torch.finfo(pos.dtype).tiny).log()
        # Σ w e^x / Σ w, by the means of both sums.
        positive, of_weights = (group_log_mean_exp(x, owner, neg.shape[0]) for x in (pos / plus + log_w, log_w))
        positive = torch.where(of_weights > -torch.inf, positive - of_weights, positive)
    present = positive > -torch.inf
    negative = log_sum_exp(neg, minus) - math.log(neg.shape[1])
    return (p * negative - positive)[present].mean()


def _importance(log_q: Tensor | None, neg: Tensor | Product) -> Tensor | None:
    """log of 1 / (k q_j), by which a drawn negative stands for its share of the catalogue."""
    if log_q is None:
        return None
    if log_q.shape != neg.shape and log_q.shape != neg.shape[1:]:
        raise InputError(
            f"log_q must have one value a negative, shape {tuple(neg.shape[1:])} or {tuple(neg.shape)}; "
            f"got {tuple(log_q.shape)}."
        )
    return -(log_q.detach() + math.log(neg.shape[1]))


def _temperatures(plus: float, minus: float | None, power: float | None) -> tuple[float, float, float]:
    plus = above_zero("temperature", plus)
    minus = plus if minus is None else above_zero("negative_temperature", minus)
    return plus, minus, minus / plus if power is None else above_zero("power", power)


def _check_shared(pos: Tensor, owner: Tensor, neg: Tensor | Product) -> None:
    if pos.ndim != 1 or owner.shape != pos.shape or len(neg.shape) != 2:
        raise InputError(
            f"pos and owner must have shape (nnz,) and neg (b, m); "
            f"got {tuple(pos.shape)}, {tuple(owner.shape)} and {tuple(neg.shape)}."
        )
    if pos.numel() == 0 or 0 in neg.shape:
        raise InputError(f"a loss needs a positive and a negative; pos has shape {tuple(pos.shape)}, neg {tuple(neg.shape)}.")
