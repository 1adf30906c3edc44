"""The sampled neighbourhood of a batch: for every hop some of the edges into the rows that it computes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency

__all__ = ["Neighbourhood", "SampledHop", "SamplingGraph"]


class SamplingGraph(NamedTuple):
    """What a model's neighbourhoods are drawn from.

    Attributes
    ----------
    adjacency : Adjacency
    hops : int
        How many hops the model makes over it, at least 1.
    table : torch.nn.Parameter, shape (n, d)
        The rows of all nodes with which the first hop begins, and which a training step reads by nodes only.
    """

    adjacency: Adjacency
    hops: int
    table: torch.nn.Parameter


class SampledHop(NamedTuple):
    """An estimate of some rows of Â·X over some of their edges.

    Attributes
    ----------
    offsets : Tensor of int64, shape (r + 1,)
        The edges into row i are ``offsets[i]:offsets[i + 1]``.
    sources : Tensor of int64, shape (e,)
        Where each edge comes from, as a row of X.
    weights : Tensor of float32, shape (e,)
        Entries of Â, each divided by the probability with which its edge is drawn (Horvitz and Thompson, 1952): the
        expectation of the sum is the whole sum.
    """

    offsets: Tensor
    sources: Tensor
    weights: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """The rows, shape (r, d), of X with shape (m, d); differentiable in X."""
        return F.embedding_bag(
            self.sources, x, self.offsets, mode="sum", per_sample_weights=self.weights, include_last_offset=True
        )


class Neighbourhood(NamedTuple):
    """Nodes that are enough for all hops of a batch, and the edges between them.

    The hops are in the order in which they are computed. The first takes rows of all `nodes` and gives those of the first
    few; each further one takes these and gives fewer; the last gives those of the seeds, with which `nodes` begins.

    Attributes
    ----------
    seeds : Tensor of int64, shape (s,)
        The distinct nodes of the batch, ascending.
    nodes : Tensor of int64, shape (m,)
        Distinct; the first s are the seeds.
    hops : tuple of SampledHop
    """

    seeds: Tensor
    nodes: Tensor
    hops: tuple[SampledHop, ...]

    def position(self, nodes: Tensor) -> Tensor:
        """Where nodes are among the seeds; int64, of the same shape.

        Raises
        ------
        InputError
            One of them is no seed. On another device than the CPU torch says so later.
        """
        place = torch.searchsorted(self.seeds, nodes).clamp_(max=len(self.seeds) - 1)
        found = (self.seeds[place] == nodes).all()
        if found.device.type != "cpu":  # without waiting for the device
            torch._assert_async(found)
        elif not found:
            raise InputError("a sampled step knows the rows of its own batch only, and was asked for others.")
        return place

    def to(self, device: torch.device) -> Neighbourhood:
        """The same neighbourhood on a device."""

        def moved(t: Tensor) -> Tensor:
            return t.to(device, non_blocking=device.type != "cpu")

        return Neighbourhood(
            moved(self.seeds), moved(self.nodes), tuple(SampledHop(*(moved(t) for t in hop)) for hop in self.hops)
        )
