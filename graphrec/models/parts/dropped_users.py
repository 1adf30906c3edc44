"""An encoding with dropout of its user rows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.models.encoding import Encoding, Gathered, Rows
from graphrec.models.parts.columns import Columns

__all__ = ["DroppedUsers"]


class DroppedUsers(Encoding):
    """Another encoding with numbers of its user rows dropped and the rest enlarged, anew at each look-up.

    Parameters
    ----------
    inner : Encoding
    share : float
        Of the numbers.
    columns : Columns
        Of the model, all of whose columns are drawn for.
    """

    def __init__(self, inner: Encoding, share: float, columns: Columns) -> None:
        super().__init__(_DroppedRows(inner.users, share, columns), inner.items)
        self.inner, self.share, self.columns = inner, share, columns

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """As :meth:`Encoding.gather`, the ego rows whole."""
        rows = self.inner.gather(users, items)
        return rows._replace(users=_dropped(rows.users, self.share, self.columns))


class _DroppedRows:
    def __init__(self, inner: Rows, share: float, columns: Columns) -> None:
        self._inner, self._share, self._columns = inner, share, columns

    def rows(self, index: Tensor) -> Tensor:
        return _dropped(self._inner.rows(index), self._share, self._columns)

    def full(self) -> Tensor:
        return _dropped(self._inner.full(), self._share, self._columns)


def _dropped(rows: Tensor, share: float, columns: Columns) -> Tensor:
    return rows * columns.drawn(rows, lambda like: F.dropout(torch.ones_like(like), share))
