"""One table of nodes, propagated in full, as an encoding."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.models.encoding import Encoding, Table

__all__ = ["node_tables"]


def node_tables(nodes: Tensor, ego: Tensor, n_users: int) -> Encoding:
    """The encoding of propagated nodes, users first.

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
