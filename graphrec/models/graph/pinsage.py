"""PinSage on the graph of interactions: importance pooling over the nodes that random walks visit most."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.dropout import GraphDropout
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least, check_dropout
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.routes import walk_adjacency
from graphrec.models.parts.sampled_nodes import ego_rows, sampled_encoding
from graphrec.models.parts.svd_start import node_table

__all__ = ["PinSage"]


class PinSage(Model):
    """PinSage (Ying et al., KDD 2018, algorithms 1 and 2), with free embeddings in place of features of pins.

    n_v = Σ_w α_vw ReLU(Q h_w + q), h'_v = ReLU(W [h_v; n_v] + w), divided by its length, and after the last layer
    z_v = G₂ ReLU(G₁ h_v + g). The neighbourhood of v, users and items alike, are the `neighbours` nodes that walks from v
    visit most, and α their shares of the visits. The walks are drawn once, from `walk_seed`, instead of anew in each step.

    Parameters
    ----------
    train : Interactions
    dim : int
        Width of embeddings, of hidden layers and of the result.
    layers : int
    walks, walk_length : int
        Walks from each node, and their steps.
    neighbours : int
        T of the paper.
    walk_seed : int
        The same walks are drawn again when a stored model is loaded.
    normalise : bool
        Whether a layer's rows are divided by their length (algorithm 1, line 4).
    init : {"normal", "svd"}
        Embeddings start at random, or as the leading singular vectors of the interactions, in place of what the paper knows
        of its pins.
    init_std : float
    edge_dropout : float
        Probability that a node does not hear one of its neighbours in a step of training; the others are scaled up.

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
    """

    starting_options: ClassVar[tuple[str, ...]] = ("init",)
    counts_alike: ClassVar[str] = "the graph"
    # Ours, not searched for; better than ItemPop on the validation part of ML-100K.
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 1024, "lr": 3e-3, "l2": 1e-4}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 2,
        walks: int = 50,
        walk_length: int = 3,
        neighbours: int = 20,
        walk_seed: int = 0,
        normalise: bool = True,
        init: Literal["normal", "svd"] = "normal",
        init_std: float = 0.1,
        edge_dropout: float = 0.0,
    ) -> None:
        super().__init__(train)
        for name, value in (
            ("layers", layers),
            ("walks", walks),
            ("walk_length", walk_length),
            ("neighbours", neighbours),
        ):
            check_at_least(name, value, 1)
        check_at_least("walk_seed", walk_seed, 0)
        self.normalise = normalise
        self.graph_dropout = GraphDropout(check_dropout("edge_dropout", edge_dropout))
        self.embedding = node_table(train, dim, init_std, init)
        self.messages = nn.ModuleList(nn.Linear(dim, dim, dtype=torch.float32) for _ in range(layers))
        self.updates = nn.ModuleList(nn.Linear(2 * dim, dim, dtype=torch.float32) for _ in range(layers))
        self.head = nn.Sequential(
            nn.Linear(dim, dim, dtype=torch.float32), nn.ReLU(), nn.Linear(dim, dim, bias=False, dtype=torch.float32)
        )
        self._adjacency = walk_adjacency(train, walks, walk_length, neighbours, walk_seed)

    def encode(self) -> Encoding:
        """All layers for all nodes."""
        h: Tensor = self.embedding
        self._adjacency = self._adjacency.to(self.embedding.device)
        adjacency = self.graph_dropout(self._adjacency)
        for message, update in zip(self.messages, self.updates, strict=True):
            h = self._updated(update, h, propagate(adjacency, message(h).relu()))
        return node_tables(self.head(h), self.embedding, self.n_users)

    def sampling_graph(self) -> SamplingGraph:
        """All layers over drawn ones of each node's neighbours, which are few already."""
        if self.graph_dropout.p:
            raise InputError("edge_dropout leaves out neighbours, and so does fanout: give one of them.")
        return SamplingGraph(self._adjacency, len(self.messages), self.embedding)

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """All layers for the nodes of a batch; what is drawn goes through ReLU and lengths, so that rows have a bias."""
        h = ego = ego_rows(self, self.embedding, neighbourhood)
        for message, update, hop in zip(self.messages, self.updates, neighbourhood.hops, strict=True):
            heard = hop(message(h).relu())
            h = self._updated(update, h[: len(heard)], heard)
        return sampled_encoding(self, neighbourhood, self.head(h), ego)

    def _updated(self, update: nn.Module, h: Tensor, heard: Tensor) -> Tensor:
        h = update(torch.cat([h, heard], dim=1)).relu()
        return F.normalize(h, dim=1) if self.normalise else h
