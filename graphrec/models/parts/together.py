"""What a model that is solved by several processes asks of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

__all__ = ["Together"]


class Together(Protocol):
    """Processes that solve one model; each calls every method, in the same order.

    Attributes
    ----------
    rank, size : int
        This process, from 0, and how many there are.
    """

    rank: int
    size: int

    def stacked(self, mine: Tensor) -> Tensor:
        """The rows of all processes, which may have different numbers of them, in the order of their ranks."""
        ...

    def once(self, call: Callable[[], Tensor]) -> Tensor:
        """What a call gives on one process, which alone makes it, on the host of all."""
        ...
