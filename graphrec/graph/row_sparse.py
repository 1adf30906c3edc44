"""Matrices that are non-zero in a batch's rows only, such as the gradient of a row look-up."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.products import hops_on_kernels, row_bounds, runs_on_kernels, spmm
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["NodeIndex", "RowSparse"]


class NodeIndex:
    """The distinct nodes among those a batch names.

    How many there are is something that only the data tell, and on another device than the CPU the host would have to wait
    for it. There the list keeps the batch's length: the first mention of a node stands for it, the others stand for nobody.

    Parameters
    ----------
    nodes : Tensor of int64, shape (b,)
        Repeated ones allowed.
    n : int
        Number of all nodes.

    Attributes
    ----------
    distinct : Tensor of int64, shape (u,), or (b,) on another device than the CPU
    position : Tensor of int64, shape (b,)
        ``distinct[position] == nodes``.
    slot : ndarray of int32, shape (n,), or None
        Position of each node in `distinct`, -1 for the others; on the CPU only.
    """

    def __init__(self, nodes: Tensor, n: int) -> None:
        self.n = n
        if nodes.device.type != "cpu":
            mentions = torch.arange(len(nodes), device=nodes.device)
            first = torch.full((n,), len(nodes), device=nodes.device).scatter_reduce_(0, nodes, mentions, "amin")
            self.distinct, self.position, self.slot = nodes, first[nodes], None
            return
        from graphrec.graph import kernels

        self.slot = np.full(n, -1, np.int32)
        position, distinct = np.empty(len(nodes), np.int64), np.empty(len(nodes), np.int64)
        used = kernels.index_rows(nodes.numpy(), self.slot, position, distinct)
        self.distinct, self.position = torch.from_numpy(distinct[:used]), torch.from_numpy(position)

    @cached_property
    def marked(self) -> npt.NDArray[np.uint8]:
        """A bit for each of all nodes, set for the distinct ones; eight in a byte, the lowest first."""
        return np.packbits(np.asarray(self.slot) >= 0, bitorder="little")

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

        self.values = torch.empty(shape, dtype=torch.float32)
        kernels.sum_rows(index.position.numpy(), values.contiguous().numpy(), self.values.numpy())

    def product(self, adjacency: Adjacency, out: Tensor | None = None) -> Tensor:
        """Â times this matrix, shape (n, d); written to `out` where given."""
        width = self.values.shape[1]
        if not (self.on_kernels and hops_on_kernels(adjacency, self.values)):
            return spmm(adjacency, self.add_to(self.values.new_zeros(self.index.n, width)))
        from graphrec.graph import kernels

        out = torch.empty(adjacency.n_nodes, width, dtype=torch.float32) if out is None else out
        pattern, index = adjacency.pattern, self.index
        matrix = pattern.indptr, pattern.indices, adjacency.values.numpy()
        tables = index.marked, index.slot, self.values.numpy(), out.numpy()
        run_ranges(lambda lo, hi: kernels.hop_from_marked(lo, hi, *matrix, *tables), row_bounds(adjacency))
        return out

    def with_neighbours(self, adjacency: Adjacency, field: NodeIndex) -> RowSparse:
        """(Âᵀ + I) times this matrix, non-zero in its receptive field only (on the kernels).

        The field's rows have far more edges than this matrix's, so these are scattered; threads share the columns.
        """
        from graphrec.graph import kernels

        rows, width = self.index.distinct.numpy(), self.values.shape[1]
        out = torch.zeros(len(field.distinct), width, dtype=torch.float32)
        pattern, source, target = adjacency.pattern, self.values.numpy(), out.numpy()
        fixed = rows, pattern.indptr, pattern.indices, adjacency.values.numpy(), field.slot, source, target
        run_ranges(lambda lo, hi: kernels.scatter_rows(lo, hi, *fixed), even_bounds(width, thread_count()))
        kernels.add_rows(0, len(rows), np.asarray(field.slot)[rows].astype(np.int64), source, target)
        return RowSparse(field, out)

    def add_to(self, dense: Tensor) -> Tensor:
        """Add this matrix to a dense one (n, d), in place."""
        if not self.on_kernels:
            return dense.index_add_(0, self.index.distinct, self.values)
        from graphrec.graph import kernels

        rows, values, target = self.index.distinct.numpy(), self.values.numpy(), dense.numpy()
        run_ranges(lambda lo, hi: kernels.add_rows(lo, hi, rows, values, target), even_bounds(len(rows), thread_count()))
        return dense
