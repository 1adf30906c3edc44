"""What LightGCN's contrastive descendants share: it alone scores, and a contrast of its nodes is added to the loss."""

from __future__ import annotations

from typing import Any, ClassVar

from graphrec.data.interactions import Interactions
from graphrec.losses.checks import above_zero
from graphrec.models.graph.lightgcn import LightGCN
from graphrec.models.parts.checks import check_at_least

__all__ = ["ContrastedLightGCN"]


class ContrastedLightGCN(LightGCN):
    """LightGCN as it is without options: dot products of rows that start at random.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std
        See :class:`~graphrec.models.graph.lightgcn.LightGCN`; at least one layer.
    temperature : float
        τ, by which what is compared is divided.
    """

    starting_options: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 5e-3, "l2": 1e-4}

    def __init__(self, train: Interactions, *, dim: int, layers: int, init_std: float, temperature: float) -> None:
        check_at_least("layers", layers, 1)
        super().__init__(train, dim=dim, layers=layers, init_std=init_std)
        self.temperature = above_zero("temperature", temperature)
