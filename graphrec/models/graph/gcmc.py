"""GC-MC: one graph convolution with an edge type for every level of the ratings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.dropout import GraphDropout
from graphrec.graph.propagate import propagate
from graphrec.models.base import Model, Step
from graphrec.models.encoding import Encoding
from graphrec.models.parts.checks import check_at_least, check_dropout
from graphrec.models.parts.graph_encoding import node_tables
from graphrec.models.parts.idle import Idle, ratings_alike
from graphrec.models.parts.routes import level_adjacencies
from graphrec.models.parts.tables import embedding
from graphrec.models.scoring import People

__all__ = ["GCMC"]


class GCMC(Model):
    """Graph convolutional matrix completion (van den Berg et al. 2017, eq. 1 to 6).

    h_v = ReLU(acc_r Σ_{w ∈ N_r(v)} T_r[w] / √(d_v d_w)), z_v = ReLU(W h_v); T_r has a row for every node: W_r times its
    one-hot input. ``decoder="dot"`` scores u · v, for rankings. ``decoder="bilinear"`` predicts ratings: p(r) is the softmax
    of uᵀ Q_r v, and the score is Σ r p(r); fit it with ``loss="mse"``, beside which the paper's loss −log p(r) is the extra
    loss ``levels``. A loss that reads no ratings, such as the default, is refused for it.

    Parameters
    ----------
    train : Interactions
        Without ratings there is one level.
    dim : int
        Width of the result.
    hidden : int
        Width of each T_r.
    accumulate : {"sum", "stack"}
        How the levels meet: summed or concatenated.
    decoder : {"dot", "bilinear"}
        What scores a pair: "bilinear" is for ratings, with a loss that reads them such as "mse".
    activate_output : bool
        Whether z has the paper's ReLU; the authors' code has none there.
    edge_dropout : float
        Probability of dropping an edge in training.
    init_std : float
    """

    dot_product = True  # with the decoder "dot"
    reads_ratings: ClassVar[bool] = True
    # Ours, not searched for; better than ItemPop on the validation part of ML-100K.
    counts_alike: ClassVar[str] = "the graph"
    idle = (Idle("accumulate", when=ratings_alike),)
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 1024, "lr": 3e-3, "l2": 1e-4}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        hidden: int = 64,
        accumulate: Literal["sum", "stack"] = "sum",
        decoder: Literal["dot", "bilinear"] = "dot",
        activate_output: bool = False,
        edge_dropout: float = 0.0,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        for name, value, allowed in (("accumulate", accumulate, ("sum", "stack")), ("decoder", decoder, ("dot", "bilinear"))):
            if value not in allowed:
                raise InputError(f"{name} must be {allowed[0]!r} or {allowed[1]!r}, got {value!r}.")
        check_at_least("dim", dim, 1)
        check_at_least("hidden", hidden, 1)
        levels = np.ones(1, np.float32) if train.ratings is None else np.unique(train.ratings)
        if len(levels) > 20:
            raise InputError(f"gcmc has an edge type for each rating, and there are {len(levels)} of them; round the column.")
        if decoder == "bilinear" and train.ratings is None:
            raise InputError("decoder='bilinear' predicts ratings, and the table has no column rating.")
        self.accumulate, self.activate_output = accumulate, activate_output
        if decoder != "dot":
            self.dot_product, self.for_ratings = False, "decoder='bilinear'"
        n = self.n_users + self.n_items
        self.tables = nn.ParameterList(embedding(n, hidden, init_std) for _ in levels)
        self.out = nn.Linear(hidden * (len(levels) if accumulate == "stack" else 1), dim, bias=False, dtype=torch.float32)
        start = torch.eye(dim, dtype=torch.float32).repeat(len(levels), 1, 1) + 0.05 * torch.randn(
            len(levels), dim, dim, dtype=torch.float32
        )
        self.forms = None if decoder == "dot" else nn.Parameter(start)
        self.register_buffer("levels", torch.from_numpy(levels.copy()), persistent=False)
        self.levels: Tensor
        self.graph_dropout = GraphDropout(check_dropout("edge_dropout", edge_dropout))
        self._adjacencies = level_adjacencies(train, levels)

    def encode(self) -> Encoding:
        """The convolution of all nodes; penalties look at its result."""
        placed = [a.to(self.levels.device) for a in self._adjacencies]
        parts = [propagate(self.graph_dropout(a), t) for a, t in zip(placed, self.tables, strict=True)]
        h = (torch.stack(parts).sum(0) if self.accumulate == "sum" else torch.cat(parts, dim=1)).relu()
        z = self.out(h)
        z = z.relu() if self.activate_output else z
        return node_tables(z, z, self.n_users)

    def folding(self) -> People:
        """From the items met, whatever their ratings: steps towards the ratings rank below popularity with both decoders."""
        return self.guessing()

    def _logits(self, u: Tensor, v: Tensor, pairs: str) -> Tensor:
        return torch.einsum(pairs, u, self.forms, v)

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """u · v, or the expected rating, of paired rows (..., dim)."""
        if self.forms is None:
            return super().score(u, v)
        return self._logits(u, v, "...d,rde,...e->...r").softmax(-1) @ self.levels

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """The same of each row of u (b, dim) with each of items (m, dim), shape (b, m)."""
        if self.forms is None:
            return super().score_all(u, items)
        return self._logits(u, items, "bd,rde,me->bmr").softmax(-1) @ self.levels

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """−log p of the observed rating, where the decoder has levels and the batch has ratings."""
        ratings = getattr(step.batch, "ratings", None)
        if self.forms is None or step.rows is None or ratings is None or len(ratings) != len(step.rows.users):
            return {}
        logits = self._logits(step.rows.users, step.rows.items[: len(ratings)], "bd,rde,be->br")
        return {"levels": F.cross_entropy(logits, torch.searchsorted(self.levels, ratings))}
