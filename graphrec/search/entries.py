"""What a search tries by the names that it is given: its own entries, any preset, any other model with its defaults."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from graphrec.errors import InputError, unknown_name
from graphrec.models import MODELS, Scorer, Solved
from graphrec.presets import preset_names, read_preset
from graphrec.search.space import SOLVED, TRAINED, Entry
from graphrec.search.trial import is_known
from graphrec.search.work import Facts, Work, of_epochs, of_shared_softmax, of_tables

__all__ = ["by_epochs", "chosen", "entry_of", "kinds_of"]


def chosen(
    models: Sequence[str] | None, solved: Sequence[Entry] = SOLVED, trained: Sequence[Entry] = TRAINED
) -> tuple[list[Entry], list[Entry]]:
    """Solved and trained entries of some models and presets, in the order in which they are tried.

    Parameters
    ----------
    models : sequence of str or None
        All of the search's own for None. A preset is one candidate with its own settings and epochs, and so is another model
        with its defaults.
    solved, trained : sequence of Entry
        The search's own.

    Raises
    ------
    InputError
        No list, an empty one, or a name that is neither a model's nor a preset's.
    """
    own = [entry for entry in (*solved, *trained) if is_known(entry.model)]
    if models is None:
        return [e for e in own if e in solved], [e for e in own if e in trained]
    if isinstance(models, str) or not models:
        raise InputError(f"models must be a list of names, such as ['itemknn', 'mf']; got {models!r}.")
    given: Sequence[Any] = models
    for name in given:
        if isinstance(name, type):
            raise InputError(
                f"a search tries models by name, and {name.__name__} is a class: graphrec.tune takes one, and graphrec.Blend "
                "what comes of it beside the result of a search."
            )
        if not is_known(name):
            raise unknown_name("model or preset of a search", name, {*MODELS, *preset_names()})
    there = {entry.model for entry in own}
    others = [entry_of(name) for name in dict.fromkeys(models) if name not in there]
    asked = [entry for entry in own if entry.model in models]
    return (
        [*(e for e in asked if e in solved), *(e for e in others if _is_solved(e.model))],
        [*(e for e in asked if e in trained), *(e for e in others if not _is_solved(e.model))],
    )


def entry_of(name: str | type[Scorer]) -> Entry:
    """What is declared of a model or a preset; one that is not declared is judged by its model, with default settings."""
    if not isinstance(name, str):
        return _like_any(name.__name__, name)
    declared = next((entry for entry in (*SOLVED, *TRAINED) if entry.model == name), None)
    if declared is not None:
        return declared
    if name in MODELS:
        return _like_any(name, MODELS[name])
    recipe = read_preset(name)
    settings, fit = dict(recipe["model"]), recipe.get("fit", {})
    like = entry_of(settings.pop("name"))
    if _is_solved(name):
        return Entry(name, why=recipe["source"], seconds=_with(settings, like.seconds), bytes=_with(settings, like.bytes))
    # What follows a schedule can be judged at its end alone.
    whole, epochs = "schedule" in fit, float(fit["epochs"]) if "schedule" in fit else 1.0
    work = of_shared_softmax if fit.get("loss") == "shared_softmax" else like.seconds
    times = 1.0 if work is of_shared_softmax else epochs
    seconds = _with(settings, lambda facts, hyper: times * work(facts, hyper))
    return Entry(name, why=recipe["source"], whole=whole, seconds=seconds, bytes=_with(settings, like.bytes))


def _like_any(name: str, kind: type[Scorer]) -> Entry:
    return Entry(name) if issubclass(kind, Solved) else Entry(name, seconds=of_epochs(0, 5e-6), bytes=of_tables)


def by_epochs(entry: Entry) -> Entry:
    """The same where trainings are compared on their way: with others of its own schedule a training can be judged half-way."""
    if not entry.whole:
        return entry
    fit = read_preset(entry.model).get("fit", {})
    epochs, whole = float(fit.get("epochs", 1.0)), entry.seconds
    return replace(entry, whole=False, seconds=lambda facts, hyper: whole(facts, hyper) / epochs)


def _with(settings: Mapping[str, Any], work: Work) -> Work:
    """The work with a preset's settings under those of a candidate."""

    def of_both(facts: Facts, hyper: Mapping[str, Any]) -> float:
        return work(facts, {**settings, **hyper})

    return of_both


def kinds_of(entries: Iterable[Entry]) -> dict[str, type[Scorer]]:
    """Their models, by name."""
    return {entry.model: _kind_of(entry.model) for entry in entries}


def _kind_of(name: str) -> type[Scorer]:
    return MODELS[name if name in MODELS else read_preset(name)["model"]["name"]]


def _is_solved(name: str) -> bool:
    return issubclass(_kind_of(name), Solved)
