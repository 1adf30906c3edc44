"""MGDCF: a Markov process that spreads the embeddings and keeps coming back to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model, Step
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least, check_dropout
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.tables import embedding

__all__ = ["MGDCF"]


class MGDCF(Model):
    """Markov graph diffusion collaborative filtering, on the graph of users and items (Hu et al., TKDE 2024).

    h⁽ᵏ⁺¹⁾ = β Â h⁽ᵏ⁾ + α h⁽⁰⁾ from h⁽⁰⁾ = E, with Â = D^-½ (A + I) D^-½, and z = h⁽ᴷ⁾ / γ, where γ = β^K + α Σ_{k < K} β^k is
    what a constant would be multiplied by. With α = 1 − β this is APPNP (Gasteiger et al., ICLR 2019). It is trained by
    InfoBPR, which is the loss ``softmax`` over dot products.

    Parameters
    ----------
    train : Interactions
    dim : int
    layers : int
        K, at least 1.
    alpha, beta : float
        α and β, not both 0.
    input_dropout, edge_dropout, output_dropout : float
        Shares of the numbers of E, of Â (one choice for all K hops, each direction of an edge by itself) and of z that are
        dropped in training, the rest being enlarged.
    output_l2 : float
        λ of λ ½‖Z‖² / b over the rows of all nodes, b the size of the batch.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
        E.
    """

    counts_alike: ClassVar[str] = "the graph"
    idle = (Idle("layers", "alpha", "edge_dropout", beta=0), Idle("beta", alpha=0))
    defaults: ClassVar[dict[str, Any]] = {
        "loss": "softmax",
        "n_negatives": 256,
        "shared_negatives": True,
        "batch_size": 2048,
        "lr": 1e-2,
        "l2": 0.0,
    }

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 4,
        alpha: float = 0.1,
        beta: float = 0.9,
        input_dropout: float = 0.0,
        edge_dropout: float = 0.0,
        output_dropout: float = 0.0,
        output_l2: float = 1e-4,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        check_at_least("layers", layers, 1)
        for name, value in (("alpha", alpha), ("beta", beta), ("output_l2", output_l2)):
            check_at_least(name, value, 0)
        self.layers, self.alpha, self.beta, self.output_l2 = layers, alpha, beta, output_l2
        self.gamma = beta**layers + alpha * sum(beta**k for k in range(layers))
        if not self.gamma:
            raise InputError("alpha and beta are both 0: nothing would be left of the embeddings.")
        self.input_dropout = check_dropout("input_dropout", input_dropout)
        self.edge_dropout = check_dropout("edge_dropout", edge_dropout)
        self.output_dropout = check_dropout("output_dropout", output_dropout)
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self._adjacency = BipartiteGraph(train).adjacency("sym+self")

    def encode(self) -> Encoding:
        """The last of K steps of the process."""
        adjacency = self._adjacency = self._adjacency.to(self.embedding.device)
        if self.training and self.edge_dropout:
            adjacency = adjacency.with_values(F.dropout(adjacency.values, self.edge_dropout))
        start = h = F.dropout(self.embedding, self.input_dropout, self.training)
        for _ in range(self.layers):
            h = self.beta * propagate(adjacency, h) + self.alpha * start
        return node_tables(F.dropout(h / self.gamma, self.output_dropout, self.training), self.embedding, self.n_users)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The penalty of all rows as ``output_l2``."""
        if not self.output_l2:
            return {}
        z = step.encoding
        length = z.users.full().square().sum() + z.items.full().square().sum()
        return {"output_l2": self.output_l2 * length / (2 * len(step.batch.users))}
