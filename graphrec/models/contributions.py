"""What the score of one user with one item is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Contributions", "Explaining", "merged", "together"]


@dataclass(frozen=True)
class Contributions:
    """A score as a sum.

    Attributes
    ----------
    items : ndarray of int64, shape (m,)
        The user's own item that a part goes through; -1 where it is not about one.
    values : ndarray of float64, shape (m,)
        They add up to the score.
    kinds : sequence of str, length m
        What each part is, in a few words.
    """

    items: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    kinds: Sequence[str]


Explaining = Callable[[int, int], Contributions]
"""From the indices of a user and of an item."""


def together(*parts: tuple[npt.ArrayLike, npt.ArrayLike, str]) -> Contributions:
    """Contributions of several kinds, each given as items, values and the kind."""
    columns = [(np.atleast_1d(np.asarray(i, np.int64)), np.atleast_1d(np.asarray(v, np.float64)), kind) for i, v, kind in parts]
    kinds = [kind for items, _, kind in columns for _ in items]
    return Contributions(np.concatenate([c[0] for c in columns]), np.concatenate([c[1] for c in columns]), kinds)


def merged(parts: Sequence[Contributions]) -> Contributions:
    """The parts of several sums as those of one: what is of one kind and goes through one item is added up."""
    sums: dict[tuple[int, str], float] = {}
    for one in parts:
        for item, value, kind in zip(one.items.tolist(), one.values.tolist(), one.kinds, strict=True):
            sums[item, kind] = sums.get((item, kind), 0.0) + value
    items, values = np.array([item for item, _ in sums], np.int64), np.array(list(sums.values()), np.float64)
    return Contributions(items, values, [kind for _, kind in sums])
