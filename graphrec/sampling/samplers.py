"""Epochs of batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.graph.row_sparse import NodeIndex
from graphrec.sampling.batches import PairBatch, UserBatch
from graphrec.sampling.negatives import NegativeSampler
from graphrec.sampling.own import Negatives, OwnNegatives
from graphrec.sampling.positives import EveryPair, Positives, Rows, UserUniform
from graphrec.sampling.seeds import draw_seed

__all__ = ["PairSampler", "UserSampler"]

# Draws are made for many steps at once; the bound on their number bounds the memory (8 MiB a column).
_DRAWS_AT_ONCE = 2**20


class PairSampler:
    """Batches of positive pairs; each iteration is a new epoch.

    All that is random comes from `generator`, at the moment an iteration starts: its state then fixes the
    epoch, and its state after that is where the next one goes on. Neither the number of threads nor any global
    state has a say.

    Parameters
    ----------
    train : Interactions
    batch_size : int
        Pairs in a batch; the last one may be smaller.
    generator : torch.Generator
        On the CPU.
    pairs : {"user", "interaction"}
        ``"user"``: as many draws as there are distinct pairs, of a uniform user and one of its items, uniform
        (the epoch of LightGCN's official code). ``"interaction"``: every distinct pair once, in random order.
    negatives : str, Negatives or None
        Kind of negatives, see :class:`~graphrec.sampling.negatives.NegativeSampler`, or a sampler of one's own, which is
        asked anew for each batch. None or ``"in-batch"`` for none: a loss may then use the batch's other positives.
    n_negatives : int
        Per pair; with `shared` per batch.
    shared : bool
        One set of negatives for the whole batch. It is drawn with the probabilities of `log_q`, and may
        contain items that some of its users have met.
    popularity_power : float
        Exponent of the degree for ``"popularity"``.
    saturated : {"error", "skip"}
        What to do about users who have met every item, for whom there is no negative: refuse the table, or
        leave their pairs out.
    with_ratings : bool
        Hand out ratings: an epoch then visits every row of the table once, repeated pairs included,
        whatever `pairs` says.
    drop_last : bool
        Leave out the last batch of an epoch if it is smaller than the others.
    weighted : bool
        Where the table has weights that differ, a pair comes up in proportion to its own: with pairs="user" among those of
        its user. Ratings have theirs handed out beside them.

    Raises
    ------
    InputError
        A name or a number is of no use, some user has met every item, or no pair is left.
    """

    def __init__(
        self,
        train: Interactions,
        batch_size: int,
        *,
        generator: torch.Generator,
        pairs: str = "user",
        negatives: str | Negatives | None = "uniform",
        n_negatives: int = 1,
        shared: bool = False,
        popularity_power: float = 1.0,
        saturated: str = "error",
        with_ratings: bool = False,
        drop_last: bool = False,
        weighted: bool = False,
    ) -> None:
        self.train, self.generator = train, generator
        self.batch_size, self.n_negatives = _count("batch_size", batch_size), _count("n_negatives", n_negatives)
        self.shared, self.drop_last = shared, drop_last
        drawn = isinstance(negatives, str) and negatives != "in-batch"
        self._negatives = NegativeSampler(train, str(negatives), popularity_power) if drawn else None
        self._own = None if negatives is None or isinstance(negatives, str) else OwnNegatives(negatives, train.n_items)
        if self._own is not None and shared:
            raise InputError("a sampler of one's own draws for each pair of a batch; it cannot be shared by the batch.")
        rejects = self._negatives is not None and self._negatives.rejects and not shared
        kept = _unsaturated(train, saturated) if rejects else np.ones(train.n_users, bool)
        self._positives = _positives(train, kept, pairs, with_ratings, weighted)
        if not self._positives.n_pairs:
            raise InputError("there is no user to train on: every user has met no item or all items.")
        if not len(self):
            raise InputError(f"drop_last leaves no batch: batch_size is {batch_size:,} and there are {self.n_pairs:,} pairs.")

    @property
    def n_pairs(self) -> int:
        """Pairs in an epoch."""
        return self._positives.n_pairs

    @property
    def can_run_ahead(self) -> bool:
        """Whether batches may be drawn before earlier ones are trained on; a sampler of one's own may look at the model."""
        return self._own is None

    def __len__(self) -> int:
        return self.n_pairs // self.batch_size if self.drop_last else -(-self.n_pairs // self.batch_size)

    @cached_property
    def log_q(self) -> Tensor:
        """Log-probability with which each item is drawn as a negative, float32, shape (n_items,).

        Before rejection; without drawn negatives that of coming up as a positive, which is what the other
        positives of a batch are drawn with. -inf for an item that never comes up.
        """
        if self._negatives is not None:
            return self._negatives.log_q
        with np.errstate(divide="ignore"):
            return torch.from_numpy(np.log(self._positives.item_probability()).astype(np.float32))

    def __iter__(self) -> Iterator[PairBatch]:
        take = self._positives.epoch(self.generator)
        seed = draw_seed(self.generator) if self._negatives is not None or self._own is not None else None
        return self._batches(take, seed)

    def _batches(self, take: Callable[[int, int], Rows], seed: np.uint64 | None) -> Iterator[PairBatch]:
        step = self.batch_size
        stretch = max(1, _DRAWS_AT_ONCE // (step * self.n_negatives)) * step
        end = len(self) * step if self.drop_last else self.n_pairs
        for lo in range(0, end, stretch):
            rows = take(lo, min(lo + stretch, end))
            users, items = torch.split(torch.from_numpy(rows.users), step), torch.split(torch.from_numpy(rows.items), step)
            ratings = [None] * len(users) if rows.ratings is None else torch.split(torch.from_numpy(rows.ratings), step)
            negatives, log_q = self._drawn_for(rows.users, seed, lo, len(users))
            weights = [None] * len(users) if rows.weights is None else torch.split(torch.from_numpy(rows.weights), step)
            yield from map(PairBatch, users, items, negatives, ratings, log_q, weights)

    def _drawn_for(
        self, users: npt.NDArray[np.int64], seed: np.uint64 | None, first: int, steps: int
    ) -> tuple[Iterable[Tensor | None], Iterable[Tensor | None]]:
        """Negatives of each step of a stretch that begins at pair `first`, and their log-probabilities."""
        nothing, step = (None,) * steps, self.batch_size
        if self._own is not None and seed is not None:
            own, k, starts = self._own, self.n_negatives, range(0, len(users), step)
            return (own.draw(users[at : at + step], k, seed, (first + at) // step) for at in starts), nothing
        if self._negatives is None or seed is None:
            return nothing, nothing
        k = self.n_negatives
        if not self.shared:
            drawn = torch.from_numpy(self._negatives.draw(users, k, seed, first=first))
            return torch.split(drawn, step), nothing
        drawn = torch.from_numpy(self._negatives.draw_any(steps * k, seed, first=first // step * k))
        return torch.split(drawn, k), torch.split(self.log_q[drawn], k)


class UserSampler:
    """Batches of users with all their training items; each iteration visits every user with an item once.

    Randomness is used as by :class:`PairSampler`.

    Parameters
    ----------
    train : Interactions
    batch_size : int
        Users in a batch; the last one may be smaller.
    generator : torch.Generator
        On the CPU.
    negatives : {"uniform", "popularity"} or None
        How the negatives that a batch shares are drawn. Nothing is rejected: a batch has users who have met
        nearly anything.
    n_negatives : int
        Per batch.
    popularity_power : float
        Exponent of the degree for ``"popularity"``.
    weighted : bool
        Hand out weights, where the table has some that differ.

    Raises
    ------
    InputError
        A name or a number is of no use.
    """

    def __init__(
        self,
        train: Interactions,
        batch_size: int,
        *,
        generator: torch.Generator,
        negatives: str | None = None,
        n_negatives: int = 1,
        popularity_power: float = 1.0,
        weighted: bool = False,
    ) -> None:
        self.train, self.generator = train, generator
        self.batch_size, self.n_negatives = _count("batch_size", batch_size), _count("n_negatives", n_negatives)
        if negatives not in (None, "uniform", "popularity"):
            raise unknown_name("kind of shared negatives", negatives, ("uniform", "popularity"))
        self._negatives = None if negatives is None else NegativeSampler(train, negatives, popularity_power)
        self._ratings = None if train.ratings is None else train.to_csr("ratings").data
        self._weights = train.pair_weights if weighted else None
        self._users = np.flatnonzero(np.diff(train.structure[0]) > 0)

    can_run_ahead = True

    def __len__(self) -> int:
        return -(-len(self._users) // self.batch_size)

    @property
    def log_q(self) -> Tensor | None:
        """Log-probability of each item as a negative, float32, shape (n_items,); None without negatives."""
        return None if self._negatives is None else self._negatives.log_q

    def __iter__(self) -> Iterator[UserBatch]:
        order = self._users[torch.randperm(len(self._users), generator=self.generator).numpy()]
        seed = draw_seed(self.generator) if self._negatives is not None else None
        starts = range(0, len(order), self.batch_size)
        return (self._batch(order[lo : lo + self.batch_size], step, seed) for step, lo in enumerate(starts))

    def _batch(self, users: npt.NDArray[np.int64], step: int, seed: np.uint64 | None) -> UserBatch:
        indptr, indices = self.train.structure
        degree = indptr[users + 1] - indptr[users]
        first = np.cumsum(degree) - degree
        entries = np.repeat(indptr[users] - first, degree) + np.arange(degree.sum())
        batch = UserBatch(
            torch.from_numpy(users),
            torch.from_numpy(np.repeat(np.arange(len(users)), degree)),
            torch.from_numpy(indices[entries].astype(np.int64)),
            ratings=None if self._ratings is None else torch.from_numpy(self._ratings[entries]),
            weights=None if self._weights is None else torch.from_numpy(self._weights[entries]),
        )
        if self._negatives is None or seed is None:
            return batch
        m = self.n_negatives
        negatives = torch.from_numpy(self._negatives.draw_any(m, seed, first=step * m))
        # Here and not in the step: on a device the host would have to wait for the number of distinct items.
        index = NodeIndex(torch.cat([batch.items, negatives]), self.train.n_items)
        log_q = self._negatives.log_q[negatives]
        return batch._replace(negatives=negatives, log_q=log_q, distinct=index.distinct, position=index.position)


def _count(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} must be a whole number, got {value!r}.")
    if value < 1:
        raise InputError(f"{name} must be at least 1, got {value}.")
    return int(value)


def _unsaturated(train: Interactions, policy: str) -> npt.NDArray[np.bool_]:
    """Which users have an unmet item, shape (n_users,); under the policy "error" all must."""
    if policy not in ("error", "skip"):
        raise unknown_name("value of saturated", policy, ("error", "skip"))
    full: npt.NDArray[np.bool_] = np.diff(train.structure[0]) == train.n_items
    if full.any() and policy == "error":
        some = "1 user has" if full.sum() == 1 else f"{full.sum():,} users have"
        raise InputError(
            f"{some} met every item, first user {train.user_ids[full.argmax()]!s}: "
            "there is no negative for them. saturated='skip' leaves their pairs out of training."
        )
    return np.logical_not(full)


def _positives(train: Interactions, kept: npt.NDArray[np.bool_], pairs: str, with_ratings: bool, weighted: bool) -> Positives:
    if pairs not in ("user", "interaction"):
        raise unknown_name("value of pairs", pairs, ("user", "interaction"))
    if pairs == "user" and not with_ratings:
        return UserUniform(train, kept, train.pair_weights if weighted else None)
    return EveryPair(train, kept, with_ratings, weighted)
