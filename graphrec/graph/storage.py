"""The type in which hops read their table while a training asks for 16 bits; everything else stays in float32.

It holds for what one thread computes forwards, and each hop keeps it for its gradient, which may be computed by another thread.
Questions that other threads ask meanwhile, and rankings for validation, are not touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

from graphrec.graph.bipartite import Adjacency

__all__ = ["Storage", "hops_stored_in", "in_storage"]


class Storage:
    """A type, and whether a hop has read a table in it."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype, self.used = dtype, False


_asked: ContextVar[Storage | None] = ContextVar("storage of hops", default=None)


@contextmanager
def hops_stored_in(storage: Storage | None) -> Iterator[None]:
    """While this lasts, hops of this thread read their table in the type of `storage`; None leaves them as they are."""
    token = _asked.set(storage)
    try:
        yield
    finally:
        _asked.reset(token)


def in_storage(adjacency: Adjacency) -> Adjacency:
    """A matrix for a hop that begins now, with the type of table that is asked for."""
    storage = _asked.get()
    if storage is None:
        return adjacency
    storage.used = True
    return adjacency.stored_as(storage.dtype)
