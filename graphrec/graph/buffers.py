"""Large arrays that are used again instead of being allocated afresh each step.

A fresh array of the size of an embedding table is paid for page by page when it is first written; on
Gowalla that is as dear as half a hop.

Where such an array begins matters as much. NumPy's large arrays begin 16 bytes into a cache line, so that a row of 64
numbers lies in five lines instead of four, of which the kernels prefetch four: a hop over such a table takes twice as long
(3 M edges, one thread: 170 ms instead of 71). Large ones here begin where a huge page does, and the kernel gives those
where it may: a hop reads rows in no order, and of four-kilobyte pages it would have to look up another one for nearly every
row (12 to 15 % of a hop from 3 M edges on, 5 % of one million; of a step of 10 M edges, with the embeddings there, too, 17 %).
"""

from __future__ import annotations

import sys
import threading

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["BufferPool", "empty_table"]

_LINE, _HUGE = 64, 1 << 21  # bytes of a cache line and of a huge page


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
        self._arrays.append(_empty(rows, width))
        return torch.from_numpy(self._arrays[-1])

    def __reduce__(self) -> tuple[type[BufferPool], tuple[()]]:
        return BufferPool, ()  # of copies and pickles: what is lent belongs to the original


def _empty(rows: int, width: int) -> npt.NDArray[np.float32]:
    """An uninitialised array; NumPy asks for huge pages by itself for all that is larger than a few of them."""
    size = 4 * rows * width
    step = _LINE if size < 2 * _HUGE else _HUGE
    room = np.empty(size + step, np.uint8)
    start = -room.ctypes.data % step
    return room[start : start + size].view(np.float32).reshape(rows, width)


def empty_table(rows: int, width: int) -> Tensor:
    """An uninitialised CPU tensor of float32, (rows, width), that lies as those of a :class:`BufferPool` do: for embeddings."""
    return torch.from_numpy(_empty(rows, width))
