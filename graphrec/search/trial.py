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

from graphrec.compiling import compiling_timed
from graphrec.data.interactions import Interactions
from graphrec.data.split import random as random_split
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import Evaluator
from graphrec.evaluation.metrics import usual
from graphrec.losses import RATING_ERRORS
from graphrec.models import MODELS, Scorer
from graphrec.presets import preset, preset_names
from graphrec.recommender import Recommender
from graphrec.recommender.blend_weights import people_of
from graphrec.recommender.state import State
from graphrec.recommender.tables import joined
from graphrec.search.deadline import Deadline, OutOfTime

__all__ = ["Deadline", "OutOfTime", "Task", "Trial", "is_known", "key_of", "quiet", "reason_of"]


_PEOPLE, _FEW = 6_000, 50
_MANY = 2e8  # scores that a look ranks: half a second's work of a core; where there are more, every third epoch is looked at
_EPOCHS, _PATIENCE = 1000, 15  # where neither the settings nor a preset says how long to train


def is_known(name: object) -> bool:
    """Whether this is the name of a model or a preset."""
    return isinstance(name, str) and (name in MODELS or name in preset_names())


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
    def few(self) -> Task | None:
        """The same of some fifty people, with the items that they have met; None where that cannot be split."""
        people = np.unique(self.valid.users)
        chosen = np.zeros(self.train.n_users, bool)
        chosen[people[:: -(-len(people) // _FEW)]] = True
        try:
            table = self.train.select(chosen[self.train.users]).drop_duplicates()  # that no pair is in both parts
            split = random_split(table.compact(), test=0.2, seed=self.seed)
        except InputError:  # too few pairs, or none
            return None
        return replace(self, train=split.train, valid=split.test) if split.test is not None else None

    @cached_property
    def _all(self) -> Interactions:
        return joined(self.train, self.valid)

    def known_to(self, state: State) -> State:
        """A candidate's state with all of validation as its own: what people have there is not recommended to them, and the
        candidate is chosen, or not, by what it is worth there. It was fitted with :attr:`looked_at` alone."""
        return replace(state, shown=self._all, valid=self.valid, selected=True)

    @cached_property
    def eval_every(self) -> int:
        """Epochs between two looks at validation; by the sizes of the table alone, so that figures can be had again."""
        return 1 if float(len(np.unique(self.looked_at.users))) * self.train.n_items <= _MANY else 3

    def figure(self, recommender: Recommender) -> float:
        """The metric on validation."""
        return Evaluator([self.metric], self.train)(recommender.model, self.looked_at)[self.metric]


class Trial:
    """A candidate that is tried, perhaps in several goes.

    Parameters
    ----------
    model : str or type
        A model or a preset, by name or, a model of one's own, as a class.
    hyper, fit : mapping
        Keyword arguments of the constructor and of fit.

    Attributes
    ----------
    model : str
        The name.
    recommender : Recommender or None
        Fitted.
    figure : float or None
        Of the recommender, on validation.
    epochs : int or None
        That a training has behind it at its latest look at validation: so many give this figure.
    seconds, eval_seconds : float
        What fitting took, all goes together, and a look at validation; without what kernels took to compile.
    save_seconds, lent : float
        What writing it took, and what others had worked out for it that a fit on other data must do itself.
    ended : bool
        Whether a training ended by itself, and not for lack of time.
    cut : str
        What there is to say of one that did not.
    """

    def __init__(self, model: str | type[Scorer], hyper: Mapping[str, Any], fit: Mapping[str, Any]) -> None:
        self._of, self.hyper, self.fit = model, dict(hyper), dict(fit)
        self.model = model if isinstance(model, str) else model.__name__
        self.key = key_of(self.model, hyper, fit)
        self.recommender: Recommender | None = None
        self.figure: float | None = None
        self.epochs: int | None = None
        self.ended, self.cut = False, ""
        self.seconds = self.eval_seconds = self.save_seconds = self.lent = 0.0
        self._added: dict[str, Any] = {}

    def restore(self, row: Mapping[str, Any]) -> None:
        """Take back what an earlier run wrote of this candidate."""
        for name in ("seconds", "eval_seconds", "save_seconds", "lent"):
            setattr(self, name, float(row.get(name) or 0.0))
        self.figure, self.epochs, self.ended = row["figure"], row.get("epochs"), row["status"] != "stopped"
        self.cut = "" if self.ended else str(row.get("reason") or "")

    def warm_up(self, few: Task | None) -> None:
        """Fit to a few people for nothing: what is compiled at first use says nothing of how long a candidate will take."""
        if few is None:
            return
        again = Trial(self._of, self.hyper, self.fit)
        with contextlib.suppress(Exception), tempfile.TemporaryDirectory() as scratch:  # what it says it will say again
            if again.made().kind.needs_training:
                again.train(few, Deadline(0.0, math.inf), Path(scratch) / "checkpoint")
            else:
                again.solve(few)

    @property
    def settings(self) -> str:
        """For a table: what the model and ``fit`` must be given to get the same figure, beside train and valid."""
        return " ".join(f"{name}={value}" for name, value in {**self.hyper, **self.fit, **self._added}.items())

    @property
    def bytes(self) -> int:
        """What its weights hold."""
        held = {} if self.recommender is None else self.recommender.model.state_dict()
        return sum(tensor.numel() * tensor.element_size() for tensor in held.values())

    def made(self) -> Recommender:
        """A recommender that is not fitted."""
        of = self._of
        return Recommender(of, **self.hyper) if not isinstance(of, str) or of in MODELS else preset(of, **self.hyper)

    def solve(self, task: Task) -> float:
        """Fit a solved model; its figure."""
        with quiet(), compiling_timed() as compiled:  # which is done once, and says nothing of the next fit
            started = time.perf_counter()
            made = self.made().fit(task.train, valid=task.looked_at, device=task.device)
            fitted = time.perf_counter() - compiled.seconds
            figure = task.figure(made)
            looked = time.perf_counter() - compiled.seconds
        made._state = task.known_to(made._fitted)
        self.recommender, self.seconds, self.eval_seconds = made, max(0.0, fitted - started), max(0.0, looked - fitted)
        self.figure, self.ended = figure, True
        return figure

    def train(self, task: Task, deadline: Deadline, checkpoint: Path) -> float:
        """Train, or go on with it, until the deadline; the figure of the best epoch."""
        made = self.made()
        options, started = self._options(task, made), deadline.clock()
        try:
            with quiet():
                made.fit(task.train, valid=task.looked_at, callbacks=[deadline], checkpoint=checkpoint, resume=True, **options)
        finally:
            self.seconds += deadline.clock() - started
        if made.best_epoch is None:
            raise FloatingPointError("no figure on validation is a number")
        looks = made.history.dropna(subset=["eval_seconds"])
        figure = float(looks.loc[looks["epoch"] == made.best_epoch, task.metric].iloc[0])
        # One whose checkpoint is gone begins anew, and may have come less far than before.
        epochs = int(looks["epoch"].iloc[-1])
        if self.figure is None or (figure, epochs) >= (self.figure, self.epochs or 0):
            made._state = task.known_to(made._fitted)
            self.recommender, self.figure, self.epochs = made, figure, epochs
            self.eval_seconds, self.ended = float(looks["eval_seconds"].mean()), not deadline.came
            self.cut = "" if self.ended else f"its time was over after epoch {self.epochs}, before its training was at its end"
        return self.figure

    def _options(self, task: Task, made: Recommender) -> dict[str, Any]:
        """What fit is given; what is there beside the candidate's own options is added to its settings."""
        own = {**made.kind.defaults_for(task.train), **made.fit_defaults}
        said, added = {**made.fit_defaults, **self.fit}, dict[str, Any]()
        alone = {"lr", "weight_decay"} & self.fit.keys() and "optimizer" not in self.fit and not self.fit.get("hogwild")
        if alone and own.get("optimizer", "adam") != "adam":  # a rate that is given alone is Adam's
            added["optimizer"] = "adam"
        every = self.fit.get("eval_every", own.get("eval_every", 1))
        free = "eval_every" not in self.fit and "patience" not in made.fit_defaults  # which counts looks
        if free and every != task.eval_every:
            added["eval_every"] = every = task.eval_every
        if not {"epochs", "schedule"} & said.keys():
            added["epochs"] = _EPOCHS
            if "patience" not in said:
                added["patience"] = max(3, _PATIENCE // every)
        loss = said.get("loss", own.get("loss"))
        if task.metric != usual(task.train.n_items) or (isinstance(loss, str) and loss in RATING_ERRORS):
            added["metric"] = task.metric
        if task.seed and "seed" not in said:
            added["seed"] = task.seed
        self._added = added
        return {"metric": task.metric, "device": task.device, "progress": False, **self.fit, **added}

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
