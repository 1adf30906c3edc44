"""SimpleX: a user is made of an embedding and of the mean of the user's items; cosines, and a loss with a margin."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.graph.propagate import propagate, propagate_rows
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.cosine import CosineEncoding
from graphrec.models.parts.tables import embedding

__all__ = ["SimpleX"]


class SimpleX(Model):
    """SimpleX with average pooling (Mao et al., CIKM 2021, eq. 1 to 4).

    A user's row is g · e_u + (1 − g) · V p_u, p_u the mean of the embeddings of the user's items; the score is the
    cosine with the item's embedding. Trained by the cosine contrastive loss with many negatives.

    Parameters
    ----------
    train : Interactions
    dim : int
    gate : float
        g, from 0 to 1.
    init_std : float

    Notes
    -----
    The official code takes the mean over at most a fixed number of a user's items, and has two forms of attention
    beside it; here the mean is over all of them.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "loss": "ccl",
        "loss_options": {"margin": 0.4, "weight": 10.0},
        "n_negatives": 64,
        "batch_size": 1024,
        "lr": 1e-3,
        "l2": 0.0,
    }

    def __init__(self, train: Interactions, *, dim: int = 64, gate: float = 0.5, init_std: float = 0.1) -> None:
        super().__init__(train)
        if not 0 <= gate <= 1:
            raise InputError(f"gate must lie in 0 … 1, got {gate!r}.")
        self.gate = gate
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self.transform = nn.Linear(dim, dim, bias=False)
        self._adjacency = BipartiteGraph(train).adjacency("row")

    def encode(self) -> Encoding:
        """Cosines of the joined user rows and the items' embeddings."""
        self._adjacency = self._adjacency.to(self.embedding.device)
        ego_users, items = Table(self.embedding[: self.n_users]), Table(self.embedding[self.n_users :])
        return CosineEncoding(Encoding(_Joined(self), items, ego_users, items))


class _Joined:
    """User rows; those asked for are computed alone."""

    def __init__(self, model: SimpleX) -> None:
        self._model = model

    def _join(self, ego: Tensor, mean: Tensor) -> Tensor:
        transformed: Tensor = self._model.transform(mean)
        return torch.lerp(transformed, ego, self._model.gate)

    def rows(self, index: Tensor) -> Tensor:
        model, flat = self._model, index.reshape(-1)
        ego = F.embedding(flat, model.embedding[: model.n_users])  # an index outside is refused here
        return self._join(ego, propagate_rows(model._adjacency, model.embedding, flat)).reshape(*index.shape, -1)

    def full(self) -> Tensor:
        model = self._model
        return self._join(model.embedding, propagate(model._adjacency, model.embedding))[: model.n_users]
