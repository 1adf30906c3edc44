"""Trained families by successive halving: all get a little time, the better third of them three times as much, and so on."""

from __future__ import annotations

import math

from graphrec.search.run import Run
from graphrec.search.space import Entry
from graphrec.search.trial import Deadline, Trial

__all__ = ["halve"]

_RUNGS, _FACTOR = 3, 3
_WHOLE = 0.35  # of the time that is left, for trainings that are laid out over their whole length
_SHARE = 0.55  # of what is left then; the rest is for other settings of the best, and for fitting the survivors anew


def halve(run: Run, contenders: list[tuple[Entry, Trial]]) -> None:
    """Train contenders in rounds of equal total time (Jamieson and Talwalkar, AISTATS 2016).

    A contender's time is counted in seconds, not epochs: what counts is where a model gets to within the budget. Each gets time
    in proportion to what it takes to see something of it. A training that is laid out over its whole length (``whole``)
    stands outside of the rounds, before them; other settings of it are tried where there is time for all of it.

    Parameters
    ----------
    run : Run
    contenders : list of (Entry, Trial)
        In the order in which they are worth a try.
    """
    fitting: list[tuple[Entry, Trial]] = []
    for entry, trial in contenders:
        need = entry.bytes(run.facts, trial.hyper)
        if need > run.memory:
            why = f"would take about {need / 2**30:.1f} GiB of memory; {run.memory / 2**30:.1f} are allowed"
            run.tell(trial, "skipped", why)
        else:
            fitting.append((entry, trial))
    _train_whole(run, [one for one in fitting if one[0].whole])
    looks = sorted(trial.eval_seconds for _, trial in run.kept)
    look = looks[len(looks) // 4] if looks else 0.1  # a trained model ranks by products, as the faster of the others do
    round_seconds = _SHARE * max(0.0, run.budget.left - run.reserve) / _RUNGS
    alive, taken = list[tuple[float, Entry, Trial]](), 0.0
    for entry, trial in [one for one in fitting if not one[0].whole]:
        least = max(0.5, 5 * look, 2.5 * run.costs.expected(entry.model, entry.seconds(run.facts, trial.hyper)))
        if taken + least <= round_seconds or not (run.kept or alive):
            alive.append((least, entry, trial))
            taken += least
        else:
            why = f"would take about {least:.0f} s to show something; a round has {max(round_seconds - taken, 0):.0f} s left"
            run.tell(trial, "skipped", why)
    eval_every = 1 if look < 0.5 else 3
    for rung in range(_RUNGS):
        survivors: list[tuple[float, float, Entry, Trial]] = []
        for place, (least, entry, trial) in enumerate(alive):
            rest = sum(one[0] for one in alive[place:])
            seconds = min(round_seconds * least / sum(one[0] for one in alive), _rest(run) * least / rest)
            if run.taken_back(trial, rung=rung):
                figure = next((f for f, t in run.kept if t is trial), run.best_of_key(trial.key))
            elif seconds < 0.5:
                figure = None
            else:
                figure = _go(run, entry, trial, seconds, rung, eval_every)
            if figure is not None:
                survivors.append((figure, least, entry, trial))
        survivors.sort(key=lambda one: -one[0])
        alive = [one[1:] for one in survivors[: math.ceil(len(survivors) / _FACTOR)]]


def _train_whole(run: Run, contenders: list[tuple[Entry, Trial]]) -> None:
    """Those that are judged at their end alone, one after the other while there is time."""
    ends = run.budget.spent + _WHOLE * max(0.0, run.budget.left - run.reserve)
    for entry, trial in contenders:
        if run.taken_back(trial, rung=0):
            continue
        expected = run.costs.expected(entry.model, entry.seconds(run.facts, trial.hyper))
        left = ends - run.budget.spent
        first = not run.best_of(entry.model)
        if left < (0.5 if first else 1.2 * expected):
            run.tell(trial, "skipped", f"would take about {expected:.0f} s; {max(left, 0):.0f} s are left for such")
        elif _go(run, entry, trial, left, 0, 3) is not None:
            run.costs.learn(entry.model, entry.seconds(run.facts, trial.hyper), trial.seconds)


def _rest(run: Run) -> float:
    """Half of what is left; as much is needed for fitting anew."""
    return max(0.0, run.budget.left - run.reserve) / 2


def _go(run: Run, entry: Entry, trial: Trial, seconds: float, rung: int, eval_every: int) -> float | None:
    deadline = Deadline(seconds, max(2 * seconds, 1.0))
    checkpoint = run.folder / "checkpoints" / run.place(trial).name
    return run.measured(trial, lambda: trial.train(run.task, deadline, checkpoint, eval_every), rung=rung)
