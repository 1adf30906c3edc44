"""Sentences on what a search does not read: each fit would say them, and a search keeps them quiet."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from graphrec.data.interactions import Interactions
from graphrec.models import Scorer
from graphrec.recommender.telling import unread_ratings
from graphrec.training.objectives import reads

__all__ = ["say_what_no_fit_reads"]


def say_what_no_fit_reads(
    name: str, kinds: Mapping[str, type[Scorer]], train: Interactions, losses: Any = None, stacklevel: int = 3
) -> None:
    """Warn once, for all fits, of ratings or weights that differ among themselves where not all models read them.

    Parameters
    ----------
    name : str
        Who does not read them.
    kinds : mapping
        The models, by the names of their candidates.
    train : Interactions
    losses : str, callable, Objective or sequence of them, optional
        What they are trained by, where it is not the models' own.
    stacklevel : int
        Whose line the warnings name.
    """
    if (said := unread_ratings(name, train)) and not all(_reads("ratings", kind, train, losses) for kind in kinds.values()):
        warnings.warn(said, stacklevel=stacklevel)
    if train.pair_weights is None:
        return
    if blind := [one for one, kind in kinds.items() if not _reads("weights", kind, train, losses)]:
        warnings.warn(
            f"the table has weights, and of what {name} fits these do not read them: {', '.join(blind)}. There every pair "
            "counts alike.",
            stacklevel=stacklevel,
        )
    if half := [f"{one} ({kind.counts_alike})" for one, kind in kinds.items() if kind.counts_alike and one not in blind]:
        warnings.warn(
            "the table's weights count in the loss alone, and in a part of the model every pair counts alike: "
            f"{', '.join(half)}.",
            stacklevel=stacklevel,
        )


def _reads(what: Literal["ratings", "weights"], kind: type[Scorer], train: Interactions, losses: Any) -> bool:
    of_model = bool(getattr(kind, f"reads_{what}"))
    if of_model or not kind.needs_training:
        return of_model
    own = kind.defaults_for(train).get("loss", "bpr")
    some: Sequence[Any] = losses if isinstance(losses, Sequence) and not isinstance(losses, str) else [losses or own]
    return all(reads(what, loss) for loss in some)
