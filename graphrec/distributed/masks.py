"""Dropout in one of several processes that each have some rows: the masks are those that one process would draw."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["SameMasks"]


class SameMasks(TorchFunctionMode):
    """While it lasts, dropout draws the masks of all rows and uses those of the rows that are here.

    All processes then go through the same random numbers: on the CPU the very ones that one process alone draws. What is drawn
    does not shrink with more processes; it takes a small part of what the rows themselves take.
    """

    def __init__(self) -> None:
        super().__init__()
        self._all, self._here = 0, torch.empty(0, dtype=torch.int64)

    def are_of(self, count: int, here: Tensor | slice) -> None:
        """From now on the first axis of what is dropped from are these among so many rows."""
        self._all, self._here = count, here  # type: ignore[assignment]

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.dropout or not kwargs.get("training", True) or not kwargs.get("p", 0.5):
            return func(*args, **kwargs)
        keep, x = 1.0 - kwargs.get("p", 0.5), args[0]
        mask = x.new_empty(self._all, *x.shape[1:]).bernoulli_(keep).div_(keep)
        return x * mask[self._here]
