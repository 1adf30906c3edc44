"""A sampler of negatives of the caller's own: what it must do, and what is checked of each draw."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["Negatives", "OwnNegatives"]

IntArray = npt.NDArray[np.integer[Any]]


class Negatives(Protocol):
    """An object that draws negatives for the pairs of a batch; :class:`~graphrec.sampling.NegativeSampler` is one."""

    def draw(self, users: npt.NDArray[np.int64], k: int, seed: int) -> IntArray | Tensor:
        """Items that are to lose against what each user has met.

        Called for one batch after the other, at the moment it is needed: a sampler may look at the model as it is then.

        Parameters
        ----------
        users : ndarray of int64, shape (b,)
            Indices into the training table.
        k : int
        seed : int
            Below 2^64, another one for each batch. What is random must come from it alone: then trainings repeat and resume.
            What changes besides is kept in checkpoints by the methods ``state_dict`` and ``load_state_dict``, if there are any.

        Returns
        -------
        ndarray or Tensor on the CPU, of integers, shape (b, k)
            From 0 to n_items − 1.
        """
        ...


class OwnNegatives:
    """Draws of a caller's sampler, checked.

    Parameters
    ----------
    sampler : Negatives
    n_items : int
    """

    _GOLDEN = 0x9E3779B97F4A7C15  # 2^64 / φ: successive multiples lie far apart

    def __init__(self, sampler: Negatives, n_items: int) -> None:
        self.sampler = sampler
        self.n_items = n_items

    def draw(self, users: npt.NDArray[np.int64], k: int, seed: np.uint64, step: int) -> Tensor:
        """Negatives of the batch at place `step` of an epoch, int64, shape (b, k).

        Raises
        ------
        InputError
            What comes back is no integers, of another shape, or outside the catalogue.
        """
        name = type(self.sampler).__name__
        drawn: Any = self.sampler.draw(users.copy(), k, (int(seed) + step * self._GOLDEN) % 2**64)
        if isinstance(drawn, Tensor):
            drawn = drawn.detach().cpu().numpy()
        if not isinstance(drawn, np.ndarray) or not np.issubdtype(drawn.dtype, np.integer):
            kind = f"an array of {drawn.dtype}" if isinstance(drawn, np.ndarray) else type(drawn).__name__
            raise InputError(f"{name}.draw() must return an array of integers, got {kind}.")
        if drawn.shape != (len(users), k):
            raise InputError(f"{name}.draw() must return negatives of shape {(len(users), k)}, got {drawn.shape}.")
        if drawn.min() < 0 or drawn.max() >= self.n_items:
            worst = drawn.min() if drawn.min() < 0 else drawn.max()
            raise InputError(f"{name}.draw() returned item {worst}; there are {self.n_items:,} items, counted from zero.")
        return torch.from_numpy(drawn.astype(np.int64))
