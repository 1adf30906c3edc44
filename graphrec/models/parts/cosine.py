"""Scores by cosine instead of dot product, with the items' popularity added when ranking."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.graph.unit_rows import unit_rows
from graphrec.models.encoding import Encoding, Gathered, Rows, Table

__all__ = ["CosineEncoding", "log_degree"]


def log_degree(train: Interactions) -> Tensor:
    """log of each item's number of users, shape (n_items, 1); 0 for an item without any."""
    degree = np.bincount(train.structure[1], minlength=train.n_items)
    return torch.tensor(np.log(np.maximum(degree, 1)), dtype=torch.float32).unsqueeze(1)


class CosineEncoding(Encoding):
    """Another encoding with its rows brought to length 1: the dot product of two is their cosine.

    With a popularity weight γ, user rows become [û, γ] and item rows [v̂, log degree], and their dot product is
    cos + γ · log degree. A model trained with temperature τ against negatives that were drawn by popularity
    has learnt the log-odds *over* popularity; γ = τ puts it back.

    Parameters
    ----------
    inner : Encoding
    popularity : Tensor, shape (n_items, 1), optional
        log degree of the items; no term without it.
    weight : float
        γ.
    """

    def __init__(self, inner: Encoding, popularity: Tensor | None = None, weight: float = 0.0) -> None:
        self.inner = inner
        super().__init__(_UserRows(inner.users, popularity, weight), _ItemRows(inner.items, popularity))
        self._popularity, self._weight = popularity, weight

    @property
    def before_lengths(self) -> Encoding:
        """See :class:`Encoding`; the popularity is not there, either."""
        return self.inner

    def over(self, users: Tensor, items: Tensor) -> CosineEncoding:
        """See :class:`Encoding`."""
        return CosineEncoding(Encoding(Table(users), Table(items)), self._popularity, self._weight)

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """As :meth:`Encoding.gather`; the ego rows keep their length."""
        rows = self.inner.gather(users, items)
        u, v = unit_rows(rows.users), unit_rows(rows.items)
        if self._popularity is not None:
            u = torch.cat([u, u.new_full((len(u), 1), self._weight)], dim=1)
            v = torch.cat([v, self._popularity[items]], dim=1)
        return Gathered(u, v, rows.ego_users, rows.ego_items)


class _UserRows:
    def __init__(self, inner: Rows, popularity: Tensor | None, weight: float) -> None:
        self._inner, self._popularity, self._weight = inner, popularity, weight

    def _finish(self, rows: Tensor) -> Tensor:
        rows = unit_rows(rows)
        return (
            rows if self._popularity is None else torch.cat([rows, rows.new_full((*rows.shape[:-1], 1), self._weight)], dim=-1)
        )

    def rows(self, index: Tensor) -> Tensor:
        return self._finish(self._inner.rows(index))

    def full(self) -> Tensor:
        return self._finish(self._inner.full())


class _ItemRows:
    def __init__(self, inner: Rows, popularity: Tensor | None) -> None:
        self._inner, self._popularity = inner, popularity

    def rows(self, index: Tensor) -> Tensor:
        rows = unit_rows(self._inner.rows(index))
        return rows if self._popularity is None else torch.cat([rows, self._popularity[index]], dim=-1)

    def full(self) -> Tensor:
        rows = unit_rows(self._inner.full())
        return rows if self._popularity is None else torch.cat([rows, self._popularity], dim=-1)
