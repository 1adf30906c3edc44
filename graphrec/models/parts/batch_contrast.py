"""The nodes of a batch, each once, compared between two views."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphrec.graph.row_sparse import NodeIndex
from graphrec.losses import info_nce
from graphrec.models.base import Step
from graphrec.models.parts.columns import Columns

__all__ = ["batch_contrast"]


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
