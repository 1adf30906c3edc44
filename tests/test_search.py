"""A search keeps its budget, survives a kill, tells of failures, and never looks at test."""

import importlib
import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import Evaluator
from graphrec.search.budget import Budget, Costs, bytes_of, seconds_of
from graphrec.search.finish import _shares
from graphrec.search.halving import compete
from graphrec.search.journal import Journal
from graphrec.search.run import Run
from graphrec.search.space import SOLVED, TRAINED, Entry, Facts, facts_of
from graphrec.search.summary import summary
from graphrec.search.trial import Task, Trial, is_known

QUICK = ["itempop", "rp3beta", "turbocf"]


def made_split():
    g = np.random.default_rng(5)
    taste = g.random((90, 3)) @ g.random((3, 60)) + 0.5 * g.random((90, 60))
    u, i = np.nonzero(taste > np.quantile(taste, 0.8, axis=1, keepdims=True))
    rows = pd.DataFrame({"user_id": [f"u{n}" for n in u], "item_id": i + 500, "time": g.permutation(len(u))})
    return gr.split.chronological(gr.Interactions.from_frame(rows, time="time"), test=0.2, valid=0.2)


@pytest.fixture(scope="module")
def split():
    return made_split()


@pytest.fixture(scope="module")
def found(split, tmp_path_factory):
    out = tmp_path_factory.mktemp("search") / "run"
    models = [*QUICK, "ease", "mf", "multdae"]
    return gr.search(split.train, split.valid, budget="40s", out=out, models=models, progress=False, device="cpu"), out


def test_test_is_no_argument():
    assert "test" not in inspect.signature(gr.search).parameters
    assert "test" not in inspect.signature(gr.tune).parameters


def test_the_result_is_fitted_on_train_and_validation_and_no_worse_than_any_candidate(found, split):
    best, _ = found
    table = best.table
    assert len(best.train) == len(split.train) + len(split.valid)
    assert {"itempop", "rp3beta", "turbocf", "ease", "mf", "multdae"} <= set(table[table.status == "ok"].model)
    chosen = table[table.model == "blend"] if best.name == "blend" else table[table.model == best.name]
    assert chosen["ndcg@20"].max() == table["ndcg@20"].max()
    assert set(table.columns) == {"model", "settings", "ndcg@20", "seconds", "epochs", "at", "status", "reason"}


def test_the_folder_is_a_run_with_its_table_and_picture(found, split):
    best, out = found
    users = split.train.user_ids[:20]
    pd.testing.assert_frame_equal(gr.load(out).recommend(users, k=5), best.recommend(users, k=5), rtol=1e-4)
    assert len(pd.read_csv(out / "table.csv")) == len(best.table)
    assert (out / "search.png").read_bytes()[:4] == b"\x89PNG"
    assert not (out / "checkpoints").exists()


def test_a_search_at_its_end_is_read_and_a_larger_budget_goes_on(found, split, tmp_path):
    best, out = found
    lines = (out / "journal.jsonl").read_text()
    again = gr.search(split.train, split.valid, budget="40s", out=out, models=QUICK, progress=False, device="cpu")
    assert (out / "journal.jsonl").read_text() == lines
    assert len(again.table) == len(best.table)
    pd.testing.assert_frame_equal(again.recommend("u3", k=5), best.recommend("u3", k=5), rtol=1e-4)


def test_another_search_in_the_folder_is_refused(found, split):
    _, out = found
    with pytest.raises(InputError, match=r"of a search with another seed \(\d\): give what it was given"):
        gr.search(split.train, split.valid, budget="5s", out=out, seed=1, progress=False)
    with pytest.raises(InputError, match=r"another training part and validation part and metric \(ndcg@20\):"):
        gr.search(split.valid, split.train, budget="5s", out=out, metric="recall@20", progress=False)


def test_what_cannot_fit_is_not_begun(split, monkeypatch):
    slow = [Entry("itempop"), Entry("ease", seconds=lambda *_: 1e4)]
    monkeypatch.setattr(importlib.import_module("graphrec.search.search"), "SOLVED", slow)
    best = gr.search(split.train, split.valid, budget=20, models=["itempop", "ease"], progress=False, device="cpu")
    table = best.table.set_index("model")
    assert table.loc["ease", "status"] == "skipped"
    assert "would take about" in table.loc["ease", "reason"]


def test_memory_is_kept(split):
    best = gr.search(
        split.train, split.valid, budget="15s", memory=20_000, models=["itempop", "ease"], progress=False, device="cpu"
    )
    table = best.table.set_index("model")
    assert best.name == "itempop"
    assert table.loc[["ease"], "reason"].str.contains("memory").all()
    assert "; 19.5 KiB are allowed" in str(table.loc[["ease"], "reason"].iloc[0])  # not 0.0 GiB


def test_a_candidate_that_fails_is_a_row(split, monkeypatch):
    def broken(self):
        raise RuntimeError("no luck today")

    monkeypatch.setattr(gr.models.TurboCF, "solve", broken)
    best = gr.search(split.train, split.valid, budget="15s", models=QUICK, progress=False, device="cpu")
    failed = best.table[best.table.model == "turbocf"]
    assert (failed.status == "failed").all()
    assert failed.reason.str.contains("no luck today").all()


def test_nothing_that_could_be_fitted_is_an_error(split, monkeypatch):
    monkeypatch.setattr(gr.models.ItemPop, "solve", lambda self: 1 / 0)
    with pytest.raises(InputError, match=r"no candidate.*division by zero"):
        gr.search(split.train, split.valid, budget="15s", models=["itempop"], progress=False)


PROGRAM = """
import sys, graphrec as gr
sys.path.insert(0, sys.argv[2])
from test_search import QUICK, made_split
split = made_split()
gr.search(split.train, split.valid, budget="40s", out=sys.argv[1], models=[*QUICK, "mf"], device="cpu")
"""


def test_a_killed_search_goes_on(split, tmp_path):
    out, here = tmp_path / "run", os.path.dirname(__file__)
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(out), here], stderr=subprocess.DEVNULL)
    journal = out / "journal.jsonl"
    ends = time.monotonic() + 60
    while not (journal.exists() and journal.read_text().count('"mf"') >= 1) and time.monotonic() < ends:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with journal.open("a") as file:
        file.write('{"key": "half a li')
    before = [json.loads(line) for line in journal.read_text().splitlines()[1:-1]]
    assert before
    best = gr.search(split.train, split.valid, budget="40s", out=out, models=[*QUICK, "mf"], progress=False, device="cpu")
    rows = [json.loads(line) for line in journal.read_text().splitlines()[1:]]
    assert rows[: len(before)] == before
    solved = [row["key"] for row in rows if row["model"] in QUICK and row["status"] == "ok"]
    assert len(solved) == len(set(solved))
    assert rows[-1]["key"] == "end"
    assert best.table["at"].is_monotonic_increasing or best.table["at"].max() < 45
    measured = Evaluator(["ndcg@20"], split.train)
    rp3beta = gr.Recommender("rp3beta").fit(split.train)
    assert best.table["ndcg@20"].max() >= measured(rp3beta.model, split.valid)["ndcg@20"]


class Clockwork:
    """A run whose clock goes on by what trainings are given, or by what they need."""

    memory, reserve, facts, now = 1e9, 1.0, None, 0.0

    def __init__(self, seconds, needs):
        self.costs = Costs()
        self.budget, self.needs, self.folder, self.kept = Budget(seconds, 0.0, lambda: self.now), needs, Path("none"), []
        self.journal, self.told, self.given = type("Rows", (), {"rows": []})(), {}, dict.fromkeys(needs, 0.0)

    def warm_up(self, trial):
        pass

    def too_large(self, entry, trial):
        return None

    def place(self, trial):
        return Path(trial.model)

    def taken_back(self, trial, **same):
        return False

    def tell(self, trial, status, reason, quietly=False):
        self.told[trial.model] = status

    def say(self, line):
        assert "no time" in line

    def best_of(self, model):
        return 0.0

    def best_of_key(self, key):
        return self.given.get(key.split(" ")[0]) or None

    def may_go_on(self, trial):
        return not trial.ended and self.given[trial.model] > 0

    def measured(self, trial, fit, rung):
        deadline = inspect.getclosurevars(fit).nonlocals["deadline"]
        late = 5.0 * trial.model.startswith("heavy")  # an epoch of it takes longer than it was given
        spent = min(deadline._seconds + late, self.needs[trial.model] - self.given[trial.model])
        self.now += spent
        self.given[trial.model] += spent
        trial.ended = self.given[trial.model] >= self.needs[trial.model]
        return self.given[trial.model]


def contest(seconds, needs):
    run, calls = Clockwork(seconds, needs), []
    compete(
        run,
        [(Entry(name, seconds=lambda *_: 0.01, bytes=lambda *_: 1.0), Trial(name, {}, {})) for name in needs],
        lambda: calls.append(run.now),
    )
    return run, calls


def test_a_budget_is_used_while_there_is_something_to_use_it_on():
    run, calls = contest(90.0, {f"quick{n}": 0.7 for n in range(60)})
    assert all(run.given[name] == pytest.approx(0.7) for name in run.needs)  # though one lap has room for 32
    assert len(calls) >= 2
    run, _ = contest(90.0, {f"slow{n}": 100.0 for n in range(4)})
    assert not run.told
    assert sum(run.given.values()) > 0.7 * 90  # once they have been compared, the best go on
    run, calls = contest(4.0, {f"slow{n}": 100.0 for n in range(9)})
    assert 0 < sum(run.given.values()) <= 3.0
    assert set(run.told.values()) == {"skipped"}
    assert not set(run.told) & {name for name, given in run.given.items() if given}
    run, calls = contest(40.0, {"heavy": 100.0, "quick": 0.7})
    assert run.given["quick"] == pytest.approx(0.7)
    run, calls = contest(60.0, {})
    assert calls == [0.0]


def test_the_summary_has_a_line_for_each_model():
    rows = [
        ("itemknn", "", 0.3, 0.1, "ok", ""), ("itemknn", "shrink=5.0", 0.4, 0.1, "ok", ""),
        ("itemknn", "shrink=-1.0", None, 0.0, "failed", "no"), ("mf", "dim=64", None, 0.0, "skipped", "no time"),
        ("lightgcn", "", None, 0.0, "skipped", "no time"), ("blend", "itemknn=1.00", 0.4, 0.2, "ok", ""),
        ("refit", "", None, 0.0, "ok", "on train and validation"),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "settings", "ndcg@5", "seconds", "status", "reason"]).assign(epochs=None)
    assert summary(table, "ndcg@5").splitlines() == [
        "model    ndcg@5  seconds  tried  best settings",
        "itemknn  0.4000      0.1      2  shrink=5.0",
        "blend    0.4000      0.2      1  itemknn=1.00",
        "refit: ok, on train and validation",
        "skipped: mf, lightgcn (no time)",
    ]


def test_tune_tries_a_grid_and_keeps_the_best(split):
    best = gr.tune("rp3beta", {"alpha": [0.4, 1.0], "beta": [0.0, 0.5]}, split.train, split.valid, "20s", progress=False)
    assert len(best.table) == 4
    top = best.table.loc[best.table["ndcg@20"].idxmax(), "settings"]
    assert top == f"alpha={best.hyper['alpha']} beta={best.hyper['beta']}"
    drawn = gr.tune(
        "mf", {"lr": lambda g: 10 ** g.uniform(-3, -1), "dim": [8]}, split.train, split.valid, "8s", trials=2, progress=False
    )
    assert drawn.hyper == {"dim": 8}
    assert len(drawn.table) == 2


def test_mistakes_are_named(split):
    with pytest.raises(InputError, match="did you mean 'itemknn'"):
        gr.search(split.train, split.valid, models=["itemkn"])
    for wrong in ("soon", -1, "0s", True, None):
        with pytest.raises(InputError, match="budget must be"):
            gr.search(split.train, split.valid, budget=wrong)
    with pytest.raises(InputError, match="pass valid"):
        gr.search(split.train, None)
    with pytest.raises(InputError, match="metric of a list"):
        gr.search(split.train, split.valid, metric="auc")
    with pytest.raises(InputError, match="unknown option 'alfa'"):
        gr.tune("rp3beta", {"alfa": [1]}, split.train, split.valid)
    with pytest.raises(InputError, match="list of values"):
        gr.tune("rp3beta", {"alpha": []}, split.train, split.valid)


def test_times_and_sizes_are_read():
    assert [seconds_of(text) for text in ("90s", "10min", "1.5h", "7", 3)] == [90, 600, 5400, 7, 3]
    assert [bytes_of(text) for text in ("8GB", "1.5 MiB", "100", 7)] == [8 * 2**30, 1.5 * 2**20, 100, 7]
    ticks = iter([0.0, 4.0, 11.0])
    budget = Budget(10, 2.0, lambda: next(ticks))
    assert budget.left == 4
    assert budget.spent == 13


def test_costs_are_learnt():
    costs = Costs()
    assert costs.expected("ease", 10.0) > 10
    costs.learn("gfcf", 1.5, 8.0)
    assert costs.expected("gfcf", 3.5) == pytest.approx(16.0)
    assert costs.expected("ease", 1.5) == pytest.approx(12.0)
    costs.learn("lightgcn-fast", 23.0, 32.0)
    costs.learn("lightgcn-fast", 45.0, 53.0)
    assert costs.expected("lightgcn-fast", 89.0) == pytest.approx(53.0 + 21.0 * 44 / 22)  # of which 10 whatever the width
    assert costs.expected("lightgcn-fast", 23.0) < 32.0


def test_every_setting_that_is_declared_is_one_its_model_takes(split):
    facts = facts_of(split.train)
    for entry in (*SOLVED, *TRAINED):
        assert isinstance(entry, Entry)
        if is_known(entry.model):
            for hyper in entry.settings_for(facts):
                made = Trial(entry.model, hyper, entry.fit).made()
                assert set(hyper) <= set(made.hyper)
                assert entry.seconds(facts, hyper) > 0
                assert entry.bytes(facts, hyper) > 0


def test_ease_states_what_it_needs_and_comes_over_neighbours_first_where_it_is_large():
    [entry, *_] = [e for e in SOLVED if e.model == "ease"]
    small, large = (Facts(30_000, items, 800_000, 5e7) for items in (5_000, 41_000))
    assert not any("neighbours" in one for one in entry.settings_for(small))
    first, *_, last = entry.settings_for(large)
    assert first == {"l2": 500.0, "neighbours": 200}
    assert last == {"l2": 2000.0, "budget": 4 * 41_000**2}
    assert 4 * 41_000**2 < entry.bytes(large, last) < 4.3 * 41_000**2
    assert entry.bytes(large, first) < 2**31
    assert entry.seconds(large, first) < entry.seconds(large, last)


def test_what_is_kept_counts_as_memory(split, tmp_path):
    task = Task(split.train, split.valid, "ndcg@20", 0, "cpu")
    run = Run(task, facts_of(split.train), Budget(100), 50_000, Journal(None, {}, False), tmp_path, False)
    next_one, kept = Entry("ease", bytes=lambda *_: 50_000), Trial("ease", {}, {})
    kept.solve(task)
    assert kept.bytes >= 4 * split.train.n_items**2
    run.kept = [(0.1, kept)] * (50_000 // kept.bytes)
    assert run.refusal(next_one, Trial("ease", {"l2": 9.0}, {})) is None
    run.kept.append((0.1, kept))
    assert "of memory beside" in run.refusal(next_one, Trial("ease", {"l2": 9.0}, {}))


def test_a_blend_of_one_model_twice_has_a_share_for_each():
    chosen = [(Trial("ease", {"l2": 5.0}, {}), 0.7), (Trial("itemknn", {}, {}), 0.1), (Trial("ease", {"l2": 7.0}, {}), 0.2)]
    assert _shares(chosen) == {"ease(l2=5.0)": "0.70", "itemknn": "0.10", "ease(l2=7.0)": "0.20"}


def test_a_journal_that_was_never_begun_is_begun(tmp_path, monkeypatch):
    (tmp_path / "journal.jsonl").touch()  # what a full disk leaves
    journal = Journal(tmp_path, {"seed": 0}, resume=True)
    assert journal.rows == []

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"No space left on device.*journal\.jsonl"):
        journal.add({"key": "a", "at": 0.0, "status": "ok", "model": "mf"})


class Mine(gr.models.MF):
    """A model of the caller's own."""


def test_a_class_is_tuned_and_is_no_candidate_of_a_search(split, tmp_path):
    space = {"dim": [2, 4], "lr": [0.05]}
    space["loss"] = [lambda pos, neg: (neg - pos[:, None]).exp().mean()]
    best = gr.tune(Mine, space, split.train, split.valid, "20s", refit=True, progress=False, device="cpu")
    assert type(best.model) is Mine
    assert set(best.table["model"]) == {"Mine", "refit"}
    assert best.table.set_index("model").loc["refit", "status"] == "ok"
    assert len(best.train) == len(split.train) + len(split.valid)
    assert gr.evaluate(best, split).mean["ndcg@20"] > 0
    best.save(tmp_path / "run")
    assert type(gr.load(tmp_path / "run", model=Mine).model) is Mine
    solved = type("Near", (gr.models.ItemKNN,), {})
    table = gr.tune(solved, {"neighbours": [2, 5]}, split.train, split.valid, "20s", progress=False, device="cpu").table
    assert set(table["model"]) == {"Near"}
    assert table["ndcg@20"].notna().all()
    with pytest.raises(gr.errors.InputError, match=r"models by name, and Mine is a class: graphrec\.tune takes one"):
        gr.search(split.train, split.valid, "5s", models=["itempop", Mine], progress=False)
