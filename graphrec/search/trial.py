"""One candidate: fitted, measured on validation, and told of as a row whatever happens."""

from __future__ import annotations

import contextlib
import json
import math
import tempfile
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.data.split import random as random_split
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import Evaluator
from graphrec.models import MODELS
from graphrec.presets import preset, preset_names
from graphrec.recommender import Recommender
from graphrec.recommender.blend_weights import people_of
from graphrec.training.state import TrainingState

__all__ = ["Deadline", "OutOfTime", "Task", "Trial", "is_known", "key_of", "quiet", "reason_of"]


_PEOPLE, _FEW = 6_000, 50


class OutOfTime(Exception):
    """The time that a candidate had is over before it had anything to show."""


def is_known(name: str) -> bool:
    """Whether a name is a model's or a preset's."""
    return name in MODELS or name in preset_names()


def key_of(model: str, hyper: Mapping[str, Any], fit: Mapping[str, Any]) -> str:
    """The name of a candidate in a journal."""
    return f"{model} {json.dumps({**hyper, **fit}, sort_keys=True, default=str)}"


@dataclass(frozen=True)
class Task:
    """What candidates are fitted on and measured by.

    Attributes
    ----------
    train, valid : Interactions
    metric : str
        Larger is better.
    seed : int
        Of everything that is drawn, and of the people who are looked at where there are many.
    device : str
    """

    train: Interactions
    valid: Interactions
    metric: str
    seed: int
    device: str

    @cached_property
    def looked_at(self) -> Interactions:
        """Validation pairs of the people that every candidate is measured on: of all, or of 6,000 drawn once.

        Two models that are as good have figures of 6,000 people that differ by about a hundredth of their value (the spread of
        NDCG@20 over people is about its mean, and the two go together); what stands closer is better blended than chosen from.
        """
        drawn = np.zeros(self.valid.n_users, bool)
        drawn[people_of(self.valid, _PEOPLE, self.seed)] = True
        return self.valid.select(drawn[self.valid.users])

    @cached_property
    def few(self) -> Task:
        """The same of some fifty people, with the items that they have met."""
        people = np.unique(self.valid.users)
        chosen = np.zeros(self.train.n_users, bool)
        chosen[people[:: -(-len(people) // _FEW)]] = True
        split = random_split(self.train.select(chosen[self.train.users]).compact(), test=0.2, seed=self.seed)
        assert split.test is not None
        return replace(self, train=split.train, valid=split.test)

    def figure(self, recommender: Recommender) -> float:
        """The metric on validation."""
        return Evaluator([self.metric], self.train)(recommender.model, self.looked_at)[self.metric]


class Deadline:
    """Ends a training when its seconds are over: after an epoch that was looked at, or by force at twice the time.

    Parameters
    ----------
    seconds : float
    hard : float
        Seconds after which a training is given up in the middle of an epoch.

    Attributes
    ----------
    came : bool
        Whether it has ended the latest training; one that ended by itself needs no more time.
    """

    def __init__(self, seconds: float, hard: float) -> None:
        self._seconds, self._hard, self._started, self._epoch, self._epochs = seconds, hard, time.perf_counter(), 0.0, 0
        self.came = False

    def on_train_begin(self, state: TrainingState) -> None:
        """A training that stopped at an earlier deadline goes on."""
        state.stop = self.came = False
        self._started = self._epoch = time.perf_counter()
        self._epochs = 0

    def on_step_end(self, state: TrainingState) -> None:
        """Give up what would overrun everything."""
        if time.perf_counter() - self._started > self._hard:
            raise OutOfTime(f"stopped in epoch {state.epoch + 1}: {self._hard:.0f} s were over")

    def on_epoch_end(self, state: TrainingState) -> None:
        """Stop where another epoch would not fit, if there is something to show."""
        now = time.perf_counter()
        latest, self._epoch, self._epochs = now - self._epoch, now, self._epochs + 1
        if self._epochs == 1:  # it may have loaded compiled code
            latest = 0.0
        if state.best_epoch is not None and now - self._started + latest > self._seconds:
            state.stop = self.came = True

    def on_train_end(self, state: TrainingState) -> None:
        """Ctrl-C ends the search, not this training alone."""
        if state.interrupted:
            raise KeyboardInterrupt("the search can be gone on with")


class Trial:
    """A candidate that is tried, perhaps in several goes.

    Parameters
    ----------
    model : str
        Of a model or a preset.
    hyper, fit : mapping
        Keyword arguments of the constructor and of fit.

    Attributes
    ----------
    recommender : Recommender or None
        Fitted.
    seconds, eval_seconds : float
        What fitting took, all goes together, and a look at validation.
    save_seconds, lent : float
        What writing it took, and what others had worked out for it that a fit on other data must do itself.
    ended : bool
        Whether a training ended by itself, and not for lack of time.
    """

    def __init__(self, model: str, hyper: Mapping[str, Any], fit: Mapping[str, Any]) -> None:
        self.model, self.hyper, self.fit = model, dict(hyper), dict(fit)
        self.key = key_of(model, hyper, fit)
        self.recommender: Recommender | None = None
        self.ended = False
        self.seconds = self.eval_seconds = self.save_seconds = self.lent = 0.0

    def warm_up(self, few: Task) -> None:
        """Fit to a few people for nothing: what is compiled at first use says nothing of how long a candidate will take."""
        again = Trial(self.model, self.hyper, self.fit)
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as scratch:  # what it says it will say again
            if again.made().kind.needs_training:
                again.train(few, Deadline(0.0, math.inf), Path(scratch) / "checkpoint", 1)
            else:
                again.solve(few)

    @property
    def settings(self) -> str:
        """For a table."""
        return " ".join(f"{name}={value}" for name, value in {**self.hyper, **self.fit}.items())

    @property
    def bytes(self) -> int:
        """What its weights hold."""
        held = {} if self.recommender is None else self.recommender.model.state_dict()
        return sum(tensor.numel() * tensor.element_size() for tensor in held.values())

    def made(self) -> Recommender:
        """A recommender that is not fitted."""
        return Recommender(self.model, **self.hyper) if self.model in MODELS else preset(self.model, **self.hyper)

    def solve(self, task: Task) -> float:
        """Fit a solved model; its figure."""
        with quiet():
            started = time.perf_counter()
            made = self.made().fit(task.train, valid=task.looked_at, device=task.device)
            fitted = time.perf_counter()
            figure = task.figure(made)
        self.recommender, self.seconds, self.eval_seconds = made, fitted - started, time.perf_counter() - fitted
        return figure

    def train(self, task: Task, deadline: Deadline, checkpoint: Path, eval_every: int) -> float:
        """Train, or go on with it, until the deadline; the figure of the best epoch."""
        made, fit = self.made(), dict(self.fit)
        if not {"epochs", "schedule"} & {*fit, *made.fit_defaults}:
            fit |= {"epochs": 1000, "patience": max(3, 15 // eval_every)}
        with quiet():
            started = time.perf_counter()
            common = {"metric": task.metric, "eval_every": eval_every, "seed": task.seed, "progress": False}
            made.fit(
                task.train,
                valid=task.looked_at,
                callbacks=[deadline],
                checkpoint=checkpoint,
                resume=True,
                device=task.device,
                **{**common, **fit},
            )
            self.seconds += time.perf_counter() - started
        if made.best_epoch is None:
            raise OutOfTime("stopped before its first look at validation")
        history, self.ended = made.history, not deadline.came
        self.recommender, self.eval_seconds = made, float(history["eval_seconds"].dropna().mean())
        return float(history[task.metric].max())

    def refit_seconds(self) -> float:
        """What fitting anew on train and validation will probably take."""
        if self.recommender is None or self.recommender.best_epoch is None:
            return 1.2 * self.seconds
        epochs = self.recommender.history["seconds"]
        return 1.2 * float(epochs.mean()) * self.recommender.best_epoch + 0.2


class quiet(warnings.catch_warnings):
    """A search says in its table what there is to say."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.simplefilter("ignore", UserWarning)


def reason_of(error: BaseException) -> str:
    """A sentence for the table."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, InputError | OutOfTime) else f"{type(error).__name__}: {text}"
