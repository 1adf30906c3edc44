"""The best settings of one model within a budget."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.evaluation.evaluator import metric_of
from graphrec.evaluation.full_ranking import check_parts
from graphrec.models import MODELS, Scorer
from graphrec.models.parts.truncated_svd import shared_decompositions
from graphrec.recommender import Recommender
from graphrec.recommender.fitting import check_tables
from graphrec.recommender.seen_pairs import seen_pairs
from graphrec.recommender.telling import say_unknown_people
from graphrec.search.budget import Budget, bytes_of, seconds_of
from graphrec.search.disk import ending_with_the_disk
from graphrec.search.entries import by_epochs, entry_of
from graphrec.search.finish import fitted_anew
from graphrec.search.halving import compete
from graphrec.search.journal import Journal
from graphrec.search.run import Run
from graphrec.search.space import Entry, facts_of
from graphrec.search.trial import Task, Trial, is_known, quiet
from graphrec.search.unread import say_what_no_fit_reads
from graphrec.training.option_types import check_seed
from graphrec.training.options import FitOptions

__all__ = ["tune"]

_OF_TUNE = ("metric", "device", "progress")


def tune(
    model: str | type[Scorer],
    space: Mapping[str, Sequence[Any] | Callable[[np.random.Generator], Any]],
    train: Interactions,
    valid: Interactions,
    budget: str | float = "10min",
    *,
    trials: int = 20,
    seed: int = 0,
    metric: str | None = None,
    refit: bool = False,
    seen: Interactions | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Recommender:
    """Try settings of one model, and keep the one that is best on validation.

    Where the space has no more points than `trials`, each is tried; otherwise they are drawn at random (Bergstra and Bengio,
    JMLR 2012). Models that are trained step by step compete by successive halving: all get a little time, the better ones more,
    and where there is time for a part of them only, the first.
    A row of the table is what ``fit`` gives with its settings, which are all named there (1,000 epochs and a patience of 15
    where the space has no epochs); that of a training that was cut short has the status ``stopped``, and its figure is that of
    as many epochs as it says.

    Parameters
    ----------
    model : str or type
        A model or a preset by name, or a class of one's own.
    space : mapping
        For options of the model and of fit: a list of values, or a function of a NumPy generator that draws one.
    train, valid : Interactions
    budget, seed, metric, seen, device, progress
        As of :func:`graphrec.search.search`.
    trials : int
        So many at most.
    refit : bool
        Fit the best one anew on train and validation.

    Returns
    -------
    Recommender
        Fitted, with its ``table``.

    Raises
    ------
    InputError
        An unknown model or option, an empty list, or no setting that could be fitted.
    """
    check_tables(train, valid)
    if valid is None:
        raise InputError("settings are chosen on validation: pass valid.")
    check_parts(train, valid, "validation")  # as each fit would
    say_unknown_people(train, valid, stacklevel=3)
    met = seen_pairs(train, seen)
    if not (is_known(model) or (isinstance(model, type) and issubclass(model, Scorer))):
        raise unknown_name("model or preset", model, MODELS)
    if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
        raise InputError(f"trials must be a whole number of at least 1, got {trials!r}.")
    check_seed(seed)
    metric = metric_of(metric, train.n_items, "settings are chosen")
    kind, name = Trial(model, {}, {}).made().kind, Trial(model, {}, {}).model
    own = set(inspect.signature(kind.__init__).parameters) - {"self", "train"}
    space = _choices(space, own, kind.needs_training)
    each = [
        Trial(model, {n: v for n, v in point.items() if n in own}, {n: v for n, v in point.items() if n not in own})
        for point in _points(space, trials, seed)
    ]
    losses = space.get("loss") or Trial(model, {}, {}).made().fit_defaults.get("loss")
    say_what_no_fit_reads(name, {name: kind}, train, losses)
    entry, journal = replace(by_epochs(entry_of(model)), bytes=lambda *_: 0.0), Journal(None, {}, False)
    with ending_with_the_disk(None), tempfile.TemporaryDirectory() as scratch:
        task, budgeted = Task(train, valid, metric, seed, device), Budget(seconds_of(budget))
        run = _Tuning(task, facts_of(train), budgeted, bytes_of(None), journal, Path(scratch), progress, blends=False)
        run.refits = refit
        with shared_decompositions():
            if kind.needs_training:
                compete(run, [(entry, trial) for trial in each], after="the refit" if refit else "")
            else:
                for trial in each:
                    run.solve(entry, trial)
        if not run.kept or run.kept[0][1].recommender is None:
            why = next((f": {row['reason'].rstrip('.')}" for row in journal.rows if row["reason"]), "")
            raise InputError(f"no setting of {name} could be fitted within the time and memory{why}.")
        best, parts = run.kept[0][1].recommender, [run.kept[0][1]]
        if refit:
            with quiet():
                best = fitted_anew(run, best, parts)
        best.table, best._state = journal.table(metric), replace(best._fitted, seen=met)
        return best


class _Tuning(Run):
    """A run that ends with its best candidate, which is fitted anew or not: nothing is blended."""

    refits = False

    @property
    def reserve(self) -> float:
        """Seconds that fitting the best one anew will take."""
        again = self.kept[0][1].refit_seconds() if self.refits and self.kept else 0.0
        return again + 0.02 * self.budget.seconds

    def refusal(self, entry: Entry, trial: Trial) -> str | None:
        """Why a solved candidate is not begun; None if it may."""
        expected = self.costs.expected(entry.model, entry.seconds(self.facts, trial.hyper))
        need = expected * (2.2 if self.refits else 1.0) + self.look_of(entry.model)
        left = self.budget.left if not self.kept else self.budget.left - self.reserve  # something must come of it
        if need <= left or (not self.kept and expected < left):
            return None
        beside = " beside the refit" if self.refits else ""
        return f"would take about {need:.2g} s; {max(left, 0.0):.2g} s are left{beside}"


def _choices(space: object, own: set[str], is_trained: bool) -> dict[str, Any]:
    """Lists and functions by options, unless there are names of no option of the model (`own`) or of its fit, or no choice."""
    if not isinstance(space, Mapping):
        raise InputError(f"space must be a mapping, such as {{'l2': [1, 10]}}, got {space!r}.")
    space = {name: values.tolist() if hasattr(values, "tolist") else values for name, values in space.items()}
    of_fit = FitOptions.names() if is_trained else []
    if named := [name for name in _OF_TUNE if name in space]:
        raise InputError(f"{named[0]} is no setting that is chosen on validation: give it to tune itself.")
    for name, values in space.items():
        if name not in own and name not in of_fit:
            raise unknown_name("option", name, own | set(of_fit))
        if not callable(values) and (isinstance(values, str) or not isinstance(values, Sequence) or not values):
            raise InputError(f"space[{name!r}] must be a list of values or a function that draws one, got {values!r}.")
    return space


def _points(space: Mapping[str, Any], trials: int, seed: int) -> list[dict[str, Any]]:
    """All of a small grid; otherwise as many different ones as can be drawn."""
    generator = np.random.default_rng(seed)
    lists = [values for values in space.values() if not callable(values)]
    size = int(np.prod([len(values) for values in lists], dtype=np.float64)) if len(lists) == len(space) else trials + 1
    if size <= trials:
        points = [dict(zip(space, values, strict=True)) for values in itertools.product(*lists)]
        return [point for place, point in enumerate(points) if point not in points[:place]]  # 100 and 100.0 are one
    made: list[dict[str, Any]] = []
    for _ in range(20 * trials):
        point = {n: _drawn(n, v, generator) if callable(v) else v[int(generator.integers(len(v)))] for n, v in space.items()}
        if point not in made:
            made.append(point)
        if len(made) == trials:
            break
    return made


def _drawn(name: str, draw: Callable[[np.random.Generator], Any], generator: np.random.Generator) -> Any:
    try:
        with contextlib.suppress(ValueError):  # a builtin does not tell what it takes
            inspect.signature(draw).bind(generator)
    except TypeError:
        raise InputError(f"space[{name!r}] must take a NumPy generator: lambda g: g.uniform(0, 1).") from None
    return draw(generator)
