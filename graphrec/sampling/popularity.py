"""Drawing items in proportion to how often they occur."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError

__all__ = ["ItemPopularity"]


class ItemPopularity:
    """Weights ``degree ** power`` of all items, ready to be drawn from.

    Parameters
    ----------
    train : Interactions
        The degree of an item is the number of its distinct users.
    power : float
        1 for plain popularity; .75 as in word2vec (Mikolov et al., NIPS 2013) brings the tail forward. An item
        without users has weight 0 whatever the power.

    Attributes
    ----------
    probability : ndarray of float64, shape (n_items,)
    cumulative : ndarray of float64, shape (n_items + 1,)
        Running sums of the weights.
    buckets : ndarray of uint64, shape (n_items,)
        Walker's alias table, see :func:`graphrec.sampling.alias_kernels.build_alias`.
    """

    def __init__(self, train: Interactions, power: float = 1.0) -> None:
        from graphrec.sampling.alias_kernels import build_alias

        if not (math.isfinite(power) and power >= 0):
            raise InputError(f"popularity_power must be a finite number of at least 0, got {power!r}.")
        degree = np.bincount(train.structure[1], minlength=train.n_items).astype(np.float64)
        with np.errstate(over="ignore"):
            weights: npt.NDArray[np.float64] = np.where(degree > 0, degree**power, 0.0)
            self.cumulative = np.concatenate([[0.0], np.cumsum(weights)])
        if not np.isfinite(self.cumulative[-1]):
            raise InputError(f"popularity_power={power!r} is too large: degree ** power overflows.")
        self.probability = weights / self.cumulative[-1]
        self.buckets: npt.NDArray[np.uint64] = build_alias(weights)
