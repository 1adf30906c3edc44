"""SimGCL: LightGCN without the ego layer, compared with itself under noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.graph.propagate import propagate
from graphrec.losses.checks import above_zero
from graphrec.models.base import Step
from graphrec.models.encoding import Encoding
from graphrec.models.graph.lightgcn import LightGCN
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.node_table import NodeTable, batch_contrast

__all__ = ["SimGCL"]


class SimGCL(LightGCN):
    """Simple graph contrastive learning (Yu et al., "Are Graph Augmentations Necessary?", SIGIR 2022, eq. 6 to 9).

    A row is the mean of hops 1 … K. In a view every hop adds Δ = ε · Δ̄ ⊙ sign(e) to every row e, where Δ̄ is drawn
    from U(0, 1) and brought to length 1. InfoNCE compares two views over the distinct users, and over the distinct
    items, of a batch.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std
        See :class:`~graphrec.models.graph.lightgcn.LightGCN`; at least one layer.
    noise : float
        ε.
    temperature : float
        τ.
    weight : float
        λ, the weight of the contrast.
    """

    starting_options: ClassVar[tuple[str, ...]] = ()
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 5e-3, "l2": 1e-4}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        init_std: float = 0.1,
        noise: float = 0.1,
        temperature: float = 0.2,
        weight: float = 0.5,
    ) -> None:
        check_at_least("layers", layers, 1)
        super().__init__(train, dim=dim, layers=layers, init_std=init_std)
        for name, value in (("noise", noise), ("weight", weight)):
            check_at_least(name, value, 0)
        self.noise, self.temperature, self.weight = noise, above_zero("temperature", temperature), weight

    def hops(self, noise: float) -> list[Tensor]:
        """Hops 1 … K of all nodes, each with noise of this length added before the next."""
        adjacency, hops, e = self.adjacency(), [], self.embedding
        for _ in range(self.layers):
            e = propagate(adjacency, e)
            if noise:
                e = e + noise * F.normalize(torch.rand_like(e), dim=1) * e.detach().sign()
            hops.append(e)
        return hops

    def encode(self) -> Encoding:
        """The mean of hops 1 … K, without noise."""
        return GraphEncoding(NodeTable(torch.stack(self.hops(0.0)).mean(0), self.embedding), self.n_users, self.n_items)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of two views with noise of their own."""
        first, second = (torch.stack(self.hops(self.noise)).mean(0) for _ in range(2))
        loss = batch_contrast(
            step,
            self.n_users,
            self.n_items,
            lambda nodes: (F.embedding(nodes, first), F.embedding(nodes, second)),
            self.temperature,
        )
        return {"contrast": self.weight * loss}
