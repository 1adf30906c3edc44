"""Interactions as a graph, its normalised matrices, their products with tables, and layers made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphrec.graph.bipartite import Adjacency, BipartiteGraph

if TYPE_CHECKING:
    from graphrec.graph.layers import LightConv, NGCFConv

__all__ = ["Adjacency", "BipartiteGraph", "LightConv", "NGCFConv"]

_LAYERS = ("LightConv", "NGCFConv")


def __getattr__(name: str) -> Any:
    """The layers, when they are first asked for: importing them imports PyTorch Geometric."""
    if name in _LAYERS:
        from graphrec.graph import layers

        return getattr(layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAYERS})
