"""Many threads, copies, other processes and forked ones that ask the same recommender."""

from __future__ import annotations

import copy
import os
import pickle
import random
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import graphrec as gr
from benchmarks.faults.kills import child, finish
from benchmarks.faults.subjects import answers, equal, fitted
from benchmarks.faults.tries import Attack, Try, Wrong

__all__ = ["ATTACKS"]

MODELS = ("lightgcn", "ngcf", "mf", "autoencoder", "multvae", "ease", "rp3beta", "neumf")
_THREADS = 8
_ROUNDING = 1e-6  # a product of matrices is summed in another order by torch where other threads are at work


def _questions(rec: gr.Recommender) -> list[Callable[[], list[Any]]]:
    """Questions of every kind; a model may have no notion of similar items."""
    users, items = rec.train.user_ids, rec.train.item_ids
    held_out = np.argwhere(rec.train.to_csr("ones").toarray() == 0)[::7].astype(np.int32).T.copy()
    test = gr.Interactions(held_out[0], held_out[1], users, items)

    def columns(frame: Any) -> list[Any]:
        return [frame[column].to_numpy() for column in frame]

    asked: list[Callable[[], list[Any]]] = [
        lambda: columns(rec.recommend(users, k=7)),
        lambda: columns(rec.recommend(users[3], k=20)),
        lambda: columns(rec.recommend(users[:9], k=3, filter_seen=False, exclude=items[:4])),
        lambda: [rec.score(users[:20], items[:20])],
        lambda: columns(rec.similar_items(items, k=5)),
        lambda: columns(gr.evaluate(rec, test, k=5).per_user),
    ]
    return asked


def _settings(rec: gr.Recommender) -> tuple[object, ...]:
    modes = tuple(module.training for module in rec.model.modules())
    numpys = np.random.get_state()  # noqa: NPY002 - that this one stays is what is looked at
    randoms = torch.get_rng_state().tolist(), random.getstate(), [str(part) for part in numpys], numpys[1].tolist()
    return torch.get_num_threads(), modes, torch.is_grad_enabled(), torch.is_inference_mode_enabled(), randoms


def _threads(model: str) -> Callable[[Path], Try]:
    def make(folder: Path) -> Try:
        torch.set_num_threads(4)
        rec = fitted(model)
        expected = [ask() for ask in _questions(rec)]

        def attempt(generator: np.random.Generator) -> None:
            again = pickle.loads(pickle.dumps(rec))  # the first question of all is asked by several at once, too
            questions, before, wrong = _questions(again), _settings(again), []
            start = threading.Barrier(_THREADS)

            def ask(order: list[int]) -> None:
                try:
                    start.wait()
                    for which in order:
                        assert equal(questions[which](), expected[which], _ROUNDING), f"question {which} has another answer"
                except Exception as error:  # goes to the thread that waits
                    wrong.append(repr(error))

            orders = [generator.permutation(np.arange(12) % len(questions)).tolist() for _ in range(_THREADS)]
            threads = [threading.Thread(target=ask, args=(order,)) for order in orders]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if wrong:
                raise Wrong("; ".join(sorted(set(wrong))[:3]))
            if _settings(again) != before:
                raise Wrong("a setting, a mode or a random state is another one")

        return attempt

    return make


def _copies(folder: Path) -> Try:
    """Pickled, copied, and asked by forked processes after the parent has used all of its threads."""
    torch.set_num_threads(4)
    recs = [fitted(model) for model in MODELS]
    expected = [answers(rec) for rec in recs]

    def check(rec: gr.Recommender, which: int) -> None:
        if not equal(answers(rec), expected[which], _ROUNDING):
            raise Wrong(f"{MODELS[which]} gives other answers")

    def attempt(generator: np.random.Generator) -> None:
        which = int(generator.integers(len(recs)))
        rec = recs[which]
        check(copy.deepcopy(rec), which)
        check(copy.copy(rec), which)
        check(pickle.loads(pickle.dumps(rec)), which)
        check(rec, which)
        finish(child(lambda: check(rec, which)))
        finish(child(lambda: check(pickle.loads(pickle.dumps(rec)), which)))

    return attempt


_ELSEWHERE = """
import os, pickle, sys, warnings
import graphrec as gr
from benchmarks.faults.subjects import answers, equal
expected = pickle.load(open(sys.argv[1], "rb"))
for path, pickled, known in expected:
    for rec in (gr.load(path), pickle.loads(pickled)):
        if not equal(answers(rec), known):
            sys.exit(f"{path} gives other answers")
        rec.save("copy " + os.path.basename(path))
"""


def _elsewhere(folder: Path) -> Try:
    root = Path(__file__).resolve().parents[2]
    saved = []
    for model in MODELS:
        rec = fitted(model)
        rec.save(folder / model)
        saved.append((str(folder / model), pickle.dumps(rec), answers(rec)))
    (folder / "expected").write_bytes(pickle.dumps(saved))

    def attempt(generator: np.random.Generator) -> None:
        for umask, mode in ((0o022, 0o644), (0o077, 0o600)):
            there = folder / f"there {umask}"
            there.mkdir()
            done = subprocess.run(
                [sys.executable, "-c", _ELSEWHERE, str(folder / "expected")],
                cwd=there,
                env={**os.environ, "PYTHONPATH": str(root)},
                preexec_fn=lambda umask=umask: os.umask(umask),  # type: ignore[misc]
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise Wrong(done.stderr.strip().splitlines()[-1])
            if odd := {oct(stat.S_IMODE(path.stat().st_mode)) for path in there.rglob("*") if path.is_file()} - {oct(mode)}:
                raise Wrong(f"under umask {umask:03o} there are files of mode {odd}")

    return attempt


ATTACKS = [
    *(Attack(f"threads-{model}", f"eight threads ask one {model}", _threads(model), "rounds") for model in MODELS),
    Attack("copies", "pickled, copied, asked by forked processes", _copies, "rounds"),
    Attack("elsewhere", "loaded and unpickled by other processes, in another folder, under two umasks", _elsewhere, "once"),
]
