"""Solved models: all that is cheap first, in every setting; then what is dear, the cheapest of it first."""

from __future__ import annotations

from collections.abc import Sequence

from graphrec.search.refine import refine
from graphrec.search.run import Run
from graphrec.search.space import Entry
from graphrec.search.trial import Trial

__all__ = ["Solving"]

_CHEAP = 0.03  # of the budget: what takes less is no matter
_EARLY, _LITTLE = 0.1, 0.01  # of the time left and of the budget: numbers of cheap models, before anything dear is begun
_DEAR, _FAIR = 0.5, 3.0  # of the time that is left, for what takes over three times as much, where trained models wait


class Solving:
    """The candidates that are solved, in the order in which they are worth their time.

    A model in its first setting tells more than one in another setting, and this more than a number moved a little; but a
    model that takes a fifth of the budget tells less than a hundred cheap tries do.

    Parameters
    ----------
    run : Run
    entries : sequence of Entry
        In the order in which models of the same price are tried.
    """

    def __init__(self, run: Run, entries: Sequence[Entry]) -> None:
        self._run, self._entries, self._cheap = run, entries, _CHEAP * run.budget.seconds
        self._first: list[tuple[Entry, Trial]] = []
        self._other: list[tuple[Entry, Trial]] = []
        for entry in entries:
            first, *others = [(entry, Trial(entry.model, hyper, {})) for hyper in entry.settings_for(run.facts)]
            self._first.append(first)
            self._other += others

    def begin(self, others_wait: bool) -> None:
        """Try what is cheap, then what is dear: with a share of the time where others wait."""
        self._try_cheap()
        refine(self._run, self._entries, _EARLY, _LITTLE * self._run.budget.seconds)
        self._try_dear(_DEAR if others_wait else 1.0)

    def go_on(self) -> None:
        """Try what there was no room for, and other settings of the best."""
        self._try_dear(1.0)
        refine(self._run, self._entries)

    def _try_cheap(self) -> None:
        while True:
            price = self._run.price
            # Something must come of it: with nothing at all the first is not too dear.
            first = next((one for one in self._first if price(*one) <= self._cheap or not self._run.kept), None)
            others = [one for one in self._other if price(*one) <= self._cheap]
            if first is not None:
                self._first.remove(first)
                self._run.solve(*first)
            elif others:
                best = max(others, key=lambda one: self._run.best_of(one[0].model))
                self._other.remove(best)
                self._run.solve(*best)
            else:
                return

    def _try_dear(self, share: float) -> None:
        run = self._run
        ends = run.budget.spent + share * max(0.0, run.budget.left - run.reserve)
        for waiting in (self._first, self._other):
            for one in sorted(waiting, key=lambda one: run.price(*one)):
                if one not in waiting:  # it has turned out cheap
                    continue
                price = run.price(*one)
                if share == 1.0 or price <= _FAIR * self._cheap or run.budget.spent + price <= ends:
                    waiting.remove(one)
                    run.solve(*one)
                    self._try_cheap()
