"""Trained families by successive halving: all get a little time, the better third of them three times as much, and so on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from graphrec.compiling import compiling_timed
from graphrec.folder_files import CHECKPOINTS
from graphrec.search.budget import as_seconds
from graphrec.search.run import AT_ONCE, Run
from graphrec.search.space import Entry
from graphrec.search.trial import Deadline, Trial

__all__ = ["Competition", "compete"]

_RUNGS, _FACTOR = 3, 3
_WHOLE = 0.35  # of the time that is left, for trainings that are laid out over their whole length
_SHARE = 0.55  # of what is left then; the rest is for other settings of the best, and for fitting the survivors anew
_LEAST = 0.5  # seconds: in less there is nothing to see
_AFTER = "blend and refit"

Contenders = list[tuple[Entry, Trial]]


def compete(run: Run, contenders: Contenders, between: Callable[[], None] = lambda: None, after: str = _AFTER) -> None:
    """A :class:`Competition` that is held once, and what came of it."""
    competition = Competition(run, contenders, between, after)
    competition.go_on()
    competition.tell_untried()


class Competition:
    """Halve, and halve again for as long as there is time: among those for whom there was no room, then among the best.

    Parameters
    ----------
    run : Run
    contenders : list of (Entry, Trial)
        In the order in which they are worth a try.
    between : callable
        Called after each time, with what is left of the budget.
    after : str
        What the end of the search needs time for, fitting the best anew among it; empty where it ends with the best as it is.
    """

    def __init__(
        self, run: Run, contenders: Contenders, between: Callable[[], None] = lambda: None, after: str = _AFTER
    ) -> None:
        self._run, self._contenders, self._between, self._after = run, contenders, between, after
        self._untried = _within_memory(run, contenders)
        self._lap, self._left = 0, 0.0

    def go_on(self) -> None:
        """Until there is no room for anybody. It may be called again, when there is more time than had been reckoned with."""
        run, asked = self._run, self._untried or _unfinished(self._run, self._contenders)
        while asked:
            was_untried = asked is self._untried
            waiting, touched = _halve(run, asked, self._lap, self._after)
            if was_untried:
                self._untried = waiting
            self._between()
            self._lap += 1
            if not touched and not was_untried:
                break
            # What there is no room for now will not get any later; those that were begun may still go on.
            asked = self._untried if touched and self._untried else _unfinished(run, self._contenders)
        if not self._contenders:
            self._between()
        self._left = run.budget.left - run.reserve

    def tell_untried(self) -> None:
        """A row for each that there was no time for."""
        run, beside = self._run, f" beside {self._after}" if self._after else ""
        untried = [trial for _, trial in self._untried if run.best_of_key(trial.key) is None]  # an earlier run may have
        for trial in untried:
            why = f"there was no time to train it: {as_seconds(self._left)} were left{beside}"
            run.tell(trial, "skipped", why, quietly=True)
        if untried:  # of those that have a figure other settings
            names = dict.fromkeys(f"more of {one.model}" if run.best_of(one.model) else one.model for one in untried)
            run.say(f"  no time to train {', '.join(names)}")


def _within_memory(run: Run, contenders: Contenders) -> Contenders:
    fitting: Contenders = []
    for entry, trial in contenders:
        if (why := run.too_large(entry, trial)) is not None:
            run.tell(trial, "skipped", why)
        else:
            fitting.append((entry, trial))
    return fitting


def _unfinished(run: Run, contenders: Contenders) -> Contenders:
    """Those whose training was cut short, the best first; of those without a figure not one look was over in time."""
    found = [(run.best_of_key(trial.key) or 0.0, entry, trial) for entry, trial in contenders if run.may_go_on(trial)]
    return [(entry, trial) for _, entry, trial in sorted(found, key=lambda one: -one[0])]


def _halve(run: Run, contenders: Contenders, lap: int, after: str) -> tuple[Contenders, bool]:
    """Train contenders in rounds of equal total time (Jamieson and Talwalkar, AISTATS 2016).

    A contender's time is counted in seconds, not epochs: what counts is where a model gets to within the budget. Each gets time
    in proportion to what it takes to see something of it, and what one that is at its end leaves of its time goes to those
    after it. A training that is laid out over its whole length (``whole``) stands outside of the rounds, before them.

    Returns
    -------
    waiting : list of (Entry, Trial)
        For whom there was no room.
    touched : bool
        Whether anybody was trained, or is known to have been in this lap.
    """
    in_rounds = [one for one in contenders if not one[0].whole]
    waiting, touched = _train_whole(run, [one for one in contenders if one[0].whole], lap, bool(in_rounds), after)
    looks = sorted(trial.eval_seconds for _, trial in run.kept)
    look = looks[len(looks) // 4] if looks else 0.1  # a trained model ranks by products, as the faster of the others do
    # Two epochs and a look, or five looks where these take longer.
    leasts = [
        max(_LEAST, 5 * look, 2.5 * run.costs.pace() * entry.seconds(run.facts, trial.hyper), _again(run, trial))
        for entry, trial in in_rounds
    ]
    again = 2 if after else 1  # as much as training takes is needed for fitting anew
    rounds, round_seconds = _rounds(leasts, max(0.0, run.budget.left - run.reserve), again)
    alive, taken = list[tuple[float, Entry, Trial]](), 0.0
    for least, (entry, trial) in zip(leasts, in_rounds, strict=True):
        if taken + least <= round_seconds or (round_seconds >= _LEAST and not (run.kept or alive)):
            alive.append((least, entry, trial))
            taken += least
        else:
            waiting.append((entry, trial))
    for rung in range(lap * _RUNGS, lap * _RUNGS + rounds):
        ends = run.budget.spent + round_seconds
        survivors: list[tuple[float, float, Entry, Trial]] = []
        for place, (least, entry, trial) in enumerate(alive):
            of_all, of_rest = (least / sum(one[0] for one in some) for some in (alive, alive[place:]))
            rest = max(0.0, run.budget.left - run.reserve) / again
            # Who overran takes nothing from the others; what somebody has left over goes to those after it.
            seconds = min(max(of_all * round_seconds, of_rest * (ends - run.budget.spent)), rest)
            if run.taken_back(trial, rung=rung):
                touched, figure = True, next((f for f, t in run.kept if t is trial), run.best_of_key(trial.key))
            elif trial.ended or seconds < _LEAST:
                figure = run.best_of_key(trial.key)
                if figure is None and not trial.ended:
                    waiting.append((entry, trial))
            else:
                touched, figure = True, _go(run, entry, trial, seconds, rung)
            if figure is not None:
                survivors.append((figure, least, entry, trial))
        survivors.sort(key=lambda one: -one[0])
        alive = [one[1:] for one in survivors[: math.ceil(len(survivors) / _FACTOR)]]
    return waiting, touched


def _rounds(leasts: Sequence[float], left: float, again: int) -> tuple[int, float]:
    """How many rounds there are, and the seconds of each.

    Three; of few contenders as many as a third of a third leaves somebody for, and fewer still where only then all of them
    have room. When so little time is left that nobody has, what can be had of it goes to one round.
    """
    most = next((n for n in range(1, _RUNGS) if len(leasts) <= _FACTOR ** (n - 1)), _RUNGS)
    few, share = len(leasts) <= _FACTOR ** (_RUNGS - 1), _SHARE * left
    for rounds in range(most, 0, -1) if few else ():
        if sum(leasts) <= share / rounds:
            return rounds, share / rounds
    return (1, left / again) if leasts and share / most < min(leasts) else (most, share / most)


def _train_whole(run: Run, contenders: Contenders, lap: int, others: bool, after: str) -> tuple[Contenders, bool]:
    """Those that are judged at their end alone, one after the other while there is time; for whom there was none."""
    share = _WHOLE if others else 0.5 if after else 1.0
    ends = run.budget.spent + share * max(0.0, run.budget.left - run.reserve)
    waiting, touched = Contenders(), False
    for entry, trial in contenders:
        declared = entry.seconds(run.facts, trial.hyper)
        left, need = ends - run.budget.spent, max(_LEAST, _again(run, trial))
        if run.best_of(entry.model):
            behind = 0.0 if _again(run, trial) else trial.seconds
            need = max(need, 1.2 * run.costs.expected(entry.model, declared) - behind)
        if run.taken_back(trial, rung=lap * _RUNGS):
            touched = True
        elif left < need:
            waiting.append((entry, trial))
        else:
            touched = True
            if _go(run, entry, trial, left, lap * _RUNGS) is not None and trial.ended:
                run.costs.learn(entry.model, declared, trial.seconds)
    return waiting, touched


def _again(run: Run, trial: Trial) -> float:
    """Seconds below which a training would not get beyond where it was in an earlier run, of which no checkpoint is left."""
    return 0.0 if _checkpoint(run, trial).exists() else 1.5 * trial.seconds


def _checkpoint(run: Run, trial: Trial) -> Path:
    return run.folder / CHECKPOINTS / run.place(trial).name


def _go(run: Run, entry: Entry, trial: Trial, seconds: float, rung: int) -> float | None:
    started, checkpoint = run.budget.spent, _checkpoint(run, trial)
    with compiling_timed() as compiled:
        run.warm_up(trial)
        before = compiled.seconds
        seconds = max(0.2 * _LEAST, seconds - (run.budget.spent - started - before))
        left = run.budget.left - run.reserve
        hard = min(max(2 * seconds, 1.0), max(seconds, left))
        if not run.kept:  # something must come of it: one look
            hard = max(hard, left, AT_ONCE)
        spare = max(0.0, left - seconds)  # what compiling may take without being the candidate's own time
        deadline = Deadline(seconds, hard, lambda: run.clock() - min(compiled.seconds - before, spare))
        return run.measured(trial, lambda: trial.train(run.task, deadline, checkpoint), rung=rung)
