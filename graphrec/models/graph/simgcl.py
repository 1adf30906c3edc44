"""SimGCL: LightGCN without the ego layer, compared with itself under noise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.graph.newcomers import Listeners
from graphrec.graph.propagate import hops, propagate
from graphrec.models.base import Step
from graphrec.models.contributions import Explaining
from graphrec.models.encoding import Encoding
from graphrec.models.graph.contrasted import ContrastedLightGCN
from graphrec.models.parts.batch_contrast import batch_contrast
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.graph_reasons import HopMeanReasons
from graphrec.models.parts.hop_table import HopTable
from graphrec.models.parts.idle import Idle
from graphrec.models.scoring import People

__all__ = ["SimGCL"]


class SimGCL(ContrastedLightGCN):
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
        ε. It must be longer than the rows are at the start, for only then do they grow, from which recommending gains.
    temperature : float
        τ.
    weight : float
        λ, the weight of the contrast.

    Notes
    -----
    The papers have λ from 0.2 to 2 and ε = 0.1 on graphs that are a hundred times sparser than MovieLens, over tens of
    thousands of steps, from rows that are shorter than the noise. The gradient of cosines grows as rows shrink, and that of
    their products falls: on a small, dense graph λ = 0.5 drowns the products, and the model learns nothing but to tell rows
    apart (ndcg@20 of 0.03 on the validation part of ML-100K, where popularity has 0.08). The defaults were chosen there.
    """

    idle: ClassVar[tuple[Idle, ...]] = (Idle("noise", "temperature", weight=0),)

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 2,
        init_std: float = 0.1,
        noise: float = 0.5,
        temperature: float = 0.2,
        weight: float = 0.05,
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, temperature=temperature)
        for name, value in (("noise", noise), ("weight", weight)):
            check_at_least(name, value, 0)
        self.noise, self.weight = noise, weight

    def passed(self, noise: float) -> HopTable:
        """Hops 1 … K of all nodes, each with noise of this length added before the next, and their mean."""
        adjacency, e = self.adjacency(), list[Tensor]([self.embedding])
        for _ in range(self.layers):
            hop = propagate(adjacency, e[-1])
            e.append(hop + noise * self.columns.drawn(hop, _unit_noise) * hop.detach().sign() if noise else hop)
        return HopTable(torch.stack(e[1:]).mean(0), self.embedding, e[1:])

    def column_tables(self) -> tuple[nn.Parameter, ...]:
        """The one table: noise is drawn for whole rows, and the contrast looks at whole rows."""
        return (self.embedding,)

    def encode(self) -> Encoding:
        """The mean of hops 1 … K, without noise."""
        return GraphEncoding(self.passed(0.0), self.n_users, self.n_items)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of two views with noise of their own."""
        return self._contrast(step, *(self.passed(self.noise).propagated for _ in range(2)))

    def _contrast(self, step: Step, a: Tensor, b: Tensor) -> Mapping[str, Tensor]:
        def views(nodes: Tensor) -> tuple[Tensor, Tensor]:
            return F.embedding(nodes, a), F.embedding(nodes, b)

        loss = batch_contrast(step, self.n_users, self.n_items, views, self.temperature, self.columns)
        return {"contrast": self.weight * loss}

    def folding(self) -> People:
        """A new person's row is the mean of what the items' hops 0 … K−1 send; there is no row of one's own to guess."""
        adjacency = self.adjacency()
        sent = torch.stack(hops(self.embedding.detach(), [adjacency] * (self.layers - 1))).mean(0)[self.n_users :]
        listeners = Listeners(self.normalisation, adjacency, self.n_users)
        return lambda histories: listeners.edges(histories)[0] @ sent

    def explaining(self) -> Explaining:
        """Parts by the item through which a path leaves the user."""
        return HopMeanReasons(self.adjacency(), self.embedding.detach(), self.layers, self.n_users, with_ego=False)


def _unit_noise(like: Tensor) -> Tensor:
    """Δ̄: rows from U(0, 1), brought to length 1."""
    return F.normalize(torch.rand_like(like), dim=1)
