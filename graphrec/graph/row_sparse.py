"""Gradients that are non-zero in a batch's rows only."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.products import row_bounds, runs_on_kernels, spmm
from graphrec.threads import run_ranges

__all__ = ["RowSparse"]


class RowSparse:
    """A matrix of n rows of which only a batch's are non-zero, such as the gradient of a row look-up.

    Parameters
    ----------
    rows : Tensor of int64, shape (b,)
        Repeated rows add up.
    values : Tensor, shape (b, d)
    n : int
    """

    def __init__(self, rows: Tensor, values: Tensor, n: int) -> None:
        self.rows = rows
        self.n = n
        self.on_kernels = runs_on_kernels(values)
        if not self.on_kernels:
            self.values = values
            return
        from graphrec.graph import kernels

        self.slot = np.full(n, -1, np.int32)
        summed = np.empty(tuple(values.shape), np.float32)
        used = kernels.sum_into_slots(rows.numpy(), values.contiguous().numpy(), self.slot, summed)
        self.values = torch.from_numpy(summed[:used])

    def product(self, adjacency: Adjacency, out: Tensor | None = None) -> Tensor:
        """Â times this matrix, shape (n, d)."""
        if not self.on_kernels:
            return spmm(adjacency, self.add_to(self.values.new_zeros(self.n, self.values.shape[1])))
        from graphrec.graph import kernels

        out = torch.empty(self.n, self.values.shape[1]) if out is None else out
        indptr, indices, slot = adjacency.pattern.indptr, adjacency.pattern.indices, self.slot
        weights, source, target = adjacency.values.numpy(), self.values.numpy(), out.numpy()
        run_ranges(
            lambda lo, hi: kernels.hop_from_marked(lo, hi, indptr, indices, weights, slot, source, target),
            row_bounds(adjacency),
        )
        return out

    def add_to(self, dense: Tensor, scale: float = 1.0) -> Tensor:
        """Add this matrix to a dense one (n, d), in place."""
        if not self.on_kernels:
            return dense.index_add_(0, self.rows, self.values, alpha=scale)
        from graphrec.graph import kernels

        kernels.add_slots(self.slot, self.rows.numpy(), self.values.numpy(), np.float32(scale), dense.numpy())
        return dense
