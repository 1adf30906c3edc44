"""SGL: LightGCN, and two randomly thinned graphs on which every node should look alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency
from graphrec.graph.hop_mean import HopMean
from graphrec.graph.propagate import hops
from graphrec.models.base import Step
from graphrec.models.graph.contrasted import ContrastedLightGCN
from graphrec.models.parts.batch_contrast import batch_contrast
from graphrec.models.parts.checks import check_at_least, check_dropout
from graphrec.models.parts.graph_encoding import Nodes
from graphrec.models.parts.hop_table import NodeTable
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.thinning import thinned

__all__ = ["SGL"]


class SGL(ContrastedLightGCN):
    """Self-supervised graph learning (Wu et al., SIGIR 2021, eq. 5 to 12).

    The two views of an epoch are LightGCN's propagation over graphs of which a share of the nodes or edges is left
    out, and whose degrees are counted anew. InfoNCE compares them over the distinct users, and over the distinct
    items, of a batch; the paper's sum runs over all users and items, and the official code offers both.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std
        See :class:`~graphrec.models.graph.lightgcn.LightGCN`; at least one layer.
    augmentation : {"edge", "node", "walk"}
        What a view leaves out: edges (ED), nodes with all their edges (ND), or edges drawn for each layer anew (RW).
    drop : float
        ρ, the share left out. Each node or edge is drawn by itself; the official code draws an exact number.
    temperature : float
        τ.
    weight : float
        λ₁, the weight of the contrast.

    Notes
    -----
    The views are drawn from torch's current generator in the first step of an epoch.
    """

    idle = (
        Idle("augmentation", "drop", "temperature", weight=0),
        Idle("augmentation", drop=0),
    )

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        init_std: float = 0.1,
        augmentation: Literal["edge", "node", "walk"] = "edge",
        drop: float = 0.1,
        temperature: float = 0.2,
        weight: float = 0.1,
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, temperature=temperature)
        if augmentation not in ("edge", "node", "walk"):
            raise InputError(f"augmentation must be 'edge', 'node' or 'walk', got {augmentation!r}.")
        check_at_least("weight", weight, 0)
        self.augmentation, self.drop = augmentation, check_dropout("drop", drop)
        self.weight = weight
        self._views: list[list[Adjacency]] = []

    def train(self, mode: bool = True) -> SGL:
        """As in torch; the next step draws its graphs anew."""
        self._views = []
        super().train(mode)
        return self

    def column_tables(self) -> tuple[nn.Parameter, ...]:
        """The one table: all processes thin the graph alike, and the contrast looks at whole rows."""
        return (self.embedding,)

    def thinned(self) -> Adjacency:
        """The graph without what is left out this time, normalised by the degrees that remain."""
        return thinned(self.adjacency(), "nodes" if self.augmentation == "node" else "edges", self.drop)

    def view(self, adjacencies: list[Adjacency]) -> Nodes:
        """The mean of all hops, over one graph or over one a hop."""
        if len(adjacencies) == 1:
            return HopMean(adjacencies[0], self.embedding, self.layers, self._pool)
        return NodeTable(torch.stack(hops(self.embedding, adjacencies)).mean(0), self.embedding)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of the two views."""
        if not self._views:
            graphs = self.layers if self.augmentation == "walk" else 1
            self._views = [[self.thinned() for _ in range(graphs)] for _ in range(2)]
        first, second = (self.view(adjacencies) for adjacencies in self._views)

        def views(nodes: Tensor) -> tuple[Tensor, Tensor]:
            return first.rows(nodes)[0], second.rows(nodes)[0]

        loss = batch_contrast(step, self.n_users, self.n_items, views, self.temperature, self.columns)
        return {"contrast": self.weight * loss}
