"""LightGCN's propagation: the mean of several hops, with the last hop left to the rows that are asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.buffers import BufferPool
from graphrec.graph.products import hop_into, hop_rows_into, hops_on_kernels, product_rows, spmm
from graphrec.graph.receptive_field import receptive_field
from graphrec.graph.row_sparse import NodeIndex, RowSparse
from graphrec.graph.storage import in_storage
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["HopMean"]


class HopMean:
    """The mean of X, ÂX, …, Â^K·X, for the rows that are asked for (LightGCN, eq. 4 and 8 with α = 1/(K+1)).

    The first K−2 hops are computed once, when the object is made. A look-up adds the last hop for its own rows,
    and before it hop K−1 for what that needs: those rows and their neighbours, the receptive field. All of it is
    linear in X, so a look-up's gradient needs nothing from the forward pass: it is Horner's rule over the
    transpose, G + Âᵀ(G + Âᵀ(G + …)) / (K+1), where G is non-zero in the looked-up rows only, and G + ÂᵀG in the
    receptive field. The field grows more slowly than the graph: a batch of 2,048 needs nine tenths of the edges
    of a graph of a million of them, and a quarter of thirty million.

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
        self.adjacency, self.x, self.hops, self.pool = in_storage(adjacency.to(x.device)), x, hops, pool
        self._layers: list[Tensor] = []
        self._known: npt.NDArray[np.bool_] | None = None  # where hop K−1 has been computed
        self._begin()

    def _begin(self) -> None:
        self._layers = [self.x.detach()]
        for _ in range(self.hops - 2):
            self._layers.append(self._hop(self.adjacency, self._layers[-1]))

    def release(self) -> None:
        """Give the room of the hops back: a gradient needs none of them, and a look-up after it computes them again."""
        self._layers, self._known = [], None

    def _hop(self, adjacency: Adjacency, x: Tensor) -> Tensor:
        if hops_on_kernels(adjacency, x):
            return hop_into(adjacency, x, self.pool.take(*x.shape))
        return spmm(adjacency, x)

    def layers(self, field: NodeIndex | None) -> list[Tensor]:
        """X and its first K−1 hops, the last of them at least in the rows of `field`; None asks for all rows."""
        if not self._layers:
            self._begin()
        if self.hops == 1:
            return self._layers
        if self._known is None and field is None:
            self._layers.append(self._hop(self.adjacency, self._layers[-1]))
            self._known = np.ones(self.adjacency.n_nodes, np.bool_)
            return self._layers
        if self._known is None:
            self._layers.append(self.pool.take(*self.x.shape))
            self._known = np.zeros(self.adjacency.n_nodes, np.bool_)
        wanted = np.arange(self.adjacency.n_nodes) if field is None else field.distinct.numpy()
        missing = wanted[~self._known[wanted]]
        if not len(missing):
            return self._layers
        hop_rows_into(self.adjacency, self._layers[-2], missing, self._layers[-1], missing)
        self._known[missing] = True
        return self._layers

    def field(self, index: NodeIndex) -> NodeIndex | None:
        """The receptive field of a look-up where computing hop K−1 for it alone pays; None otherwise."""
        if self.hops == 1 or not hops_on_kernels(self.adjacency, self.x):
            return None
        return receptive_field(index, self.adjacency.pattern)

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the mean and of X itself for some nodes: two tensors (b, d), differentiable in X."""
        mean, ego = _HopMeanRows.apply(self.x, self, nodes)  # type: ignore[no-untyped-call]
        return mean, ego

    def distinct_rows(self, index: NodeIndex, field: NodeIndex | None) -> tuple[Tensor, Tensor]:
        """As :meth:`rows`, without a gradient and once for each distinct node; `field` is theirs."""
        nodes, layers, scale = index.distinct, self.layers(field), 1.0 / (self.hops + 1)
        if not hops_on_kernels(self.adjacency, self.x):
            total = product_rows(self.adjacency, layers[-1], nodes)
            for layer in layers:
                total += layer[nodes]
            return total * scale, self.x.detach()[nodes]
        from graphrec.graph import kernels

        mean, ego = (torch.empty(len(nodes), self.x.shape[1], dtype=torch.float32) for _ in range(2))
        pattern, tables = self.adjacency.pattern, tuple(layer.numpy() for layer in layers)
        fixed = (nodes.numpy(), pattern.indptr, pattern.indices, self.adjacency.values.numpy(), tables, np.float32(scale))
        outputs = (mean.numpy(), ego.numpy())
        bounds = even_bounds(len(nodes), 8 * thread_count())
        run_ranges(lambda lo, hi: kernels.mean_rows(lo, hi, *fixed, *outputs), bounds)
        return mean, ego

    def full(self) -> Tensor:
        """The mean for all nodes, shape (n, d), differentiable in X."""
        result: Tensor = _HopMeanFull.apply(self.x, self)  # type: ignore[no-untyped-call]
        return result

    def backward_of(self, g: RowSparse, field: NodeIndex | None) -> Tensor:
        """Horner's rule for a gradient that is non-zero in a few rows, whose receptive field is `field`."""
        transposed = self.adjacency.t
        width = g.values.shape[1]
        if not (g.on_kernels and hops_on_kernels(self.adjacency, g.values)):
            return self.backward_of_dense(g.add_to(g.values.new_zeros(g.index.n, width)))
        inner = g if field is None else g.with_neighbours(self.adjacency, field)
        total = g.add_to(inner.product(transposed, out=self.pool.take(g.index.n, width)))
        for _ in range(self.hops - (1 if field is None else 2)):
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
        ctx.field = hops.field(index)
        # Popular items are the dearest rows and the ones that a batch repeats: each is computed once.
        mean, ego = hops.distinct_rows(index, ctx.field)
        return index.spread(mean), index.spread(ego)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_mean: Tensor | None, of_ego: Tensor | None) -> tuple[Tensor, None, None]:
        hops: HopMean = ctx.hops
        hops.release()
        if of_mean is None:  # only the ego rows were used
            total = torch.zeros_like(hops.x)
        else:
            total = hops.backward_of(RowSparse(ctx.index, of_mean / (hops.hops + 1)), ctx.field)
        if of_ego is not None:
            RowSparse(ctx.index, of_ego).add_to(total)
        return total, None, None


class _HopMeanFull(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, hops: HopMean) -> Tensor:
        ctx.hops = hops
        layers = hops.layers(None)
        total = hops._hop(hops.adjacency, layers[-1])
        for layer in layers:
            total += layer
        total /= hops.hops + 1
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        hops: HopMean = ctx.hops
        hops.release()
        return hops.backward_of_dense(gradient / (hops.hops + 1)), None
