"""Processes that are killed while they write, and processes that read and write at once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import graphrec as gr
from benchmarks.faults.subjects import HOW, answers, equal, fitted, state_of, table
from benchmarks.faults.tries import Attack, Try, Wrong
from graphrec.training.loggers import CSVLogger

__all__ = ["ATTACKS", "child", "finish", "leftovers"]


def child(work: Callable[[], object]) -> int:
    """The id of a new process that does some work and ends with 0, or with 1 where it failed."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(code)
    return process


def finish(process: int, seconds: float = 30.0) -> None:
    """Wait for a process, which must end well and in time."""
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(process, os.WNOHANG))[0]:
        if time.monotonic() > until:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            raise Wrong("a process hangs")
        time.sleep(0.002)
    if code := os.waitstatus_to_exitcode(ended[1]):
        raise Wrong(f"a process that was not killed ended with {code}")


def _kill_after(process: int, seconds: float) -> bool:
    """Whether it was still at work."""
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(process, 0)[1])


def leftovers(run: Path) -> int:
    """How many files of a run's folder the run does not name."""
    named, records = {"run.json"}, [json.loads((run / "run.json").read_text())]
    for record in records:
        named |= {file["name"] for file in record["files"].values()}
        records += record["parts"].values()
    return len({path.name for path in run.iterdir()} ^ named)


def _old_or_new(run: Path, known: list[list[Any]]) -> None:
    found = answers(gr.load(run))
    if not any(equal(found, one) for one in known):
        raise Wrong("the folder has neither the old nor the new run")


def _saving(folder: Path) -> Try:
    recs = [fitted("lightgcn", seed) for seed in (1, 2)]
    known = [answers(rec) for rec in recs]
    run = folder / "run"
    recs[0].save(run)
    started = time.perf_counter()
    recs[1].save(run)
    usual = time.perf_counter() - started

    def work() -> None:
        for turn in range(10_000):
            recs[turn % 2].save(run)

    def attempt(generator: np.random.Generator) -> str:
        _kill_after(child(work), float(generator.uniform(0, 6 * usual)))
        _old_or_new(run, known)
        left = leftovers(run)
        recs[0].save(run)
        if leftovers(run):
            raise Wrong("files of a killed saving are still there after the next one")
        return "a part of a run left until the next saving" if left else ""

    return attempt


def _training(folder: Path) -> Try:
    inter = table()
    valid, how = inter.select(np.arange(0, len(inter), 9)), {**HOW, "epochs": 12}
    train = inter.select(np.flatnonzero(np.arange(len(inter)) % 9))

    def trained(checkpoint: Path | None, resume: bool) -> gr.Recommender:
        callbacks = [] if checkpoint is None else [CSVLogger(checkpoint / "log.csv")]
        return gr.Recommender("lightgcn", dim=4, layers=2).fit(
            train, valid=valid, checkpoint=checkpoint, resume=resume, callbacks=callbacks, **how
        )

    trained(None, False)  # the first compiles
    started = time.perf_counter()
    expected = state_of(trained(folder / "unbroken", False))
    usual = time.perf_counter() - started

    def attempt(generator: np.random.Generator) -> str:
        place = folder / "checkpoint"
        shutil.rmtree(place, ignore_errors=True)
        killed = 0
        for _ in range(3):
            killed += _kill_after(child(lambda: trained(place, True)), float(generator.uniform(0, 0.7 * usual)))
        left = len(list(place.glob("*.part")))
        if not equal(state_of(trained(place, True)), expected):
            raise Wrong("the resumed training ended elsewhere")
        if list(place.glob("*.part")):
            raise Wrong("a part of a checkpoint is left after a training that ended well")
        return f"killed {killed} times" + (", a part left until the next epoch" if left else "")

    return attempt


def _together(folder: Path) -> Try:
    """Two processes save to one folder all the time, one of them what is there already; a third one reads."""
    recs = [fitted("lightgcn", seed) for seed in (1, 2)]
    known = [answers(rec) for rec in recs]
    run = folder / "run"
    recs[0].save(run)

    def saves(order: list[int]) -> Callable[[], None]:
        def work() -> None:
            for which in order:
                recs[which].save(run)

        return work

    def attempt(generator: np.random.Generator) -> None:
        writers = [child(saves(generator.integers(0, 2, 10).tolist())) for _ in range(2)]
        try:
            for _ in range(10):
                _old_or_new(run, known)
        finally:
            for writer in writers:
                finish(writer)
        _old_or_new(run, known)
        if leftovers(run):
            raise Wrong("files are left that no run names")

    return attempt


ATTACKS = [
    Attack("kill-saving", "SIGKILL at a random moment while runs are saved over each other", _saving, "kills"),
    Attack(
        "kill-training", "SIGKILL three times while training with a checkpoint, then resumed to the end", _training, "kills"
    ),
    Attack("together", "two processes save to one folder while a third one loads from it", _together, "kills"),
]
