"""SimpleX: a user is made of an embedding and of the user's items, pooled; cosines, and a loss with a margin."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.propagate import propagate_rows
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.attention_pool import attended
from graphrec.models.parts.checks import check_dropout, check_one_of
from graphrec.models.parts.cosine import CosineEncoding
from graphrec.models.parts.dropped_users import DroppedUsers
from graphrec.models.parts.tables import embedding

__all__ = ["SimpleX"]

_USERS = 4096  # whose items are attended to at a time


class SimpleX(Model):
    """SimpleX (Mao et al., CIKM 2021, eq. 1 to 4).

    A user's row is g · e_u + (1 − g) · V p_u, p_u the mean of the embeddings e_i of the user's items, or their sum weighed by
    attention, a softmax of e_u · tanh(K e_i + b); the score is the cosine with the item's embedding. Trained by the cosine
    contrastive loss with many negatives.

    Parameters
    ----------
    train : Interactions
    dim : int
    gate : float
        g, from 0 to 1.
    init_std : float
    pooling : {"mean", "attention"}
    dropout : float
        Share of the numbers of a user's unit row that are dropped in training, the rest being enlarged.

    Notes
    -----
    The official code pools at most 500 of a user's items, and has attention without the user beside the two forms.
    """

    counts_alike: ClassVar[str] = "the histories"
    defaults: ClassVar[dict[str, Any]] = {
        "loss": "ccl",
        "loss_options": {"margin": 0.4, "weight": 10.0},
        "n_negatives": 64,
        "batch_size": 1024,
        "lr": 1e-3,
        "l2": 0.0,
    }

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        gate: float = 0.5,
        init_std: float = 0.1,
        pooling: Literal["mean", "attention"] = "mean",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(train)
        check_one_of("pooling", pooling, ("mean", "attention"))
        if not 0 <= gate <= 1:
            raise InputError(f"gate must lie in 0 … 1, got {gate!r}.")
        self.gate, self.dropout = gate, check_dropout("dropout", dropout)
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self.transform = nn.Linear(dim, dim, bias=False, dtype=torch.float32)
        self.key = nn.Linear(dim, dim, dtype=torch.float32) if pooling == "attention" else None
        self._adjacency = BipartiteGraph(train).adjacency("row")

    def encode(self) -> Encoding:
        """Cosines of the joined user rows and the items' embeddings."""
        self._adjacency = self._adjacency.to(self.embedding.device)
        ego_users, items = Table(self.embedding[: self.n_users]), Table(self.embedding[self.n_users :])
        cosines = CosineEncoding(Encoding(_Joined(self), items, ego_users, items))
        return DroppedUsers(cosines, self.dropout, self.columns) if self.training and self.dropout else cosines

    def pooled(self, users: Tensor) -> Tensor:
        """p of some users, shape (b, dim)."""
        if self.key is None:
            return propagate_rows(self._adjacency, self.embedding, users)
        keys, queries = self.key(self.embedding).tanh(), F.embedding(users, self.embedding)
        blocks = zip(torch.split(users, _USERS), torch.split(queries, _USERS), strict=True)
        return torch.cat([attended(self._adjacency.pattern, *block, keys, self.embedding) for block in blocks])


class _Joined:
    """User rows; those asked for are computed alone."""

    def __init__(self, model: SimpleX) -> None:
        self._model = model

    def rows(self, index: Tensor) -> Tensor:
        model, flat = self._model, index.reshape(-1)
        ego = F.embedding(flat, model.embedding[: model.n_users])  # an index outside is refused here
        return torch.lerp(model.transform(model.pooled(flat)), ego, model.gate).reshape(*index.shape, -1)

    def full(self) -> Tensor:
        return self.rows(torch.arange(self._model.n_users, device=self._model.embedding.device))
