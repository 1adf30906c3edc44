"""Clusters of rows by Lloyd's algorithm."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["k_means"]

_BLOCK = 4096  # rows whose distances to all centres are there at a time


def k_means(rows: Tensor, clusters: int, steps: int = 20) -> tuple[Tensor, Tensor]:
    """Centres and the nearest centre of each row, by squared distance.

    Parameters
    ----------
    rows : Tensor, shape (n, d)
    clusters : int
        At most n are made. They start at distinct rows, drawn from torch's current generator of the CPU.
    steps : int
        Each moves every centre to the mean of its rows; one without rows stays. Their number is fixed, so that another
        device need not be waited for.

    Returns
    -------
    (Tensor, Tensor of int64), shapes (min(clusters, n), d) and (n,)
    """
    with torch.no_grad():
        centres = rows[torch.randperm(len(rows))[:clusters].to(rows.device)].clone()
        for _ in range(steps):
            nearest = _nearest(rows, centres)
            total = torch.zeros_like(centres).index_add_(0, nearest, rows)
            count = torch.zeros_like(centres[:, :1]).index_add_(0, nearest, torch.ones_like(rows[:, :1]))
            centres = torch.where(count > 0, total / count.clamp(min=1), centres)
        return centres, _nearest(rows, centres)


def _nearest(rows: Tensor, centres: Tensor) -> Tensor:
    length = centres.square().sum(1)
    return torch.cat([(length - 2 * part @ centres.T).argmin(1) for part in torch.split(rows, _BLOCK)])
