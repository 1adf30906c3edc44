"""LightGCN's propagation: the mean of several hops, with the last hop left to the rows that are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.buffers import BufferPool
from graphrec.graph.products import hop_into, product_rows, runs_on_kernels, spmm
from graphrec.graph.row_sparse import NodeIndex, RowSparse
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["HopMean"]


class HopMean:
    """The mean of X, ÂX, …, Â^K·X, for the rows that are asked for (LightGCN, eq. 4 and 8 with α = 1/(K+1)).

    The first K−1 hops are computed once, when the object is made; a look-up adds the last hop for its own
    rows. All of it is linear in X, so a look-up's gradient needs nothing from the forward pass: it is
    Horner's rule over the transpose, G + Âᵀ(G + Âᵀ(G + …)) / (K+1), whose first product meets a G that is
    non-zero in the looked-up rows only.

    Parameters
    ----------
    adjacency : Adjacency, n × n
    x : Tensor, shape (n, d)
        Ego embeddings; gradients flow to this tensor.
    hops : int
        K >= 1.
    pool : BufferPool
        Where the hops, and the gradient of `x`, find room.
    """

    def __init__(self, adjacency: Adjacency, x: Tensor, hops: int, pool: BufferPool) -> None:
        self.adjacency, self.x, self.hops, self.pool = adjacency, x, hops, pool
        self.layers = [x.detach()]
        for _ in range(hops - 1):
            self.layers.append(self._hop(adjacency, self.layers[-1]))

    def _hop(self, adjacency: Adjacency, x: Tensor) -> Tensor:
        if runs_on_kernels(adjacency.values, x):
            return hop_into(adjacency, x, self.pool.take(*x.shape))
        return spmm(adjacency, x)

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the mean and of X itself for some nodes: two tensors (b, d), differentiable in X."""
        mean, ego = _HopMeanRows.apply(self.x, self, nodes)  # type: ignore[no-untyped-call]
        return mean, ego

    def distinct_rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`rows`, without a gradient and for nodes that are named once."""
        scale = 1.0 / (self.hops + 1)
        if not runs_on_kernels(self.adjacency.values, self.x):
            total = product_rows(self.adjacency, self.layers[-1], nodes)
            for layer in self.layers:
                total += layer[nodes]
            return total * scale, self.layers[0][nodes]
        from graphrec.graph import kernels

        mean, ego = (torch.empty(len(nodes), self.x.shape[1]) for _ in range(2))
        pattern, layers = self.adjacency.pattern, tuple(layer.numpy() for layer in self.layers)
        fixed = (nodes.numpy(), pattern.indptr, pattern.indices, self.adjacency.values.numpy(), layers, np.float32(scale))
        outputs = (mean.numpy(), ego.numpy())
        bounds = even_bounds(len(nodes), 8 * thread_count())
        run_ranges(lambda lo, hi: kernels.mean_rows(lo, hi, *fixed, *outputs), bounds)
        return mean, ego

    def full(self) -> Tensor:
        """The mean for all nodes, shape (n, d), differentiable in X."""
        result: Tensor = _HopMeanFull.apply(self.x, self)  # type: ignore[no-untyped-call]
        return result

    def backward_of(self, g: RowSparse) -> Tensor:
        """Horner's rule for a gradient that is non-zero in a few rows; a tensor (n, d) from the pool."""
        transposed = self.adjacency.t
        width = g.values.shape[1]
        if not g.on_kernels:
            return self.backward_of_dense(g.add_to(g.values.new_zeros(g.index.n, width)))
        total = g.add_to(g.product(transposed, out=self.pool.take(g.index.n, width)))
        for _ in range(self.hops - 1):
            total = g.add_to(self._hop(transposed, total))
        return total

    def backward_of_dense(self, gradient: Tensor) -> Tensor:
        """Horner's rule for any gradient (n, d)."""
        total = gradient
        for _ in range(self.hops):
            total = gradient + self._hop(self.adjacency.t, total)
        return total


class _HopMeanRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hops: HopMean, nodes: Tensor) -> tuple[Tensor, Tensor]:
        ctx.set_materialize_grads(False)
        ctx.hops = hops
        ctx.index = index = NodeIndex(nodes, hops.adjacency.n_nodes)
        # Popular items are the dearest rows and the ones that a batch repeats: each is computed once.
        mean, ego = hops.distinct_rows(index.distinct)
        return index.spread(mean), index.spread(ego)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_mean: Tensor | None, of_ego: Tensor | None) -> tuple[Tensor, None, None]:
        hops: HopMean = ctx.hops
        if of_mean is None:  # only the ego rows were used
            total = torch.zeros_like(hops.x)
        else:
            total = hops.backward_of(RowSparse(ctx.index, of_mean / (hops.hops + 1)))
        if of_ego is not None:
            RowSparse(ctx.index, of_ego).add_to(total)
        return total, None, None


class _HopMeanFull(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hops: HopMean) -> Tensor:
        ctx.hops = hops
        total = hops._hop(hops.adjacency, hops.layers[-1])
        for layer in hops.layers:
            total += layer
        total /= hops.hops + 1
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        hops: HopMean = ctx.hops
        return hops.backward_of_dense(gradient / (hops.hops + 1)), None
