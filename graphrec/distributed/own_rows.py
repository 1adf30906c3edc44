"""The rows of an adjacency that one of several processes computes with, of nodes whose tables are cut by rows."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.distributed.group import Group
from graphrec.graph.bipartite import Adjacency, Pattern
from graphrec.graph.row_sparse import NodeIndex, RowSparse

__all__ = ["OwnRows"]


class OwnRows(Adjacency):
    """Some rows of Â: a product with a table first collects the rows of all nodes, and gives those of the own ones.

    The gradient does the same over the transpose: each process has the gradient of its own rows of the product, all of them
    are collected, and the own rows of Âᵀ give the gradient of the own rows of the table. Every sum is made by one process, in
    the order in which one process alone makes it. (Own columns of Âᵀ and a reduce-scatter would send as much, but gloo makes a
    reduce-scatter of an all-reduce, which sends twice that.)

    Parameters
    ----------
    whole : Adjacency, n × n
        The graph is in every process; what is cut is the work and the tables.
    bounds : list of int
        Process r has the nodes ``bounds[r]:bounds[r + 1]``, of which no part is larger than the first.
    group : Group
    pattern : Pattern, optional
        That of the own rows, where it is there already.
    """

    def __init__(self, whole: Adjacency, bounds: list[int], group: Group, pattern: Pattern | None = None) -> None:
        start, stop = bounds[group.rank], bounds[group.rank + 1]
        first, last = (int(end) for end in whole.pattern.indptr[[start, stop]])
        if pattern is None:
            pattern = Pattern(whole.pattern.indptr[start : stop + 1] - first, whole.pattern.indices[first:last])
        super().__init__(pattern, whole.values[first:last], False, whole.storage)
        self.whole, self._bounds, self._group = whole, bounds, group

    def _of(self, whole: Adjacency) -> OwnRows:
        return OwnRows(whole, self._bounds, self._group, self.pattern)

    @property
    def n_columns(self) -> int:
        """Number of all nodes."""
        return self.whole.n_nodes

    def senders(self, x: Tensor) -> Tensor:
        """Rows of all nodes from the rows (n_own, d) that each process has: one message of n_own · d numbers to each other."""
        padded = F.pad(x, (0, 0, 0, self._bounds[1] - len(x)))
        return self._group.stacked_alike(padded)[: self.n_columns]

    def senders_among(self, rows: RowSparse) -> RowSparse:
        """The non-zero rows of all processes from those of each; only these are sent, with their numbers."""
        nodes, values = rows.index.distinct + self._bounds[self._group.rank], rows.values
        counts = self._group.stacked_alike(torch.tensor([len(nodes)], device=nodes.device)).tolist()
        missing = max(counts) - len(nodes)
        every = (
            self._group.stacked_alike(F.pad(nodes, (0, missing))),
            self._group.stacked_alike(F.pad(values, (0, 0, 0, missing))),
        )
        there = torch.cat([torch.arange(n, device=nodes.device) + r * max(counts) for r, n in enumerate(counts)])
        nodes, values = (part[there] for part in every)
        return RowSparse(NodeIndex(nodes, self.n_columns), values)

    def thinned(self, keep: float, by_sender: bool = False) -> Adjacency:
        """See :class:`Adjacency`; drawn for all rows, so that every process drops the same entries."""
        return self._of(self.whole.thinned(keep, by_sender))

    @cached_property
    def t(self) -> Adjacency:
        """The same rows of the transpose."""
        return self._of(self.whole.t)

    def stored_as(self, storage: torch.dtype | None) -> Adjacency:
        """See :class:`Adjacency`."""
        return self if storage == self.storage else self._of(self.whole.stored_as(storage))

    def to(self, device: torch.device | str) -> Adjacency:
        """See :class:`Adjacency`."""
        moved = self.whole.to(device)
        return self if moved is self.whole else self._of(moved)
