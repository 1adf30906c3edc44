"""The encoding of a graph model: users and items are ranges of one table of nodes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from graphrec.errors import InputError
from graphrec.models.encoding import Encoding, Gathered, Table

__all__ = ["GraphEncoding", "Nodes", "node_tables"]


class Nodes(Protocol):
    """Propagated rows of all nodes, computed when asked for."""

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Propagated and ego rows of some nodes: (b,) to (b, d) and (b, dim)."""
        ...

    def full(self) -> Tensor:
        """Propagated rows of all nodes, (n, d)."""
        ...


class _Once:
    """Nodes whose full table is computed at most once."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self._full: Tensor | None = None

    def full(self) -> Tensor:
        if self._full is None:
            self._full = self.nodes.full()
        return self._full


class _Range:
    """The nodes start:end as a look-up of their own."""

    # It holds the nodes and not the encoding: a cycle would keep every step's tables until the next
    # garbage collection, and buffers could not be used again.
    def __init__(self, once: _Once, start: int, end: int) -> None:
        self.once, self.start, self.end = once, start, end

    def rows(self, index: Tensor) -> Tensor:
        self._check(index)
        rows, _ = self.once.nodes.rows(index.reshape(-1) + self.start)
        return rows.reshape(*index.shape, -1)

    def full(self) -> Tensor:
        return self.once.full()[self.start : self.end]

    def _check(self, index: Tensor) -> None:
        """An index outside would be another kind of node, silently."""
        count = self.end - self.start
        inside = ((index >= 0) & (index < count)).all()
        if index.device.type != "cpu":  # without waiting for the device
            torch._assert_async(inside)
        elif not inside:
            raise InputError(
                f"an index of this look-up must lie in 0 … {count - 1}, got {int(index.min())} … {int(index.max())}."
            )


class GraphEncoding(Encoding):
    """Users and items of one set of nodes; a joint look-up shares one backward pass.

    Parameters
    ----------
    nodes : Nodes
        Users first, then items.
    n_users, n_items : int
    """

    def __init__(self, nodes: Nodes, n_users: int, n_items: int) -> None:
        once = _Once(nodes)
        super().__init__(_Range(once, 0, n_users), _Range(once, n_users, n_users + n_items))
        self.nodes, self.n_users = nodes, n_users

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """As :meth:`Encoding.gather`, in one look-up."""
        rows, ego = self.nodes.rows(torch.cat([users, items + self.n_users]))
        # One split and not two slices: its gradient is one concatenation instead of two padded tables and their sum.
        sizes = [len(users), len(items)]
        return Gathered(*torch.split(rows, sizes), *torch.split(ego, sizes))


def node_tables(nodes: Tensor, ego: Tensor, n_users: int) -> Encoding:
    """The encoding of nodes that are propagated in full, users first.

    Parameters
    ----------
    nodes : Tensor, shape (n_users + n_items, d)
    ego : Tensor, shape (n_users + n_items, dim)
        What penalties look at.
    n_users : int

    Returns
    -------
    Encoding
    """
    # Splits and not slices: their gradient is one concatenation.
    sizes = [n_users, len(nodes) - n_users]
    users, items = torch.split(nodes, sizes)
    ego_users, ego_items = torch.split(ego, sizes)
    return Encoding(Table(users), Table(items), Table(ego_users), Table(ego_items))
