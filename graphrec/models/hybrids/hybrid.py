"""A hybrid of interactions and metadata: a small network over any trained model and the features of items and users."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from graphrec.data.features import Features
from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_widths
from graphrec.models.parts.joined import Joined
from graphrec.models.parts.metadata_rows import MetadataRows
from graphrec.models.parts.pair_network import PairNetwork
from graphrec.models.scoring import Likeness, People

__all__ = ["Hybrid"]


class Hybrid(Model):
    """A trained model's score plus what a network makes of its rows and the metadata.

    score(u, i) = base(u, i) + w · LeakyReLU(W [p_u; q_i; m(x_i)] + b), where p and q are the base model's
    rows, x_i the features of the item and m the metadata layer (features of users likewise). Train it in two
    stages: first with the base model frozen, then all of it with a small learning rate. The second stage is
    a hybrid with ``start=`` the first and ``frozen=False``, or the same one after :meth:`unfreeze`.

    Parameters
    ----------
    train : Interactions
    base : Model
        A trained model of the same users and items. It is copied: training the hybrid leaves it alone.
    item_features, user_features : Features, optional
        At least one of the two, aligned to `train`.
    metadata_hidden : sequence of int
        Widths of the metadata layers.
    hidden : sequence of int
        Widths of the layers over the joined rows.
    dropout : float
        Probability of dropping a unit of any of these layers.
    residual : bool
        Add the base model's own score; the network then starts from zero, so that training begins at the
        base model's ranking. Without it the network has to learn a dot product anew.
    frozen : bool
        Whether training starts with the base model fixed.
    start : Hybrid, optional
        A trained hybrid of the same sizes whose weights, the base model's included, are the start.

    Raises
    ------
    InputError
        No features, or `base` or the features belong to other users or items than `train`.
    """

    starting_options: ClassVar[tuple[str, ...]] = ("start",)
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 1024, "lr": 1e-2, "epochs": 10, "l2": 0.0}

    def __init__(
        self,
        train: Interactions,
        *,
        base: Model,
        item_features: Features | None = None,
        user_features: Features | None = None,
        metadata_hidden: Sequence[int] = (8,),
        hidden: Sequence[int] = (16,),
        dropout: float = 0.0,
        residual: bool = True,
        frozen: bool = True,
        start: Hybrid | None = None,
    ) -> None:
        super().__init__(train)
        _check_base(base)
        _check_ids(train, base, item_features, user_features)
        metadata_hidden = check_widths("metadata_hidden", metadata_hidden)
        self.base = copy.deepcopy(base)
        self.base.zero_grad()
        self.item_metadata = None if item_features is None else MetadataRows(item_features, metadata_hidden, dropout)
        self.user_metadata = None if user_features is None else MetadataRows(user_features, metadata_hidden, dropout)
        with torch.no_grad():
            first = torch.zeros(1, dtype=torch.int64, device=next(iter(base.state_dict().values())).device)
            rows = base.encode().gather(first, first)
        self._base_widths = rows.users.shape[-1], rows.items.shape[-1]
        user_width, item_width = (
            width + (0 if metadata is None else metadata_hidden[-1])
            for width, metadata in zip(self._base_widths, (self.user_metadata, self.item_metadata), strict=True)
        )
        self.network = PairNetwork(user_width, item_width, hidden, dropout=dropout, activation="leaky_relu")
        self.residual = residual
        if residual:
            nn.init.zeros_(self.network.out.weight)
        self.frozen = frozen
        (self.freeze if frozen else self.unfreeze)()
        if start is not None:
            try:
                self.load_state_dict(start.state_dict())
            except RuntimeError as error:
                raise InputError(f"start is a hybrid of other sizes: {str(error).splitlines()[-1].strip()}") from None

    def freeze(self) -> Hybrid:
        """Fix the base model: no gradients, and none of its dropout while the rest is training."""
        self.frozen = True
        self.base.requires_grad_(False)
        self.base.eval()
        return self

    def unfreeze(self) -> Hybrid:
        """Let the base model learn along with the rest."""
        self.frozen = False
        self.base.requires_grad_(True)
        self.base.train(self.training)
        return self

    def train(self, mode: bool = True) -> Hybrid:
        """Set training mode; a frozen base model stays in evaluation mode."""
        super().train(mode)
        if self.frozen:
            self.base.eval()
        return self

    def encode(self) -> Encoding:
        """The base model's rows with the metadata's beside them."""
        base = self.base.encode()
        users = base.users if self.user_metadata is None else Joined(base.users, self.user_metadata)
        items = base.items if self.item_metadata is None else Joined(base.items, self.item_metadata)
        return Encoding(users, items)

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Scores of paired rows (..., d), shape (...)."""
        value: Tensor = self.network(u, v)
        if self.residual:
            value = value + self.base.score(u[..., : self._base_widths[0]], v[..., : self._base_widths[1]])
        return value

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Scores of u (b, d) with all of items (m, d'), shape (b, m), in blocks of bounded memory."""
        value = self.network.all_pairs(u, items)
        if self.residual:
            value = value + self.base.score_all(u[:, : self._base_widths[0]], items[:, : self._base_widths[1]])
        return value

    def folding(self) -> People:
        """The base model's fold-in.

        Raises
        ------
        InputError
            The hybrid reads features of users, and nothing is known of a new person's; or the base model takes in nobody new.
        """
        if self.user_metadata is not None:
            raise InputError("this Hybrid reads features of users, so it cannot take in new people from their items alone.")
        return self.base.folding()

    def likeness(self) -> Likeness:
        """Similarity by the base model, shape (b, n_items)."""
        return self.base.likeness()


def _check_base(base: object) -> None:
    """A hybrid needs rows to build on, and a score that is made of them."""
    kind = type(base).__name__
    if not isinstance(base, Model):
        raise InputError(
            f"Hybrid needs a base model with a row for each user and item, such as mf or lightgcn; {kind} has none to build on."
        )
    if not base.ranks_as_it_trains:
        raise InputError(f"Hybrid cannot build on this {kind}: it ranks by more than its rows; train it with popularity=0.")


def _check_ids(train: Interactions, base: Model, item_features: Features | None, user_features: Features | None) -> None:
    if item_features is None and user_features is None:
        raise InputError("Hybrid needs item_features or user_features; without metadata it is only its base model.")
    if (base.n_users, base.n_items) != (train.n_users, train.n_items):
        raise InputError(
            f"the base model knows {base.n_users:,} users and {base.n_items:,} items, the training data "
            f"{train.n_users:,} and {train.n_items:,}: train the base model on the same data."
        )
    for side, ids, features in (("item", train.item_ids, item_features), ("user", train.user_ids, user_features)):
        if not np.array_equal(getattr(base, f"{side}_ids"), ids):
            raise InputError(f"the base model was trained on other {side} ids than the training data of the hybrid.")
        if features is not None and not (features.side == side and np.array_equal(features.ids, ids)):
            raise InputError(f"{side}_features describe other {side}s than those of the training data, or in another order.")
