"""Graphs over a part of the edges, with weights that the whole graph gives."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency, BipartiteGraph, Pattern

__all__ = ["level_adjacencies", "walk_adjacency"]


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


def walk_adjacency(train: Interactions, walks: int, length: int, limit: int, seed: int) -> Adjacency:
    """Each node's most visited nodes on short uniform walks from it, weighed by their share of these visits.

    Parameters
    ----------
    train : Interactions
    walks, length : int
        Walks from each node and steps of each.
    limit : int
        Nodes kept of each node.
    seed : int

    Returns
    -------
    Adjacency
        Rows sum to 1; its pattern is the union with the transpose's, where the one-sided entries are 0.
    """
    pattern = BipartiteGraph(train).pattern
    n, degree = len(pattern.indptr) - 1, np.diff(pattern.indptr)
    g = np.random.default_rng(seed)
    visits = sparse.csr_matrix((n, n), dtype=np.float64)
    starts = np.repeat(np.flatnonzero(degree), walks)
    at = starts
    for _ in range(length):
        at = pattern.indices[pattern.indptr[at] + (g.random(len(at)) * degree[at]).astype(np.int64)].astype(np.int64)
        away = at != starts
        visits = visits + sparse.csr_matrix((np.ones(int(away.sum())), (starts[away], at[away])), shape=(n, n))
    visits = visits.tocsr()
    rows = np.repeat(np.arange(n), np.diff(visits.indptr))
    order = np.lexsort((visits.indices, -visits.data, rows))
    order = order[np.arange(len(order)) - visits.indptr[rows] < limit]
    rows, columns, counts = rows[order], visits.indices[order], visits.data[order]
    shares = counts / np.bincount(rows, counts, minlength=n)[rows]
    one = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(n, n))
    both = (one + one.T).tocsr()
    both.sort_indices()
    # Shares laid into the symmetric pattern: both lists of entries are sorted by row and column.
    keys = np.repeat(np.arange(n), np.diff(both.indptr)) * n + both.indices
    values = np.zeros(len(keys), np.float32)
    values[np.searchsorted(keys, rows.astype(np.int64) * n + columns)] = shares
    return Adjacency(Pattern(both.indptr.astype(np.int64), both.indices.astype(np.int32)), torch.from_numpy(values), False)
