"""Rows of length 1, the two factors of a cosine, with one pass over the rows in each direction."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.graph.products import runs_on_kernels
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["unit_rows"]


class _UnitRows(torch.autograd.Function):
    """y = x / ‖x‖; the gradient is (g − y (y · g)) / ‖x‖."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        from graphrec.graph import kernels

        out, norms = torch.empty_like(x), torch.empty(len(x), dtype=torch.float32)
        arrays = x.numpy(), out.numpy(), norms.numpy()
        run_ranges(lambda lo, hi: kernels.unit(lo, hi, *arrays), even_bounds(len(x), 2 * thread_count()))
        ctx.save_for_backward(out, norms)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        from graphrec.graph import kernels

        out, norms = ctx.saved_tensors
        result = torch.empty_like(out)
        arrays = gradient.contiguous().numpy(), out.numpy(), norms.numpy(), result.numpy()
        run_ranges(lambda lo, hi: kernels.unit_gradient(lo, hi, *arrays), even_bounds(len(out), 2 * thread_count()))
        return result


def unit_rows(x: Tensor) -> Tensor:
    """Every row divided by its length, differentiable.

    Parameters
    ----------
    x : Tensor, shape (..., d)

    Returns
    -------
    Tensor, shape (..., d)
        A row of zeros stays one.
    """
    if x.ndim != 2 or not runs_on_kernels(x):
        return F.normalize(x, dim=-1)
    result: Tensor = _UnitRows.apply(x.contiguous())  # type: ignore[no-untyped-call]
    return result
