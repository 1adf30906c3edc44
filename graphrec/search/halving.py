"""Trained families by successive halving: all get a little time, the better third of them three times as much, and so on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from graphrec.search.run import Run
from graphrec.search.space import Entry
from graphrec.search.trial import Deadline, Trial

__all__ = ["compete"]

_RUNGS, _FACTOR = 3, 3
_WHOLE = 0.25
_SHARE = 0.55  # of the time that is left; the rest is for fitting the survivors anew
_LEAST = 0.5  # seconds: in less there is nothing to see

Contenders = list[tuple[Entry, Trial]]


def compete(run: Run, contenders: Contenders, between: Callable[[], None] = lambda: None) -> None:
    """Halve, and halve again for as long as there is time: among those for whom there was no room, then among the best.

    Parameters
    ----------
    run : Run
    contenders : list of (Entry, Trial)
        In the order in which they are worth a try.
    between : callable
        Called after each time, with what is left of the budget.
    """
    untried, asked, lap = contenders, contenders, 0
    while asked:
        waiting, touched = _halve(run, asked, lap)
        if asked is untried:
            untried = waiting
        between()
        if not touched:
            break
        asked, lap = untried or _unfinished(run, contenders), lap + 1
    if not contenders:
        between()
    left = max(0.0, run.budget.left - run.reserve)
    for _, trial in untried:
        why = f"there was no time to train it: {left:.0f} s are left beside blend and refit"
        run.tell(trial, "skipped", why, show=trial is untried[0][1])


def _unfinished(run: Run, contenders: Contenders) -> Contenders:
    """Those whose training was cut short, the best first; of those without a figure not one epoch was over in time."""
    found = [(run.best_of_key(trial.key) or 0.0, entry, trial) for entry, trial in contenders if run.may_go_on(trial)]
    return [(entry, trial) for _, entry, trial in sorted(found, key=lambda one: -one[0]) if not entry.whole]


def _halve(run: Run, contenders: Contenders, lap: int) -> tuple[Contenders, bool]:
    """Train contenders in rounds of equal total time (Jamieson and Talwalkar, AISTATS 2016).

    A contender's time is counted in seconds, not epochs: what counts is where a model gets to within the budget. What one
    that is at its end leaves of its time goes to those after it. A training that is laid out over its whole length
    (``whole``) stands outside of the rounds, with up to a quarter of the time.

    Returns
    -------
    waiting : list of (Entry, Trial)
        For whom there was no room.
    touched : bool
        Whether anybody was trained, or is known to have been in this lap.
    """
    touched, passed_over = False, list[tuple[Entry, Trial]]()
    look = float(np.median([trial.eval_seconds for _, trial in run.kept])) if run.kept else 0.1
    eval_every = 1 if look < 0.5 else 3
    round_seconds = _SHARE * max(0.0, run.budget.left - run.reserve) / _RUNGS
    room = max(int(round_seconds / max(_LEAST, 10 * look)), 0 if run.kept else 1)
    fitting: Contenders = []
    for entry, trial in contenders:
        need = entry.bytes(run.facts, trial.hyper)
        if need > run.memory:
            run.tell(
                trial, "skipped", f"would take about {need / 2**30:.1f} GiB of memory; {run.memory / 2**30:.1f} are allowed"
            )
        else:
            fitting.append((entry, trial))
    alive = [(0.0, entry, trial) for entry, trial in fitting[:room]]
    for _, entry, trial in [one for one in alive if one[1].whole]:
        touched = True
        if not run.taken_back(trial, rung=0):
            _go(run, entry, trial, _WHOLE * max(0.0, run.budget.left - run.reserve), 0, eval_every)
    alive = [one for one in alive if not one[1].whole]
    for rung in range(lap * _RUNGS, (lap + 1) * _RUNGS):
        ends = run.budget.spent + round_seconds
        survivors: list[tuple[float, Entry, Trial]] = []
        for place, (before, entry, trial) in enumerate(alive):
            among = len(alive) - place
            seconds = min(max((ends - run.budget.spent) / among, round_seconds / len(alive)), _rest(run, among))
            if run.taken_back(trial, rung=rung):
                touched, figure = True, next((f for f, t in run.kept if t is trial), run.best_of_key(trial.key))
            elif trial.ended or seconds < _LEAST:
                figure = before or None
                if figure is None and not trial.ended:
                    passed_over.append((entry, trial))
            else:
                touched, figure = True, _go(run, entry, trial, seconds, rung, eval_every)
            if figure is not None:
                survivors.append((figure, entry, trial))
        survivors.sort(key=lambda one: -one[0])
        alive = survivors[: math.ceil(len(survivors) / _FACTOR)]
    return [*passed_over, *fitting[room:]], touched


def _rest(run: Run, among: int) -> float:
    """What is left for each of some trainings, with as much again for fitting it anew."""
    return max(0.0, run.budget.left - run.reserve) / 2 / among


def _go(run: Run, entry: Entry, trial: Trial, seconds: float, rung: int, eval_every: int) -> float | None:
    deadline = Deadline(seconds, max(2 * seconds, 1.0))
    checkpoint = run.folder / "checkpoints" / run.place(trial).name
    return run.measured(trial, lambda: trial.train(run.task, deadline, checkpoint, eval_every), rung=rung)
