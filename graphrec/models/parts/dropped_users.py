"""An encoding with dropout of its user rows."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from graphrec.models.encoding import Encoding, Gathered, Rows

__all__ = ["DroppedUsers"]


class DroppedUsers(Encoding):
    """Another encoding with numbers of its user rows dropped and the rest enlarged, anew at each look-up.

    Parameters
    ----------
    inner : Encoding
    share : float
        Of the numbers.
    """

    def __init__(self, inner: Encoding, share: float) -> None:
        super().__init__(_DroppedRows(inner.users, share), inner.items)
        self.inner, self.share = inner, share

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """As :meth:`Encoding.gather`, the ego rows whole."""
        rows = self.inner.gather(users, items)
        return rows._replace(users=F.dropout(rows.users, self.share))


class _DroppedRows:
    def __init__(self, inner: Rows, share: float) -> None:
        self._inner, self._share = inner, share

    def rows(self, index: Tensor) -> Tensor:
        return F.dropout(self._inner.rows(index), self._share)

    def full(self) -> Tensor:
        return F.dropout(self._inner.full(), self._share)
