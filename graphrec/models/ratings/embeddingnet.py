"""EmbeddingNet: a wide perceptron with dropout for rating prediction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_dropout, check_widths
from graphrec.models.parts.pair_network import PairNetwork
from graphrec.models.parts.rating_range import RatingRange
from graphrec.models.parts.tables import embedding

__all__ = ["EmbeddingNet"]


class EmbeddingNet(Model):
    """Ratings from joined embeddings through wide hidden layers, each followed by ReLU and dropout.

    Parameters
    ----------
    train : Interactions
    dim : int
        Width of each embedding.
    hidden : sequence of int
        Width of each hidden layer.
    embedding_dropout : float
        Probability of dropping an entry of an embedding.
    dropout : float or sequence of float, optional
        Probability of dropping a unit, the same for all hidden layers or one for each; unless given, .25 for
        the last and .5 for the others.
    rating_range : (float, float), optional
        Squash scores into this range with a sigmoid. A little room at both ends, such as (0.5, 5.5) for
        ratings from 1 to 5, lets the extremes be reached.

    Notes
    -----
    Embeddings start from U(−.05, .05), layers from Xavier's rule, and the output from the mean rating.
    """

    defaults: ClassVar[dict[str, Any]] = {"loss": "mse", "batch_size": 1024, "lr": 1e-3, "epochs": 10, "l2": 0.0}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 150,
        hidden: Sequence[int] = (500, 500, 500),
        embedding_dropout: float = 0.05,
        dropout: float | Sequence[float] | None = None,
        rating_range: tuple[float, float] | None = None,
    ) -> None:
        super().__init__(train)
        self.squash = RatingRange(rating_range)
        self.users = embedding(self.n_users, dim, init="uniform", bounds=(-0.05, 0.05))
        self.items = embedding(self.n_items, dim, init="uniform", bounds=(-0.05, 0.05))
        hidden = check_widths("hidden", hidden)
        dropout = [*[0.5] * (len(hidden) - 1), 0.25] if dropout is None else dropout
        self.network = PairNetwork(
            dim, dim, hidden, input_dropout=check_dropout("embedding_dropout", embedding_dropout), dropout=dropout
        )
        nn.init.constant_(self.network.out.bias, self.squash.start(train))

    def encode(self) -> Encoding:
        """The two embedding tables."""
        return Encoding(Table(self.users), Table(self.items))

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of paired rows (..., dim), shape (...)."""
        return self.squash(self.network(u, v))

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Ratings of u (b, dim) with all of items (m, dim), shape (b, m), in blocks of bounded memory."""
        return self.squash(self.network.all_pairs(u, items))
