"""What a fit has to say of its tables and options, once each, as warnings."""

from __future__ import annotations

import inspect
import math
import warnings

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.models.base import Model, Scorer, Solved
from graphrec.recommender.plan import Plan
from graphrec.recommender.state import State
from graphrec.training.objectives import Alignment, kind_of, reads
from graphrec.training.options import FitOptions
from graphrec.training.state import TrainingState

__all__ = [
    "say_few_steps",
    "say_full_rank",
    "say_learnt_before",
    "say_never_begun",
    "say_unknown_people",
    "say_unread_ratings",
    "say_unread_score",
    "say_unread_weights",
    "say_what_is_unread",
    "unread_ratings",
]

_FEW_STEPS = 50  # a rule of thumb: presets of 8 and 20 steps on a table of 273 people ended below popularity


def say_unknown_people(train: Interactions, valid: Interactions, stacklevel: int) -> None:
    """Warn of validation users of whom nothing is known: their rankings are ties, or popularity, with most models."""
    users = np.unique(valid.users)
    if unknown := int((np.diff(train.structure[0])[users] == 0).sum()):
        warnings.warn(
            f"{unknown:,} of {len(users):,} validation users have nothing in train; what is chosen on them says little.",
            stacklevel=stacklevel,
        )


def say_learnt_before(earlier: State, valid: Interactions) -> None:
    """Warn of validation pairs that the weights which a training goes on from have learnt."""
    if known := int(earlier.trained_on.has_keys(valid.keys).sum()):
        warnings.warn(
            f"{known:,} pairs of valid were shown to the model in an earlier stage: what is selected on them is selected on "
            "training.",
            stacklevel=5,
        )


def unread_ratings(name: str, table: Interactions, called: str = "the table") -> str:
    """What to say of a table's ratings where `name` does not read them; empty if they do not differ, or are not there."""
    ratings = table.ratings
    if ratings is None or ratings.min() == ratings.max():
        return ""
    low, high = float(ratings.min()), float(ratings.max())
    least = float(ratings[ratings >= low + 0.75 * (high - low)].min())
    return (
        f"{called} has ratings from {low:g} to {high:g} and {name} does not read them: every pair counts as liked, low "
        f"ratings too. interactions.binarize(min_rating={least:g}) keeps the high ones, and binarize() says that all count."
    )


def say_unread_ratings(plan: Plan, table: Interactions, stacklevel: int = 5) -> None:
    """Warn once a fit of ratings that differ among themselves where the model does not read them."""
    if not plan.kind.reads_ratings and (said := unread_ratings(plan.name, table)):
        warnings.warn(said, stacklevel=stacklevel)


def say_unread_weights(plan: Plan, table: Interactions, stacklevel: int = 5) -> None:
    """Warn once a fit of weights that differ among themselves where the model does not read them."""
    if not plan.kind.reads_weights and table.pair_weights is not None:
        warnings.warn(
            f"the table has weights and {plan.name} does not read them: every pair counts alike. The item filters, ials and "
            "itempop do, and so does whatever is trained by a loss of the library other than 'masked_mse'.",
            stacklevel=stacklevel,
        )


def say_what_is_unread(plan: Plan, options: FitOptions, table: Interactions) -> None:
    """Warn of ratings and weights that a training does not read, or reads in its loss alone."""
    if not reads("ratings", options.loss):
        say_unread_ratings(plan, table, stacklevel=6)
    if not reads("weights", options.loss):
        say_unread_weights(plan, table, stacklevel=6)
    else:
        _say_where_weights_count(plan, table)


def say_unread_score(plan: Plan, options: FitOptions, model: Model) -> None:
    """Warn of a score of the model's own by which it ranks and which its loss does not see."""
    if kind_of(options.loss) is Alignment and not model.dot_product:
        warnings.warn(
            f"loss={options.loss!r} is one of the vectors of people and items, and {plan.name} ranks by a score of its own: "
            "the loss does not see it.",
            stacklevel=5,
        )


def _say_where_weights_count(plan: Plan, table: Interactions) -> None:
    """Warn once a fit of weights that its loss reads and what the model is built on does not."""
    if plan.kind.counts_alike and table.pair_weights is not None:
        warnings.warn(
            f"weights count in the loss of {plan.name}, and not in {plan.kind.counts_alike}: there every pair counts alike.",
            stacklevel=6,
        )


def say_full_rank(plan: Plan, model: Solved) -> None:
    """Warn once a fit with a rank that leaves nothing of the table out, where it is there to leave something out."""
    if then := model.at_full_rank():
        rank = plan.hyper.get("rank", inspect.signature(plan.kind).parameters["rank"].default)
        warnings.warn(
            f"rank={rank} of {plan.name} leaves nothing out of a table of {model.n_users:,} people and {model.n_items:,} "
            f"items, whose rank is {model.full_rank:,} at most: {then}; give a smaller one.",
            stacklevel=5,
        )


def say_never_begun(model: Scorer, ended: TrainingState) -> None:
    """Warn once a training that ended before something of the model began."""
    if isinstance(model, Model) and (words := model.never_begun(len(ended.history))):
        warnings.warn(words, stacklevel=5)


def say_few_steps(options: FitOptions, ended: TrainingState) -> None:
    """Warn once a training of a length that nobody named and that hardly moves a model: a recipe for larger tables, mostly."""
    if "epochs" in (options.given or ()) or getattr(options.loss, "takes_steps", False) or not ended.history:
        return
    per_epoch = round(ended.step / len(ended.history))
    if (steps := per_epoch * options.epochs) < _FEW_STEPS:
        warnings.warn(
            f"the whole training of {options.epochs} epochs has {steps} steps on this table, which hardly move a model: give "
            f"more epochs ({math.ceil(_FEW_STEPS / per_epoch)} or more), or a smaller batch_size than {options.batch_size:,}.",
            stacklevel=5,
        )
