"""From what a caller gave, a model suggests and the library falls back on to the options of one training."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.devices import resolve_device
from graphrec.errors import InputError, unknown_name
from graphrec.evaluation.metrics import usual
from graphrec.losses import RATING_ERRORS
from graphrec.training.hogwild_step import STRETCH
from graphrec.training.objectives import kind_of, objective
from graphrec.training.options import FitOptions
from graphrec.training.schedules import Schedule
from graphrec.training.unread import READ_BY, name_of

__all__ = ["choose", "refuse_for_solved", "say_left_out"]

# What means something else, or nothing, under an objective of another kind.
_OF_THE_KIND = frozenset(READ_BY) - {"batch_size", "l2", "fanout"}
_PAIR_RATE = 0.05  # for plain SGD pair by pair; of .005 to .2 the best on ML-100K's validation part, see benchmarks/README.md
# What looks at the validation part, and the value that asks for nothing.
_OF_VALIDATION = {"metric": None, "patience": None, "min_delta": 0, "eval_every": ()}


def choose(
    defaults: Mapping[str, Any],
    given: Mapping[str, Any],
    train: Interactions,
    valid: Interactions | None = None,
    refit: bool = False,
) -> FitOptions:
    """The caller's options over the model's defaults over the library's.

    Under another loss than the defaults' own, those of the defaults that belong to the old one fall away: the loss's further
    arguments, what the new objective does not read and, where that is of another kind, all about negatives. Where a model has
    an optimiser of its own, that goes with its learning rate: who names a rate means Adam, unless an optimiser is named, too
    (a warning says so), and under another loss both fall away, and the penalty with them; but ``hogwild`` keeps them. Without a
    word on the metric a loss that is an error of ratings is selected on ``"rmse"``, every other one on ``"ndcg@20"``.

    Parameters
    ----------
    defaults : mapping
        Of the model and of its preset.
    given : mapping
        What the caller named. Each must mean something, or ask for nothing (``l2=0``, ``credit=None``).
    train : Interactions
    valid : Interactions, optional
    refit : bool
        Whether a second training without validation will follow.

    Returns
    -------
    FitOptions

    Raises
    ------
    InputError
        An option is unknown, of the wrong type, or would do nothing; the message names it and says what reads it.
    """
    known = FitOptions.names()
    for name in given:
        if name not in known:
            raise unknown_name("option of fit", name, known)
    values = {**_that_suit(defaults, given), **given}
    options = FitOptions(**values, given=frozenset(given))
    reads = kind_of(options.loss).reads_of(options.loss, options.negatives)
    if "l2" not in reads and "l2" not in given:
        options = replace(options, l2=0.0)  # what is written down is what was done
    if options.hogwild:  # made for the CPU, and for long stretches
        stretch = options.batch_size if "batch_size" in given else STRETCH
        options = replace(options, batch_size=stretch, device="cpu" if options.device == "auto" else options.device)
    if options.optimizer == "sgd" and "lr" not in values:
        options = _rate_of_sgd(options)
    _check_rate(options)
    objective(options)  # refuses what this one does not read
    resolve_device(options.device)
    _check_validation(options, valid, refit)
    if options.metric is None and valid is not None:
        rated = options.of_ratings and valid.ratings is not None
        options = replace(options, metric="rmse" if rated else usual(train.n_items))
    return options


def say_left_out(recipe: Mapping[str, Any], given: Mapping[str, Any], chosen: FitOptions, stacklevel: int) -> None:
    """Warn of what a recipe says of training and another loss, given to ``fit``, has made to fall away; see :func:`choose`.

    What the other loss does not read, of the arguments of the recipe's own loss, too, has nothing to say any more.
    """
    own = recipe.get("loss", chosen.loss)
    if chosen.loss == own:
        return
    unread = set(READ_BY) - kind_of(chosen.loss).reads_of(chosen.loss, chosen.negatives)
    lost = [
        name
        for name, value in recipe.items()
        if name not in {"loss", "loss_options", *given, *unread} and getattr(chosen, name) != value
    ]
    takes = signature(objective(chosen).loss).parameters if isinstance(chosen.loss, str) else {}
    left = {name: recipe[name] for name in lost}
    if "loss_options" not in given and (some := {k: v for k, v in recipe.get("loss_options", {}).items() if k in takes}):
        left["loss_options"] = some
    if left:
        was = ", ".join(f"{name}={value!r}" for name, value in left.items())
        now = ", ".join(repr(getattr(chosen, name)) for name in left)
        warnings.warn(
            f"loss={name_of(chosen.loss)!r} leaves out what the recipe has for its own loss={own!r}: {was} (now {now}); give "
            "fit what is to stay.",
            stacklevel=stacklevel,
        )


def _that_suit(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults without those that belong to a loss that the caller has replaced."""
    usual = FitOptions()
    old = defaults.get("loss", usual.loss)
    new, negatives = given.get("loss", old), given.get("negatives", defaults.get("negatives", usual.negatives))
    kind, dropped = kind_of(new), set()
    if new is not old and new != old:
        dropped = {"loss_options"}
        if kind is not kind_of(old):
            dropped |= _OF_THE_KIND
        if (new in RATING_ERRORS) != (old in RATING_ERRORS):
            dropped |= {"metric"}
        negatives = given.get("negatives", usual.negatives if "negatives" in dropped else negatives)
    # An optimiser and its learning rate belong together, and a model that names its own has tried both under its own loss.
    suits = defaults.get("optimizer", usual.optimizer)
    if suits != usual.optimizer:
        adams = not given.get("hogwild") and ("lr" in given or "weight_decay" in given)
        if adams or given.get("optimizer", suits) != suits:
            dropped |= {"optimizer", "lr"}
        if adams and "optimizer" not in given:
            _say_adams(given, suits, defaults)
        if new is not old and new != old:
            # Pair by pair is trained by few optimisers, of which the usual one is none.
            dropped |= {"l2"} if given.get("hogwild") else {"optimizer", "lr", "l2", "hogwild"}
    dropped |= set(READ_BY) - kind.reads_of(new, negatives) - {"batch_size"}
    return {name: value for name, value in defaults.items() if name not in dropped}


def _say_adams(given: Mapping[str, Any], suits: str, defaults: Mapping[str, Any]) -> None:
    """A rate says nothing without its optimiser, and the model's own is another than the usual one."""
    name = "lr" if "lr" in given else "weight_decay"
    warnings.warn(
        f"{name}={given[name]!r} is taken for Adam's; this model's own optimizer is {suits!r} with lr={defaults['lr']:g}. Give "
        "optimizer, too, to choose between them.",
        stacklevel=5,
    )


def _rate_of_sgd(options: FitOptions) -> FitOptions:
    """A rate that suits steps of one pair; for those of a batch there is no usual one, since its loss is a mean."""
    if options.hogwild:
        return replace(options, lr=_PAIR_RATE)
    warnings.warn(
        f"optimizer='sgd' has no usual rate, and lr={options.lr:g} may change next to nothing: a step follows the mean over a "
        "batch, so that MF and LightGCN take rates of 1 to 50. Give lr.",
        stacklevel=4,
    )
    return options


def _check_rate(options: FitOptions) -> None:
    """Refuse a learning rate that a schedule replaces by its own."""
    schedule = None if options.schedule is None else Schedule.of(options.schedule)
    own = schedule is not None and (schedule.name == "steps" or schedule.options.get("max_lr") is not None)
    if schedule is not None and own and "lr" in (options.given or ()) and not options.parameter_groups:
        raise InputError(f"lr={options.lr:g} does nothing: schedule {schedule.name!r} brings its own learning rates.")


def _check_validation(options: FitOptions, valid: Interactions | None, refit: bool) -> None:
    schedule = None if options.schedule is None else Schedule.of(options.schedule)
    by_metric = schedule is not None and schedule.name == "plateau"
    if valid is None:
        for name, nothing in _OF_VALIDATION.items():
            if name in (options.given or ()) and getattr(options, name) != nothing:
                raise InputError(
                    f"{name} is about the validation part, and fit was given none; pass valid, or leave {name} out."
                )
        if by_metric:
            raise InputError("schedule 'plateau' follows the validation metric; fit needs valid for it.")
    elif by_metric and refit:
        raise InputError(
            "schedule 'plateau' follows the validation metric, and refit=True trains a second time without validation; "
            "choose another schedule, or refit=False."
        )
    elif options.patience is not None and "patience" in (options.given or ()) and options.eval_every > options.epochs:
        raise InputError(
            f"patience={options.patience} does nothing: with eval_every={options.eval_every} and epochs={options.epochs} there "
            "is one look at validation, after the last epoch."
        )


def refuse_for_solved(model: str, reads: frozenset[str], options: Mapping[str, Any], others: Mapping[str, object]) -> None:
    """Refuse what means nothing to a model in closed form.

    Parameters
    ----------
    model : str
    reads : frozenset of str
        Options that may be given all the same.
    options : mapping
        Options of training, as the caller gave them.
    others : mapping
        Further arguments of ``fit``: ``callbacks``, ``checkpoint``, ``resume``, ``warm_start``; empty ones ask for nothing.
    """
    for name in options:
        if name not in reads:
            raise InputError(f"model {model!r} is solved in closed form; fit has no option {name!r} for it.")
    for name, value in others.items():
        if value:
            raise InputError(f"model {model!r} is solved in closed form and has no stages; fit has no {name} for it.")
