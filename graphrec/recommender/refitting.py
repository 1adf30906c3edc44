"""Fitting a recommender anew on another table, as it was fitted before: same options, same number of epochs."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models import Solved
from graphrec.recommender import fitting
from graphrec.recommender.recommender import Recommender
from graphrec.training.callbacks import StopAfter
from graphrec.training.options import FitOptions

__all__ = ["refitted"]


def refitted(
    recommender: Recommender, table: Interactions, device: str = "auto", callbacks: Sequence[object] = ()
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

    Returns
    -------
    Recommender

    Raises
    ------
    InputError
        It was trained in several stages, or with objects of the caller's own, which a record of options does not hold.
    """
    state, again = recommender._fitted, copy.copy(recommender)
    plan, parts = recommender._plan(state.made_with), state.made_with.get("members")
    if isinstance(parts, list) and all(isinstance(part, Recommender) for part in parts):
        weights = dict(state.model.named_buffers())["weights"].tolist()
        given = {"members": [refitted(part, table, device, callbacks) for part in parts], "weights": weights}
        again.hyper = {**state.made_with, **given}
        plan = again._plan()
    if issubclass(recommender.kind, Solved):
        again._state = replace(fitting.solve(plan, table, None, False, device), seen=state.seen, chosen_before=state.chosen_on)
        return again
    if state.stage:
        raise InputError(f"{recommender.name} was trained in several stages; it cannot be fitted anew from its last options.")
    options = FitOptions(**{**state.options, "device": device}, given=frozenset())
    stop = StopAfter(state.best_epoch or max(1, len(state.history)))
    trained = fitting.train(
        plan, options, table, None, callbacks=[*callbacks, stop], checkpoint=None, resume=False, refit=False, earlier=None
    )
    again._state = replace(trained, seen=state.seen, chosen_before=state.chosen_on)
    return again
