"""XSimGCL: one noisy pass both recommends and is compared across its layers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Step
from graphrec.models.encoding import Encoding
from graphrec.models.graph.simgcl import SimGCL
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.node_table import NodeTable, batch_contrast

__all__ = ["XSimGCL"]


class _Pass(NodeTable):
    """A pass whose layer l* is kept beside the mean."""

    def __init__(self, hops: list[Tensor], ego: Tensor, layer: int) -> None:
        super().__init__(torch.stack(hops).mean(0), ego)
        self.layer = hops[layer - 1]


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

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        init_std: float = 0.1,
        noise: float = 0.2,
        temperature: float = 0.2,
        weight: float = 0.2,
        contrast_layer: int = 1,
    ) -> None:
        super().__init__(train, dim=dim, layers=layers, init_std=init_std, noise=noise, temperature=temperature, weight=weight)
        if not 1 <= contrast_layer <= layers:
            raise InputError(f"contrast_layer must lie in 1 … layers, which is {layers}; got {contrast_layer}.")
        self.contrast_layer = contrast_layer

    def encode(self) -> Encoding:
        """The mean of hops 1 … K; with noise in training."""
        hops = self.hops(self.noise if self.training else 0.0)
        return GraphEncoding(_Pass(hops, self.embedding, self.contrast_layer), self.n_users, self.n_items)

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """The weighted contrast of the mean with hop l* of the same pass."""
        nodes = step.encoding.nodes if isinstance(step.encoding, GraphEncoding) else None
        if not isinstance(nodes, _Pass):
            raise InputError("XSimGCL compares the layers of its own encoding; leave out options that replace it.")
        mean, layer = nodes.propagated, nodes.layer
        loss = batch_contrast(
            step, self.n_users, self.n_items, lambda i: (F.embedding(i, mean), F.embedding(i, layer)), self.temperature
        )
        return {"contrast": self.weight * loss}
