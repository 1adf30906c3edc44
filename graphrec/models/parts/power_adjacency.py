"""Adjacencies weighed by free powers of the degrees."""

from __future__ import annotations

import numpy as np
import torch

from graphrec.graph.bipartite import Adjacency, BipartiteGraph

__all__ = ["power_adjacency"]


def power_adjacency(graph: BipartiteGraph, receiver: float, sender: float) -> Adjacency:
    """D^-receiver A D^-sender; both ½ is the adjacency ``"sym"``.

    Parameters
    ----------
    graph : BipartiteGraph
    receiver, sender : float

    Returns
    -------
    Adjacency
        Without self-loops, on the CPU.
    """
    pattern = graph.pattern
    degree = np.diff(pattern.indptr)
    known = np.maximum(degree, 1).astype(np.float64)  # no edge has an end of degree 0
    values = np.repeat(known**-receiver, degree) * (known**-sender)[pattern.indices]
    return Adjacency(pattern, torch.from_numpy(values.astype(np.float32)), symmetric=receiver == sender)
