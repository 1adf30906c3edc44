"""Fitting a recommender anew on another table, as it was fitted before: same options, same number of epochs."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models import Solved
from graphrec.recommender import fitting
from graphrec.recommender.recommender import Recommender
from graphrec.recommender.written_options import brought_back
from graphrec.training.callbacks import StopAfter
from graphrec.training.options import FitOptions

__all__ = ["check_refittable", "refitted"]


_NONE: Mapping[str, Any] = {}


def check_refittable(recommender: Recommender, objects: Mapping[str, Any] = _NONE) -> None:
    """Refuse what :func:`refitted` would, before anything is computed; of a blend each member.

    Raises
    ------
    InputError
        As of :func:`refitted`.
    """
    for part in _members(recommender):
        check_refittable(part)
    if issubclass(recommender.kind, Solved):
        return
    if recommender._fitted.stage:
        raise InputError(
            f"{recommender.name} was trained in several stages; it cannot be fitted anew from its last options: leave refit "
            "out, or give one that was trained in one go."
        )
    if lost := _options(recommender, objects)[1]:
        raise InputError(
            f"{recommender.name} cannot be fitted anew: its {' and '.join(lost)} came as an object, of which only the name was "
            "kept. Fit it with refit=True by itself, or with something that graphrec knows by name."
        )


def refitted(
    recommender: Recommender,
    table: Interactions,
    device: str = "auto",
    callbacks: Sequence[object] = (),
    objects: Mapping[str, Any] = _NONE,
) -> Recommender:
    """A new recommender of the same kind and options, fitted on `table`; the given one stays as it is.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    table : Interactions
        Such as train and validation together.
    device : str
    callbacks : sequence
        For models that are trained.
    objects : mapping
        Options that it was trained with, where the caller still has them: a loss of its own, and the like.

    Returns
    -------
    Recommender

    Raises
    ------
    InputError
        It was trained in several stages, or with objects of the caller's own, which a record of options does not hold.
    """
    check_refittable(recommender, objects)
    state, again = recommender._fitted, copy.copy(recommender)
    plan = recommender._plan(state.made_with)
    if parts := _members(recommender):
        weights = dict(state.model.named_buffers())["weights"].tolist()
        given = {"members": [refitted(part, table, device, callbacks) for part in parts], "weights": weights}
        again.hyper = {**state.made_with, **given}
        plan = again._plan()
    if issubclass(recommender.kind, Solved):
        again._state = replace(fitting.solve(plan, table, None, False, device), seen=state.seen, chosen_before=state.chosen_on)
        return again
    options = FitOptions(**{**_options(recommender, objects)[0], "device": device}, given=frozenset({"epochs"}))
    stop = StopAfter(state.best_epoch or max(1, len(state.history)))
    trained = fitting.train(
        plan, options, table, None, callbacks=[*callbacks, stop], checkpoint=None, resume=False, refit=False, earlier=None
    )
    again._state = replace(trained, seen=state.seen, chosen_before=state.chosen_on)
    return again


def _members(recommender: Recommender) -> list[Recommender]:
    """Of a blend the recommenders it was made of; empty of others."""
    parts = recommender._fitted.made_with.get("members")
    return parts if isinstance(parts, list) and all(isinstance(part, Recommender) for part in parts) else []


def _options(recommender: Recommender, objects: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """How it was trained, and which options of that are lost: see :func:`brought_back`."""
    state = recommender._fitted
    return brought_back(state.options, {**recommender.kind.defaults_for(state.built_from), **objects})
