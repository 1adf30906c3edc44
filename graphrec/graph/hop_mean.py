"""LightGCN's propagation: the mean of several hops, with the last hop left to the rows that are asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.buffers import BufferPool
from graphrec.graph.products import hop_into, product_rows, runs_on_kernels, spmm
from graphrec.graph.row_sparse import NodeIndex, RowSparse

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
        mean = product_rows(hops.adjacency, hops.layers[-1], index.distinct)
        ego = hops.layers[0][index.distinct]
        mean += ego
        for layer in hops.layers[1:]:
            mean += layer[index.distinct]
        mean /= hops.hops + 1
        return mean[index.position], ego[index.position]

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
