"""What models declare of their tables, so that a training step can touch, or a process have, some of the rows only."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

__all__ = ["Factors", "OwnedRows", "RowTables"]


class RowTables(NamedTuple):
    """Parameters that a training step reads by rows only: those of its users, and those of its items.

    Attributes
    ----------
    users, items : tuple of torch.nn.Parameter, shapes (n_users, d) and (n_items, d)
        None in both: a table is read by the indices of one side.
    """

    users: tuple[nn.Parameter, ...]
    items: tuple[nn.Parameter, ...]


class OwnedRows(NamedTuple):
    """Parameters of which each of several processes may have the rows of its own users and items only.

    Attributes
    ----------
    users, items : tuple of torch.nn.Parameter, shapes (n_users, …) and (n_items, …)
        Read by rows only, those of the encoding that are looked up.
    nodes : tuple of torch.nn.Parameter, shapes (n_users + n_items, …)
        Users first, then items; also read as a whole by hops over the model's adjacency, if only by these.
    """

    users: tuple[nn.Parameter, ...] = ()
    items: tuple[nn.Parameter, ...] = ()
    nodes: tuple[nn.Parameter, ...] = ()


class Factors(NamedTuple):
    """Tables of which a model's score is ``users[u] · items[i] + user_bias[u] + item_bias[i] + mean``, and nothing else.

    Attributes
    ----------
    users, items : torch.nn.Parameter, shapes (n_users, d) and (n_items, d)
        The penalty of a training step is on their rows.
    user_bias, item_bias : torch.nn.Parameter, shapes (n_users, 1) and (n_items, 1), or None
        Both or neither.
    mean : Tensor, scalar, or None
    """

    users: nn.Parameter
    items: nn.Parameter
    user_bias: nn.Parameter | None = None
    item_bias: nn.Parameter | None = None
    mean: Tensor | None = None

    @property
    def constant(self) -> float:
        """What is added to every score."""
        return 0.0 if self.mean is None else float(self.mean)
