"""log Σ exp over the rows of a score matrix, with one rule for its gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["Product", "group_log_mean_exp", "log_sum_exp"]


class Product(NamedTuple):
    """A score matrix ``left @ right.T`` that is not multiplied yet.

    Its gradient needs two more products but no other pass over the matrix, because a row's share of the gradient
    is one number, by which the much smaller `left` is scaled.

    Attributes
    ----------
    left, right : Tensor, shapes (b, d) and (m, d)
    """

    left: Tensor
    right: Tensor

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (b, m) of the matrix."""
        return len(self.left), len(self.right)


def _exponentials(z: Tensor, log_weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """Turn z into exp(z + log_weight − top) in place; returns the sum and the log-sum of its rows, both (n, 1)."""
    if log_weight is not None:
        z.add_(log_weight)
    top = z.amax(1, keepdim=True)
    top.masked_fill_(top == -torch.inf, 0.0)  # a row of -inf would give -inf - -inf = nan
    total = z.sub_(top).exp_().sum(1, keepdim=True)
    return total, total.log() + top


def _share(grad: Tensor, total: Tensor, temperature: float) -> Tensor:
    """What each exponential of a row has to be multiplied by to give the gradient, (n, 1)."""
    return torch.where(total > 0, grad[:, None] / (total * temperature), 0.0)


class _LogSumExp(torch.autograd.Function):
    """Twice as fast as dividing and ``torch.logsumexp``: the exponentials are made once, in place, and kept."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, temperature: float, log_weight: Tensor | None) -> Tensor:
        z = scores / temperature
        total, result = _exponentials(z, log_weight)
        ctx.save_for_backward(z, total)
        ctx.temperature = temperature
        return result.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        z, total = ctx.saved_tensors
        return z * _share(grad, total, ctx.temperature), None, None


class _LogSumExpOfProduct(torch.autograd.Function):
    """As :class:`_LogSumExp` for the matrix left · rightᵀ, which exists once and is never copied."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor, temperature: float, log_weight: Tensor | None) -> Tensor:
        z = (left / temperature) @ right.T
        total, result = _exponentials(z, log_weight)
        ctx.save_for_backward(z, total, left, right)
        ctx.temperature = temperature
        return result.squeeze(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        z, total, left, right = ctx.saved_tensors
        share = _share(grad, total, ctx.temperature)
        return (z @ right).mul_(share), z.T @ (left * share), None, None


def log_sum_exp(scores: Tensor | Product, temperature: float = 1.0, log_weight: Tensor | None = None) -> Tensor:
    """log Σ_j w_j exp(s_j / τ) of every row; finite for scores of any finite size.

    Parameters
    ----------
    scores : Tensor or Product, shape (n, m)
    temperature : float
        τ.
    log_weight : Tensor, shape (m,) or (n, m), optional
        log w_j, taken as a constant; no weights unless given.

    Returns
    -------
    Tensor, shape (n,)
        −inf for a row of −inf, whose gradient is zero.
    """
    result: Tensor
    if isinstance(scores, Product):
        result = _LogSumExpOfProduct.apply(*scores, temperature, log_weight)  # type: ignore[no-untyped-call]
    else:
        result = _LogSumExp.apply(scores, temperature, log_weight)  # type: ignore[no-untyped-call]
    return result


def group_log_mean_exp(values: Tensor, group: Tensor, n_groups: int) -> Tensor:
    """log of the mean of exp(values) within each group.

    Parameters
    ----------
    values : Tensor, shape (n,)
    group : Tensor of int64, shape (n,)
        Group of each value, in ``range(n_groups)``.
    n_groups : int

    Returns
    -------
    Tensor, shape (n_groups,)
        −inf for a group without values.
    """
    # The largest of each group is a constant here: it cancels, and only keeps exp within range.
    top = values.new_full((n_groups,), -torch.inf).scatter_reduce(0, group, values.detach(), "amax")
    total = values.new_zeros(n_groups).index_add(0, group, (values - top[group]).exp())
    count = torch.bincount(group, minlength=n_groups)
    filled = count > 0
    mean = torch.where(filled, total / count.clamp(min=1), 1.0)
    return torch.where(filled, mean.log() + top, -torch.inf)
