"""LightGCN++: LightGCN with its norms and its weights of hops let loose."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.power_adjacency import power_adjacency
from graphrec.models.parts.sampled_nodes import ego_rows, sampled_encoding
from graphrec.models.parts.tables import embedding

__all__ = ["LightGCNPP"]


class LightGCNPP(Model):
    """LightGCN++ (Lee et al., RecSys 2024).

    e_v⁽ᵏ⁺¹⁾ = d_v^-α Σ_w d_w^-β e_w⁽ᵏ⁾ / ‖e_w⁽ᵏ⁾‖ over the neighbours w, and z = γ e⁽⁰⁾ + (1 − γ) / K Σ_{k ≥ 1} e⁽ᵏ⁾.

    Parameters
    ----------
    train : Interactions
    dim : int
    layers : int
        Number of hops K, at least 1.
    alpha, beta : float
        Powers of the receiver's and of the sender's degree; LightGCN has ½ and ½.
    gamma : float
        Weight of the ego embedding.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
    """

    counts_alike: ClassVar[str] = "the graph"
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 1e-3, "l2": 1e-4}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 2,
        alpha: float = 0.6,
        beta: float = -0.1,
        gamma: float = 0.2,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        check_at_least("layers", layers, 1)
        self.layers, self.gamma = layers, gamma
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self._adjacency = power_adjacency(BipartiteGraph(train), alpha, beta)

    def encode(self) -> Encoding:
        """γ of the ego embedding and 1 − γ of the mean hop."""
        e: torch.Tensor = self.embedding
        hops = []
        for _ in range(self.layers):
            e = propagate(self._adjacency, F.normalize(e, dim=1))
            hops.append(e)
        z = self.gamma * self.embedding + (1 - self.gamma) / self.layers * torch.stack(hops).sum(0)
        return node_tables(z, self.embedding, self.n_users)

    def sampling_graph(self) -> SamplingGraph:
        """The same hops, over drawn neighbours of each."""
        return SamplingGraph(self._adjacency, self.layers, self.embedding)

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """As :meth:`encode`; estimated rows are longer than whole ones, so that from the second hop on there is a bias."""
        s, e = len(neighbourhood.seeds), ego_rows(self, self.embedding, neighbourhood)
        ego, hops = e, []
        for hop in neighbourhood.hops:
            e = hop(F.normalize(e, dim=1))
            hops.append(e[:s])
        z = self.gamma * ego[:s] + (1 - self.gamma) / self.layers * torch.stack(hops).sum(0)
        return sampled_encoding(self, neighbourhood, z, ego)
