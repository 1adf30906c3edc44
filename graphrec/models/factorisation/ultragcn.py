"""UltraGCN: the limit of infinitely many hops as weights in the loss, with no propagation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model, Step
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.item_graph import strongest_items
from graphrec.models.parts.tables import embedding
from graphrec.sampling import PairBatch

__all__ = ["UltraGCN"]


class UltraGCN(Model):
    """UltraGCN (Mao et al., CIKM 2021, eq. 10 to 14).

    The loss ``bce`` is the paper's L_O. Beside it stand, as means over the pairs, λ L_C with every term of L_O weighed by
    β_ui = √((d_u + 1) / (d_i + 1)) / d_u, and γ L_I = −γ Σ_{j ∈ S(i)} ω_ij log σ(u · j) over the items most like i.

    Parameters
    ----------
    train : Interactions
    dim : int
    constraint : float
        λ.
    negative_weight : float, optional
        Weight of the mean over a pair's negatives in L_C beside the pair itself, as in the authors' code (300); unless given
        every positive and every negative counts alike.
    item_constraint : float
        γ.
    neighbours : int
        How many items S(i) has.
    item_weights : {"paper", "official"}
        ω_ij, from the counts G of people in common and their sums g: ``"paper"``: G_ij / (g_i − G_ii) · √(g_i / g_j) without
        i itself; ``"official"``: G_ij √(g_i + 1) / g_i / √(g_j + 1), of which i itself may be one, as the code has it.
    init_std : float
    """

    # Ours, not searched for; better than ItemPop on the validation part of ML-100K.
    counts_alike: ClassVar[str] = "the graph"
    extras_by_scores = True
    defaults: ClassVar[dict[str, Any]] = {"loss": "bce", "n_negatives": 16, "batch_size": 1024, "lr": 5e-3, "l2": 1e-4}
    idle = (
        Idle("negative_weight", constraint=0),
        Idle("neighbours", "item_weights", item_constraint=0),
        Idle("item_constraint", "item_weights", neighbours=0),
    )

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        constraint: float = 1.0,
        negative_weight: float | None = None,
        item_constraint: float = 0.5,
        neighbours: int = 10,
        item_weights: Literal["paper", "official"] = "paper",
        init_std: float = 0.01,
    ) -> None:
        super().__init__(train)
        for name, value in (("constraint", constraint), ("item_constraint", item_constraint), ("neighbours", neighbours)):
            check_at_least(name, value, 0)
        check_at_least("negative_weight", negative_weight or 0, 0)
        self.constraint, self.negative_weight, self.item_constraint = constraint, negative_weight, item_constraint
        self.users, self.items = embedding(self.n_users, dim, init_std), embedding(self.n_items, dim, init_std)
        indptr, items = train.structure
        of_user = np.diff(indptr)
        of_item = np.bincount(items, minlength=self.n_items)
        similar, weights = strongest_items(train, neighbours, item_weights)
        for name, array in (
            ("user_weight", np.sqrt(of_user + 1) / np.maximum(of_user, 1)),
            ("item_weight", 1 / np.sqrt(of_item + 1)),
            ("similar_weight", weights),
        ):
            self.register_buffer(name, torch.from_numpy(array.astype(np.float32)), persistent=False)
        self.register_buffer("similar", torch.from_numpy(similar), persistent=False)
        self.user_weight: Tensor
        self.item_weight: Tensor
        self.similar: Tensor
        self.similar_weight: Tensor

    def encode(self) -> Encoding:
        """The two tables."""
        return Encoding(Table(self.users), Table(self.items))

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """λ L_C as ``constraint`` and γ L_I as ``item_constraint``."""
        batch, rows = step.batch, step.rows
        if rows is None or step.scores is None or not isinstance(batch, PairBatch) or batch.negatives is None:
            raise InputError(
                "ultragcn's constraints weigh pairs with negatives of their own; train it with loss='bce' or 'bpr'."
            )
        pos, neg = step.scores
        size, k = neg.shape
        users = rows.users[:size]
        of_user = self.user_weight[batch.users]
        beta, beta_neg = of_user * self.item_weight[batch.items], of_user[:, None] * self.item_weight[batch.negatives]
        # Of 1 + k terms, or of one positive and the mean of its negatives.
        share, weight = (1 / (1 + k), 1.0) if self.negative_weight is None else (1.0, self.negative_weight / k)
        terms = (beta * F.softplus(-pos)).sum() + weight * (beta_neg * F.softplus(neg)).sum()
        losses = {"constraint": self.constraint * share * terms / size}
        if self.item_constraint and self.similar.shape[1]:
            like = self.score(users[:, None], F.embedding(self.similar[batch.items], self.items))
            of_pair = (self.similar_weight[batch.items] * F.softplus(-like)).sum(1)
            losses["item_constraint"] = self.item_constraint * of_pair.mean()
        return losses
