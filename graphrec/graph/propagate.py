"""One hop as an autograd operation, whole or for some rows.

The gradient of Â·X is Âᵀ·G; nothing else is kept for the backward pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.products import product_rows, spmm
from graphrec.graph.row_sparse import NodeIndex, RowSparse
from graphrec.graph.storage import in_storage

__all__ = ["hops", "propagate", "propagate_rows"]


class _Propagate(torch.autograd.Function):
    """One hop; the gradient is one hop over the transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, adjacency: Adjacency, backend: str | None) -> Tensor:
        ctx.adjacency, ctx.backend = adjacency, backend
        return spmm(adjacency, adjacency.senders(x), backend)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        transposed = ctx.adjacency.t
        return spmm(transposed, transposed.senders(gradient), ctx.backend), None, None


def propagate(adjacency: Adjacency, x: Tensor, backend: str | None = None) -> Tensor:
    """One hop Â·X, differentiable in X.

    Parameters and result as in :func:`graphrec.graph.products.spmm`; the values of Â are constants. An adjacency on another
    device than `x` is brought there once: a model's own, made on the CPU, needs no care when the model moves.
    """
    adjacency = in_storage(adjacency.to(x.device))
    result: Tensor = _Propagate.apply(x, adjacency, backend)  # type: ignore[no-untyped-call]
    return result


def hops(x: Tensor, adjacencies: Iterable[Adjacency]) -> list[Tensor]:
    """X and what each adjacency in turn makes of it: X, Â₁·X, Â₂·Â₁·X, …; ``[adjacency] * K`` gives hops 0 … K of one graph."""
    found = [x]
    for adjacency in adjacencies:
        found.append(propagate(adjacency, found[-1]))
    return found


class _PropagateRows(torch.autograd.Function):
    """Some rows of one hop; the gradient reaches the neighbours of those rows only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, adjacency: Adjacency, rows: Tensor) -> Tensor:
        ctx.adjacency = adjacency
        ctx.index = NodeIndex(rows, adjacency.n_nodes)
        return product_rows(adjacency, adjacency.senders(x), ctx.index.distinct)[ctx.index.position]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        transposed = ctx.adjacency.t
        return transposed.senders_among(RowSparse(ctx.index, gradient)).product(transposed), None, None


def propagate_rows(adjacency: Adjacency, x: Tensor, rows: Tensor) -> Tensor:
    """The rows (Â·X)[rows], differentiable in X.

    Parameters
    ----------
    adjacency : Adjacency, n × n
    x : Tensor, shape (n, d)
    rows : Tensor of int64, shape (b,)
        Nodes, repeated ones allowed.

    Returns
    -------
    Tensor, shape (b, d)
    """
    adjacency = in_storage(adjacency.to(x.device))
    result: Tensor = _PropagateRows.apply(x, adjacency, rows)  # type: ignore[no-untyped-call]
    return result
