"""Graphs over a part of the edges, with weights that the whole graph gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency, BipartiteGraph, Pattern

__all__ = ["Walkers", "by_level", "level_adjacencies"]

Ints = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


def level_adjacencies(train: Interactions, levels: npt.NDArray[np.float32]) -> list[Adjacency]:
    """An adjacency for each level of the ratings, weighed 1/√(d_u d_i) by the degrees of the whole graph.

    Parameters
    ----------
    train : Interactions
    levels : ndarray of float32
        Ratings; with one level every pair belongs to it. A pair that is rated at several levels is an edge of each.

    Returns
    -------
    list of Adjacency
    """
    degree = np.maximum(np.diff(BipartiteGraph(train).pattern.indptr), 1).astype(np.float64)
    made = []
    for level in levels:
        keep = slice(None) if len(levels) == 1 or train.ratings is None else train.ratings == level
        keys = np.unique(train.keys[keep])
        part = Interactions.from_indices(
            keys // train.n_items, keys % train.n_items, n_users=train.n_users, n_items=train.n_items
        )
        pattern = BipartiteGraph(part).pattern
        receiver = np.repeat(np.arange(len(degree)), np.diff(pattern.indptr))
        values = 1 / np.sqrt(degree[receiver] * degree[pattern.indices])
        made.append(Adjacency(pattern, torch.from_numpy(values.astype(np.float32)), symmetric=True))
    return made


def by_level(edges: Tensor, ratings: npt.NDArray[np.float32], levels: npt.NDArray[np.float32]) -> list[Tensor]:
    """Edges (b, n), a coalesced sparse tensor, as one for each level; a rating in between is of the nearest."""
    level = torch.as_tensor(np.abs(ratings[:, None] - levels).argmin(1), device=edges.device)
    return [
        torch.sparse_coo_tensor(
            edges.indices(),
            edges.values() * (level == r),
            edges.shape,
            device=edges.device,
            is_coalesced=True,
            check_invariants=False,
        )
        for r in range(len(levels))
    ]


class Walkers:
    """Each node's most visited nodes on short uniform walks from it, weighed by their share of these visits.

    Parameters
    ----------
    train : Interactions
    walks, length : int
        Walks from each node and steps of each.
    limit : int
        Nodes kept of each node.
    seed : int
    """

    def __init__(self, train: Interactions, walks: int, length: int, limit: int, seed: int) -> None:
        self._pattern = BipartiteGraph(train).pattern
        self._n_users, self._walks, self._length, self._limit, self._seed = train.n_users, walks, length, limit, seed

    def adjacency(self) -> Adjacency:
        """Of all nodes. Rows sum to 1; its pattern is the union with the transpose's, where the one-sided entries are 0."""
        pattern = self._pattern
        n, degree = len(pattern.indptr) - 1, np.diff(pattern.indptr)
        g = np.random.default_rng(self._seed)
        visits = sparse.csr_matrix((n, n), dtype=np.float64)
        starts = np.repeat(np.flatnonzero(degree), self._walks)
        at = starts
        for _ in range(self._length):
            at = pattern.indices[pattern.indptr[at] + (g.random(len(at)) * degree[at]).astype(np.int64)].astype(np.int64)
            away = at != starts
            visits = visits + sparse.csr_matrix((np.ones(int(away.sum())), (starts[away], at[away])), shape=(n, n))
        rows, columns, shares = self._most_visited(visits)
        one = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
        both = (one + one.T).tocsr()
        both.sort_indices()
        # Shares laid into the symmetric pattern: both lists of entries are sorted by row and column.
        keys = np.repeat(np.arange(n), np.diff(both.indptr)) * n + both.indices
        values = np.zeros(len(keys), np.float32)
        values[np.searchsorted(keys, rows.astype(np.int64) * n + columns)] = shares
        found = Pattern(both.indptr.astype(np.int64), both.indices.astype(np.int32))
        return Adjacency(found, torch.from_numpy(values), False)

    def edges(self, histories: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
        """The same of people who join with these histories, as of :class:`graphrec.graph.newcomers.Listeners`.

        They walk as if they were in the graph: from an item of theirs a step leads back to them as often as to each other
        person. Everyone's walks have the same random numbers, so that nobody's depend on who else is there.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)

        Returns
        -------
        Tensor, Tensor
            Weights of the edges to all nodes, a sparse tensor (b, n), and to themselves, zeros (b, 1).
        """
        pattern, (b, _) = self._pattern, histories.shape
        n, degree, own = len(pattern.indptr) - 1, np.diff(pattern.indptr), np.diff(histories.indptr)
        starts = np.repeat(np.flatnonzero(own), self._walks)
        at = np.full(len(starts), -1)  # −1: at the person
        visits = sparse.csr_matrix((b, n), dtype=np.float64)
        g = np.random.default_rng(self._seed)
        for _ in range(self._length):
            drawn = np.tile(g.random(self._walks), len(starts) // self._walks)
            home, item = at < 0, at >= self._n_users
            step = (drawn * np.where(home, own[starts], degree[at] + item)).astype(np.int64)
            after = np.full(len(at), -1)
            after[home] = self._n_users + histories.indices[(histories.indptr[starts] + step)[home]]
            away = ~home & (step < degree[at])
            after[away] = pattern.indices[(pattern.indptr[at] + step)[away]]
            at, away = after, after >= 0
            visits = visits + sparse.csr_matrix((np.ones(int(away.sum())), (starts[away], at[away])), shape=(b, n))
        rows, columns, shares = self._most_visited(visits)
        index = torch.as_tensor(np.stack([rows, columns]), device="cpu")
        values = torch.as_tensor(shares.astype(np.float32), device="cpu")
        to_nodes = torch.sparse_coo_tensor(index, values, (b, n), device="cpu", check_invariants=False)
        return to_nodes.coalesce(), torch.zeros(b, 1, dtype=torch.float32, device="cpu")

    def _most_visited(self, visits: sparse.csr_matrix) -> tuple[Ints, Ints, Floats]:
        """Rows, columns and shares of the entries that are kept, in order."""
        visits = visits.tocsr()
        rows = np.repeat(np.arange(visits.shape[0]), np.diff(visits.indptr))
        order = np.lexsort((visits.indices, -visits.data, rows))
        order = order[np.arange(len(order)) - visits.indptr[rows] < self._limit]
        rows, columns, counts = rows[order], visits.indices[order], visits.data[order]
        shares = counts / np.bincount(rows, counts, minlength=visits.shape[0])[rows]
        return rows, columns, shares
