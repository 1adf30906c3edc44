"""GMF: a dot product whose dimensions are weighted."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.models.parts.few_steps import faster_where_few
from graphrec.models.parts.tables import embedding
from graphrec.models.parts.two_tables import TwoTables

__all__ = ["GMF"]


class GMF(TwoTables):
    """Generalised matrix factorisation, h · (p_u ⊙ q_i) + c (He et al., WWW 2017, eq. 9).

    Scores are log-odds: the sigmoid of the paper belongs to the loss, so that rankings have no ties from
    its saturation.

    Parameters
    ----------
    train : Interactions
    dim : int
        Number of factors.
    init_std : float
        Standard deviation of the initial factors.
    """

    defaults: ClassVar[dict[str, Any]] = {
        "loss": "bce",
        "n_negatives": 4,
        "pairs": "interaction",
        "epochs": 20,
        "batch_size": 1024,
        "lr": 1e-3,
        "l2": 0.0,
    }

    @classmethod
    def defaults_for(cls, train: Interactions) -> dict[str, Any]:
        """The paper's rate for tables as large as the paper's; ten times that where an epoch has fewer than 200 steps.

        NDCG@20 within 20 epochs on the validation parts of MovieLens-100K and latest-small (69 steps an epoch): .097 and
        .080 at the paper's rate, .143 and .094 at ten times that (five times: .145 and .091; twenty: .141 and .084).
        """
        return faster_where_few(cls.defaults, train, 1e-2) if cls.defaults is GMF.defaults else cls.defaults

    def __init__(self, train: Interactions, *, dim: int = 32, init_std: float = 0.01) -> None:
        super().__init__(train)
        self.users = embedding(self.n_users, dim, init_std)
        self.items = embedding(self.n_items, dim, init_std)
        self.out = nn.Linear(dim, 1, dtype=torch.float32)
        nn.init.kaiming_uniform_(self.out.weight, a=1)  # LeCun's uniform, as in the authors' code
        nn.init.zeros_(self.out.bias)

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Log-odds of paired rows (..., dim), shape (...)."""
        value: Tensor = self.out(u * v).squeeze(-1)
        return value

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Log-odds of u (b, dim) with all of items (m, dim), shape (b, m): one matmul."""
        return torch.addmm(self.out.bias, u * self.out.weight, items.T)
