"""The state of a search under way: rows, the candidates worth keeping, and what the rest will cost."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphrec.compiling import compiling_timed
from graphrec.errors import InputError
from graphrec.folder_files import CANDIDATES
from graphrec.models.parts.truncated_svd import lent_seconds
from graphrec.search.budget import Budget, Costs, as_seconds, as_size
from graphrec.search.disk import of_everybody
from graphrec.search.journal import Journal
from graphrec.search.reserve import Reserve
from graphrec.search.space import Entry, Facts
from graphrec.search.trial import OutOfTime, Task, Trial, reason_of

__all__ = ["AT_ONCE", "KEPT", "OF_ONE_MODEL", "Run"]

KEPT, OF_ONE_MODEL = 8, 2
_TOLD_EVERY = 0.02  # of the budget
AT_ONCE = 10.0  # seconds that the first candidate may take, whatever the budget


class Run:
    """What a search knows.

    Parameters
    ----------
    task : Task
    facts : Facts
    budget : Budget
    memory : float
        Bytes that a candidate may take; with those that are kept, twice as many.
    journal : Journal
    folder : Path
        For the candidates that may be blended.
    show : bool
        Print a line for each row.
    blends : bool
        Whether the best few will be blended.

    Attributes
    ----------
    kept : list of (float, Trial)
        The best few with their figures, the best first.
    looks : dict of str to float
        Seconds of each model's latest look at validation.
    lost : set of str
        Keys of candidates that were fitted and are not there any more.
    """

    def __init__(
        self,
        task: Task,
        facts: Facts,
        budget: Budget,
        memory: float,
        journal: Journal,
        folder: Path,
        show: bool,
        blends: bool = True,
    ) -> None:
        self.task, self.facts, self.budget, self.memory = task, facts, budget, memory
        self.journal, self.folder, self.costs = journal, folder, Costs()
        self.kept: list[tuple[float, Trial]] = []
        self.costs_of_end = Reserve(task, budget, journal.is_kept, blends)
        self._show, self._warm = show, set[str]()
        self.looks, self.lost = dict[str, float](), set[str]()
        self._told = journal.spent

    # ---- what there is time for -----------------------------------------------------------------

    @property
    def reserve(self) -> float:
        """Seconds that blending, fitting the best few anew and saving will take; see :class:`Reserve`."""
        return self.costs_of_end.total([trial for _, trial in self.kept])

    def refusal(self, entry: Entry, trial: Trial) -> str | None:
        """Why a candidate is not begun; None if it may."""
        if (why := self.too_large(entry, trial)) is not None:
            return why
        need = entry.bytes(self.facts, trial.hyper)
        held = sum(trial.bytes for _, trial in self.kept)
        if need + held > 2 * self.memory:
            return (
                f"would take about {as_size(need)} of memory beside {as_size(held)} of the best so far; "
                f"{as_size(2 * self.memory)} are allowed for all"
            )
        expected = self.costs.expected(entry.way(trial.hyper), entry.seconds(self.facts, trial.hyper))
        left = self.budget.left - self.reserve
        if not self.kept and expected < max(self.budget.left, AT_ONCE):  # something must come of it
            return None
        look, start = self.look_of(entry.model), self.costs_of_end.start_of(entry.model)
        if (needs := start + 2.2 * expected + look) > left:
            took = f"{as_seconds(needs)} to fit, look at and fit anew"
            return f"would take about {took}; {as_seconds(left)} are left beside blend and refit"
        return None

    def too_large(self, entry: Entry, trial: Trial) -> str | None:
        """Why a candidate does not fit into what it may take; None if it does."""
        need = entry.bytes(self.facts, trial.hyper)
        return f"would take about {as_size(need)} of memory; {as_size(self.memory)} are allowed" if need > self.memory else None

    def price(self, entry: Entry, trial: Trial) -> float:
        """Seconds to fit a solved candidate and to look at it; nothing where an earlier run has."""
        row = self.journal.latest(trial.key)
        if row is not None and row["figure"] is not None and trial.key not in self.lost:
            return 0.0
        return self.costs.expected(entry.way(trial.hyper), entry.seconds(self.facts, trial.hyper)) + self.look_of(entry.model)

    def look_of(self, model: str) -> float:
        """Seconds that a look at validation will probably take: as the model's last one, or as the slower of the others'."""
        known = sorted(self.looks.values())
        return self.looks.get(model, known[3 * len(known) // 4] if known else 0.1)

    def clock(self) -> float:
        """Seconds spent, for a long training to look at: the journal is told of them now and then, as a kill may come."""
        spent = self.budget.spent
        if spent - self._told > max(_TOLD_EVERY * self.budget.seconds, 0.5):
            self.at_work(spent)
        return spent

    def at_work(self, spent: float) -> None:
        """See :meth:`Journal.at_work`."""
        self._told = spent
        self.journal.at_work(round(spent, 3))

    # ---- candidates -----------------------------------------------------------------------------

    def solve(self, entry: Entry, trial: Trial) -> None:
        """Try a solved model, unless an earlier run did."""
        if self.taken_back(trial):
            return
        if (why := self.refusal(entry, trial)) is not None:
            self.tell(trial, "skipped", why)
            return
        self.warm_up(trial)
        lent = lent_seconds()
        self.measured(trial, lambda: self._solved(trial, lent))
        if trial.recommender is not None:
            self.costs.learn(entry.way(trial.hyper), entry.seconds(self.facts, trial.hyper), trial.seconds)

    def warm_up(self, trial: Trial) -> None:
        """Before the first candidate of a model; see :meth:`Trial.warm_up`."""
        if trial.model not in self._warm:
            self._warm.add(trial.model)
            started = self.budget.spent
            with compiling_timed() as compiled:
                trial.warm_up(self.task.few)
            self.costs_of_end.started(trial.model, max(0.0, self.budget.spent - started - compiled.seconds))

    def _solved(self, trial: Trial, lent: float) -> float:
        figure = trial.solve(self.task)
        trial.lent = lent_seconds() - lent
        return figure

    def measured(self, trial: Trial, fit: Callable[[], float], **more: Any) -> float | None:
        """Fit, and keep what came of it: a row in any case; the figure if there is one."""
        try:
            figure = fit()
            if not figure >= 0:
                raise FloatingPointError(f"the figure on validation is {figure}")
        except OutOfTime as error:
            self.tell(trial, "stopped", reason_of(error), trial.figure, **more)
            return trial.figure
        except InputError as error:  # these settings are not for this table
            trial.recommender = None
            self.tell(trial, "skipped", reason_of(error), **more)
            return None
        except Exception as error:  # whatever it is, the others are still worth a try
            if isinstance(error, OSError) and of_everybody(error, self.folder):
                raise
            self._forget(trial)
            self.tell(trial, "failed", reason_of(error), **more)
            return None
        try:
            if trial.recommender is not None:
                self.keep(figure, trial)
        except OSError:  # of the disk, which is everybody's
            raise
        except Exception as error:
            self._forget(trial)
            self.tell(trial, "failed", reason_of(error), **more)
            return None
        self.tell(trial, "stopped" if trial.cut else "ok", trial.cut, figure, **more)
        return figure

    def _forget(self, trial: Trial) -> None:
        trial.recommender = None
        self.kept = [(value, one) for value, one in self.kept if one is not trial]

    def keep(self, figure: float, trial: Trial, store: bool = True) -> None:
        """Remember the best few, not all of one model, and forget the others' weights.

        Of a candidate that was fitted twice, in an earlier run and now, the better one stays.
        """
        self.looks[trial.model] = trial.eval_seconds
        others = [(f, t) for f, t in self.kept if t.key != trial.key or (t is not trial and f > figure)]
        better = any(t.key == trial.key for _, t in others)
        ranked = sorted([*others, *([] if better else [(figure, trial)])], key=lambda pair: -pair[0])
        kept: list[tuple[float, Trial]] = []
        for value, one in ranked:
            if len(kept) < KEPT and sum(t.model == one.model for _, t in kept) < OF_ONE_MODEL:
                kept.append((value, one))
            else:
                one.recommender = None
        self.kept = kept
        if better:
            trial.recommender = None
        if any(t is trial for _, t in kept) and trial.recommender is not None:
            self.costs_of_end.measure(trial)
            if store:
                started = self.budget.spent
                trial.recommender.save(self.place(trial))
                trial.save_seconds = self.budget.spent - started

    def best_of(self, model: str) -> float:
        """The best figure of a model so far; 0 if it has none."""
        return max((row["figure"] for row in self.journal.rows if row["model"] == model and row["figure"]), default=0.0)

    def best_of_key(self, key: str) -> float | None:
        """The figure of a candidate's latest row."""
        row = self.journal.latest(key)
        return None if row is None or row["figure"] is None else float(row["figure"])

    def best_settings(self, model: str) -> dict[str, Any]:
        """The constructor's arguments of the best candidate of a model."""
        rows = [row for row in self.journal.rows if row["model"] == model and row["figure"]]
        return dict(max(rows, key=lambda row: float(row["figure"]))["hyper"])

    def may_go_on(self, trial: Trial) -> bool:
        """Whether a candidate's training was cut short."""
        row = self.journal.latest(trial.key)
        return not trial.ended and row is not None and row["status"] in ("ok", "stopped")

    def place(self, trial: Trial) -> Path:
        """The folder of a candidate."""
        import hashlib

        return self.folder / CANDIDATES / f"{trial.model}-{hashlib.sha256(trial.key.encode()).hexdigest()[:10]}"

    def taken_back(self, trial: Trial, **same: Any) -> bool:
        """Whether an earlier run has tried this candidate, in the same round; if it was good it was taken up."""
        row = self.journal.latest(trial.key)
        if row is None or (row["status"] in ("skipped", "stopped") and row["figure"] is None):  # there may be time now
            return False
        if trial.key in self.lost:
            return False
        if trial.figure is None:
            trial.restore(row)
        return any(r["key"] == trial.key and same.items() <= r.items() for r in self.journal.rows)

    # ---- rows -----------------------------------------------------------------------------------

    def say(self, line: str) -> None:
        """A line for the eye alone."""
        if self._show:
            print(f"{self.budget.spent:8.1f} s {line}", file=sys.stderr, flush=True)

    def tell(
        self, trial: Trial, status: str, reason: str = "", figure: float | None = None, quietly: bool = False, **more: Any
    ) -> None:
        """A row, in the journal and, unless quietly, for the eye."""
        row = {
            "key": trial.key,
            "model": trial.model,
            "hyper": trial.hyper,
            "settings": trial.settings,
            "figure": figure,
            "seconds": round(trial.seconds, 3),
            "eval_seconds": round(trial.eval_seconds, 3),
            "save_seconds": round(trial.save_seconds, 3),
            "lent": round(trial.lent, 3),
            "epochs": trial.epochs,
            "at": round(self.budget.spent, 3),
            "status": status,
            "reason": reason,
            **more,
        }
        best = max((r["figure"] for r in self.journal.rows if r["figure"] is not None), default=-1.0)
        self.journal.add(row)
        if not quietly:
            mark = "*" if figure is not None and figure > best else " "
            said = f"{figure:.4f}" if figure is not None else status
            words = "; ".join(filter(None, (trial.settings, reason)))
            self.say(f"{mark} {trial.model:<14} {said:>8} {trial.seconds:8.1f} s  {words}".rstrip())
