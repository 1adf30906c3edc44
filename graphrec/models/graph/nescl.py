"""NESCL: on two thinned graphs a node should look like itself, like what it met and like those nearest to it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.graph.propagate import hops
from graphrec.graph.row_sparse import NodeIndex
from graphrec.losses.log_sum_exp import Product, log_sum_exp
from graphrec.models.base import Step
from graphrec.models.graph.simgcl import SimGCL
from graphrec.models.parts.checks import check_at_least, check_dropout, check_one_of
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.nearest_nodes import NearestNodes
from graphrec.models.parts.thinning import thinned
from graphrec.sampling import UserBatch

__all__ = ["NESCL"]


class NESCL(SimGCL):
    """Neighbourhood-enhanced supervised contrastive learning (Sun et al., TKDE 2023).

    A row is the mean of hops 1 … K. For each user and item of the batch, the anchors a, there are three positives p: the node
    itself, the item or user that it is paired with, and one of its k nearest of its own kind, drawn anew. With h' and h'' the
    unit rows on two graphs of which a share is left out, and sums over the batch's users and items j:

    ============  ==============================================================
    ``"inside"``   −log (1/3 Σ_p r_ap), the paper's L_in
    ``"outside"``  −1/3 Σ_p log r_ap, its L_out
    ============  ==============================================================

    where r_ap = exp(h'_a · h''_p / τ) / Σ_j exp(h'_a · h''_j / τ) with ``denominator="anchor"``, which is the paper's text, and
    r_ap = exp(h'_p · h''_a / τ) / Σ_j exp(h'_p · h''_j / τ) with ``"positive"``, by which its published settings were trained.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std
        See :class:`~graphrec.models.graph.lightgcn.LightGCN`; at least one layer.
    neighbours : int
        k.
    augmentation : {"node", "edge"}
        What is left out: nodes with all their edges, or edges.
    drop : float
        The share left out. The graphs are drawn anew for each step; the authors' code draws two of 300 that lie ready.
    temperature : float
        τ.
    weight : float
        Of the contrast. The default was chosen on the validation part of ML-100K; the papers' are 0.1 to 0.3.
    positives : {"inside", "outside"}
        Whether positives are added up inside the logarithm.
    denominator : {"anchor", "positive"}
    """

    idle = (
        Idle("neighbours", "augmentation", "drop", "temperature", "positives", "denominator", weight=0),
        Idle("augmentation", drop=0),
    )

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 2,
        init_std: float = 0.1,
        neighbours: int = 5,
        augmentation: Literal["node", "edge"] = "node",
        drop: float = 0.3,
        temperature: float = 0.1,
        weight: float = 0.005,
        positives: Literal["inside", "outside"] = "inside",
        denominator: Literal["anchor", "positive"] = "positive",
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, temperature=temperature, weight=weight)
        check_at_least("neighbours", neighbours, 1)
        check_one_of("augmentation", augmentation, ("node", "edge"))
        check_one_of("positives", positives, ("inside", "outside"))
        check_one_of("denominator", denominator, ("anchor", "positive"))
        self.augmentation, self.drop = augmentation, check_dropout("drop", drop)
        self.positives, self.denominator = positives, denominator
        self.like = NearestNodes(train, neighbours)

    def view(self) -> Tensor:
        """Unit rows of all nodes: the mean of hops 1 … K over a graph of which a share is left out."""
        graph = thinned(self.adjacency(), "nodes" if self.augmentation == "node" else "edges", self.drop)
        return F.normalize(torch.stack(hops(self.embedding, [graph] * self.layers)[1:]).sum(0), dim=1)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of the anchors with their positives."""
        items = step.batch.items + self.n_users
        users = step.batch.users[step.batch.owner] if isinstance(step.batch, UserBatch) else step.batch.users
        anchors = torch.cat([users, items])
        others = torch.cat([anchors, torch.cat([items, users]), self.like.drawn(anchors)])
        left, right = anchors.repeat(3), others
        if self.denominator == "positive":
            left, right = right, left
        first, second = self.view(), self.view()
        # A node that the batch repeats stands once in the denominator, and once among its rows; its weight counts it.
        batch, rows = NodeIndex(anchors, len(first)), NodeIndex(left, len(first))
        ones = torch.ones(len(anchors), device=first.device, dtype=torch.float32)
        weight = torch.zeros(len(batch.distinct), device=first.device, dtype=torch.float32).index_add_(0, batch.position, ones)
        among = Product(F.embedding(rows.distinct, first), F.embedding(batch.distinct, second))
        whole = log_sum_exp(among, self.temperature, weight.log())[rows.position]
        ratio = ((F.embedding(left, first) * F.embedding(right, second)).sum(1) / self.temperature - whole).view(3, -1)
        each = ratio.mean(0) if self.positives == "outside" else ratio.logsumexp(0) - math.log(3)
        return {"contrast": -self.weight * each.mean()}
