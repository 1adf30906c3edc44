"""Matrices that are non-zero in a batch's rows only, such as the gradient of a row look-up."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.products import bounds_of_rows, row_bounds, runs_on_kernels, spmm
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["NodeIndex", "RowSparse"]


class NodeIndex:
    """The distinct nodes among those a batch names.

    Parameters
    ----------
    nodes : Tensor of int64, shape (b,)
        Repeated ones allowed.
    n : int
        Number of all nodes.

    Attributes
    ----------
    distinct : Tensor of int64, shape (u,)
    position : Tensor of int64, shape (b,)
        ``distinct[position] == nodes``.
    slot : ndarray of int32, shape (n,), or None
        Position of each node in `distinct`, -1 for the others; on the CPU only.
    """

    def __init__(self, nodes: Tensor, n: int) -> None:
        self.n = n
        if nodes.device.type != "cpu":
            self.distinct, self.position = torch.unique(nodes, return_inverse=True)
            self.slot = None
            return
        from graphrec.graph import kernels

        self.slot = np.full(n, -1, np.int32)
        position, distinct = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64)
        used = kernels.index_rows(nodes.numpy(), self.slot, position, distinct)
        self.distinct, self.position = torch.from_numpy(distinct[:used]), torch.from_numpy(position)

    @property
    def all_distinct(self) -> bool:
        """Whether no node is named twice; `position` then counts from 0 (on the CPU)."""
        return self.slot is not None and len(self.distinct) == len(self.position)

    def spread(self, rows: Tensor) -> Tensor:
        """A row for each node of the batch from one for each distinct node: (u, d) to (b, d)."""
        return rows if self.all_distinct else rows[self.position]


class RowSparse:
    """A matrix of n rows that is zero but for the rows of some distinct nodes.

    Parameters
    ----------
    index : NodeIndex
    values : Tensor, shape (b, d)
        A row for each node of the batch; those of a repeated node add up.
    """

    def __init__(self, index: NodeIndex, values: Tensor) -> None:
        self.index = index
        self.on_kernels = runs_on_kernels(values)
        if index.all_distinct:
            self.values = values.contiguous()
            return
        shape = (len(index.distinct), values.shape[1])
        if not self.on_kernels:
            self.values = values.new_zeros(shape).index_add_(0, index.position, values)
            return
        from graphrec.graph import kernels

        self.values = torch.empty(shape)
        kernels.sum_rows(index.position.numpy(), values.contiguous().numpy(), self.values.numpy())

    def product(self, adjacency: Adjacency, out: Tensor | None = None) -> Tensor:
        """Â times this matrix, shape (n, d); written to `out` where given."""
        width = self.values.shape[1]
        if not self.on_kernels:
            return spmm(adjacency, self.add_to(self.values.new_zeros(self.index.n, width)))
        out = torch.empty(self.index.n, width) if out is None else out
        self._multiply(adjacency, None, out, row_bounds(adjacency))
        return out

    def with_neighbours(self, adjacency: Adjacency, field: NodeIndex) -> RowSparse:
        """(Â + I) times this matrix, non-zero in its receptive field only (ascending nodes; on the kernels)."""
        from graphrec.graph import kernels

        rows = field.distinct.numpy()
        out = torch.empty(len(rows), self.values.shape[1])
        self._multiply(adjacency, rows, out, bounds_of_rows(adjacency, rows))
        place = np.searchsorted(rows, self.index.distinct.numpy())
        kernels.add_rows(0, len(place), place, self.values.numpy(), out.numpy())
        return RowSparse(field, out)

    def _multiply(self, adjacency: Adjacency, rows: npt.NDArray[np.int64] | None, out: Tensor, bounds: list[int]) -> None:
        from graphrec.graph import kernels

        indptr, indices, slot = adjacency.pattern.indptr, adjacency.pattern.indices, self.index.slot
        weights, source, target = adjacency.values.numpy(), self.values.numpy(), out.numpy()
        run_ranges(lambda lo, hi: kernels.hop_from_marked(lo, hi, rows, indptr, indices, weights, slot, source, target), bounds)

    def add_to(self, dense: Tensor) -> Tensor:
        """Add this matrix to a dense one (n, d), in place."""
        if not self.on_kernels:
            return dense.index_add_(0, self.index.distinct, self.values)
        from graphrec.graph import kernels

        rows, values, target = self.index.distinct.numpy(), self.values.numpy(), dense.numpy()
        run_ranges(lambda lo, hi: kernels.add_rows(lo, hi, rows, values, target), even_bounds(len(rows), thread_count()))
        return dense
