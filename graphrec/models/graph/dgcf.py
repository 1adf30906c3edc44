"""DGCF: an embedding in parts, one an intent, and edges that are routed to the intents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency, BipartiteGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model, Step
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.distance_correlation import centred_distances, distance_correlation
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.tables import embedding

__all__ = ["DGCF"]


class DGCF(Model):
    """Disentangled graph collaborative filtering (Wang et al., SIGIR 2020, eq. 4 to 15).

    In each layer, `iterations` times: edges are shared among the intents by a softmax of their logits S_k, starting from equal
    ones; each intent propagates its own part of the embedding over its share, weighed D_k^-½ · D_k^-½; and S_k grows by the
    dot product of the receiver's new part with tanh of the sender's old part, both of length 1. z is the sum of all layers.
    Shares are constants to the gradient here, which flows through the parts that they weigh; the authors' code lets it
    flow through the shares, too. The paper's independence loss is the distance correlation of the parts of the batch's rows.

    Parameters
    ----------
    train : Interactions
    dim : int
        A multiple of `intents`.
    intents : int
    layers, iterations : int
    independence : float
        Weight of the distance correlation.
    correlated : int
        At most so many of a batch's users, and of its items, are looked at by the distance correlation.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
    """

    counts_alike: ClassVar[str] = "the graph"
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 3e-3, "l2": 1e-3}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        intents: int = 4,
        layers: int = 1,
        iterations: int = 2,
        independence: float = 0.01,
        correlated: int = 128,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        for name, value, low in (("intents", intents, 1), ("layers", layers, 0), ("iterations", iterations, 1)):
            check_at_least(name, value, low)
        check_at_least("independence", independence, 0)
        check_at_least("correlated", correlated, 2)
        if dim % intents:
            raise InputError(f"dim must be a multiple of intents, got dim={dim} and intents={intents}.")
        self.intents, self.layers, self.iterations = intents, layers, iterations
        self.independence, self.correlated = independence, correlated
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self._adjacency = BipartiteGraph(train).adjacency("none")

    def encode(self) -> Encoding:
        """The sum of the routed layers."""
        self._adjacency = adjacency = self._adjacency.to(self.embedding.device)
        sender, receiver = adjacency.edge_index[0]
        parts = list(self.embedding.chunk(self.intents, dim=1))
        logits = torch.ones(self.intents, len(sender), device=sender.device, dtype=torch.float32)
        layers: list[Tensor] = [self.embedding]
        for _ in range(self.layers):
            before = [F.normalize(p.detach(), dim=1).tanh() for p in parts]
            for turn in range(self.iterations):
                routed = [self._share(adjacency, s, receiver, sender) for s in logits.softmax(0)]
                last = turn == self.iterations - 1
                # What an inner turn finds only moves the logits.
                after = [propagate(a, p if last else p.detach()) for a, p in zip(routed, parts, strict=True)]
                for k, part in enumerate(after):
                    unit = F.normalize(part.detach(), dim=1)
                    logits[k] += (F.embedding(receiver, unit) * F.embedding(sender, before[k])).sum(1)
            parts = after
            layers.append(torch.cat(parts, dim=1))
        return node_tables(torch.stack(layers).sum(0), self.embedding, self.n_users)

    @staticmethod
    def _share(adjacency: Adjacency, share: Tensor, receiver: Tensor, sender: Tensor) -> Adjacency:
        degree = torch.zeros(adjacency.n_nodes, device=share.device, dtype=torch.float32).index_add_(0, receiver, share)
        scale = degree.clamp_min(1e-12).rsqrt()
        return adjacency.with_values(share * scale[receiver] * scale[sender])

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The distance correlation of every two intents, among users and among items of the batch."""
        if step.rows is None or not self.independence or self.intents == 1:
            return {}
        total = step.rows.users.new_zeros(())
        for rows in (step.rows.users[: self.correlated], step.rows.items[: self.correlated]):
            parts = [centred_distances(p) for p in rows.chunk(self.intents, dim=1)]
            for k in range(1, len(parts)):
                for other in parts[:k]:
                    total = total + distance_correlation(parts[k], other)
        return {"independence": self.independence * total}
