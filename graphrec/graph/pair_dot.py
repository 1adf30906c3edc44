"""Dot products of the pairs of a list, without a copy of a row for each of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.graph.products import runs_on_kernels
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["pair_dot"]


class _PairDot(torch.autograd.Function):
    """out[e] = u[left[e]] · v[right[e]]; each gradient is gathered, so nothing is written twice."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Tensor:
        from graphrec.graph import kernels

        ctx.save_for_backward(u, v, left, right)
        out = torch.empty(len(left), dtype=torch.float32)
        arrays = (left.numpy(), right.numpy(), u.numpy(), v.numpy(), out.numpy())
        run_ranges(lambda lo, hi: kernels.dot_pairs(lo, hi, *arrays), even_bounds(len(left), 4 * thread_count()))
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        u, v, left, right = ctx.saved_tensors
        g = gradient.contiguous()
        return _weighted_sum(left, right, g, v, len(u)), _weighted_sum(right, left, g, u, len(v)), None, None


def _weighted_sum(target: Tensor, source: Tensor, weight: Tensor, x: Tensor, n: int) -> Tensor:
    """out[i] = Σ weight[e] · x[source[e]] over the pairs e with target[e] = i: a product with a sparse matrix."""
    from graphrec.graph import kernels

    indptr, order = np.zeros(n + 1, np.int64), np.empty(len(target), np.int64)
    kernels.group(target.numpy(), indptr, order)
    out = torch.empty(n, x.shape[1], dtype=torch.float32)
    columns, weights = source.numpy()[order], weight.numpy()[order]
    arrays = (indptr, columns, weights, x.numpy(), out.numpy())
    run_ranges(lambda lo, hi: kernels.hop(lo, hi, *arrays), even_bounds(n, 8 * thread_count()))
    return out


def pair_dot(u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Dot products of listed pairs of rows (a sampled dense–dense product), differentiable in both tables.

    Parameters
    ----------
    u, v : Tensor, shapes (a, d) and (b, d)
    left, right : Tensor of int64, shape (e,)
        Rows of `u` and of `v`.

    Returns
    -------
    Tensor, shape (e,)
    """
    if not runs_on_kernels(u, v):
        return (F.embedding(left, u) * F.embedding(right, v)).sum(-1)
    result: Tensor = _PairDot.apply(u.contiguous(), v.contiguous(), left, right)  # type: ignore[no-untyped-call]
    return result
