"""Neighbours of a batch, drawn by PyTorch Geometric's loader, with the probabilities with which it draws them."""

from __future__ import annotations

import copy
import threading
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec.devices import seeded
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency
from graphrec.graph.neighbourhood import Neighbourhood, SampledHop

__all__ = ["ALL", "Neighbours"]

ALL = -1
"""A fan-out that takes every neighbour."""
# The loader draws from torch's default generator, of which there is one for all threads.
_ONE_AT_A_TIME = threading.Lock()


class Neighbours:
    """Draws neighbourhoods: of every node that a hop must know, some of its neighbours, anew for each hop.

    PyG's loader takes one draw for all hops: a walk that comes back to a node then meets the same neighbours again, and the
    mean of three hops or more is not that of the whole graph. Here each hop is a call of its own, and for hops without
    anything between them the expectation of every row is its value over the whole graph.

    Parameters
    ----------
    adjacency : Adjacency, n × n
        On any device; what is drawn is on the CPU. Beside it 8 bytes are kept for each of its entries, and 24 for a moment.
    fanout : sequence of int
        Neighbours drawn at most of each node for the last hop, the one before it, and so on, without replacement;
        :data:`ALL` takes all of them. That is the order of PyG's ``num_neighbors``: the batch's own nodes first.

    Raises
    ------
    InputError
        PyG has neither torch-sparse nor pyg-lib to draw with.
    """

    def __init__(self, adjacency: Adjacency, fanout: Sequence[int]) -> None:
        self.fanout = tuple(fanout)
        pattern = adjacency.pattern
        self._indptr = torch.tensor(pattern.indptr)
        self._values = adjacency.values.detach().cpu()
        edges = np.empty((2, len(pattern.indices)), np.int64)
        edges[0] = pattern.indices
        edges[1] = np.repeat(np.arange(adjacency.n_nodes), np.diff(pattern.indptr))
        self._loaders = _loaders(torch.from_numpy(edges), adjacency.n_nodes, self.fanout)

    def draw(self, nodes: Tensor, seed: int) -> Neighbourhood:
        """The neighbourhood of some nodes.

        Parameters
        ----------
        nodes : Tensor of int64, shape (b,)
            At least one; repeated ones are allowed.
        seed : int
            What is drawn depends on it and on nothing else; torch's own random state is left as it was.

        Returns
        -------
        Neighbourhood
            On the CPU.
        """
        seeds = reached = torch.unique(nodes)
        hops = []
        with _ONE_AT_A_TIME, seeded(seed):
            for fanout, loader in zip(self.fanout, self._loaders, strict=True):
                drawn = loader(reached)
                hops.append(self._hop(reached, fanout, drawn.edge_index, drawn.e_id))
                reached = drawn.n_id
        return Neighbourhood(seeds, reached, tuple(reversed(hops)))

    def _hop(self, rows: Tensor, fanout: int, edges: Tensor, entries: Tensor) -> SampledHop:
        """The hop into `rows` over edges (source, target), which are numbers within the draw, and entries of Â."""
        source, target = edges
        if bool((target[1:] < target[:-1]).any()):  # both libraries go row by row, and neither promises it
            order = torch.argsort(target, stable=True)
            source, target, entries = source[order], target[order], entries[order]
        first = self._indptr[rows]
        degree = (self._indptr[rows + 1] - first)[target]
        weights = self._values[entries]
        if fanout != ALL:
            weights = weights / _probability(degree, entries - first[target], fanout).float()
        counts = torch.bincount(target, minlength=len(rows))
        return SampledHop(torch.cat([counts.new_zeros(1), counts.cumsum(0)]), source, weights)


def _probability(degree: Tensor, place: Tensor, fanout: int) -> Tensor:
    """With which probability each edge is drawn, float64: of the neighbours of a node, in the order of its row, which it is.

    Uniform draws take each with fanout / degree. torch-sparse's draws without replacement are not uniform (its issue 385):
    its variant of Floyd's algorithm takes k of d neighbours, where k < d, from one number too few. The first d − k of a row
    then come up with k / (d − 1), and the last k with (k − 1) / (d − 1).
    """
    if fanout > 1 and _takes_one_too_few():
        probability = (fanout - (place >= degree - fanout).double()) / (degree - 1).clamp(min=1)
        return torch.where(degree > fanout, probability, 1.0)
    return (fanout / degree.double()).clamp(max=1.0)


@cache
def _takes_one_too_few() -> bool:
    """Whether draws without replacement never take the second of two neighbours."""
    (loader,) = _loaders(torch.tensor([[1, 2], [0, 0]]), 3, (1,), replace=False)
    with seeded(0):
        return not any(int(loader(torch.tensor([0])).e_id) for _ in range(64))


def _loaders(edges: Tensor, n: int, fanout: Sequence[int], replace: bool | None = None) -> list[Any]:
    """A loader for each fan-out over edges (2, nnz) from source to target, sorted by target; they share one graph.

    One neighbour is drawn with replacement, unless told otherwise: that is the same, and uniform in either library.
    """
    import torch_geometric.typing
    from torch_geometric.data import Data
    from torch_geometric.loader import NeighborLoader
    from torch_geometric.sampler import NeighborSampler

    if not (torch_geometric.typing.WITH_PYG_LIB or torch_geometric.typing.WITH_TORCH_SPARSE):
        raise InputError(
            "fanout draws neighbours by PyG's loader, which needs torch-sparse or pyg-lib; "
            "pip install --no-build-isolation 'graphrec[sparse]'."
        )
    with warnings.catch_warnings():
        # PyG would rather have pyg-lib, which it does not require; a user of this library has said nothing of either.
        warnings.filterwarnings("ignore", message="Using 'NeighborSampler' without a 'pyg-lib' installation")
        sampler = NeighborSampler(Data(edge_index=edges, num_nodes=n), [ALL], is_sorted=True)
    sampler.row = sampler.row.clone()  # the targets are in colptr, and need not be kept
    shell = Data(edge_index=edges.new_empty(2, 0), num_nodes=n)  # the loader itself looks at the names of what it holds
    everyone, loaders = torch.arange(n), []
    for k in fanout:
        mine = copy.copy(sampler)
        mine.num_neighbors, mine.replace = [k], (k == 1 if replace is None else replace)
        loaders.append(NeighborLoader(shell, [k], everyone, neighbor_sampler=mine))
    return loaders
