"""Running compiled kernels over ranges of rows on Python threads.

Numba's own parallel loops bring a second pool of OpenMP threads beside torch's; on few cores the two spin
against each other and both become several times slower. The kernels of this library are therefore plain
sequential loops over rows ``lo:hi`` that release the GIL, and this module runs several of them at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["balanced_bounds", "even_bounds", "run_ranges", "thread_count"]


def thread_count() -> int:
    """Number of threads to use: torch's own setting (``torch.set_num_threads``)."""
    return int(torch.get_num_threads())


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="graphrec")


def even_bounds(n: int, parts: int) -> list[int]:
    """Bounds of `parts` nearly equal ranges of ``range(n)``; fewer when `n` is small."""
    parts = max(1, min(parts, n))
    return [n * p // parts for p in range(parts + 1)]


def balanced_bounds(indptr: npt.NDArray[np.integer], parts: int) -> list[int]:
    """Bounds of ranges of compressed rows that hold nearly the same number of entries each."""
    n = len(indptr) - 1
    targets = np.linspace(0, int(indptr[-1]), max(1, min(parts, n)) + 1)[1:-1]
    inner = np.searchsorted(indptr, targets).clip(0, n).tolist()
    return sorted({0, *inner, n})


def run_ranges(work: Callable[[int, int], object], bounds: Sequence[int]) -> None:
    """Call ``work(lo, hi)`` for each pair of neighbouring bounds, on as many threads as torch may use.

    Parameters
    ----------
    work : callable
        Must release the GIL for its long part and write only to its own rows.
    bounds : sequence of int
        Increasing; ``len(bounds) - 1`` calls are made. More ranges than threads even out the load.
    """
    ranges = list(itertools.pairwise(bounds))
    threads = min(thread_count(), len(ranges))
    if threads <= 1:
        for lo, hi in ranges:
            work(lo, hi)
        return
    pending = iter(ranges)  # next() on a list iterator is atomic under the GIL: a queue without locks

    def drain() -> None:
        for lo, hi in pending:
            work(lo, hi)

    helpers = [_pool(threads).submit(drain) for _ in range(threads - 1)]
    drain()
    for helper in helpers:
        helper.result()
