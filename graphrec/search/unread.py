"""A sentence on what a search does not read: each fit would say it, and a search keeps them quiet."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.models import Scorer
from graphrec.recommender.fitting import unread_ratings
from graphrec.training.objectives import kind_of

__all__ = ["say_unread_ratings"]


def say_unread_ratings(name: str, kinds: Iterable[type[Scorer]], train: Interactions, losses: Any = None) -> None:
    """Warn once, for all fits, of ratings that differ among themselves where not all models read them.

    Parameters
    ----------
    name : str
        Who does not read them.
    kinds : iterable of type
        The models.
    train : Interactions
    losses : str, callable, Objective or sequence of them, optional
        What they are trained by, where it is not the models' own.
    """
    if (said := unread_ratings(name, train)) and not all(_reads(kind, train, losses) for kind in kinds):
        warnings.warn(said, stacklevel=3)


def _reads(kind: type[Scorer], train: Interactions, losses: Any) -> bool:
    if kind.reads_ratings or not kind.needs_training:
        return kind.reads_ratings
    own = kind.defaults_for(train).get("loss", "bpr")
    some: Sequence[Any] = losses if isinstance(losses, Sequence) and not isinstance(losses, str) else [losses or own]
    return all(getattr(loss, "reads_ratings", kind_of(loss).reads_ratings) for loss in some)
