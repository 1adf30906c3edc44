"""Propagated rows of all nodes that lie ready, and the nodes of a batch that two views are compared on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.graph.row_sparse import NodeIndex
from graphrec.losses import info_nce
from graphrec.models.base import Step
from graphrec.models.parts.columns import Columns

__all__ = ["NodeTable", "batch_contrast"]


class NodeTable:
    """The nodes of a :class:`~graphrec.models.parts.graph_encoding.GraphEncoding`, computed in full.

    Parameters
    ----------
    propagated : Tensor, shape (n, d)
    ego : Tensor, shape (n, dim)
    """

    def __init__(self, propagated: Tensor, ego: Tensor) -> None:
        self.propagated, self.ego = propagated, ego

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Propagated and ego rows of some nodes."""
        return F.embedding(nodes, self.propagated), F.embedding(nodes, self.ego)

    def full(self) -> Tensor:
        """Propagated rows of all nodes."""
        return self.propagated


def batch_contrast(
    step: Step,
    n_users: int,
    n_items: int,
    views: Callable[[Tensor], tuple[Tensor, Tensor]],
    temperature: float,
    columns: Columns,
) -> Tensor:
    """InfoNCE between two views over a batch's distinct users, plus the same over its distinct items.

    Parameters
    ----------
    step : Step
    n_users, n_items : int
    views : callable
        From nodes (m,), users first and then items, to their rows in both views.
    temperature : float
    columns : Columns
        Of the model: a row is compared as a whole. The rows of a batch are sent, which are less than their products.

    Returns
    -------
    Tensor, scalar
    """
    parts = (step.batch.users, n_users, 0), (step.batch.items, n_items, n_users)
    indices = [NodeIndex(nodes, n) for nodes, n, _ in parts]
    nodes = torch.cat([index.distinct + start for index, (_, _, start) in zip(indices, parts, strict=True)])
    sizes = [len(index.distinct) for index in indices]
    first, second = (torch.split(rows, sizes) for rows in columns.whole(*views(nodes)))
    total = first[0].new_zeros(())
    for a, b, index in zip(first, second, indices, strict=True):
        # On another device than the CPU a repeated node is listed again, and counts where it is first mentioned.
        counted = None if index.slot is not None else index.position == torch.arange(len(index.position), device=a.device)
        total = total + info_nce(a, b, temperature, counted)
    return total
