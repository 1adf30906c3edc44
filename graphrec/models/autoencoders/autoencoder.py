"""A deep autoencoder of rating vectors with dense re-feeding."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.autoencoders.vector_model import VectorModel, VectorRows
from graphrec.models.base import Step
from graphrec.models.parts.checks import check_at_least, check_dropout, check_widths
from graphrec.models.parts.idle import Idle, without_ratings
from graphrec.models.parts.rating_range import RatingRange

__all__ = ["Autoencoder"]


class Autoencoder(VectorModel):
    """Deep autoencoder for rating prediction (Kuchaiev and Ginsburg 2017).

    A vector of ratings goes through SELU layers and comes back dense; the loss looks at observed entries
    only. Re-feeding: a good f has f(f(x)) = f(x), so the dense answer is given as a further example, and
    all of its entries count.

    Parameters
    ----------
    train : Interactions
    vectors : {"users", "items"}
        Whether an example is a user's ratings of all items or an item's by all users. Only the former can
        take in new users (:meth:`fold_in`).
    hidden : sequence of int
        Widths of the encoder; the last is the code. The decoder mirrors them.
    dropout : float
        Probability of dropping an entry of the code.
    input_dropout : float
        Probability of dropping a rating from the input, not from the loss, so that the network learns to fill
        gaps and not only to repeat its input.
    refeed : float
        Weight of the re-feeding term; 0 for none.
    centre : bool
        Read and answer ratings less their mean, so that an absent rating, 0, is an average one and not
        below the worst. The paper reads them raw.
    rating_range : (float, float), optional
        Squash scores into this range with a sigmoid.

    Notes
    -----
    Training data without ratings are read as ones, and never centred; the loss is then multinomial over the items of a
    user unless another is named, since there is no error of a rating. (On MovieLens-100K's validation part, ratings of at
    least 4 as ones: ndcg@20 .125 with ``vectors="users"`` and .117 with ``"items"``, BPR .117 and .113.)
    """

    dot_product = True  # without a rating range
    reads_ratings: ClassVar[bool] = True
    defaults: ClassVar[dict[str, Any]] = {"loss": "mse", "batch_size": 1024, "lr": 1e-3, "epochs": 20, "l2": 0.0}
    idle = (Idle("centre", when=without_ratings),)

    def __init__(
        self,
        train: Interactions,
        *,
        vectors: Literal["users", "items"] = "items",
        hidden: Sequence[int] = (28, 56, 56),
        dropout: float = 0.3,
        input_dropout: float = 0.0,
        refeed: float = 1.0,
        centre: bool = True,
        rating_range: tuple[float, float] | None = None,
    ) -> None:
        if vectors not in ("users", "items"):
            raise InputError(f"vectors must be 'users' or 'items', got {vectors!r}.")
        check_at_least("refeed", refeed, 0)
        widths = check_widths("hidden", hidden)
        self._mean = float(train.ratings.mean()) if centre and train.ratings is not None and len(train) else 0.0
        squash = RatingRange(rating_range)
        table = train.to_csr() if vectors == "users" else train.to_csr().T.tocsr()
        super().__init__(train, self.input_of(table), first=widths[0], last=widths[0])
        self.users_from_histories = vectors == "users"
        self.refeed = refeed
        self.squash = squash
        if rating_range is not None:
            self.dot_product = False
        self.input_dropout = nn.Dropout(check_dropout("input_dropout", input_dropout))
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        decoder = list(reversed(widths))
        self.encoder = nn.ModuleList(_layer(a, b) for a, b in pairwise(widths))
        self.decoder = nn.ModuleList(_layer(a, b) for a, b in pairwise(decoder))
        nn.init.constant_(self.output.data[:, -1], squash.start(train))

    @classmethod
    def defaults_for(cls, train: Interactions) -> dict[str, Any]:
        """Errors of ratings where there are ratings, and a likelihood of what was met where there are none."""
        return cls.defaults if train.ratings is not None else {**cls.defaults, "loss": "multinomial", "batch_size": 256}

    def input_of(self, histories: sparse.csr_matrix) -> sparse.csr_matrix:
        """The stored ratings less the mean of the training ratings."""
        shifted = histories.copy()
        shifted.data = shifted.data - self._mean
        return shifted

    def hidden(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """The last hidden layer of the decoder (b, hidden[0])."""
        x = F.selu(x)
        for layer in self.encoder:
            x = F.selu(layer(x))
        x = self.dropout(x)
        for layer in self.decoder:
            x = F.selu(layer(x))
        return x, None

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of paired rows (..., d), shape (...)."""
        return self.squash(super().score(u, v))

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Ratings of u (b, d) with all of items (m, d), shape (b, m)."""
        return self.squash(super().score_all(u, items))

    def auxiliary(self, step: Step) -> dict[str, Tensor]:
        """Dense re-feeding, ``refeed``: mean of (f(y) − y)² over all entries of y = f(x), which is held constant.

        The batch's distinct users (or items) are re-fed; nothing where `refeed` is 0.
        """
        if not self.refeed:
            return {}
        z, batch = step.encoding, step.batch
        rows, asked = (z.users, batch.users) if self.users_from_histories else (z.items, batch.items)
        assert isinstance(rows, VectorRows)
        h, _ = rows.distinct(asked)
        answer = self.squash(h @ self.output.T).detach()
        again, _ = self.hidden((answer - self._mean) @ self.first + self.first_bias)
        error = F.mse_loss(self.squash(F.pad(again, (0, 1), value=1.0) @ self.output.T), answer)
        return {"refeed": self.refeed * error}


def _layer(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, dtype=torch.float32)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
