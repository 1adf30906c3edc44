"""Rows of users or items that a small network makes from their features."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.features import Features
from graphrec.models.parts.checks import check_dropout
from graphrec.models.parts.sparse_rows import SparseRows

__all__ = ["MetadataRows"]


class MetadataRows(nn.Module):
    """Rows made from features by LeakyReLU layers; a look-up like any other.

    Parameters
    ----------
    features : Features
    hidden : sequence of int
        Width of each layer; the last is the width of a row.
    dropout : float
        Probability of dropping a unit of each layer.
    """

    def __init__(self, features: Features, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.features = SparseRows(features.matrix)
        self.first = nn.Parameter(
            nn.init.xavier_uniform_(torch.empty(features.matrix.shape[1], hidden[0], dtype=torch.float32))
        )
        self.first_bias = nn.Parameter(torch.zeros(hidden[0], dtype=torch.float32))
        self.layers = nn.ModuleList(nn.Linear(a, b, dtype=torch.float32) for a, b in pairwise(hidden))
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor of any shape; the result has one more axis."""
        made = self._above(self.features.matmul(self.first, index.reshape(-1)))
        return made.reshape(*index.shape, -1)

    def full(self) -> Tensor:
        """All rows, shape (N, hidden[-1])."""
        return self._above(self.features.matmul(self.first))

    def _above(self, x: Tensor) -> Tensor:
        x = self.dropout(F.leaky_relu(x + self.first_bias))
        for layer in self.layers:
            x = self.dropout(F.leaky_relu(layer(x)))
        return x
