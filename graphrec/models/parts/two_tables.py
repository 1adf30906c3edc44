"""Models of two embedding tables under a score that has weights of its own."""

from __future__ import annotations

from torch import nn

from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.factors import OwnedRows, RowTables

__all__ = ["TwoTables"]


class TwoTables(Model):
    """A row is a row of the table of its side; subclasses make the tables and define the score.

    Attributes
    ----------
    users, items : Parameter of float32, shapes (n_users, dim) and (n_items, dim)
    """

    users: nn.Parameter
    items: nn.Parameter

    def encode(self) -> Encoding:
        """The two tables."""
        return Encoding(Table(self.users, self.sparse_gradients), Table(self.items, self.sparse_gradients))

    def row_tables(self) -> RowTables:
        """The same."""
        return RowTables((self.users,), (self.items,))

    def owned_rows(self) -> OwnedRows:
        """The same; the weights of the score are everybody's."""
        return OwnedRows((self.users,), (self.items,))
