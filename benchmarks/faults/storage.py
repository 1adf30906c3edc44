"""Disks that are full and folders that cannot be written: small file systems in memory, seen by this process only."""

from __future__ import annotations

import ctypes
import itertools
import os
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import graphrec as gr
from benchmarks.faults.kills import leftovers
from benchmarks.faults.subjects import HOW, answers, equal, fitted, state_of, table
from benchmarks.faults.tries import Attack, Skip, Try, Wrong
from graphrec.errors import InputError
from graphrec.training.loggers import CSVLogger

__all__ = ["ATTACKS", "PAGE", "mounted", "when_full"]

_NEW_MOUNTS = 0x00020000  # CLONE_NEWNS of linux/sched.h
PAGE = 4096


def mounted(folder: Path, size: int = 2**20) -> Path:
    """A file system of so many bytes, which goes with this process."""
    folder.mkdir()
    try:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEW_MOUNTS):
            raise OSError(ctypes.get_errno(), "unshare")
        for words in (["--make-rprivate", "/"], ["-t", "tmpfs", "-o", f"size={size}", "faults", str(folder)]):
            subprocess.run(["mount", *words], check=True, capture_output=True)
    except (AttributeError, OSError, subprocess.CalledProcessError) as error:
        raise Skip(f"no small file system can be mounted here ({error})") from None
    return folder


def _fill(disk: Path, free: int) -> Path:
    """A file that leaves so many bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        space = os.statvfs(disk)
        while (left := space.f_bavail * space.f_bsize - free) > 0 and file.write(bytes(min(left, 2**16))):
            space = os.statvfs(disk)
    return filler


def _parts(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("*.part")]


def when_full(write: Callable[[], object], disk: Path, generator: np.random.Generator, most: int) -> bool:
    """Whether it could write with a random number of bytes left; a failure must be a sentence that names a file."""
    filler = _fill(disk, int(generator.integers(most // PAGE + 1)) * PAGE)
    try:
        write()
        return True
    except (OSError, InputError) as error:
        if str(disk) not in str(error):
            raise Wrong(f"the message names no file: {error!r}") from None
        return False
    finally:
        filler.unlink()
        if found := _parts(disk):
            raise Wrong(f"left behind: {found}")


def _said(written: bool) -> None:
    if not written:
        raise OSError("the documented error that was just checked")


def _saving(folder: Path) -> Try:
    disk, recs = mounted(folder / "disk"), [fitted("hybrid", seed) for seed in (1, 2)]
    known, turn = [answers(rec) for rec in recs], itertools.cycle((1, 0))
    recs[0].save(disk / "run")
    most = int(1.5 * sum(-(-path.stat().st_size // PAGE) * PAGE for path in (disk / "run").iterdir()))
    there = [0]

    def attempt(generator: np.random.Generator) -> None:
        new = next(turn)
        if written := when_full(lambda: recs[new].save(disk / "run"), disk, generator, most):
            there[0] = new
        if not equal(answers(gr.load(disk / "run")), known[there[0]]):
            raise Wrong("the old run is damaged")
        if leftovers(disk / "run"):
            raise Wrong("files are left that no run names")
        _said(written)

    return attempt


def _first_saving(folder: Path) -> Try:
    disk, rec = mounted(folder / "disk"), fitted("lightgcn")

    def attempt(generator: np.random.Generator) -> None:
        written = when_full(lambda: rec.save(disk / "run"), disk, generator, 8 * PAGE)
        if not written and (disk / "run").exists() and list((disk / "run").iterdir()):
            raise Wrong("something is left of a run that could not be saved")
        if written:
            for path in (disk / "run").iterdir():
                path.unlink()
        _said(written)

    return attempt


def _checkpoint(folder: Path) -> Try:
    disk, inter, how = mounted(folder / "disk"), table(), {**HOW, "epochs": 4}

    def trained(checkpoint: Path | None, **options: Any) -> gr.Recommender:
        return gr.Recommender("mf", dim=16).fit(inter, checkpoint=checkpoint, **{**how, **options})

    expected = state_of(trained(None))
    trained(disk / "state", epochs=2)
    whole = (disk / "state" / "checkpoint.safetensors").read_bytes()

    def attempt(generator: np.random.Generator) -> None:
        written = when_full(lambda: trained(disk / "state", resume=True), disk, generator, int(1.5 * len(whole)))
        if not equal(state_of(trained(disk / "state", resume=True)), expected):
            raise Wrong("the training cannot be resumed from the older state")
        (disk / "state" / "checkpoint.safetensors").write_bytes(whole)
        _said(written)

    return attempt


def _logger(folder: Path) -> Try:
    disk, inter = mounted(folder / "disk"), table()
    log = disk / "log.csv"

    def attempt(generator: np.random.Generator) -> None:
        rows = "epoch,loss\n" + "".join(f"{n},0.5\n" for n in range(900))
        log.write_text(rows)
        logger = CSVLogger(log, append=True)
        written = when_full(
            lambda: gr.Recommender("mf", dim=4).fit(inter, callbacks=[logger], **HOW), disk, generator, 4 * PAGE
        )
        if len(pd.read_csv(log)) not in ((902,) if written else (900, 901)):
            raise Wrong("the log is not whole")
        _said(written)

    return attempt


def _lightgcn(folder: Path) -> Try:
    disk, g = mounted(folder / "disk"), np.random.default_rng(2)
    splits = [
        gr.split.random(gr.Interactions.from_indices(*np.nonzero(g.random((120, 90)) < 0.4)), test=0.3, seed=seed)
        for seed in (1, 2)
    ]
    gr.write_lightgcn(splits[0], disk / "data")
    there, turn = [0], itertools.cycle((1, 0))

    def attempt(generator: np.random.Generator) -> None:
        new = next(turn)
        if written := when_full(lambda: gr.write_lightgcn(splits[new], disk / "data"), disk, generator, 8 * PAGE):
            there[0] = new
        read = gr.read_lightgcn(disk / "data", cache=False)
        for part in ("train", "test"):
            if getattr(read, part).fingerprint != getattr(splits[there[0]], part).fingerprint:
                raise Wrong(f"{part}.txt is neither")
        _said(written)

    return attempt


def _cache(folder: Path) -> Try:
    disk = mounted(folder / "disk")
    os.environ["GRAPHREC_CACHE"] = str(disk / "cache")
    g = np.random.default_rng(2)
    gr.write_lightgcn(gr.Split(train=gr.Interactions.from_indices(*np.nonzero(g.random((50, 40)) < 0.4))), folder / "data")
    expected = gr.read_lightgcn(folder / "data", cache=False).train.fingerprint

    def attempt(generator: np.random.Generator) -> str:
        for kept in disk.rglob("*.arrays"):
            kept.unlink()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            read: list[gr.Split] = []
            when_full(lambda: read.append(gr.read_lightgcn(folder / "data")), disk, generator, 6 * PAGE)
        if read[0].train.fingerprint != expected:
            raise Wrong("the table is another one")
        if not caught and not list(disk.rglob("*.arrays")):
            raise Wrong("nothing was kept and nothing said")
        return "said in a warning" if caught else ""

    return attempt


def _read_only(folder: Path) -> Try:
    disk, inter, recs = mounted(folder / "disk"), table(), [fitted("hybrid", seed) for seed in (1, 2)]
    os.environ["GRAPHREC_CACHE"] = str(disk / "cache")
    split = gr.split.random(gr.Interactions.from_indices(inter.users, inter.items), test=0.2, seed=1)
    recs[0].save(disk / "run")
    gr.write_lightgcn(split, disk / "data")
    inter.to_frame().to_csv(disk / "table.csv", index=False)
    gr.Recommender("mf", dim=4).fit(inter, checkpoint=disk / "state", callbacks=[CSVLogger(disk / "log.csv")], **HOW)
    before = {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()}
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True, capture_output=True)
    how = {**HOW, "epochs": 3}
    works: list[Callable[[], object]] = [
        lambda: gr.load(disk / "run").recommend(["ü1"]),
        lambda: gr.read_csv(disk / "table.csv", rating="rating", time="time"),
        lambda: gr.read_lightgcn(disk / "data"),
        lambda: gr.Recommender("mf", dim=4).fit(inter, **how),
    ]
    refused: list[Callable[[], object]] = [
        lambda: recs[1].save(disk / "run"),
        lambda: recs[1].save(disk / "another" / "run"),
        lambda: gr.write_lightgcn(split, disk / "data"),
        lambda: gr.Recommender("mf", dim=4).fit(inter, checkpoint=disk / "state", resume=True, **how),
        lambda: gr.Recommender("mf", dim=4).fit(inter, checkpoint=disk / "new", **how),
        lambda: gr.Recommender("mf", dim=4).fit(inter, callbacks=[CSVLogger(disk / "log.csv")], **how),
    ]
    calls = itertools.cycle([*((call, True) for call in works), *((call, False) for call in refused)])

    def attempt(generator: np.random.Generator) -> None:
        call, allowed = next(calls)
        try:
            call()
        except (OSError, InputError) as error:
            if allowed or str(disk) not in str(error):
                raise Wrong(f"{error!r}") from None
            raise
        if not allowed:
            raise Wrong("a folder that cannot be written was written")
        if {path: path.read_bytes() for path in disk.rglob("*") if path.is_file()} != before:
            raise Wrong("something has changed")

    return attempt


ATTACKS = [
    Attack("full-save", "a full disk, saving over an older run", _saving, "rounds"),
    Attack("full-first-save", "a full disk, saving where nothing was", _first_saving, "rounds"),
    Attack("full-checkpoint", "a full disk, training with a checkpoint, then resumed", _checkpoint, "rounds"),
    Attack("full-logger", "a full disk, CSVLogger", _logger, "rounds"),
    Attack("full-lightgcn", "a full disk, write_lightgcn over older files", _lightgcn, "rounds"),
    Attack("full-cache", "a full disk, the cache of parsed files", _cache, "rounds"),
    Attack("read-only", "a folder that cannot be written: four calls that read, six that write", _read_only, "rounds"),
]
