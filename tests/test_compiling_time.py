"""What kernels take to compile is known, and no candidate of a search is judged by it."""

import threading
import time

import numba
import pytest
from test_search import made_split

import graphrec as gr
from graphrec.compiling import Compilation, compiling_timed
from graphrec.search import halving, run, trial
from graphrec.search.budget import Budget
from graphrec.search.entries import entry_of
from graphrec.search.journal import Journal
from graphrec.search.run import Run
from graphrec.search.space import facts_of
from graphrec.search.trial import Task, Trial


def fresh():
    """A kernel that is not compiled yet, which calls another."""

    @numba.njit
    def inner(x):
        return x * 2 + 1

    @numba.njit
    def outer(x):
        return inner(x) + inner(x + 1)

    return outer


def test_compiling_is_timed_once_also_in_other_threads():
    with compiling_timed() as compiled:
        assert compiled.seconds == 0
        kernel, started = fresh(), time.perf_counter()
        kernel(1)
        took, first = time.perf_counter() - started, compiled.seconds
        assert 0.2 * took < first <= took, "inner's share is counted once"
        kernel(2)
        assert compiled.seconds == first, "it is compiled"
        other = threading.Thread(target=fresh(), args=(1,))
        other.start()
        other.join()
        assert compiled.seconds > first
    before = compiled.seconds
    fresh()(1)
    assert compiled.seconds == before, "nobody listens any more"


class Slow:
    """A compilation that takes as long as is asked of it, and is known."""

    def __init__(self, monkeypatch, seconds):
        self.total, self.seconds = Compilation(), seconds
        for module in (halving, run, trial):
            monkeypatch.setattr(module, "compiling_timed", self.here)

    def here(self):
        import contextlib

        return contextlib.nullcontext(self.total)

    def compile(self):
        time.sleep(self.seconds)
        self.total.seconds += self.seconds


@pytest.mark.parametrize("model", ["itempop", "mf"])
def test_a_candidate_is_not_judged_by_what_is_compiled_for_it(monkeypatch, tmp_path, model):
    split = made_split()
    slow, fit, told = Slow(monkeypatch, 1.5), gr.Recommender.fit, []

    def fitted(self, *args, **options):
        if not told:
            slow.compile()  # of what makes ready
        told.append(slow.compile())
        return fit(self, *args, **options)

    task = Task(split.train, split.valid, "ndcg@20", 0, "cpu")
    one = Run(task, facts_of(split.train), Budget(60), 1e9, Journal(None, {}, False), tmp_path, False)
    candidate, entry = Trial(model, {}, {"epochs": 2} if model == "mf" else {}), entry_of(model)
    one.solve(entry_of("random"), Trial("random", {}, {}))  # the first of all
    told.clear()
    monkeypatch.setattr(gr.Recommender, "fit", fitted)
    if model == "mf":
        halving._go(one, entry, candidate, 20.0, 0)
    else:
        one.solve(entry, candidate)
    assert candidate.figure is not None
    assert 0 <= candidate.seconds < 1.5
    assert one.costs_of_end.start_of("ease") < 1.5
