"""The mean rating and what users and items deviate from it: the baseline of every rating model."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.base import Solved
from graphrec.models.encoding import Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.fold_in import of_ratings
from graphrec.models.scoring import DotProduct, Likeness, Scoring, TableScoring

__all__ = ["Bias"]


class Bias(Solved):
    """Ratings as μ + b_u + b_i, with damped means one after the other (Koren 2010, section 2.1).

    b_i is the sum of an item's ratings less μ, divided by their number plus `item_damping`; b_u the sum of what is then
    left of a user's ratings, divided by their number plus `user_damping`. Without damping they are plain means.

    Parameters
    ----------
    train : Interactions
        With ratings.
    item_damping, user_damping : float
        Pull the biases of those with few ratings towards zero. The defaults are the paper's.

    Attributes
    ----------
    mean : Tensor of float32, scalar
    user_bias, item_bias : Tensor of float32, shapes (n_users, 1) and (n_items, 1)
        Zeros before :meth:`solve`, and for users and items without a rating.

    Raises
    ------
    InputError
        No ratings, or a damping below 0.

    References
    ----------
    Yehuda Koren. Factor in the Neighbors: Scalable and Accurate Collaborative Filtering. TKDD 4(1), 2010.
    """

    personalised: ClassVar[bool] = False
    reads_ratings: ClassVar[bool] = True

    def __init__(self, train: Interactions, *, item_damping: float = 25.0, user_damping: float = 10.0) -> None:
        super().__init__(train)
        if train.ratings is None:
            raise InputError("Bias needs ratings, and the training table has none.")
        check_at_least("item_damping", item_damping, 0)
        check_at_least("user_damping", user_damping, 0)
        self.item_damping, self.user_damping = item_damping, user_damping
        self._train = train
        self.register_buffer("mean", torch.zeros((), dtype=torch.float32))
        self.register_buffer("user_bias", torch.zeros(self.n_users, 1, dtype=torch.float32))
        self.register_buffer("item_bias", torch.zeros(self.n_items, 1, dtype=torch.float32))
        self.mean: Tensor
        self.user_bias: Tensor
        self.item_bias: Tensor

    def solve(self) -> None:
        """Damped means of the items, then of the users."""
        users, items, ratings = self._train.users, self._train.items, self._train.ratings
        assert ratings is not None
        mean = ratings.mean(dtype=np.float64)
        left = ratings - mean
        of_items = _damped_means(left, items, self.n_items, self.item_damping)
        of_users = _damped_means(left - of_items[items], users, self.n_users, self.user_damping)
        self.mean.fill_(float(mean))
        self.item_bias.copy_(torch.from_numpy(of_items).unsqueeze(1))
        self.user_bias.copy_(torch.from_numpy(of_users).unsqueeze(1))

    def scoring(self) -> Scoring:
        """[b_u + μ, 1] for users and [1, b_i] for items: their dot product is the rating."""
        users = torch.cat([self.user_bias + self.mean, torch.ones_like(self.user_bias)], 1)
        items = torch.cat([torch.ones_like(self.item_bias), self.item_bias], 1)
        return TableScoring(DotProduct(), Table(users), items, self.likeness, self.fold_in)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows [b_u + μ, 1] of new people, shape (b, 2), with the damped mean of what is left of their ratings for b_u.

        Whoever has ones alone has given no ratings: b_u is then 0.
        """
        owner = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
        left = histories.data - float(self.mean) - self.item_bias.cpu().numpy()[histories.indices, 0]
        bias = _damped_means(left.astype(np.float64), owner, histories.shape[0], self.user_damping)
        bias = np.where(of_ratings(histories), bias, 0.0)
        users = torch.as_tensor(bias.astype(np.float32), device=self.mean.device)[:, None] + self.mean
        return torch.cat([users, torch.ones_like(users)], 1)

    def likeness(self) -> Likeness:
        """Minus the difference of the biases, shape (b, n_items): alike is equally liked."""
        bias = self.item_bias
        return lambda index: -(bias[index] - bias.T).abs()


def _damped_means(
    values: npt.NDArray[np.float64], owner: npt.NDArray[np.integer], count: int, damping: float
) -> npt.NDArray[np.float64]:
    """Sums of `values` by owner over their number plus the damping; 0 for an owner of none. Shape (count,)."""
    number = np.bincount(owner, minlength=count) + damping
    means: npt.NDArray[np.float64] = np.divide(np.bincount(owner, values, count), number, out=np.zeros(count), where=number > 0)
    return means
