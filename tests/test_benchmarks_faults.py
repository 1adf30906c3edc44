"""A small round of the attack in ``benchmarks faults``: nothing may end but rightly or in a documented error."""

import ast
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # benchmarks/ is not part of the installed package

from benchmarks.faults.damage import damaged
from benchmarks.faults.tries import ELSE, Attack, Wrong, run

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the tries run in forked processes")


KINDS = ["csv", "lightgcn-text", "ml-100k-zip", "run-hybrid", "forged-lightgcn", "forged-hybrid", "checkpoint", "kill-saving"]
KINDS += [
    "kill-training",
    "together",
    "full-save",
    "full-logger",
    "full-lightgcn",
    "read-only",
    "in-the-way",
    "threads-multvae",
    "search-journal",
    "full-search",
    "kill-search",
]


def test_nothing_ends_otherwise_than_it_may():
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "faults", "--quick", "--only", *KINDS],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [ast.literal_eval(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(rows) >= len(KINDS)
    assert all(row["anything else"] == 0 for row in rows)
    assert sum(row["right"] + row["documented error"] for row in rows) > 7 * 20


def test_a_crash_a_hang_and_a_wrong_answer_are_counted(monkeypatch):
    monkeypatch.setattr("benchmarks.faults.tries.SECONDS", 0.5)

    def hang():
        while True:
            pass

    def refuse():
        raise Wrong("another answer")

    hows = [lambda: os.kill(os.getpid(), signal.SIGKILL), hang, refuse, lambda: {}["key"], lambda: None]

    tally = run(Attack("self", "", lambda folder: lambda g: hows[int(g.integers(5))]()), 12, seed=3)
    assert sum(tally.outcomes.values()) == 12
    assert len(tally.notes) == tally.outcomes[ELSE] > 3
    for word in ("died (status -9)", "hangs", "another answer", "KeyError"):
        assert any(word in note for note in tally.notes), word


def test_damage_is_damage_and_comes_back_with_its_seed():
    body = bytes(range(256)) * 4
    first, again = ([damaged(body, np.random.default_rng([s, 1])) for s in range(60)] for _ in range(2))
    assert first == again
    assert body not in first
    assert len(set(first)) > 50
    assert {len(one) < len(body) for one in first} == {True, False}
    assert damaged(b"", np.random.default_rng(0)) != b""
