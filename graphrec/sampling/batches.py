"""What a sampler hands to a training step: index tensors, on the CPU until :meth:`to` is called."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["PairBatch", "UserBatch"]


class PairBatch(NamedTuple):
    """Positive pairs with their negatives or ratings.

    Attributes
    ----------
    users, items : Tensor of int64, shape (b,)
    negatives : Tensor of int64, shape (b, k), or (m,) when the whole batch shares them, or None
    ratings : Tensor of float32, shape (b,), or None
    log_q : Tensor of float32, shape (m,), or None
        With shared negatives: the log of the probability with which each was drawn.
    weights : Tensor of float32, shape (b,), or None
        With ratings: how much each counts, where they do not all count alike.
    """

    users: Tensor
    items: Tensor
    negatives: Tensor | None = None
    ratings: Tensor | None = None
    log_q: Tensor | None = None
    weights: Tensor | None = None

    def part(self, pairs: slice) -> PairBatch:
        """Some of the pairs, each with its own negatives (b, k), rating and weight."""
        return PairBatch(*(None if t is None else t[pairs] for t in self))  # type: ignore[arg-type]

    def to(self, device: torch.device) -> PairBatch:
        """The same batch on a device."""
        return PairBatch(*_moved(self, device))  # type: ignore[arg-type]

    def pinned(self) -> PairBatch:
        """The same batch in memory from which a GPU copies without keeping the host waiting."""
        return PairBatch(*(None if t is None else t.pin_memory() for t in self))  # type: ignore[arg-type]


class UserBatch(NamedTuple):
    """Users with all their training items, and negatives that the batch shares.

    Attributes
    ----------
    users : Tensor of int64, shape (b,)
    owner : Tensor of int64, shape (nnz,)
        For each interaction the position of its user in `users`; ascending.
    items : Tensor of int64, shape (nnz,)
        Ascending within a user.
    negatives : Tensor of int64, shape (m,), or None
    log_q : Tensor of float32, shape (m,), or None
        The log of the probability with which each negative was drawn.
    ratings : Tensor of float32, shape (nnz,), or None
        Where the training table has ratings; of a repeated pair the last row's.
    distinct : Tensor of int64, shape (u,), or None
        With negatives: every item of `items` and `negatives` once.
    position : Tensor of int64, shape (nnz + m,), or None
        ``distinct[position]`` are `items` and then `negatives`.
    weights : Tensor of float32, shape (nnz,), or None
        How much each interaction counts, where they do not all count alike and the objective reads it.
    """

    users: Tensor
    owner: Tensor
    items: Tensor
    negatives: Tensor | None = None
    log_q: Tensor | None = None
    ratings: Tensor | None = None
    distinct: Tensor | None = None
    position: Tensor | None = None
    weights: Tensor | None = None

    @property
    def indptr(self) -> Tensor:
        """The items of ``users[r]`` are ``items[indptr[r]:indptr[r + 1]]``; int64, shape (b + 1,)."""
        bounds = torch.arange(len(self.users) + 1, device=self.users.device)
        return torch.searchsorted(self.owner, bounds)

    def to(self, device: torch.device) -> UserBatch:
        """The same batch on a device."""
        return UserBatch(*_moved(self, device))  # type: ignore[arg-type]

    def pinned(self) -> UserBatch:
        """The same batch in memory from which a GPU copies without keeping the host waiting."""
        return UserBatch(*(None if t is None else t.pin_memory() for t in self))  # type: ignore[arg-type]


def _moved(tensors: Iterable[Tensor | None], device: torch.device) -> Iterator[Tensor | None]:
    """Copies to a device need not be waited for: what reads them there comes after them."""
    return (None if t is None else t.to(device, non_blocking=device.type != "cpu") for t in tensors)
