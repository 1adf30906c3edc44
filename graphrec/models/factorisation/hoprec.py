"""HOP-Rec: factors that also learn from the items at the end of random walks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.models.base import Model, Step
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.tables import embedding
from graphrec.sampling import PairBatch

__all__ = ["HOPRec"]


class HOPRec(Model):
    """High-order proximity for implicit recommendation (Yang et al., RecSys 2018, eq. 4 and 5).

    Beside the loss of the observed pair (order 1), order k = 2 … K adds C(k) · −log σ(u · i_k − u · i'), C(k) = 1/k, where i_k
    is the item that a walk from the observed item reaches over k − 1 further people. A step of the walk chooses a neighbour
    with probability proportional to its degree to the power `degree_power`; i' is each of the pair's negatives, or of
    those that a batch shares, and the mean over them is taken.

    Parameters
    ----------
    train : Interactions
    dim : int
    order : int
        K, at least 1; with 1 it is matrix factorisation.
    degree_power : float
        1 is the paper's transition; 0 walks uniformly.
    margin : float or None
        The paper counts a high-order term only where u · i' > u · i_k − margin; None counts every term.
    init_std : float
    """

    # Ours, not searched for; better than ItemPop on the validation part of ML-100K.
    counts_alike: ClassVar[str] = "the walks"
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 1024, "lr": 3e-3, "l2": 3e-2}
    idle = (Idle("degree_power", "margin", order=1),)

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        order: int = 3,
        degree_power: float = 1.0,
        margin: float | None = None,
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        check_at_least("order", order, 1)
        self.order, self.margin = order, margin
        self.users, self.items = embedding(self.n_users, dim, init_std), embedding(self.n_items, dim, init_std)
        pattern = BipartiteGraph(train).pattern
        weight = np.maximum(np.diff(pattern.indptr), 1).astype(np.float64) ** degree_power
        # Running sums over all entries: a draw within a row is a search between the sums at its two ends.
        running = np.concatenate([[0.0], np.cumsum(weight[pattern.indices])])
        for name, array in (("indptr", pattern.indptr), ("neighbours", pattern.indices.astype(np.int64)), ("running", running)):
            self.register_buffer(name, torch.from_numpy(np.array(array)), persistent=False)
        self.indptr: Tensor
        self.neighbours: Tensor
        self.running: Tensor

    def encode(self) -> Encoding:
        """The two tables."""
        return Encoding(Table(self.users), Table(self.items))

    def walk(self, nodes: Tensor) -> Tensor:
        """One neighbour of each node (b,), users first, drawn with torch's current generator. Each must have one."""
        first, last = self.indptr[nodes], self.indptr[nodes + 1]
        low, high = self.running[first], self.running[last]
        drawn = low + torch.rand(len(nodes), dtype=torch.float64, device=nodes.device) * (high - low)
        # Rounding must not leave the row.
        entry = torch.searchsorted(self.running, drawn, right=True) - 1
        return self.neighbours[torch.minimum(torch.maximum(entry, first), last - 1)]

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The terms of the orders 2 … K, as ``order_2`` and so on."""
        batch, rows = step.batch, step.rows
        if self.order == 1:
            return {}
        if rows is None or step.scores is None or not isinstance(batch, PairBatch):
            raise InputError("hoprec's walks start from pairs with negatives; train it with a loss such as 'bpr'.")
        users, against = rows.users[: len(batch.items)], step.scores[1]
        losses, nodes = {}, batch.items + self.n_users
        for order in range(2, self.order + 1):
            nodes = self.walk(self.walk(nodes))
            lead = self.score(users, F.embedding(nodes - self.n_users, self.items))[:, None] - against
            term = F.softplus(-lead)
            losses[f"order_{order}"] = (term if self.margin is None else term * (lead < self.margin)).mean() / order
        return losses
