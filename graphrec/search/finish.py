"""The end of a search: the best few blended, and fitted anew on train and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.models import Scorer
from graphrec.recommender import Blend, Recommender
from graphrec.recommender.blend_weights import MemberScores, best_weights, forward_selection
from graphrec.recommender.refitting import refitted
from graphrec.recommender.tables import joined
from graphrec.search.budget import as_seconds
from graphrec.search.reserve import MEMBERS
from graphrec.search.run import Run
from graphrec.search.saved import Saved
from graphrec.search.trial import Deadline, OutOfTime, Task, Trial, reason_of

__all__ = ["Result", "blended", "finished", "fitted_anew"]

_SPARE = 0.05  # of the budget: less is not worth beginning again
Weights = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Result:
    """What a search ends with.

    Attributes
    ----------
    recommender : Recommender
    figure : float
        On validation, before it was fitted anew.
    cost : float
        Seconds that fitting it anew will probably take.
    refit : bool
        Whether it was fitted anew.
    is_new : bool
        False for what an earlier run has saved, as it is in its folder.
    """

    recommender: Recommender
    figure: float
    cost: float
    refit: bool
    is_new: bool = True


def finished(run: Run, earlier: Saved | None, go_on: Callable[[bool], None] = lambda enough: None) -> Result:
    """The best of all fitted anew, or what an earlier run has saved where nothing is better.

    Time had been set aside for the refit of whichever members; what those that were chosen leave of it goes to `go_on`, which
    is told whether that is enough for anything.
    """
    best, parts, figure = blended(run)
    run.costs_of_end.settled = parts
    known = len(run.journal.rows)
    go_on(run.budget.left - run.reserve > _SPARE * run.budget.seconds)
    if any(row["figure"] is not None for row in run.journal.rows[known:]) and _is_better(
        run, other := blended(run), parts, figure
    ):
        best, parts, figure = other
    cost = run.costs_of_end.refit(parts)
    writing, is_new = run.costs_of_end.writing(parts), True
    if earlier is not None and earlier.stays(figure):
        before = earlier.load(run.task.device)
        if earlier.refit:
            run.say(
                f"  nothing is better than {before.name}, which is saved; of what is added to the budget, blend and refit take "
                f"about {as_seconds(run.reserve)}"
            )
            return Result(before, earlier.figure, earlier.cost, True, False)
        best, figure, cost, is_new = before, earlier.figure, earlier.cost, False
    again, refit = _anew(run, best, cost, writing)
    if earlier is not None and earlier.stays_beside(figure, refit):
        why = "on train and validation, as an earlier run saved it; what is new has not been, and is no better by a hundredth"
        run.tell(Trial("refit", {}, {}), "ok", why)
        return Result(earlier.load(run.task.device), earlier.figure, earlier.cost, True, False)
    return Result(again, figure, cost, refit, is_new or refit)


def _is_better(run: Run, other: tuple[Recommender, list[Trial], float], parts: Sequence[Trial], figure: float) -> bool:
    """Whether a second choice takes the place of the first: one that cannot be fitted anew must be better by a hundredth."""
    left, end = run.budget.left, run.costs_of_end
    fits, did = (end.refit(some) + end.writing(some) <= left for some in (other[1], parts))
    return other[2] > (figure if fits or not did else 1.01 * figure)


def blended(run: Run) -> tuple[Recommender, list[Trial], float]:
    """The best candidate, or a blend of a few where that is better on validation; with what it is made of, and its figure."""
    pool = [trial for _, trial in run.kept if trial.recommender is not None]
    task, end, (top, first) = run.task, run.costs_of_end, run.kept[0]
    best = first.recommender
    assert best is not None
    alone = best, [first], top

    anew = end.refit([first]) <= run.budget.left - end.writing([first])  # or nothing will be fitted anew

    def left_for(few: Sequence[Trial]) -> float:
        """Seconds until the blend of some must be there, to be fitted anew and saved."""
        return run.budget.left - end.writing(few) - (end.refit(few) if anew else 0.0)

    while len(pool) > 1 and end.blend(pool) > left_for([first]):
        pool.pop()
    if len(pool) == 1:
        return alone
    started = run.budget.spent
    try:
        scores = _Timed(pool, lambda few: left_for(few) < end.look(few), task)
        weights = scores.chosen()
        chosen = [(trial, float(weight)) for trial, weight in zip(pool, weights, strict=True) if weight > 0]
        if len(chosen) == 1:
            all_tried = not (scores.broken_off or scores.too_dear)
            few = f"of the best {len(pool)}" if all_tried else "of the few that there was time for"
            run.say(f"  no blend {few} is better than {first.model} alone")
            if scores.broken_off:
                run.tell(
                    Trial("blend", {}, {}), "stopped", f"there was no time to choose weights for {len(pool)}", quietly=True
                )
            return alone
        members = [trial.recommender for trial, _ in chosen if trial.recommender is not None]
        blend = Blend(members, weights=[w for _, w in chosen]).fit(task.train, valid=task.looked_at, device=task.device)
        figure = task.figure(blend)
    except Exception as error:  # the best candidate is there all the same
        run.tell(Trial("blend", {}, {}), "failed", reason_of(error))
        return alone
    whole = Trial("blend", _shares(chosen), {})
    whole.seconds = run.budget.spent - started
    run.tell(whole, "stopped" if scores.broken_off else "ok", scores.broken_off, figure)
    return (blend, [trial for trial, _ in chosen], figure) if figure > top else alone


class _Timed(MemberScores):
    """Scores that remember the best mixture, so that the choice of weights may be broken off.

    Parameters
    ----------
    trials : sequence of Trial
    too_late : callable
        Whether there is no time any more for a blend of some of them.
    task : Task

    Attributes
    ----------
    broken_off : str
        Why the choice was broken off; empty where it was not.
    too_dear : bool
        Whether there was a mixture that there is no time for, while there is for others.
    """

    def __init__(self, trials: Sequence[Trial], too_late: Callable[[Sequence[Trial]], bool], task: Task) -> None:
        super().__init__([_model_of(trial) for trial in trials], task.train, task.looked_at, task.metric, seed=task.seed)
        self._trials, self._too_late, self._best, self.broken_off, self.too_dear = trials, too_late, -1.0, "", False
        self._best_weights: Weights = np.eye(len(trials))[0]

    def figure(self, weights: Weights) -> float:
        """See :class:`MemberScores`; -1 for a mixture that is too dear; :class:`OutOfTime` when there is time for no more."""
        if self._best >= 0 and self._too_late(self._members(self._best_weights)):
            raise OutOfTime("the weights of the blend are as good as they were when their share of time was over")
        members = self._members(weights)
        if len(members) > 1 and self._too_late(members):
            self.too_dear = True
            return -1.0
        value = super().figure(weights)
        if value > self._best:
            self._best, self._best_weights = value, weights.copy()
        return value

    def _members(self, weights: Weights) -> list[Trial]:
        return [trial for trial, weight in zip(self._trials, weights.tolist(), strict=True) if weight > 0]

    def chosen(self) -> Weights:
        """The weights, shape (n_members,)."""
        try:
            weights: Weights = best_weights(self, np.flatnonzero(forward_selection(self, MEMBERS)).tolist())
        except OutOfTime as error:
            self.broken_off = reason_of(error)
            return self._best_weights
        return weights


def _model_of(trial: Trial) -> Scorer:
    assert trial.recommender is not None
    return trial.recommender.model


def _shares(chosen: Sequence[tuple[Trial, float]]) -> dict[str, str]:
    """The weights by the members' names, with their settings."""

    def name(trial: Trial) -> str:
        return f"{trial.model}({','.join(f'{k}={v}' for k, v in trial.hyper.items())})" if trial.hyper else trial.model

    return {name(trial): f"{weight:.2f}" for trial, weight in chosen}


def fitted_anew(run: Run, best: Recommender, parts: Sequence[Trial]) -> Recommender:
    """On train and validation together, if there is time; otherwise as it is, and the table says so."""
    of_its_own = parts[0].fit if len(parts) == 1 else {}
    return _anew(run, best, run.costs_of_end.refit(parts), run.costs_of_end.writing(parts), of_its_own)[0]


def _anew(
    run: Run, best: Recommender, expected: float, writing: float, objects: Mapping[str, Any] | None = None
) -> tuple[Recommender, bool]:
    """See :func:`fitted_anew`; and whether there was time, with so many seconds for writing it down."""
    task, trial = run.task, Trial("refit", {}, {})
    left = run.budget.left - writing
    as_it_is = task.known_to(best._fitted)
    if expected > max(left, 0.02 * run.budget.seconds):  # what is next to nothing is done in any case
        why = f"would take about {as_seconds(expected)}; {as_seconds(left)} are left: fitted on train alone"
        run.tell(trial, "skipped", why)
        best._state = as_it_is
        return best, False
    started = run.budget.spent
    try:
        ends = Deadline(np.inf, max(1.0, left))
        again = refitted(best, joined(task.train, task.valid), task.device, [ends], objects or {})
    except (OutOfTime, Exception) as error:
        run.tell(trial, "failed", f"{reason_of(error)}: fitted on train alone")
        best._state = as_it_is
        return best, False
    again._state = replace(again._fitted, valid=task.valid, selected=True)
    trial.seconds = run.budget.spent - started
    run.tell(trial, "ok", "on train and validation, with everything as chosen")
    return again, True
