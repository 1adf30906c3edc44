"""Where time is left: the numbers of the best solved models, up and down in steps of a factor that shrinks."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from graphrec.models import MODELS
from graphrec.search.run import Run
from graphrec.search.space import LIMITS, VARY, Entry
from graphrec.search.trial import Trial

__all__ = ["refine"]

_MODELS = 4  # so many of the best: the members of a blend come from different ones
_FACTORS = (2.0, 1.4)


def refine(run: Run, entries: Sequence[Entry], share: float = 0.5, most: float = math.inf) -> None:
    """Climb from the best settings of the best few models, one number at a time.

    Parameters
    ----------
    run : Run
    entries : sequence of Entry
        Of solved models.
    share : float
        Of the time that is left, at most.
    most : float
        Seconds that one candidate may take.
    """
    ends = run.budget.spent + share * max(0.0, run.budget.left - run.reserve)
    by_name = {entry.model: entry for entry in reversed(entries)}
    names = [name for name in by_name if name in VARY and name in MODELS and run.best_of(name) > 0]
    tried = {row["key"] for row in run.journal.rows if row["status"] in ("ok", "failed")}
    for name in sorted(names, key=run.best_of, reverse=True)[:_MODELS]:
        for factor in _FACTORS:
            gained = True
            while gained and run.budget.spent < ends:
                gained = _round(run, by_name[name], factor, ends, tried, most)


def _round(run: Run, entry: Entry, factor: float, ends: float, tried: set[str], most: float) -> bool:
    """Each number up and down from the best settings; whether one of them is better."""
    before = run.best_of(entry.model)
    for hyper in _around(entry.model, run.best_settings(entry.model), factor):
        trial = Trial(entry.model, hyper, {})
        if trial.key in tried or run.price(entry, trial) > most:
            continue
        if run.budget.spent >= ends or run.refusal(entry, trial) is not None:
            break
        tried.add(trial.key)
        run.solve(entry, trial)
    return run.best_of(entry.model) > before


def _around(model: str, hyper: Mapping[str, Any], factor: float) -> Iterator[dict[str, Any]]:
    usual = {n: p.default for n, p in inspect.signature(MODELS[model].__init__).parameters.items()}
    for name in VARY[model]:
        value = hyper.get(name, usual.get(name))
        if isinstance(value, bool) or not isinstance(value, int | float) or not value:
            continue
        for moved in (value * factor, value / factor):
            at_most = min(moved, LIMITS.get((model, name), moved))
            number = max(1, round(at_most)) if isinstance(value, int) else float(f"{at_most:.3g}")
            others = {n: v for n, v in hyper.items() if n != name}
            yield others if number == usual.get(name) else {**others, name: number}  # one setting, one key
