"""Running compiled kernels over ranges of rows on Python threads.

Numba's own parallel loops bring a second pool of OpenMP threads beside torch's; on few cores the two spin
against each other and both become several times slower. The kernels of this library are therefore plain
sequential loops over rows ``lo:hi`` that release the GIL, and this module runs several of them at a time.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["balanced_bounds", "even_bounds", "run_alone", "run_ranges", "thread_count"]


def thread_count() -> int:
    """Number of threads to use: torch's own setting (``torch.set_num_threads``)."""
    return int(torch.get_num_threads())


_pools: dict[tuple[int, bool], ThreadPoolExecutor] = {}
_making = threading.Lock()


def _forget_pools() -> None:
    """A forked process has the parent's pools without their threads, ours as well as torch's.

    GNU's OpenMP waits for ever for threads that the fork has left behind, and does not tell whether there were any: torch
    gets one thread in a forked process. More of them need a process that is spawned.
    """
    global _making
    if torch.backends.openmp.is_available():  # type: ignore[no-untyped-call]
        torch.set_num_threads(1)
    _pools.clear()
    _making = threading.Lock()


os.register_at_fork(after_in_child=_forget_pools)


def _pool(threads: int, alone: bool = False) -> ThreadPoolExecutor:
    """The threads that work is handed to; those that work alone have torch at one thread each."""
    with _making:
        if (threads, alone) not in _pools:
            pool = ThreadPoolExecutor(threads, thread_name_prefix="graphrec")
            if alone:
                _keep_torch_to_one_thread(pool, threads)
            _pools[threads, alone] = pool
        return _pools[threads, alone]


def _keep_torch_to_one_thread(pool: ThreadPoolExecutor, threads: int) -> None:
    """Start the pool's threads and set torch to one thread in each of them, once and for all.

    The setting is a thread's own, but torch also remembers the latest one for threads that are yet to start; the
    asking thread, whose own setting does not change, puts that right.
    """
    all_here = threading.Barrier(threads)

    def settle() -> None:
        all_here.wait()  # so that no thread takes two of these
        torch.get_num_threads()  # a thread's first question gives it the process's number; later ones do not
        torch.set_num_threads(1)

    _finish([pool.submit(settle) for _ in range(threads)])
    torch.set_num_threads(torch.get_num_threads())


def _finish(helpers: Sequence[Future[None]]) -> None:
    """Wait for all of them, whatever happens to one, and raise what one of them raised."""
    failures = [error for helper in helpers if (error := helper.exception()) is not None]
    if failures:
        raise failures[0]


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
    pending, threads = _queue(bounds)
    helpers = [_pool(threads).submit(_drain, pending, work) for _ in range(threads - 1)]
    try:
        _drain(pending, work)
    finally:
        _finish(helpers)


def run_alone(work: Callable[[int, int], object], bounds: Sequence[int]) -> None:
    """As :func:`run_ranges`, for work that calls torch: each thread has torch to itself, at one thread.

    Torch's own threads and several Python threads would spin against each other. A single range is worked on by the
    asking thread with torch as it is; no setting that others see is changed.

    Parameters
    ----------
    work : callable
        Must write only to its own rows.
    bounds : sequence of int
        Increasing; ``len(bounds) - 1`` calls are made.
    """
    pending, threads = _queue(bounds)
    if threads <= 1:
        _drain(pending, work)
    else:
        pool = _pool(threads, alone=True)
        _finish([pool.submit(_drain, pending, work) for _ in range(threads)])


def _queue(bounds: Sequence[int]) -> tuple[Iterator[tuple[int, int]], int]:
    """The ranges, and how many threads they can keep busy."""
    ranges = list(itertools.pairwise(bounds))
    return iter(ranges), min(thread_count(), len(ranges))  # next() on a list's iterator is atomic: a queue without locks


def _drain(pending: Iterator[tuple[int, int]], work: Callable[[int, int], object]) -> None:
    for lo, hi in pending:
        work(lo, hi)
