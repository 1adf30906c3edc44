"""LR-GCCF: linear propagation with self-loops; the hops are concatenated."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import nn

from graphrec.data.interactions import Interactions
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.sampled_nodes import ego_rows, sampled_encoding
from graphrec.models.parts.tables import embedding

__all__ = ["LRGCCF"]


class LRGCCF(Model):
    """Linear residual graph convolution (Chen et al., AAAI 2020, eq. 5 and 9).

    E⁽ᵏ⁺¹⁾ = S E⁽ᵏ⁾ W⁽ᵏ⁾ with S = (D+I)^-½ (A+I) (D+I)^-½ and no activation; a score is the sum of the hops' dot
    products (the residual form), which is the dot product of [E⁽⁰⁾; …; E⁽ᴷ⁾].

    Parameters
    ----------
    train : Interactions
    dim : int
    layers : int
        Number of hops K.
    transform : bool
        Whether a hop has the paper's matrix W⁽ᵏ⁾ (dim × dim, starts as the identity); the authors' code has none.
    normalisation : str
        Name of the adjacency's weights.
    init_std : float

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
    """

    counts_alike: ClassVar[str] = "the graph"
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 5e-3, "l2": 1e-2}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        transform: bool = False,
        normalisation: str = "sym+self",
        init_std: float = 0.01,
    ) -> None:
        super().__init__(train)
        check_at_least("layers", layers, 0)
        self.layers = layers
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self.transforms = nn.ParameterList(
            nn.Parameter(torch.eye(dim, dtype=torch.float32)) for _ in range(layers if transform else 0)
        )
        self._adjacency = BipartiteGraph(train).adjacency(normalisation)

    def encode(self) -> Encoding:
        """All hops side by side, rows of (K + 1)·dim."""
        hops: list[torch.Tensor] = [self.embedding]
        for k in range(self.layers):
            hop = propagate(self._adjacency, hops[-1])
            hops.append(hop @ self.transforms[k] if len(self.transforms) else hop)
        return node_tables(torch.cat(hops, dim=1), self.embedding, self.n_users)

    def sampling_graph(self) -> SamplingGraph | None:
        """The same hops, over drawn neighbours of each; without a hop there are none."""
        return SamplingGraph(self._adjacency, self.layers, self.embedding) if self.layers else None

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """All estimated hops side by side."""
        s, hops = len(neighbourhood.seeds), [ego_rows(self, self.embedding, neighbourhood)]
        for k, hop in enumerate(neighbourhood.hops):
            e = hop(hops[-1])
            hops.append(e @ self.transforms[k] if len(self.transforms) else e)
        return sampled_encoding(self, neighbourhood, torch.cat([e[:s] for e in hops], dim=1), hops[0])

    def column_tables(self) -> tuple[nn.Parameter, ...] | None:
        """The one table, unless the paper's matrices mix its columns."""
        return None if len(self.transforms) else (self.embedding,)
