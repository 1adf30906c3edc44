"""From a table and options to a state: training, solving, refitting, going on from earlier weights."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.data.mapped import MappedInteractions
from graphrec.data.parts import Split
from graphrec.devices import plainly, resolve_device, seeded
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.group import Group
from graphrec.distributed.sharing import shared
from graphrec.distributed.solving import solve_together
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import Evaluator
from graphrec.models.base import Model, Scorer, Solved
from graphrec.recommender.plan import Plan
from graphrec.recommender.state import State, parts_of, with_pairs
from graphrec.recommender.tables import joined
from graphrec.recommender.telling import (
    say_few_steps,
    say_full_rank,
    say_learnt_before,
    say_never_begun,
    say_unknown_people,
    say_unread_ratings,
    say_unread_score,
    say_unread_weights,
    say_what_is_unread,
)
from graphrec.recommender.written_options import written
from graphrec.training.callbacks import StopAfter
from graphrec.training.column_trainer import ColumnTrainer
from graphrec.training.fingerprint import as_json, held_by, of_table
from graphrec.training.objectives import reads
from graphrec.training.options import FitOptions
from graphrec.training.row_trainer import RowTrainer
from graphrec.training.state import TrainingState
from graphrec.training.trainer import Trainer
from graphrec.training.unread import name_of

__all__ = ["build", "check_tables", "run", "solve", "train"]


def check_tables(train: object, valid: object) -> None:
    """Refuse what is not a table of interactions, is empty, or belongs to another id space."""
    for part, table in (("train", train), ("valid", valid)):
        if isinstance(table, Split):
            raise InputError(f"{part} is a Split; fit takes its parts: fit(split.train, valid=split.valid).")
        if not isinstance(table, Interactions) and not (part == "valid" and table is None):
            raise InputError(
                f"{part} must be Interactions, not {type(table).__name__}; Interactions.from_frame reads a DataFrame."
            )
        if isinstance(table, MappedInteractions):
            table.check()
        if isinstance(table, Interactions) and not len(table):
            raise InputError(f"{part} is empty: it has no row.")
    if isinstance(train, Interactions) and isinstance(valid, Interactions) and not train.shares_ids_with(valid):
        raise InputError(
            f"valid has another id space ({valid.n_users} users, {valid.n_items} items) than train "
            f"({train.n_users}, {train.n_items}); make both from one table with graphrec.split."
        )


def _check_joined(train: Interactions, valid: Interactions | None) -> None:
    """Refuse to train on two tables at once of which one has weights: all pairs would then count alike."""
    if valid is not None and (train.weights is None) != (valid.weights is None):
        raise InputError("refit=True trains on train and valid together, and only one of them has weights.")


def build(plan: Plan, train: Interactions, seed: int = 0, but: Sequence[str] = ()) -> Scorer:
    """The model with its initial weights; `but` names options that are left at their defaults.

    A model draws from torch's default generator: seeded here, and restored after.
    """
    with seeded(seed):
        return plan.kind(train, **{name: value for name, value in plan.hyper.items() if name not in but})


@plainly
def solve(
    plan: Plan,
    train: Interactions,
    valid: Interactions | None,
    refit: bool,
    device: str = "auto",
    group: Group | None = None,
    told: bool = False,
) -> State:
    """A solved model, on a device; `refit` solves it from train and valid together, a group of processes once for all.

    Where `told`, an earlier fit has said what of such a table is not read.
    """
    speaks = not told and (group is None or group.is_writer)
    if speaks:
        say_unread_ratings(plan, train)
        say_unread_weights(plan, train)
    if group is not None:
        tables = {"training table": of_table(train), "validation table": of_table(valid)}
        group.check_same({**tables, "model": as_json(plan.identity), "refit": refit})
        device = group.device(device)
    if refit:
        _check_joined(train, valid)
    where = resolve_device(device)
    shown = train if valid is None else joined(train, valid)
    built_from = shown if refit else train
    model = build(plan, built_from).to(where)
    assert isinstance(model, Solved)
    if speaks:
        say_full_rank(plan, model)
    if group is None:
        model.solve()
    else:
        solve_together(model, group)
    return State(model.eval(), plan.made_with, built_from, shown, valid, parts_know=plan.parts_know)


@plainly
def train(
    plan: Plan,
    options: FitOptions,
    table: Interactions,
    valid: Interactions | None,
    *,
    callbacks: Sequence[object],
    checkpoint: Path | None,
    resume: bool,
    refit: bool,
    earlier: State | None,
    group: Group | None = None,
) -> State:
    """A trained model.

    Parameters
    ----------
    plan : Plan
    options : FitOptions
    table, valid : Interactions
    callbacks, checkpoint, resume, refit
        As of :meth:`graphrec.Recommender.fit`.
    earlier : State, optional
        What a warm start goes on from; it is left as it is.
    group : Group, optional
        The processes that train it together; each ends with the whole model.
    """
    speaks = group is None or group.is_writer
    if speaks:
        say_what_is_unread(plan, options, table)
    if refit:
        _check_joined(table, valid)
    if group is not None:
        group.check_same({"refit": refit, "epochs": options.epochs, "warm_start": earlier is not None})
    if earlier is None:
        model = build(plan, table, options.seed)
        stage, built_from, shown, rows, taught = 0, table, table, [], None
    else:
        model = copy.deepcopy(earlier.model)
        stage, built_from, rows = earlier.stage + 1, earlier.built_from, [dict(row) for row in earlier.history]
        shown, taught = joined(earlier.shown, table), with_pairs(earlier.own_pairs, table)
        if valid is not None:
            say_learnt_before(earlier, valid)
    if isinstance(model, Model) and model.for_ratings and not reads("ratings", options.loss):
        raise InputError(
            f"{model.for_ratings} of {plan.name} predicts ratings and loss={name_of(options.loss)!r} reads none; "
            "fit it with loss='mse', or leave the option out."
        )
    if speaks and isinstance(model, Model):
        say_unread_score(plan, options, model)
    if speaks and valid is not None:
        say_unknown_people(shown, valid, stacklevel=5)
    before = [] if checkpoint is None else _before(plan, earlier)  # of big tables it takes seconds
    ended = run(plan, model, options, table, valid, callbacks, checkpoint, resume, stage, group, before)
    if speaks:
        say_never_begun(model, ended)
        if earlier is None:  # a further stage has the steps before it behind it
            say_few_steps(options, ended)
    history = rows + [{**row, "epoch": row["epoch"] + len(rows)} for row in ended.history]
    selected, rates_after = valid is not None and ended.best_epoch is not None, ended.optimizer.rates_after
    if valid is not None:
        shown = joined(shown, valid)
    if refit and valid is not None and not ended.interrupted:
        both, stop = joined(table, valid), StopAfter(ended.best_epoch or options.epochs)
        again = build(plan, both, options.seed)
        ended_again = run(plan, again, options, both, None, [*callbacks, stop], None, False, 0, group)
        if ended_again.interrupted:
            warnings.warn("the refit was interrupted; the weights chosen on validation are kept.", stacklevel=4)
        else:
            model, built_from, rates_after = again, both, ended_again.optimizer.rates_after
    trained = State(
        model.eval(),
        plan.made_with,
        built_from,
        shown,
        valid,
        selected,
        written(options),
        tuple(history),
        ended.best_epoch,
        stage,
        parts_know=plan.parts_know,
        chosen_before=None if earlier is None else earlier.chosen_on,
        taught=taught,
        rates_after=as_json(rates_after),
    )
    return trained if earlier is None else trained.after(earlier)


def _before(plan: Plan, earlier: State | None) -> list[dict[str, Any]]:
    """What the weights come from that a training begins with, for its checkpoint."""
    parts = [state.learnt for state in parts_of(plan.made_with)]
    return parts if earlier is None else [*parts, {**earlier.learnt, "weights": held_by(earlier.model)}]


def run(
    plan: Plan,
    model: Scorer,
    options: FitOptions,
    table: Interactions,
    valid: Interactions | None,
    callbacks: Sequence[object],
    checkpoint: Path | None,
    resume: bool,
    stage: int,
    group: Group | None = None,
    before: Sequence[Mapping[str, Any]] = (),
) -> TrainingState:
    """Train a model as it stands, on a table that shares its id space; `before` is as of :class:`Trainer`."""
    assert isinstance(model, Model)
    evaluate = None if valid is None else Evaluator(options.metrics, table, options.loss == "mse", group=group)
    if evaluate is not None and valid is not None:
        evaluate.check(valid)
    if group is not None:
        together = shared(model, group)
        together.cut()
        kind: Any = ColumnTrainer if isinstance(together, SharedColumns) else RowTrainer
        several: Trainer = kind(together, options, evaluate, callbacks, identity=plan.identity, stage=stage, before=before)
        ended = several.fit(table, valid, checkpoint, resume)
        together.join()
        return ended
    trainer = Trainer(model, options, evaluate, callbacks, identity=plan.identity, stage=stage, before=before)
    return trainer.fit(table, valid, checkpoint, resume)
