"""Rows of several look-ups side by side."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.models.encoding import Rows

__all__ = ["Joined"]


class Joined:
    """The rows of several look-ups, concatenated.

    Only the rows that are asked for are joined. Joining the tables first would copy every table, and its
    gradient, at each training step.

    Parameters
    ----------
    *parts : Rows
        Look-ups over the same index space, of widths d₁, d₂, …
    """

    def __init__(self, *parts: Rows) -> None:
        self.parts = parts

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor of any shape; the last axis has d₁ + d₂ + … entries."""
        return torch.cat([part.rows(index) for part in self.parts], dim=-1)

    def full(self) -> Tensor:
        """All rows, shape (N, d₁ + d₂ + …)."""
        return torch.cat([part.full() for part in self.parts], dim=-1)
