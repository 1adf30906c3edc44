"""Tomorrow's interactions: an id space that grows, rows for the new ids, and a few epochs on old and new pairs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.features import Features
from graphrec.data.ids import find
from graphrec.data.interactions import Interactions
from graphrec.data.near_ids import zero_twins
from graphrec.devices import device_of, plainly
from graphrec.errors import InputError
from graphrec.losses import RATING_ERRORS
from graphrec.models.base import Model, Scorer, Solved
from graphrec.recommender import fitting
from graphrec.recommender.growth import grown
from graphrec.recommender.plan import Plan
from graphrec.recommender.state import State, with_pairs
from graphrec.recommender.tables import in_ids_of, joined
from graphrec.recommender.telling import say_never_begun, unread_ratings
from graphrec.recommender.written_options import brought_back, written
from graphrec.training.choose import choose, refuse_for_solved
from graphrec.training.fingerprint import as_json

__all__ = ["EPOCHS", "extended", "nothing_more", "shown_after", "update"]

EPOCHS = 5
"""Epochs of an update: a convention, not a measured optimum; ``python -m benchmarks update`` shows what it gives."""
# Not taken over from the latest fit: how long it was, and what looked at its validation part.
_OF_THAT_FIT = frozenset({"epochs", "schedule", "eval_every", "metric", "patience", "min_delta"})


@plainly
def update(
    state: State,
    plan: Plan,
    more: Interactions | None,
    callbacks: Sequence[object],
    options: Mapping[str, Any],
    seen: Interactions | None = None,
) -> State:
    """The state after an update; the old one stays as it is. See :meth:`graphrec.Recommender.update`."""
    more = nothing_more(state) if more is None and seen is not None else more
    if not isinstance(more, Interactions):
        raise InputError(f"update takes Interactions, not {type(more).__name__}; Interactions.from_frame reads a DataFrame.")
    _check_parts(plan)
    if issubclass(plan.kind, Solved):
        refuse_for_solved(plan.name, plan.kind.reads, options, {"callbacks": callbacks})
    old = state.built_from
    _check_ratings(state, plan, more)
    _say_unread_ratings(state, plan, more)
    table, wider = extended(old, more, seen)
    if unlearnt := len(_unlearnt(wider(old), wider.of(more), seen)):
        warnings.warn(
            f"{unlearnt:,} pairs that were learnt from are in seen now: they are not learnt from any more.", stacklevel=4
        )
    for name in ("ratings", "times"):
        if getattr(old, name) is not None and getattr(more, name) is None:
            warnings.warn(f"the table for update has no {name}: those of the table before are forgotten.", stacklevel=4)
    _say_lost_zeros(old, table)
    if state.valid is not None and (given := int(wider(state.valid).has_keys(wider.of(more).keys).sum())):
        warnings.warn(
            f"{given:,} pairs of the update were the validation part of the latest fit: they are trained on now.", stacklevel=4
        )
    if issubclass(plan.kind, Solved):
        if _says_nothing_new(old, table):
            return state
        device = options.get("device", str(device_of(state.model)))
        solved = fitting.solve(plan, table, None, False, device, told=bool(unread_ratings(plan.name, old)))
        shown = shown_after(state, wider, more, seen)
        return replace(solved, shown=shown, stage=state.stage + 1, chosen_before=state.chosen_on)
    chosen = choose(_taken_over(state, plan, options), options, table)
    if _says_nothing_new(old, table):
        return state
    assert isinstance(state.model, Model)
    but = plan.kind.starting_options
    model = fitting.build(plan, table, chosen.seed, but)
    assert isinstance(model, Model)
    grown(state.model, model, old, table)
    stage, rows = state.stage + 1, [dict(row) for row in state.history]
    ended = fitting.run(plan, model, chosen, table, None, callbacks, None, False, stage)
    say_never_begun(model, ended)
    history = rows + [{**row, "epoch": row["epoch"] + len(rows)} for row in ended.history]
    shown = shown_after(state, wider, more, seen)
    taught = None if state.taught is None else with_pairs(table, _after(state.taught, wider, more, seen))
    return State(
        model.eval(),
        plan.made_with,
        table,
        shown,
        options=written(chosen),
        history=tuple(history),
        stage=stage,
        parts_know=plan.parts_know,
        chosen_before=state.chosen_on,
        taught=taught,
        rates_after=as_json(ended.optimizer.rates_after),
    ).after(state)


def _taken_over(state: State, plan: Plan, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options of the latest fit that hold for an update, too."""
    of_it = {name: value for name, value in state.options.items() if name not in _OF_THAT_FIT}
    # The schedule's peak was for weights that knew nothing.
    of_it |= {} if given.keys() & {"lr", "schedule"} else state.rates_after
    before, lost = brought_back(of_it, plan.kind.defaults_for(state.built_from))
    for name in lost:
        if name not in given and not (name == "loss_options" and "loss" in given):
            raise InputError(
                f"the latest fit had {name} as an object, and only its name was kept: give {name}= to update again."
            )
    return {**before, "epochs": EPOCHS, "device": str(device_of(state.model))}


def _check_parts(plan: Plan) -> None:
    for name, value in plan.made_with.items():
        if name in plan.kind.starting_options:
            continue
        if isinstance(value, Features):
            raise InputError(
                f"update cannot extend {plan.name}: its {name} have no row for new ids; fit it anew with new features."
            )
        parts = value if isinstance(value, list) else [value]
        if any(isinstance(part, Scorer) or hasattr(part, "ranker") for part in parts):
            raise InputError(
                f"update cannot extend {plan.name}: it stands on another model; update that one and fit anew with {name}=it."
            )


def _check_ratings(state: State, plan: Plan, more: Interactions) -> None:
    needed = plan.kind.reads_ratings or state.options.get("loss") in RATING_ERRORS
    if needed and state.built_from.ratings is not None and more.ratings is None:
        raise InputError(f"this {plan.name} was fitted on ratings, and the table for update has none.")
    if (state.built_from.weights is None) != (more.weights is None):
        had, has = ("without", "some") if state.built_from.weights is None else ("with", "none")
        raise InputError(f"this {plan.name} was fitted on a table {had} weights, and the table for update has {has}.")


def _say_unread_ratings(state: State, plan: Plan, more: Interactions) -> None:
    """Warn of low ratings where what was fitted had none: they would count as liked."""
    if plan.kind.reads_ratings or state.options.get("loss") in RATING_ERRORS or unread_ratings(plan.name, state.built_from):
        return
    if said := unread_ratings(plan.name, more, "the table for update"):
        warnings.warn(said, stacklevel=5)


def _say_lost_zeros(old: Interactions, wider: Interactions) -> None:
    for side, known, ids in (("user", old.user_ids, wider.user_ids), ("item", old.item_ids, wider.item_ids)):
        if twins := zero_twins(known, ids[len(known) :]):
            new, first = twins[0]
            warnings.warn(
                f"{len(twins):,} new {side} ids are known ones but for zeros in front, first {new!r} for {first!r}: something "
                "took them for numbers. They become new ones; write them as they were, and update with that.",
                stacklevel=5,
            )


class _Wider:
    """The id spaces of a table with the ids that another brings; the old indices keep their meaning.

    Ids of `more` without a row are left out: nothing is known of them.
    """

    def __init__(self, old: Interactions, more: Interactions) -> None:
        self.user_ids, self._users = _appended(old.user_ids, old._user_lookup, more.user_ids, more.users, "user")
        self.item_ids, self._items = _appended(old.item_ids, old._item_lookup, more.item_ids, more.items, "item")

    def __call__(self, table: Interactions) -> Interactions:
        """A table of the old id spaces in the wider ones."""
        return replace(table, user_ids=self.user_ids, item_ids=self.item_ids)

    def of(self, more: Interactions) -> Interactions:
        """The other table in the wider id spaces."""
        users, items = self._users[more.users], self._items[more.items]
        return replace(more, users=users, items=items, user_ids=self.user_ids, item_ids=self.item_ids)


def _appended(
    old: npt.NDArray[Any], lookup: Any, more: npt.NDArray[Any], rows: npt.NDArray[np.int32], kind: str
) -> tuple[npt.NDArray[Any], npt.NDArray[np.int32]]:
    """Old and new ids, and where each of `more`'s ids is among them; −1 for those without a row."""
    used = np.unique(rows)
    place = np.full(len(more), -1, np.int64)
    place[used] = find(lookup, more[used], kind)
    fresh = used[place[used] < 0]
    place[fresh] = len(old) + np.arange(len(fresh))
    return (np.concatenate([old, more[fresh]]) if len(fresh) else old), place.astype(np.int32)


def extended(old: Interactions, more: Interactions, seen: Interactions | None = None) -> tuple[Interactions, _Wider]:
    """Old and new rows in one table; repeated pairs once, unless the old table repeats pairs itself.

    Old rows of pairs that are only `seen` now, and not in `more`, are left out.
    """
    wider = _Wider(old, more)
    before, now = wider(old), wider.of(more)
    table = joined(without(before, _unlearnt(before, now, seen)), now)
    if not len(table):
        raise InputError("seen takes all pairs away that there are to learn from.")
    return (table.drop_duplicates("last") if len(old.distinct_keys) == len(old) else table), wider


def nothing_more(state: State) -> Interactions:
    """A table without a row, for an update that has nothing to learn."""
    return state.built_from.select(np.zeros(0, np.int64))


def without(table: Interactions, keys: npt.NDArray[np.int64]) -> Interactions:
    """The rows of a table whose pairs are not these."""
    return table.select(~np.isin(table.keys, keys)) if len(keys) else table


def _unlearnt(before: Interactions, now: Interactions, seen: Interactions | None) -> npt.NDArray[np.int64]:
    """Keys of the pairs of a table that are only seen by now, and not liked anew."""
    if seen is None:
        return np.zeros(0, np.int64)
    keys = in_ids_of(before, seen).distinct_keys
    return keys[before.has_keys(keys) & ~now.has_keys(keys)]


def shown_after(state: State, wider: _Wider, more: Interactions, seen: Interactions | None) -> Interactions:
    """What has been shown once the rows of `more` are; what is only seen now is left out otherwise."""
    return _after(state.shown, wider, more, seen)


def _after(table: Interactions, wider: _Wider, more: Interactions, seen: Interactions | None) -> Interactions:
    before, now = wider(table), wider.of(more)
    return joined(without(before, _unlearnt(before, now, seen)), now)


def _says_nothing_new(old: Interactions, table: Interactions) -> bool:
    """Whether a table has the pairs, ratings and weights of an old one and no other."""
    if table.fingerprint != old.fingerprint or len(table) != len(old):
        return False
    if old.weights is not None and table.weights is not None and (old.to_csr("weights") != table.to_csr("weights")).nnz:
        return False
    if old.ratings is None or table.ratings is None:
        return True
    return bool((old.to_csr().data == table.to_csr().data).all())
