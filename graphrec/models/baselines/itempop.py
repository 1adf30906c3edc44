"""ItemPop: everyone is recommended what most people have met."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.base import ClosedForm, Encoding, Table

__all__ = ["ItemPop"]


class ItemPop(ClosedForm):
    """Popularity: the score of an item is its number of users in training, for everyone.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at and a repeated pair counts once.

    Attributes
    ----------
    counts : Tensor of float32, shape (n_items, 1)
        Number of users of each item; zeros before :meth:`solve`.
    """

    personalised: ClassVar[bool] = False

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        self._items = train.structure[1]
        self.register_buffer("counts", torch.zeros(self.n_items, 1))
        self.counts: Tensor

    def solve(self) -> None:
        """Count the users of each item."""
        counted = torch.bincount(torch.tensor(self._items), minlength=self.n_items)
        self.counts.copy_(counted.unsqueeze(1))

    def encode(self) -> Encoding:
        """A user is 1, an item its count."""
        return Encoding(Table(self.counts.new_ones(self.n_users, 1)), Table(self.counts))

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of users who were not there in training, shape (b, 1): nobody is different."""
        return self.counts.new_ones(histories.shape[0], 1)

    def item_similarity(self, index: Tensor) -> Tensor:
        """Minus the difference of the logarithms of the counts, shape (b, n_items): alike is equally popular.

        The cosine of the base class is one for all pairs here.
        """
        log = self.counts.log1p()
        return -(log[index] - log.T).abs()
