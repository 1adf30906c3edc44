"""What is to be fitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.models.base import Scorer

__all__ = ["Plan"]


@dataclass(frozen=True)
class Plan:
    """What is to be fitted.

    Attributes
    ----------
    name : str
        Of the model, for messages and fingerprints.
    kind : type
    hyper : mapping
        Keyword arguments of its constructor, models in place of recommenders.
    made_with : mapping
        The same as they were given.
    identity : mapping
        What the model is, as plain data: a checkpoint of another one is refused.
    parts_know : tuple of Interactions
        What the recommenders among its options were trained on.
    """

    name: str
    kind: type[Scorer]
    hyper: Mapping[str, Any]
    made_with: Mapping[str, Any]
    identity: Mapping[str, Any]
    parts_know: tuple[Interactions, ...] = ()
