"""Trained families by successive halving: all get a little time, the better third of them three times as much, and so on."""

from __future__ import annotations

import math

from graphrec.search.run import Run
from graphrec.search.space import Entry
from graphrec.search.trial import Deadline, Trial

__all__ = ["halve"]

_RUNGS, _FACTOR = 3, 3
_WHOLE = 0.25
_SHARE = 0.55  # of the time that is left; the rest is for fitting the survivors anew


def halve(run: Run, contenders: list[tuple[Entry, Trial]]) -> None:
    """Train contenders in rounds of equal total time (Jamieson and Talwalkar, AISTATS 2016).

    A contender's time is counted in seconds, not epochs: what counts is where a model gets to within the budget. A training
    that is laid out over its whole length (``whole``) stands outside of the rounds, with up to a quarter of the time.

    Parameters
    ----------
    run : Run
    contenders : list of (Entry, Trial)
        In the order in which they are worth a try.
    """
    look = max((trial.eval_seconds for _, trial in run.kept), default=0.1)
    eval_every = 1 if look < 0.5 else 3
    round_seconds = _SHARE * max(0.0, run.budget.left - run.reserve) / _RUNGS
    least = max(0.5, 10 * look)  # in less time there is nothing to see
    room = max(int(round_seconds / least), 0 if run.kept else 1)
    alive: list[tuple[float, Entry, Trial]] = []
    for place, (entry, trial) in enumerate(contenders):
        need = entry.bytes(run.facts, trial.hyper)
        if need > run.memory:
            run.tell(
                trial, "skipped", f"would take about {need / 2**30:.1f} GiB of memory; {run.memory / 2**30:.1f} are allowed"
            )
        elif place >= room:
            run.tell(trial, "skipped", f"{round_seconds:.0f} s a round are enough for {room} trained candidates")
        else:
            alive.append((0.0, entry, trial))
    for _, entry, trial in [one for one in alive if one[1].whole]:
        if not run.taken_back(trial, rung=0):
            _go(run, entry, trial, _WHOLE * max(0.0, run.budget.left - run.reserve), 0, eval_every)
    alive = [one for one in alive if not one[1].whole]
    for rung in range(_RUNGS):
        survivors: list[tuple[float, Entry, Trial]] = []
        for place, (before, entry, trial) in enumerate(alive):
            seconds = min(round_seconds / len(alive), _rest(run, len(alive) - place))
            if run.taken_back(trial, rung=rung):
                figure = next((f for f, t in run.kept if t is trial), run.best_of_key(trial.key))
            elif seconds < 0.5:
                figure = before or None
            else:
                figure = _go(run, entry, trial, seconds, rung, eval_every)
            if figure is not None:
                survivors.append((figure, entry, trial))
        survivors.sort(key=lambda one: -one[0])
        alive = survivors[: math.ceil(len(survivors) / _FACTOR)]


def _rest(run: Run, among: int) -> float:
    """What is left for each of some trainings, with as much again for fitting it anew."""
    return max(0.0, run.budget.left - run.reserve) / 2 / among


def _go(run: Run, entry: Entry, trial: Trial, seconds: float, rung: int, eval_every: int) -> float | None:
    deadline = Deadline(seconds, max(2 * seconds, 1.0))
    checkpoint = run.folder / "checkpoints" / run.place(trial).name
    return run.measured(trial, lambda: trial.train(run.task, deadline, checkpoint, eval_every), rung=rung)
