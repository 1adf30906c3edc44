"""Dropout of edges and nodes: values of the adjacency set to zero and the others scaled up."""

from __future__ import annotations

from typing import Literal

from torch import nn

from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency

__all__ = ["GraphDropout"]


class GraphDropout(nn.Module):
    """Drop parts of the graph while training; does nothing after ``eval()``.

    Random numbers come from torch's current default generator, as in ``nn.Dropout``.

    Parameters
    ----------
    p : float
        Probability of dropping, at least 0 and below 1. What is left is scaled by 1 / (1 − p).
    kind : {"edge", "node"}
        ``"edge"``: each stored entry of Â by itself, which is what the official NGCF code calls node
        dropout. ``"node"``: all messages that a node sends (NGCF's paper, section 2.4.2).
    """

    def __init__(self, p: float, kind: Literal["edge", "node"] = "edge") -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise InputError(f"p must be at least 0 and below 1, got {p}.")
        if kind not in ("edge", "node"):
            raise InputError(f"kind must be 'edge' or 'node', got {kind!r}.")
        self.p = p
        self.kind = kind

    def forward(self, adjacency: Adjacency) -> Adjacency:
        """The adjacency to propagate over in this step; the very same object when nothing is dropped."""
        if not self.training or self.p == 0:
            return adjacency
        return adjacency.thinned(1.0 - self.p, by_sender=self.kind == "node")

    def extra_repr(self) -> str:
        """Shown in the model's summary."""
        return f"p={self.p}, kind={self.kind!r}"
