"""Keeping the scores of explicit-feedback models inside the range of the ratings."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.models.parts.checks import check_range

__all__ = ["RatingRange"]


class RatingRange:
    """x → low + (high − low) · sigmoid(x), or nothing at all.

    Parameters
    ----------
    rating_range : (float, float) or None
        Lowest and highest rating; None leaves scores as they are.

    Raises
    ------
    InputError
        The range is not two finite numbers in increasing order.
    """

    def __init__(self, rating_range: tuple[float, float] | None) -> None:
        self.bounds = None if rating_range is None else check_range("rating_range", rating_range)

    def __call__(self, x: Tensor) -> Tensor:
        """Scores inside the range, of the shape of `x`."""
        if self.bounds is None:
            return x
        low, high = self.bounds
        return low + (high - low) * torch.sigmoid(x)

    def start(self, train: Interactions) -> float:
        """The value before squashing that answers with the mean rating of `train`; 0 without ratings.

        Starting an output bias there spares the first epochs of training, which would find nothing else.
        """
        if train.ratings is None:
            return 0.0
        mean = float(train.ratings.mean())
        if self.bounds is None:
            return mean
        low, high = self.bounds
        share = min(max((mean - low) / (high - low), 0.01), 0.99)
        return math.log(share / (1 - share))
