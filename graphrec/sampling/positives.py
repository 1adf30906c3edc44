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
    """A stretch of an epoch: users and items (n,) of int64, ratings (n,) of float32 or None."""

    users: IntArray
    items: IntArray
    ratings: npt.NDArray[np.float32] | None


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
    """As many draws as there are pairs: a uniform user, then one of that user's items, uniform.

    This is the epoch of LightGCN's official code.

    Parameters
    ----------
    train : Interactions
    kept : ndarray of bool, shape (n_users,)
        Users to draw from; those without an item are left out in any case.
    """

    def __init__(self, train: Interactions, kept: npt.NDArray[np.bool_]) -> None:
        from graphrec.sampling import kernels

        self._draw_pairs = kernels.draw_pairs
        self._indptr, self._indices = train.structure
        self._degree = np.diff(self._indptr)
        self._eligible = np.flatnonzero(kept & (self._degree > 0))
        self._n_items = train.n_items
        self.n_pairs = int(self._degree[self._eligible].sum())

    def epoch(self, generator: torch.Generator) -> Callable[[int, int], Rows]:
        """See :class:`Positives`."""
        seed = draw_seed(generator)

        def take(lo: int, hi: int) -> Rows:
            users, items = np.empty(hi - lo, np.int64), np.empty(hi - lo, np.int64)
            fixed = (lo, seed, self._eligible, self._indptr, self._indices, users, items)
            run_ranges(lambda a, b: self._draw_pairs(a, b, *fixed), even_bounds(hi - lo, 4 * thread_count()))
            return Rows(users, items, None)

        return take

    def item_probability(self) -> npt.NDArray[np.float64]:
        """See :class:`Positives`: each item gathers 1/degree of its users."""
        share = np.zeros(len(self._degree))
        share[self._eligible] = 1 / self._degree[self._eligible]
        weights = np.repeat(share, self._degree)
        return np.bincount(self._indices, weights, minlength=self._n_items) / len(self._eligible)


class EveryPair:
    """Every distinct pair once, in random order; with ratings every row of the table, repeated pairs included.

    Parameters
    ----------
    train : Interactions
    kept : ndarray of bool, shape (n_users,)
        Users whose pairs are visited.
    with_ratings : bool
        Hand out each row's rating.
    """

    def __init__(self, train: Interactions, kept: npt.NDArray[np.bool_], with_ratings: bool = False) -> None:
        ratings: npt.NDArray[np.float32] | None = None
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
        self._users: npt.NDArray[Any] = users
        self._items: npt.NDArray[Any] = items
        self._ratings = ratings
        self._n_items = train.n_items
        self.n_pairs = len(users)

    def epoch(self, generator: torch.Generator) -> Callable[[int, int], Rows]:
        """See :class:`Positives`."""
        dtype = torch.int32 if self.n_pairs < 2**31 else torch.int64
        order = torch.randperm(self.n_pairs, generator=generator, dtype=dtype).numpy()

        def take(lo: int, hi: int) -> Rows:
            rows = order[lo:hi]
            ratings = None if self._ratings is None else self._ratings[rows]
            return Rows(self._users[rows].astype(np.int64), self._items[rows].astype(np.int64), ratings)

        return take

    def item_probability(self) -> npt.NDArray[np.float64]:
        """See :class:`Positives`: the item's share of the pairs."""
        return np.bincount(self._items, minlength=self._n_items) / self.n_pairs
