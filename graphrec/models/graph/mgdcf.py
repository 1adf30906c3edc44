"""MGDCF: personalised PageRank's diffusion (APPNP) of embeddings under a softmax over many negatives."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least, check_dropout
from graphrec.models.parts.node_tables import node_tables
from graphrec.models.parts.tables import embedding

__all__ = ["MGDCF"]


class MGDCF(Model):
    """Markov graph diffusion collaborative filtering (Hu et al., TKDE 2024).

    H⁽ᵏ⁺¹⁾ = β Â H⁽ᵏ⁾ + α H⁽⁰⁾, and z = H⁽ᴷ⁾ / Γ with Γ = β^K + α Σ_{k<K} βᵏ. With β = 1 − α it is APPNP. The paper's
    InfoBPR is the loss ``softmax`` with the temperature 1.

    Parameters
    ----------
    train : Interactions
    dim : int
    layers : int
        Number of hops K.
    alpha, beta : float
    normalisation : str
    dropout : float
        Probability of dropping an entry of a diffused row while training.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
    """

    defaults: ClassVar[dict[str, Any]] = {
        "loss": "softmax",
        "loss_options": {"temperature": 1.0},
        "n_negatives": 16,
        "batch_size": 2048,
        "lr": 5e-3,
        "l2": 1e-4,
    }

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 4,
        alpha: float = 0.1,
        beta: float = 0.9,
        normalisation: str = "sym",
        dropout: float = 0.0,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        check_at_least("layers", layers, 0)
        check_at_least("alpha", alpha, 1e-6)
        check_at_least("beta", beta, 0)
        self.layers, self.alpha, self.beta = layers, alpha, beta
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        self._adjacency = BipartiteGraph(train).adjacency(normalisation)

    def encode(self) -> Encoding:
        """The diffused embeddings, scaled by 1 / Γ."""
        h: Tensor = self.embedding
        for _ in range(self.layers):
            h = self.beta * propagate(self._adjacency, h) + self.alpha * self.embedding
        gamma = self.beta**self.layers + self.alpha * sum(self.beta**k for k in range(self.layers))
        return node_tables(self.dropout(h / gamma), self.embedding, self.n_users)
