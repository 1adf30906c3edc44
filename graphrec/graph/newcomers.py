"""Edges of nodes that join a graph as listeners: they take in what their neighbours send, and send nothing themselves."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency
from graphrec.graph.normalise import NORMALISATIONS, SELF_LOOPS

__all__ = ["Listeners"]


class Listeners:
    """New users of a graph whose other weights stay as they are.

    An edge weighs what it would weigh in the graph's own normalisation, with the new user's degree and the item's degree in
    the graph; an item that had no edge counts the new one. A user of the graph that is put in again with the same items has
    the same edges.

    Parameters
    ----------
    normalisation : str
        A name of :mod:`graphrec.graph.normalise`.
    adjacency : Adjacency
        Of the graph, so weighed.
    n_users : int
        How many of its nodes are users.
    """

    def __init__(self, normalisation: str, adjacency: Adjacency, n_users: int) -> None:
        self._weigh, self._loops = NORMALISATIONS[normalisation], normalisation in SELF_LOOPS
        degree = np.diff(adjacency.pattern.indptr)[n_users:].astype(np.float64)
        self._items = np.maximum(degree, 2.0 if self._loops else 1.0)
        self.device = adjacency.device

    def edges(self, histories: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
        """Weights of the edges to items, a sparse tensor (b, n_items), and of each new user to itself, (b, 1).

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)
            Only the pattern of stored entries counts.
        """
        b, n = histories.shape
        count = np.diff(histories.indptr)
        degree = np.concatenate([self._items, count + (1.0 if self._loops else 0.0)])
        row, column = np.repeat(np.arange(b), count), histories.indices.astype(np.int64)
        weigh = self._weigh(degree)
        weights = weigh(n + row, column)
        itself = weigh(n + np.arange(b), n + np.arange(b)) if self._loops else np.zeros(b)
        index = torch.as_tensor(np.stack([row, column]), device=self.device)
        values = torch.as_tensor(weights.astype(np.float32), device=self.device)
        return (
            torch.sparse_coo_tensor(index, values, (b, n), device=self.device, is_coalesced=True, check_invariants=False),
            torch.as_tensor(itself.astype(np.float32), device=self.device)[:, None],
        )
