"""Large arrays that are used again instead of being allocated afresh each step.

A fresh array of the size of an embedding table is paid for page by page when it is first written; on
Gowalla that is as dear as half a hop.
"""

from __future__ import annotations

import sys
import threading

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["BufferPool"]


class BufferPool:
    """Lends float32 tensors; one is lent again only when nobody holds it any more.

    Tensors share memory with NumPy arrays that the pool keeps. As long as any tensor, or a view of one,
    is alive, it holds a reference to its array, so the reference count tells whether the array is free.
    """

    def __init__(self) -> None:
        self._arrays: list[npt.NDArray[np.float32]] = []
        self._lock = threading.Lock()

    def take(self, rows: int, width: int) -> Tensor:
        """An uninitialised CPU tensor of float32, shape (rows, width)."""
        with self._lock:
            return self._take(rows, width)

    def _take(self, rows: int, width: int) -> Tensor:
        # Two references besides a borrower's: the list's and getrefcount's own argument.
        for position in range(len(self._arrays)):
            if self._arrays[position].shape == (rows, width) and sys.getrefcount(self._arrays[position]) == 2:
                return torch.from_numpy(self._arrays[position])
        self._arrays = [array for array in self._arrays if array.shape == (rows, width)]
        self._arrays.append(np.empty((rows, width), np.float32))
        return torch.from_numpy(self._arrays[-1])

    def __reduce__(self) -> tuple[type[BufferPool], tuple[()]]:
        return BufferPool, ()  # of copies and pickles: what is lent belongs to the original
