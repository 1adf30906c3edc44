"""Folders with unusual names, links, and things in the way."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

import graphrec as gr
from benchmarks.faults.kills import leftovers
from benchmarks.faults.subjects import answers, equal, fitted
from benchmarks.faults.tries import Attack, Try, Wrong
from graphrec.errors import InputError

__all__ = ["ATTACKS"]


def _unusual(folder: Path) -> Try:
    rec = fitted("lightgcn")
    expected = answers(rec)
    os.chdir(folder)
    (folder / "elsewhere").mkdir()
    (folder / "link").symlink_to("elsewhere", target_is_directory=True)
    names = [
        "with a blank",
        "ünïcødé ♞",
        "-dash",
        "a[b]*?",
        "%41",
        "deep/er/still",
        "../up-and-down",
        "link",
        "x" * 200,
        "tail/",
    ]
    places = itertools.cycle([*names, *(folder / name for name in names)])

    def attempt(generator: np.random.Generator) -> None:
        place = next(places)
        place = place.replace("../", "elsewhere/../") if isinstance(place, str) else place
        rec.save(place)
        again = gr.load(place)
        again.save(place)  # over what it was loaded from
        if not equal(answers(gr.load(place)), expected) or leftovers(Path(place)):
            raise Wrong(f"{place!r} gives another run")

    return attempt


def _in_the_way(folder: Path) -> Try:
    rec = fitted("itemknn")
    (folder / "file").write_text("mine")
    (folder / "dangling").symlink_to(folder / "nowhere")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "odd" / "run.json").mkdir(parents=True)
    (folder / "mine").mkdir()
    (folder / "mine" / "run.json").write_text('{"format": "of mine"}')
    (folder / "empty").mkdir()
    names = ["file", "file/run", "dangling", "loop", "odd", "x" * 300]
    calls: list[Callable[[], object]] = [lambda name=name: rec.save(folder / name) for name in names]  # type: ignore[misc]
    calls += [lambda name=name: gr.load(folder / name) for name in [*names, "empty", "mine", "nowhere"]]  # type: ignore[misc]
    turn = itertools.cycle(calls)

    def attempt(generator: np.random.Generator) -> None:
        try:
            next(turn)()
        except (OSError, InputError):
            if (folder / "file").read_text() != "mine" or list(folder.rglob("*.part")):
                raise Wrong("something has changed") from None
            raise
        raise Wrong("there is no run, and none can be written")

    return attempt


ATTACKS = [
    Attack("paths", "save, load and save again: unusual names, links, relative paths", _unusual, "rounds"),
    Attack("in-the-way", "save and load where a file, a loop of links or something else is", _in_the_way, "rounds"),
]
