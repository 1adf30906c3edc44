"""What a model makes of users and items: look-ups of rows."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from torch import Tensor
from torch.nn import functional as F

__all__ = ["Encoding", "Gathered", "Rows", "Table"]


class Rows(Protocol):
    """A look-up of representations; computing a row may be put off until it is asked for."""

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor (n,), shape (n, d). An index outside is an error."""
        ...

    def full(self) -> Tensor:
        """All rows, shape (N, d)."""
        ...


class Table:
    """Rows that lie ready in a matrix: an embedding table is its own encoding.

    Parameters
    ----------
    weight : Tensor, shape (N, d)
    sparse : bool
        Whether the gradient of :meth:`rows` is a sparse tensor.
    """

    def __init__(self, weight: Tensor, sparse: bool = False) -> None:
        self.weight = weight
        self.sparse = sparse

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor of any shape; the result has one more axis, d."""
        # F.embedding and not weight[index]: the backward of fancy indexing is several times slower, and -1 is refused.
        return F.embedding(index, self.weight, sparse=self.sparse)

    def full(self) -> Tensor:
        """The matrix itself, shape (N, d)."""
        return self.weight


class Gathered(NamedTuple):
    """The rows one training step looks at, and the parameters (ego embeddings) they came from."""

    users: Tensor
    items: Tensor
    ego_users: Tensor
    ego_items: Tensor


class Encoding:
    """What a model makes of all users and items: two look-ups.

    Parameters
    ----------
    users, items : Rows
    ego_users, ego_items : Rows, optional
        The embeddings before propagation, for penalties on them; the encoding itself unless given.
    """

    def __init__(self, users: Rows, items: Rows, ego_users: Rows | None = None, ego_items: Rows | None = None) -> None:
        self.users = users
        self.items = items
        self._ego_users = ego_users
        self._ego_items = ego_items

    @property
    def before_lengths(self) -> Encoding:
        """The encoding of which this one is the rows brought to length 1; itself where rows keep their lengths."""
        return self

    def over(self, users: Tensor, items: Tensor) -> Encoding:
        """The same encoding made of other tables, (n_users, d) and (n_items, d), in place of :attr:`before_lengths`."""
        return Encoding(Table(users), Table(items))

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """Both sides of a training step in one call, so that a model can share the work between them.

        Parameters
        ----------
        users : Tensor of int64, shape (b,)
        items : Tensor of int64, shape (m,)

        Returns
        -------
        Gathered
            Rows (b, d) and (m, d), before and after propagation.
        """
        u, i = self.users.rows(users), self.items.rows(items)
        return Gathered(
            u,
            i,
            u if self._ego_users is None else self._ego_users.rows(users),
            i if self._ego_items is None else self._ego_items.rows(items),
        )
