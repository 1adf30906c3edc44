"""NCL: LightGCN, where a node should look like its neighbours' neighbours and like others of its kind."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.propagate import hops
from graphrec.graph.row_sparse import NodeIndex
from graphrec.losses import info_nce_among
from graphrec.models.base import Step
from graphrec.models.encoding import Encoding
from graphrec.models.graph.contrasted import ContrastedLightGCN
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.hop_table import HopTable, hops_of
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.k_means import k_means

__all__ = ["NCL"]


class NCL(ContrastedLightGCN):
    """Neighbourhood-enriched contrastive learning (Lin et al., WWW 2022).

    Two terms beside the loss, each the mean over the batch's users of −log( e^{cos(a, b)/τ} / Σ e^{cos(a, ·)/τ} ), plus α
    times the same over its items: of a node's hop `hop` with its ego embedding, among those of all users (structure); and of
    its ego embedding with the centre of its cluster, among all centres (prototypes). k-means finds the clusters of the ego
    embeddings of users, and of items, at the start of every epoch (the E step); centres take no gradient.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std
        See :class:`~graphrec.models.graph.lightgcn.LightGCN`; at least one layer.
    hop : int
        An even number: nodes of one's own kind; 2 in the paper.
    temperature : float
        τ.
    structure, prototypes, item_share : float
        λ₁, λ₂ and α, of means over the batch. The authors' code adds up: its 1e-6 with batches of 4,096 is 0.004 here.
    clusters, warm_up : int
        Clusters of users and of items each, at most as many as there are; and epochs without prototypes, which a model that
        had them does not go through again: a warm start and an update go on with its prototypes.

    Attributes
    ----------
    warmed : Tensor of bool
        Whether the weights had their warm-up; part of the state.

    The clusters start from torch's current generator. The defaults of the weights were chosen on ML-100K's validation part.
    """

    idle = (
        Idle("hop", structure=0),
        Idle("clusters", "warm_up", prototypes=0),
        Idle("temperature", "item_share", structure=0, prototypes=0),
    )

    explaining = ContrastedLightGCN.explaining  # `encode` gives the same rows

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        init_std: float = 0.1,
        hop: int = 2,
        temperature: float = 0.1,
        structure: float = 0.001,
        prototypes: float = 0.0001,
        item_share: float = 1.5,
        clusters: int = 100,
        warm_up: int = 20,
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, temperature=temperature)
        if hop < 2 or hop % 2:
            raise InputError(f"hop must be even and at least 2, where nodes of one's own kind are; got {hop}.")
        for name, value, low in (("clusters", clusters, 1), ("warm_up", warm_up, 0)):
            check_at_least(name, value, low)
        for name, weight in (("structure", structure), ("prototypes", prototypes), ("item_share", item_share)):
            check_at_least(name, weight, 0)
        self.hop, self.clusters, self.warm_up = hop, clusters, warm_up
        self.structure, self.prototypes, self.item_share = structure, prototypes, item_share
        self.register_buffer("warmed", torch.tensor(False))
        self.warmed: Tensor
        self._kinds: list[tuple[Tensor, Tensor]] = []
        self._had_warm_up = False  # as `warmed`, which a GPU would be waited for in every step

    def train(self, mode: bool = True) -> NCL:
        """As in torch; the next step finds its clusters anew."""
        self._kinds, self._had_warm_up = [], bool(self.warmed)
        super().train(mode)
        return self

    def never_begun(self, epochs: int) -> str:
        """That no clusters were made."""
        waits = f"ncl waits for warm_up={self.warm_up} epochs and was trained for {epochs}: no clusters were made."
        return waits if self.prototypes and epochs <= self.warm_up and not self.warmed else ""

    def encode(self) -> Encoding:
        """As LightGCN; in training with all hops at hand."""
        if not self.training:
            return super().encode()
        passed = hops(self.embedding, [self.adjacency()] * max(self.layers, self.hop))
        mean = torch.stack(passed[: self.layers + 1]).mean(0)
        return GraphEncoding(HopTable(mean, self.embedding, passed), self.n_users, self.n_items)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted ``structure`` and, after the warm-up, ``prototypes``."""
        sizes = [self.n_users, self.n_items]
        egos, hopped = (torch.split(rows, sizes) for rows in (self.embedding, hops_of(step, "NCL").hops[self.hop]))
        if (self._had_warm_up or step.epoch > self.warm_up) and not self._kinds:
            self._kinds = [k_means(ego.detach(), self.clusters) for ego in egos]
            self.warmed.fill_(True)
        losses = {"structure": self.structure} | ({"prototypes": self.prototypes} if self._kinds else {})
        totals = dict.fromkeys(losses, self.embedding.new_zeros(()))
        for side, (batch, share) in enumerate(((step.batch.users, 1.0), (step.batch.items, self.item_share))):
            index = NodeIndex(batch, sizes[side])
            some = index.distinct  # a node that the batch repeats is looked at once, and counts as often as it is there
            each = {"structure": info_nce_among(F.embedding(some, hopped[side]), egos[side], some, self.temperature)}
            if self._kinds:
                centres, kind = self._kinds[side]
                each["prototypes"] = info_nce_among(F.embedding(some, egos[side]), centres, kind[some], self.temperature)
            for name, rows in each.items():
                totals[name] = totals[name] + share * rows[index.position].mean()
        return {name: weight * totals[name] for name, weight in losses.items()}
