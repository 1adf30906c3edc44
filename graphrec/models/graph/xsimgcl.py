"""XSimGCL: one noisy pass both recommends and is compared across its layers."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Step
from graphrec.models.encoding import Encoding
from graphrec.models.graph.simgcl import SimGCL
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.hop_table import hops_of
from graphrec.models.parts.idle import Idle

__all__ = ["XSimGCL"]


class XSimGCL(SimGCL):
    """Extremely simple graph contrastive learning (Yu et al., TKDE 2023, eq. 9 to 11).

    As :class:`~graphrec.models.graph.simgcl.SimGCL`, with one pass instead of three: training scores by the mean
    of the noisy hops 1 … K, and InfoNCE compares that mean with the noisy hop l*. Ranking has no noise.

    Parameters
    ----------
    train : Interactions
    dim, layers, init_std, noise, temperature, weight
        See :class:`~graphrec.models.graph.simgcl.SimGCL`.
    contrast_layer : int
        l*, from 1 to `layers`.
    """

    idle = (Idle("temperature", "contrast_layer", weight=0),)

    explaining = SimGCL.explaining  # outside of training `encode` gives the same rows

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 2,
        init_std: float = 0.1,
        noise: float = 0.5,
        temperature: float = 0.2,
        weight: float = 0.1,
        contrast_layer: int = 1,
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, noise=noise, temperature=temperature, weight=weight)
        if not 1 <= contrast_layer <= layers:
            raise InputError(f"contrast_layer must lie in 1 … layers, which is {layers}; got {contrast_layer}.")
        self.contrast_layer = contrast_layer

    def column_tables(self) -> tuple[nn.Parameter, ...]:
        """The one table, as in :class:`~graphrec.models.graph.simgcl.SimGCL`."""
        return (self.embedding,)

    def encode(self) -> Encoding:
        """The mean of hops 1 … K; with noise in training."""
        return GraphEncoding(self.passed(self.noise if self.training else 0.0), self.n_users, self.n_items)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of the mean with hop l* of the same pass."""
        nodes = hops_of(step, "XSimGCL")
        return self._contrast(step, nodes.propagated, nodes.hops[self.contrast_layer - 1])
