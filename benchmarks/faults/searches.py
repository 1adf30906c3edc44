"""Searches: a damaged journal, a full disk, kills, and two of them in one folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import graphrec as gr
from benchmarks.faults.damage import damaged
from benchmarks.faults.kills import child
from benchmarks.faults.storage import PAGE, mounted, when_full
from benchmarks.faults.subjects import table
from benchmarks.faults.tries import Attack, Try, Wrong
from graphrec.errors import InputError
from graphrec.search.journal import Journal

__all__ = ["ATTACKS"]

_MODELS = ("itempop", "ease", "itemknn")


def _searching() -> Callable[[Path], gr.Recommender]:
    inter = table()
    split = gr.split.random(gr.Interactions.from_indices(inter.users, inter.items), test=0.2, valid=0.2, seed=1)
    train, valid = split.train, split.valid
    assert valid is not None
    return lambda out: gr.search(train, valid, 600, out=out, models=_MODELS, device="cpu", progress=False)


def _best_of(found: gr.Recommender, out: Path) -> float:
    """The best figure; what is saved must be what was found, and nothing may count as a failure."""
    tried = found.table
    assert tried is not None
    if (tried["status"] == "failed").any():
        raise Wrong(f"a candidate has failed: {tried['reason'][tried['status'] == 'failed'].iloc[0]}")
    if gr.load(out).name != found.name:
        raise Wrong("the folder has another run than was found")
    return float(tried[tried.columns[2]].max())


def _damaged_journal(folder: Path) -> Try:
    _searching()(folder / "run")
    path = folder / "run" / "journal.jsonl"
    whole = path.read_bytes()
    what = json.loads(whole.splitlines()[0])["search"]
    journal = Journal(folder / "run", what, True)
    known = [*journal.rows, *journal.marks]

    def attempt(generator: np.random.Generator) -> None:
        path.write_bytes(damaged(whole, generator))
        journal = Journal(folder / "run", what, True)
        if not all(row in known for row in (*journal.rows, *journal.marks)):
            raise Wrong("a row says what nobody wrote")

    return attempt


def _full_search(folder: Path) -> Try:
    disk, search = mounted(folder / "disk"), _searching()
    out = disk / "run"
    expected = _best_of(search(out), out)
    most = 2 * sum(-(-path.stat().st_size // PAGE) * PAGE for path in out.rglob("*") if path.is_file())

    def attempt(generator: np.random.Generator) -> None:
        shutil.rmtree(out)
        written = when_full(lambda: search(out), disk, generator, most)
        if (out / "run.json").exists():
            gr.load(out)
        if _best_of(search(out), out) != expected:
            raise Wrong("the search that went on has found something else")
        if not written:
            raise OSError("the documented error that was just checked")

    return attempt


def _killed_search(folder: Path) -> Try:
    search, out = _searching(), folder / "run"
    search(folder / "first")  # what is compiled is there now
    started = time.perf_counter()
    expected = _best_of(search(out), out)
    usual = time.perf_counter() - started

    def attempt(generator: np.random.Generator) -> str:
        shutil.rmtree(out, ignore_errors=True)
        killed = 0
        for _ in range(3):
            process = child(lambda: search(out))
            time.sleep(float(generator.uniform(0, usual)))
            os.kill(process, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(process, 0)[1])
        if _best_of(search(out), out) != expected:
            raise Wrong("the search that went on has found something else")
        return f"killed {killed} times"

    return attempt


def _two_searches(folder: Path) -> Try:
    search, out = _searching(), folder / "run"
    expected = _best_of(search(out), out)

    def refused() -> None:
        try:
            search(out)
        except InputError as error:
            if "a search is under way" not in str(error):
                raise

    def attempt(generator: np.random.Generator) -> None:
        shutil.rmtree(out, ignore_errors=True)
        others = [child(refused) for _ in range(3)]
        ended = [os.waitpid(process, 0)[1] for process in others]
        if any(ended):
            raise Wrong("a search ended neither well nor in the sentence that another one is under way")
        if _best_of(search(out), out) != expected:
            raise Wrong("the folder has not what one search finds")

    return attempt


ATTACKS = [
    Attack("search-journal", "search, the journal of an earlier run, damaged bytes", _damaged_journal),
    Attack("full-search", "a full disk, searching, then gone on with", _full_search, "rounds"),
    Attack("kill-search", "SIGKILL three times while searching, then gone on with to the end", _killed_search, "kills"),
    Attack("search-together", "three searches begin in one folder at once", _two_searches, "kills"),
]
