"""What a sampler hands to a training step."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PairBatch", "UserBatch"]


class PairBatch(NamedTuple):
    """Positive pairs with their negatives or ratings.

    Attributes
    ----------
    users, items : Tensor of int64, shape (b,)
    negatives : Tensor of int64, shape (b, k), or None
    ratings : Tensor of float32, shape (b,), or None
    """

    users: Tensor
    items: Tensor
    negatives: Tensor | None = None
    ratings: Tensor | None = None

    def to(self, device: torch.device) -> PairBatch:
        """The same batch on a device."""
        return PairBatch(*(None if t is None else t.to(device) for t in self))  # type: ignore[arg-type]


class UserBatch(NamedTuple):
    """Users with all their training items, and negatives that the batch shares.

    Attributes
    ----------
    users : Tensor of int64, shape (b,)
    owner : Tensor of int64, shape (e,)
        For each interaction the position of its user in `users`; ascending.
    items : Tensor of int64, shape (e,)
    negatives : Tensor of int64, shape (m,), or None
    log_q : Tensor of float32, shape (n_items,), or None
        Log-probability with which each item is drawn as a negative.
    ratings : Tensor of float32, shape (e,), or None
    """

    users: Tensor
    owner: Tensor
    items: Tensor
    negatives: Tensor | None = None
    log_q: Tensor | None = None
    ratings: Tensor | None = None

    def to(self, device: torch.device) -> UserBatch:
        """The same batch on a device."""
        return UserBatch(*(None if t is None else t.to(device) for t in self))  # type: ignore[arg-type]
