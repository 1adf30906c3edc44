"""Batches with the neighbours that are drawn for them: training over some of a graph at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from graphrec.errors import InputError
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.neighbours import Neighbours
from graphrec.models.base import Model
from graphrec.sampling import PairBatch, UserBatch
from graphrec.sampling.seeds import draw_seed
from graphrec.training.options import FitOptions

__all__ = ["SampledBatch", "SampledBatches", "sampling_graph"]


class SampledBatch(NamedTuple):
    """What a step looks at.

    Attributes
    ----------
    batch : PairBatch or UserBatch
    neighbourhood : Neighbourhood
        Of all nodes that the batch names.
    """

    batch: PairBatch | UserBatch
    neighbourhood: Neighbourhood

    def to(self, device: torch.device) -> SampledBatch:
        """The same on a device."""
        return SampledBatch(self.batch.to(device), self.neighbourhood.to(device))


class SampledBatches:
    """The batches of another sampler, each with its neighbourhood.

    What is drawn for a step depends on the generator's state at the beginning of the epoch and on the number of the step.

    Parameters
    ----------
    batches : iterable of PairBatch or UserBatch
        Anew at each iteration.
    neighbours : Neighbours
    n_users : int
        Items are the nodes that follow.
    generator : torch.Generator
        On the CPU.
    """

    def __init__(self, batches: Iterable[Any], neighbours: Neighbours, n_users: int, generator: torch.Generator) -> None:
        self.batches, self.neighbours, self.n_users, self.generator = batches, neighbours, n_users, generator

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[SampledBatch]:
        # From a copy: the batches are those of a training over the whole graph.
        seed = draw_seed(self.generator.clone_state())
        return self._drawn(iter(self.batches), int(seed))

    def _drawn(self, batches: Iterator[Any], seed: int) -> Iterator[SampledBatch]:
        for step, batch in enumerate(batches):
            mine = int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1))
            yield SampledBatch(batch, self.neighbours.draw(self._nodes(batch), mine))

    def _nodes(self, batch: PairBatch | UserBatch) -> torch.Tensor:
        negatives = [] if batch.negatives is None else [batch.negatives.reshape(-1)]
        return torch.cat([batch.users, *(items + self.n_users for items in (batch.items, *negatives))])


def sampling_graph(model: Model, options: FitOptions) -> tuple[SamplingGraph, list[int]] | None:
    """What a training's neighbourhoods are drawn from and how many neighbours for each hop; None if it draws none.

    Raises
    ------
    InputError
        The model cannot be trained over some of its graph, makes another number of hops, or an option is about whole hops.
    """
    fanout, name = options.fanout, type(model).__name__
    if fanout is None:
        return None
    graph = model.sampling_graph()
    if graph is None:
        raise InputError(
            f"fanout={fanout} draws neighbours for each hop of a batch, and {name} as it is here makes no hop, or looks at "
            "more than a batch's nodes; LightGCN, LightGCN++, NGCF, LR-GCCF and PinSage can be trained so."
        )
    counts = [fanout] * graph.hops if isinstance(fanout, int) else list(fanout)
    if len(counts) != graph.hops:
        raise InputError(
            f"fanout={fanout} is for {len(counts)} hops, and {name} makes {graph.hops}: give one number a hop, or one."
        )
    if options.precision is not None:
        raise InputError(f"precision={options.precision!r} is about whole hops over the graph, and fanout={fanout} makes none.")
    return graph, counts
