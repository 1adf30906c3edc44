"""Scores of all items in one piece, of models that know a user by that row and of those that do not."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from graphrec.models.scoring import Scoring

__all__ = ["WholeRows", "by_columns", "whole_rows_of"]

_WIDTH = 1024  # items of a product on the CPU; one wide product would leave the caches and take 1.6 times as long


class WholeRows:
    """The half of a :class:`~graphrec.models.scoring.Scoring` for which what is known of a user is the score of every item."""

    whole_rows = True

    def scores(self, rows: Tensor, items: slice | Tensor) -> Tensor:
        """Columns of the rows (b, m): a view where the items are a range."""
        return rows[:, items]

    def finite(self, rows: Tensor) -> bool:
        """Unknown: what is added up may be anything."""
        return False

    def pairs(self, rows: Tensor, items: Tensor) -> Tensor:
        """Entries of the rows (b, k)."""
        return rows.gather(1, items)


def whole_rows_of(scoring: Scoring, rows: Tensor, n_items: int) -> Tensor:
    """Scores of all items (b, n_items), float32 and contiguous, from rows of :meth:`Scoring.users`."""
    if scoring.whole_rows or scoring.device.type != "cpu":
        return scoring.scores(rows, slice(None)).float().contiguous()
    return by_columns(lambda part: scoring.scores(rows, part), len(rows), n_items, scoring.device)


def by_columns(make: Callable[[slice], Tensor], n: int, n_items: int, device: torch.device) -> Tensor:
    """Scores of all items (n, n_items), float32, each range of items as `make` gives it."""
    scores = torch.empty(n, n_items, device=device, dtype=torch.float32)
    for first in range(0, n_items, _WIDTH):
        part = slice(first, first + _WIDTH)
        scores[:, part] = make(part)
    return scores
