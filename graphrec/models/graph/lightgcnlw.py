"""LightGCN whose weights of hops are learnt."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.propagate import hops
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least, check_one_of
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.sampled_nodes import ego_rows, hops_over, sampled_encoding
from graphrec.models.parts.tables import embedding

__all__ = ["LightGCNLW"]


class LightGCNLW(Model):
    """LightGCN with learnt layer weights: z = Σ_k w_k Â^k E.

    He et al., SIGIR 2020, eq. 4, take w_k = 1 / (K + 1) and remark that the weights could be parameters of the model.

    Parameters
    ----------
    train : Interactions
    dim : int
    layers : int
        Number of hops K, at least 1.
    weights : {"softmax", "free"}
        Whether the weights are above zero and add up to 1, or any numbers; they start equal.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
        E.
    hop_weight : Parameter of float32, shape (K + 1,)
        w, or what a softmax makes it of.
    """

    counts_alike: ClassVar[str] = "the graph"
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 5e-3, "l2": 1e-4}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        weights: Literal["softmax", "free"] = "softmax",
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        check_at_least("layers", layers, 1)
        check_one_of("weights", weights, ("softmax", "free"))
        self.layers, self.weights = layers, weights
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        start = 0.0 if weights == "softmax" else 1 / (layers + 1)
        self.hop_weight = nn.Parameter(torch.full((layers + 1,), start, dtype=torch.float32))
        self._adjacency = BipartiteGraph(train).adjacency("sym")

    def encode(self) -> Encoding:
        """The weighed sum of the hops."""
        z = self._weighed(hops(self.embedding, [self._adjacency] * self.layers))
        return node_tables(z, self.embedding, self.n_users)

    def sampling_graph(self) -> SamplingGraph:
        """The same sum, over drawn neighbours of each hop."""
        return SamplingGraph(self._adjacency, self.layers, self.embedding)

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """The weighed sum of estimated hops."""
        ego = ego_rows(self, self.embedding, neighbourhood)
        return sampled_encoding(self, neighbourhood, self._weighed(hops_over(neighbourhood, ego)), ego)

    def _weighed(self, tables: list[Tensor]) -> Tensor:
        weight = self.hop_weight.softmax(0) if self.weights == "softmax" else self.hop_weight
        return (weight[:, None, None] * torch.stack(tables)).sum(0)
