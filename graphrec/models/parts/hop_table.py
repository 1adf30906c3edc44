"""Rows of all nodes that lie ready, alone or with every hop that they were made of."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.models.base import Step
from graphrec.models.parts.graph_encoding import GraphEncoding

__all__ = ["HopTable", "NodeTable", "hops_of"]


class NodeTable:
    """The nodes of a :class:`~graphrec.models.parts.graph_encoding.GraphEncoding`, computed in full.

    Parameters
    ----------
    propagated : Tensor, shape (n, d)
    ego : Tensor, shape (n, dim)
    """

    def __init__(self, propagated: Tensor, ego: Tensor) -> None:
        self.propagated, self.ego = propagated, ego

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Propagated and ego rows of some nodes."""
        return F.embedding(nodes, self.propagated), F.embedding(nodes, self.ego)

    def full(self) -> Tensor:
        """Propagated rows of all nodes."""
        return self.propagated


class HopTable(NodeTable):
    """The nodes of a :class:`~graphrec.models.parts.graph_encoding.GraphEncoding`, with the hops they were made of.

    Parameters
    ----------
    propagated : Tensor, shape (n, d)
        What is made of the hops.
    ego : Tensor, shape (n, d)
    hops : sequence of Tensor, shape (n, d) each
    """

    def __init__(self, propagated: Tensor, ego: Tensor, hops: Sequence[Tensor]) -> None:
        super().__init__(propagated, ego)
        self.hops = hops


def hops_of(step: Step, who: str) -> HopTable:
    """The hops of the pass by which a training step scores.

    Raises
    ------
    InputError
        The step has another encoding than that of the model `who`.
    """
    nodes = step.encoding.nodes if isinstance(step.encoding, GraphEncoding) else None
    if not isinstance(nodes, HopTable):
        raise InputError(f"{who} compares the hops of its own encoding; this step has another one.")
    return nodes
