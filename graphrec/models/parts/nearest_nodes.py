"""The users most like a user and the items most like an item, to draw from."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.models.parts.cooccurrence import cooccurrence, over_product

__all__ = ["NearestNodes"]


class NearestNodes(nn.Module):
    """The k nearest nodes of one's own kind, by the cosine of their rows of the training table.

    Parameters
    ----------
    train : Interactions
    neighbours : int
        k; there may be fewer, for only those with something in common count.

    Attributes
    ----------
    nearest : Tensor of int64, shape (n_users + n_items, at most k)
        Users first; a node without neighbours is its own. As wide as the longest row needs, however large k is.
    count : Tensor of int64, shape (n_users + n_items,)
        How many of a row count.
    """

    def __init__(self, train: Interactions, neighbours: int) -> None:
        super().__init__()
        matrix = train.to_csr("ones")
        nodes = np.arange(sum(matrix.shape))
        likes = []
        for table in (matrix.T.tocsr(), matrix):  # the like of a table's columns
            root = np.sqrt(np.diff(table.tocsc().indptr))
            likes.append(cooccurrence(table, np.ones(table.shape[0]), over_product(root, root), neighbours=neighbours))
        degrees = [np.diff(like.indptr) for like in likes]
        width = max(1, *(int(degree.max()) for degree in degrees))
        nearest, count = np.repeat(nodes[:, None], width, 1), np.ones(len(nodes), np.int64)
        for like, degree, start in zip(likes, degrees, (0, train.n_users), strict=True):
            rows = np.repeat(np.arange(len(degree)), degree)
            nearest[start + rows, np.arange(len(rows)) - like.indptr[rows]] = start + like.indices
            count[start : start + len(degree)] = np.maximum(degree, 1)
        self.register_buffer("nearest", torch.from_numpy(nearest), persistent=False)
        self.register_buffer("count", torch.from_numpy(count), persistent=False)
        self.nearest: Tensor
        self.count: Tensor

    def drawn(self, nodes: Tensor) -> Tensor:
        """A neighbour of each node, uniform, from torch's current generator: (b,) to (b,)."""
        count = self.count[nodes]
        place = (torch.rand(len(nodes), device=nodes.device, dtype=torch.float32) * count).long()
        return self.nearest[nodes, torch.minimum(place, count - 1)]
