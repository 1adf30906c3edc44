"""ItemPop: everyone is recommended what most people have met."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.base import Solved
from graphrec.models.contributions import Explaining, together
from graphrec.models.encoding import Table
from graphrec.models.scoring import DotProduct, Likeness, Scoring, TableScoring

__all__ = ["ItemPop"]


class ItemPop(Solved):
    """Popularity: the score of an item is its number of users in training, for everyone; with
    weights their sum, divided by the mean weight of a pair.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.

    Attributes
    ----------
    counts : Tensor of float32, shape (n_items, 1)
        Number of users of each item, or sum of the weights, divided by their mean; zeros before :meth:`solve`.
    """

    personalised: ClassVar[bool] = False
    reads_weights: ClassVar[bool] = True

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        self._items, self._weights = train.structure[1], train.pair_weights
        self.register_buffer("counts", torch.zeros(self.n_items, 1, dtype=torch.float32))
        self.counts: Tensor

    def solve(self) -> None:
        """Count the users of each item, or add up their weights."""
        counted = np.bincount(self._items, self._weights, minlength=self.n_items)
        self.counts.copy_(torch.from_numpy(counted).unsqueeze(1))

    def scoring(self) -> Scoring:
        """A user is 1, an item its count."""
        users = Table(self.counts.new_ones(self.n_users, 1))
        return TableScoring(DotProduct(), users, self.counts, self.likeness, self.fold_in)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of users who were not there in training, shape (b, 1): nobody is different."""
        return self.counts.new_ones(histories.shape[0], 1)

    def explaining(self) -> Explaining:
        """The count is all there is."""
        return lambda user, item: together((-1, float(self.counts[item, 0]), "popularity"))

    def likeness(self) -> Likeness:
        """Minus the difference of the logarithms of the counts, shape (b, n_items): alike is equally popular."""
        log = self.counts.log1p()
        return lambda index: -(log[index] - log.T).abs()
