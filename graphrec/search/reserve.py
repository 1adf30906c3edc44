"""What the end of a search will take: a blend of the best few, the refit, and writing it all down."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from graphrec.recommender.blend_weights import MemberScores
from graphrec.search.budget import Budget
from graphrec.search.trial import Task, Trial

__all__ = ["MEMBERS", "Reserve"]

MEMBERS = 4  # of a blend, at most
_FEW = 250  # people on whom the cost of a member is measured
_TIMES = 3
_FIGURES = 6  # mixtures that are ranked for the weights, a member; there are more where there is time
_WIDER = 2.0  # items that several members put first, beside those of one
_SHARE = 0.4  # of the budget: a blend that takes longer, with its refit, has fewer members
MARGIN = 1.2


class Reserve:
    """Seconds to set aside, from what has been measured so far.

    Parameters
    ----------
    task : Task
    budget : Budget
    writes : bool
        Whether the result goes to a folder, with its picture.
    blends : bool
        Whether there will be a blend.
    """

    def __init__(self, task: Task, budget: Budget, writes: bool, blends: bool = True) -> None:
        self._task, self._budget, self._writes, self._blends = task, budget, writes, blends
        self._measured = 0
        self._levelling = self._figure = 0.0
        self._starts: dict[str, float] = {}
        self.settled: Sequence[Trial] = ()  # whose refit is to be reckoned with, once a blend has been chosen

    # ---- what is measured ------------------------------------------------------------------------

    def measure(self, trial: Trial) -> None:
        """On a few people: what a member's scores on a common scale take beyond two looks, and to rank a mixture.

        The first three candidates are measured, and the least counts: a machine that is busy otherwise makes it more.
        """
        if not self._blends or self._measured == _TIMES or trial.recommender is None:
            return
        task, model = self._task, trial.recommender.model
        people = np.flatnonzero(np.diff(task.looked_at.structure[0]) > 0)
        chosen = np.zeros(task.valid.n_users, bool)
        chosen[people[:: max(1, len(people) // _FEW)]] = True
        few, scale = task.looked_at.select(chosen[task.looked_at.users]), len(people) / max(1, int(chosen.sum()))
        started = self._budget.spent
        try:
            scores = MemberScores([model, model], task.train, few, task.metric, seed=task.seed)
            made = self._budget.spent
            scores.figure(np.array([0.5, 0.5]))
        except Exception:  # what cannot be blended may be good by itself
            return
        levelling = max(0.0, scale * (made - started) / 2 - 2 * trial.eval_seconds)
        figure = _WIDER * scale * (self._budget.spent - made)
        if self._measured:
            levelling, figure = min(levelling, self._levelling), min(figure, self._figure)
        self._levelling, self._figure, self._measured = levelling, figure, self._measured + 1

    def started(self, model: str, seconds: float) -> None:
        """What it took to make ready for a model, once a process."""
        self._starts[model] = seconds

    # ---- what is expected ------------------------------------------------------------------------

    def start_of(self, model: str) -> float:
        """To make ready for a model: nothing for one that is, else as for most others, of which the first loads what all need.

        A search that goes on has made few ready and takes up many: what a slow one took is not to be reckoned with for each.
        """
        known = list(self._starts.values())[1:]
        return float(np.quantile(known, 0.25)) if known and model not in self._starts else 0.0

    def blend(self, trials: Sequence[Trial]) -> float:
        """To choose the weights of some candidates, and to look at the blend of whom is chosen."""
        if len(trials) < 2 or not self._blends:
            return 0.0
        slowest = sorted(trials, key=lambda trial: -trial.eval_seconds)[:MEMBERS]
        return sum(self._member(trial.eval_seconds) for trial in trials) + self.look(slowest)

    def look(self, trials: Sequence[Trial]) -> float:
        """To look at a blend of some candidates."""
        return MARGIN * sum(trial.eval_seconds + 0.5 * self._levelling for trial in trials)

    def refit(self, trials: Sequence[Trial]) -> float:
        """To fit candidates anew on train and validation."""
        return sum(trial.refit_seconds() + MARGIN * trial.lent + self.start_of(trial.model) for trial in trials)

    def refit_of_any(self, trials: Sequence[Trial]) -> float:
        """The same of whichever of them will be members: of those that take longest."""
        return self.refit(sorted(trials, key=lambda trial: -self.refit([trial]))[:MEMBERS])

    def writing(self, trials: Sequence[Trial]) -> float:
        """To save what is made of some candidates, with the table and the picture."""
        if not self._writes:
            return 0.0
        drawing = 0.4 if "matplotlib.figure" in sys.modules else 1.0  # a library that is loaded for it
        return drawing + MARGIN * sum(trial.save_seconds for trial in trials)

    def total(self, best: Sequence[Trial]) -> float:
        """For all of it, with those that are the best so far; two hundredths of the budget are for what nobody thought of.

        The blend is one of as many of them as a share of the budget is enough for.
        """
        if self.settled:  # the choice may be made once more, with what has come since
            return 0.02 * self._budget.seconds + self.blend(best) + self.refit(self.settled) + self.writing(best[:MEMBERS])
        both = self.refit(best[:1])
        for n in range(2, len(best) + 1):
            cost = self.blend(best[:n]) + self.refit_of_any(best[:n])
            if cost > _SHARE * self._budget.seconds:
                break
            both = max(both, cost)
        return 0.02 * self._budget.seconds + both + self.writing(best[:MEMBERS])

    def _member(self, look: float) -> float:
        """To score for a member, and to choose its weight."""
        return MARGIN * (2.0 * look + self._levelling + _FIGURES * self._figure)
