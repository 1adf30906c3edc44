"""Epochs of batches."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.sampling.batches import PairBatch, UserBatch
from graphrec.sampling.negatives import NegativeSampler, check_saturated, draw_seed
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["PairSampler", "UserSampler"]

# Draws are made for many steps at once; a bound on their number bounds the memory (32 MiB a column).
_DRAWS_AT_ONCE = 4_000_000


class PairSampler:
    """Batches of positive pairs; each iteration is a new epoch.

    Parameters
    ----------
    train : Interactions
    batch_size : int
    pairs : {"user", "interaction"}
        ``"user"``: |train| draws of a uniform user and one of its items, uniform (LightGCN's official
        epoch). ``"interaction"``: every distinct pair once, in random order.
    negatives : str or None
        Kind of negatives, see :class:`~graphrec.sampling.negatives.NegativeSampler`; None for none.
    n_negatives : int
        Per pair.
    saturated : {"error", "skip"}
        What to do about users who have met every item.
    with_ratings : bool
        Hand out ratings; every row of the table is then visited once, repeated pairs included.
    generator : torch.Generator
        The only source of randomness; its state at an epoch's start fixes the epoch.
    """

    def __init__(
        self,
        train: Interactions,
        batch_size: int,
        *,
        generator: torch.Generator,
        pairs: str = "user",
        negatives: str | None = "uniform",
        n_negatives: int = 1,
        saturated: str = "error",
        with_ratings: bool = False,
    ) -> None:
        for name, value in (("batch_size", batch_size), ("n_negatives", n_negatives)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}.")
        if pairs not in ("user", "interaction"):
            raise unknown_name("value of pairs", pairs, ("user", "interaction"))
        self.train, self.batch_size, self.generator = train, batch_size, generator
        self.pairs, self.n_negatives = pairs, n_negatives
        self._negatives = None if negatives is None else NegativeSampler(train, negatives)
        left_out = np.zeros(train.n_users, bool)
        if negatives not in (None, "approximate"):
            left_out[check_saturated(train, saturated)] = True
        indptr, indices = train.structure
        degree = np.diff(indptr)
        self._eligible = np.flatnonzero((degree > 0) & ~left_out)
        if not len(self._eligible):
            raise InputError("there is no user to train on: every user has met no item or all items.")
        if with_ratings:
            users, items, self._ratings = train.users, train.items, train.ratings
        else:
            users, items, self._ratings = np.repeat(np.arange(train.n_users), degree), indices, None
        rows = ~left_out[users]
        self._users, self._items = users[rows].astype(np.int64), items[rows].astype(np.int64)

    @property
    def n_pairs(self) -> int:
        """Pairs in an epoch."""
        return len(self._users)

    def __len__(self) -> int:
        return -(-self.n_pairs // self.batch_size)

    def __iter__(self) -> Iterator[PairBatch]:
        order = None
        if self.pairs == "interaction" or self._ratings is not None:
            order = torch.randperm(self.n_pairs, generator=self.generator).numpy()
        steps_at_once = max(1, _DRAWS_AT_ONCE // (self.batch_size * self.n_negatives))
        for start in range(0, self.n_pairs, steps_at_once * self.batch_size):
            end = min(start + steps_at_once * self.batch_size, self.n_pairs)
            yield from self._batches(end - start, None if order is None else order[start:end])

    def _batches(self, n: int, rows: npt.NDArray[np.int64] | None) -> Iterator[PairBatch]:
        """Batches of n pairs: the given rows of the table, or drawn ones."""
        users, items = self._draw_pairs(n) if rows is None else (self._users[rows], self._items[rows])
        negatives = None
        if self._negatives is not None:
            negatives = torch.from_numpy(self._negatives.draw(users, self.n_negatives, draw_seed(self.generator)))
        ratings = None if self._ratings is None or rows is None else torch.from_numpy(self._ratings[rows])
        u, i = torch.from_numpy(users), torch.from_numpy(items)
        for lo in range(0, n, self.batch_size):
            part = slice(lo, lo + self.batch_size)
            yield PairBatch(
                u[part], i[part], None if negatives is None else negatives[part], None if ratings is None else ratings[part]
            )

    def _draw_pairs(self, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        from graphrec.sampling import kernels

        users, items = np.empty(n, np.int64), np.empty(n, np.int64)
        seed = draw_seed(self.generator)
        indptr, indices = self.train.structure
        run_ranges(
            lambda lo, hi: kernels.draw_pairs(lo, hi, self._eligible, seed, indptr, indices, users, items),
            even_bounds(n, 4 * thread_count()),
        )
        return users, items


class UserSampler:
    """Batches of users with all their training items; each iteration visits every user once.

    Parameters
    ----------
    train : Interactions
    batch_size : int
        Users in a batch.
    negatives : {"uniform", "popularity"} or None
        How the negatives that a batch shares are drawn; nothing is rejected.
    n_negatives : int
        Per batch.
    generator : torch.Generator
    """

    def __init__(
        self,
        train: Interactions,
        batch_size: int,
        *,
        generator: torch.Generator,
        negatives: str | None = None,
        n_negatives: int = 1,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"batch_size must be at least 1, got {batch_size}.")
        if negatives not in (None, "uniform", "popularity"):
            raise unknown_name("kind of shared negatives", negatives, ("uniform", "popularity"))
        self.train, self.batch_size, self.generator, self.n_negatives = train, batch_size, generator, n_negatives
        self._negatives = None if negatives is None else NegativeSampler(train, negatives)
        self._ratings = None if train.ratings is None else train.to_csr("ratings").data
        self._users = np.flatnonzero(np.diff(train.structure[0]) > 0)

    def __len__(self) -> int:
        return -(-len(self._users) // self.batch_size)

    def __iter__(self) -> Iterator[UserBatch]:
        order = self._users[torch.randperm(len(self._users), generator=self.generator).numpy()]
        for lo in range(0, len(order), self.batch_size):
            yield self._batch(order[lo : lo + self.batch_size])

    def _batch(self, users: npt.NDArray[np.int64]) -> UserBatch:
        indptr, indices = self.train.structure
        degree = indptr[users + 1] - indptr[users]
        first = np.cumsum(degree) - degree
        entries = np.repeat(indptr[users] - first, degree) + np.arange(degree.sum())
        negatives = log_q = None
        if self._negatives is not None:
            negatives = self._negatives.draw_shared(self.n_negatives, self.generator)
            log_q = self._negatives.log_q
        return UserBatch(
            torch.from_numpy(users),
            torch.from_numpy(np.repeat(np.arange(len(users)), degree)),
            torch.from_numpy(indices[entries].astype(np.int64)),
            negatives,
            log_q,
            None if self._ratings is None else torch.from_numpy(self._ratings[entries]),
        )
