"""CollabFNet: a small perceptron over rectified embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_dropout
from graphrec.models.parts.pair_network import PairNetwork
from graphrec.models.parts.rating_range import RatingRange
from graphrec.models.parts.tables import embedding

__all__ = ["CollabFNet"]


class CollabFNet(Model):
    """Ratings from w · ReLU(W · dropout(ReLU([p_u; q_i])) + b) + c.

    Parameters
    ----------
    train : Interactions
    dim : int
        Width of each embedding.
    hidden : sequence of int
        Width of each hidden layer.
    dropout : float
        Probability of dropping an entry of the rectified embeddings.
    rating_range : (float, float), optional
        Squash scores into this range with a sigmoid.
    init_range : (float, float) or None
        Embeddings start uniformly from this range; None starts them from N(0, 1), torch's own choice.

    Notes
    -----
    A negative entry of an embedding has no gradient through the ReLU: half of them start dead under N(0, 1)
    and none under (0, .05). The output starts from the mean rating.
    """

    defaults: ClassVar[dict[str, Any]] = {"loss": "mse", "batch_size": 1024, "lr": 1e-3, "epochs": 10, "l2": 0.0}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 100,
        hidden: Sequence[int] = (10,),
        dropout: float = 0.1,
        rating_range: tuple[float, float] | None = None,
        init_range: tuple[float, float] | None = (0.0, 0.05),
    ) -> None:
        super().__init__(train)
        self.squash = RatingRange(rating_range)
        how: dict[str, Any] = {"std": 1.0} if init_range is None else {"init": "uniform", "bounds": init_range}
        self.users = embedding(self.n_users, dim, **how)
        self.items = embedding(self.n_items, dim, **how)
        self.network = PairNetwork(dim, dim, hidden, input_dropout=check_dropout("dropout", dropout))
        nn.init.constant_(self.network.out.bias, self.squash.start(train))

    def encode(self) -> Encoding:
        """The two embedding tables."""
        return Encoding(Table(self.users), Table(self.items))

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Ratings of paired rows (..., dim), shape (...)."""
        return self.squash(self.network(u.relu(), v.relu()))

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Ratings of u (b, dim) with all of items (m, dim), shape (b, m), in blocks of bounded memory."""
        return self.squash(self.network.all_pairs(u.relu(), items.relu()))
