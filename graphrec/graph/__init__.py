"""Interactions as a graph, its normalised matrices, their products with tables, and layers made of them."""

from __future__ import annotations

from typing import Any

__all__ = ["LightConv", "NGCFConv"]


def __getattr__(name: str) -> Any:
    """The layers, when they are first asked for: importing them imports PyTorch Geometric."""
    if name in __all__:
        from graphrec.graph import layers

        return getattr(layers, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
