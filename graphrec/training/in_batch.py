"""Scores of a batch against its own items: where a row meets its positive again, it must not count as a negative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["without_own"]


class _Without(torch.autograd.Function):
    """Overwrites few entries in place; a mask would cost two more copies of the matrix, one of them for its gradient."""

    @staticmethod
    def forward(ctx: Any, scores: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.mark_dirty(scores)
        ctx.save_for_backward(rows, columns)
        scores[rows, columns] = torch.finfo(scores.dtype).min
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        if grad[rows, columns].any():  # no loss of this library's: its gradient there is 0 already
            grad = grad.index_put((rows, columns), grad.new_zeros(()))
        return grad, None, None


def without_own(scores: Tensor, items: Tensor, in_place: bool = False) -> Tensor:
    """Scores of a batch's pairs with the items of all its pairs, every occurrence of a row's own positive made harmless.

    Parameters
    ----------
    scores : Tensor, shape (b, b)
    items : Tensor of int64, shape (b,)
        The positive of each row, and the item of each column.
    in_place : bool
        Whether `scores` may be written over: nothing else reads them, nor does the gradient of what made them.

    Returns
    -------
    Tensor, shape (b, b)
        The lowest number of its type at those places, with the gradient 0.
    """
    if scores.device.type != "cpu":  # finding the places would wait for the device
        return scores.masked_fill(items[:, None] == items[None, :], torch.finfo(scores.dtype).min)
    result: Tensor = _Without.apply(scores if in_place else scores.clone(), *_equal_pairs(items))  # type: ignore[no-untyped-call]
    return result


def _equal_pairs(items: Tensor) -> tuple[Tensor, Tensor]:
    """All places (i, j) with ``items[i] == items[j]``, without looking at the others."""
    order = items.argsort(stable=True)
    _, count = torch.unique_consecutive(items[order], return_counts=True)
    each = count.repeat_interleave(count)  # how many equal ones each has, itself among them
    first = (count.cumsum(0) - count).repeat_interleave(count)
    before = each.cumsum(0) - each
    step = torch.arange(int(each.sum()), device=items.device) - before.repeat_interleave(each)
    return order.repeat_interleave(each), order[first.repeat_interleave(each) + step]
