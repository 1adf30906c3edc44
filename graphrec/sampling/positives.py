"""Which observed pairs an epoch looks at, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.sampling.seeds import draw_seed
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["EveryPair", "Positives", "Rows", "UserUniform"]

IntArray = npt.NDArray[np.int64]


class Rows(NamedTuple):
    """A stretch of an epoch: users and items (n,) of int64, ratings and weights (n,) of float32 or None."""

    users: IntArray
    items: IntArray
    ratings: npt.NDArray[np.float32] | None
    weights: npt.NDArray[np.float32] | None = None


class Positives(Protocol):
    """A way to go through the training pairs."""

    @property
    def n_pairs(self) -> int:
        """Pairs in an epoch."""
        ...

    def epoch(self, generator: torch.Generator) -> Callable[[int, int], Rows]:
        """A new epoch: all that is random is taken from `generator` now; ``take(lo, hi)`` gives a stretch of it."""
        ...

    def item_probability(self) -> npt.NDArray[np.float64]:
        """How often each item comes up, as a share of all pairs, shape (n_items,)."""
        ...


class UserUniform:
    """As many draws as there are pairs: a uniform user, then one of that user's items, uniform or by weight.

    This is the epoch of LightGCN's official code. With weights a user's item comes up in proportion to its own: as a pair
    that stands in the user's list so many times.

    Parameters
    ----------
    train : Interactions
    kept : ndarray of bool, shape (n_users,)
        Users to draw from; those without an item are left out in any case.
    weights : ndarray of float32, shape (nnz,), optional
        Of the distinct pairs.
    """

    def __init__(
        self, train: Interactions, kept: npt.NDArray[np.bool_], weights: npt.NDArray[np.float32] | None = None
    ) -> None:
        from graphrec.sampling import kernels

        self._draw_pairs, self._draw_weighted = kernels.draw_pairs, kernels.draw_pairs_by_weight
        self._indptr, self._indices = train.structure
        self._degree = np.diff(self._indptr)
        self._share: npt.NDArray[np.float64] | None = None
        if weights is not None:
            owner = np.repeat(np.arange(train.n_users), self._degree)
            total = np.bincount(owner, weights, minlength=train.n_users)
            # What a user's items share, which is 1: sums of them tell the items of light users apart, too.
            self._share = np.asarray(weights / np.where(total > 0, total, 1)[owner])
            self._below = np.concatenate([[0.0], np.cumsum(self._share)])
            self._degree = np.bincount(owner[weights > 0], minlength=train.n_users)
        self._eligible = np.flatnonzero(kept & (self._degree > 0))
        self._n_items = train.n_items
        self.n_pairs = int(self._degree[self._eligible].sum())

    def epoch(self, generator: torch.Generator) -> Callable[[int, int], Rows]:
        """See :class:`Positives`."""
        seed = draw_seed(generator)

        def take(lo: int, hi: int) -> Rows:
            users, items = np.empty(hi - lo, np.int64), np.empty(hi - lo, np.int64)
            fixed = (lo, seed, self._eligible, self._indptr, self._indices, users, items)
            bounds = even_bounds(hi - lo, 4 * thread_count())
            if self._share is None:
                run_ranges(lambda a, b: self._draw_pairs(a, b, *fixed), bounds)
            else:
                run_ranges(lambda a, b: self._draw_weighted(a, b, self._below, *fixed), bounds)
            return Rows(users, items, None)

        return take

    def item_probability(self) -> npt.NDArray[np.float64]:
        """See :class:`Positives`: each item gathers 1/degree of its users, or its share of their weights."""
        if self._share is not None:
            counted = np.isin(np.repeat(np.arange(len(self._degree)), np.diff(self._indptr)), self._eligible)
            return np.asarray(np.bincount(self._indices, self._share * counted, minlength=self._n_items) / len(self._eligible))
        share = np.zeros(len(self._degree))
        share[self._eligible] = 1 / self._degree[self._eligible]
        weights = np.repeat(share, self._degree)
        return np.bincount(self._indices, weights, minlength=self._n_items) / len(self._eligible)


class EveryPair:
    """Every distinct pair once, in random order; with ratings every row of the table, repeated pairs included.

    With weights a pair comes up as often as it says, where all together come up as often as there are pairs: so many whole
    times, and once more with the fraction as its probability (systematic sampling, Madow, 1944). With ratings each row is
    visited once and its weight handed out, for the errors of predicted ratings can be weighed themselves.

    Parameters
    ----------
    train : Interactions
    kept : ndarray of bool, shape (n_users,)
        Users whose pairs are visited.
    with_ratings : bool
        Hand out each row's rating.
    weighted : bool
        Go by the weights, where there are some that differ.
    """

    def __init__(
        self, train: Interactions, kept: npt.NDArray[np.bool_], with_ratings: bool = False, weighted: bool = False
    ) -> None:
        ratings: npt.NDArray[np.float32] | None = None
        weights: npt.NDArray[np.float32] | None = None
        if weighted:
            weights = train.row_weights if with_ratings else train.pair_weights
        if with_ratings:
            if train.ratings is None:
                raise InputError("with_ratings=True needs ratings, and the training table has none.")
            users, items, ratings = train.users, train.items, train.ratings
        else:
            indptr, items = train.structure
            users = np.repeat(np.arange(train.n_users, dtype=np.int32), np.diff(indptr))
        if not kept.all():
            rows = kept[users]
            users, items, ratings = users[rows], items[rows], None if ratings is None else ratings[rows]
            weights = None if weights is None else weights[rows]
        self._users: npt.NDArray[Any] = users
        self._items: npt.NDArray[Any] = items
        self._ratings, self._weights = ratings, weights
        self._n_items = train.n_items
        self.n_pairs = len(users) if self._weights is None or self._weights.any() else 0

    def epoch(self, generator: torch.Generator) -> Callable[[int, int], Rows]:
        """See :class:`Positives`."""
        dtype = torch.int32 if self.n_pairs < 2**31 else torch.int64
        times = self._times(generator) if self._weights is not None and self._ratings is None else None
        order = torch.randperm(self.n_pairs, generator=generator, dtype=dtype).numpy()
        if times is not None:
            order = np.repeat(np.arange(self.n_pairs), times)[order]

        def take(lo: int, hi: int) -> Rows:
            rows = order[lo:hi]
            ratings = None if self._ratings is None else self._ratings[rows]
            weights = None if self._ratings is None or self._weights is None else self._weights[rows]
            return Rows(self._users[rows].astype(np.int64), self._items[rows].astype(np.int64), ratings, weights)

        return take

    def _times(self, generator: torch.Generator) -> npt.NDArray[np.int64]:
        """How often each pair comes up in an epoch."""
        assert self._weights is not None
        below = np.cumsum(self._weights, dtype=np.float64)
        below *= self.n_pairs / below[-1]
        below[-1] = self.n_pairs
        offset = float(torch.rand((), generator=generator, dtype=torch.float64))
        return np.diff(np.ceil(below - offset), prepend=0.0).astype(np.int64)

    def item_probability(self) -> npt.NDArray[np.float64]:
        """See :class:`Positives`: the item's share of the pairs, or of their weights."""
        if self._weights is not None and self._ratings is None:
            weighed = np.bincount(self._items, self._weights, minlength=self._n_items)
            return np.asarray(weighed / self._weights.sum(dtype=np.float64))
        return np.bincount(self._items, minlength=self._n_items) / self.n_pairs
