"""Random: the floor every other model is measured against."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.base import Solved
from graphrec.models.contributions import Explaining
from graphrec.models.encoding import Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.scoring import DotProduct, Likeness, Scoring, TableScoring, cosines

__all__ = ["Random"]


class Random(Solved):
    """Scores that are a fixed function of seed, user and item and have nothing to do with the data.

    They are products of normal vectors. Given a user's vector, the scores of the items are independent and
    equally distributed, so every order of the catalogue is equally likely, as for independent scores;
    different users' orders are only uncorrelated. This needs (n_users + n_items) · dim numbers instead of
    n_users · n_items.

    Parameters
    ----------
    train : Interactions
        Only its numbers of users and items matter.
    seed : int
    dim : int
        Width of the vectors.

    Attributes
    ----------
    users, items : Tensor of float32, shapes (n_users, dim) and (n_items, dim)
        Zeros before :meth:`solve`.
    """

    personalised: ClassVar[bool] = False

    def __init__(self, train: Interactions, *, seed: int = 0, dim: int = 32) -> None:
        check_at_least("seed", seed, 0)
        check_at_least("dim", dim, 1)
        super().__init__(train)
        self.seed = seed
        self.register_buffer("users", torch.zeros(self.n_users, dim, dtype=torch.float32))
        self.register_buffer("items", torch.zeros(self.n_items, dim, dtype=torch.float32))
        self.users: Tensor
        self.items: Tensor

    def solve(self) -> None:
        """Draw the vectors."""
        generator = torch.Generator().manual_seed(self.seed)
        self.users.copy_(torch.randn(self.users.shape, generator=generator, dtype=torch.float32))
        self.items.copy_(torch.randn(self.items.shape, generator=generator, dtype=torch.float32))

    def scoring(self) -> Scoring:
        """The two tables."""
        return TableScoring(DotProduct(), Table(self.users), self.items, self.likeness, self.fold_in)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of new people, shape (b, dim): drawn anew from `seed` and what they have met, and from nothing else."""
        rows = [self.users.new_zeros(0, self.users.shape[1]).cpu()]
        for row in range(histories.shape[0]):
            met = histories.indices[histories.indptr[row] : histories.indptr[row + 1]]
            own = int(np.random.SeedSequence([self.seed, 1, *sorted(met.tolist())]).generate_state(1, np.uint64)[0] >> 1)
            rows.append(torch.randn(1, self.users.shape[1], generator=torch.Generator().manual_seed(own), dtype=torch.float32))
        return torch.cat(rows).to(self.users.device)

    def explaining(self) -> Explaining:
        """Refused: nothing is a reason for what is drawn."""
        raise InputError("Random gives no reasons: its scores are drawn and have nothing to do with what a user has met.")

    def likeness(self) -> Likeness:
        """Cosine of the items' vectors, shape (b, n_items)."""
        return cosines(self.items)
