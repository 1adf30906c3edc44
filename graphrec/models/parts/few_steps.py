"""Default rates of small tables, whose epochs have few steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphrec.data.interactions import Interactions

__all__ = ["faster_where_few"]

_FEW = 200


def faster_where_few(defaults: Mapping[str, Any], train: Interactions, lr: float) -> dict[str, Any]:
    """Options of fit with this rate in place of their own where an epoch of pairs has fewer than 200 steps."""
    return {**defaults, "lr": lr} if len(train) < _FEW * defaults["batch_size"] else dict(defaults)
