"""A search that goes on ends with nothing worse than what it had saved, and sets aside what its end takes."""

import importlib
import json
import warnings

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_search import QUICK

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.models.parts.truncated_svd import lent_seconds, row_space, shared_decompositions
from graphrec.recommender.blend_weights import MemberScores
from graphrec.search.at_its_end import is_at_its_end
from graphrec.search.budget import Budget, Costs, as_seconds
from graphrec.search.finish import Result, _Timed, finished
from graphrec.search.journal import Journal
from graphrec.search.reserve import Reserve
from graphrec.search.run import Run
from graphrec.search.saved import Saved, record_of, weights_in
from graphrec.search.space import SOLVED, Entry, facts_of
from graphrec.search.taking_up import take_up
from graphrec.search.trial import Task, Trial

MODELS = [*QUICK, "itemknn"]


@pytest.fixture(scope="module")
def split():
    return gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2, valid=0.1)


class Clock:
    """Stands still unless somebody moves it; `then` is what it shows after the first look."""

    def __init__(self, then=0.0):
        self.now, self._then, self._looked = 0.0, then, False

    def __call__(self):
        if self._looked:
            self.now = max(self.now, self._then)
        self._looked = True
        return self.now


def search(split, out, budget=100, clock=None, **options):
    given = {"models": MODELS, "progress": False, "device": "cpu"} | options
    return gr.search(split.train, split.valid, budget, out=out, clock=clock or Clock(), **given)


def task_of(split):
    return Task(split.train, split.valid, "ndcg@20", 0, "cpu")


def run_of(split, folder, seconds=100.0, clock=None, memory=1e9, what=None):
    journal = Journal(folder if what is not None else None, what or {}, True)
    budget = Budget(seconds, journal.spent, clock or Clock())
    return Run(task_of(split), facts_of(split.train), budget, memory, journal, folder, False)


def what_of(out):
    return json.loads((out / "journal.jsonl").read_text().splitlines()[0])["search"]


@pytest.fixture(scope="module")
def blended(split, tmp_path_factory):
    out = tmp_path_factory.mktemp("going_on") / "run"
    return search(split, out), out


def copied(blended, tmp_path):
    import shutil

    shutil.copytree(blended[1], tmp_path / "run")
    return tmp_path / "run"


def test_a_blend_is_not_replaced_by_what_there_was_time_for(blended, split, tmp_path):
    assert blended[0].name == "blend"  # else nothing is shown here
    out = copied(blended, tmp_path)
    before = record_of(out)
    best = search(split, out, budget=101, clock=Clock(then=100.9))
    assert best.name == "blend"
    assert record_of(out) == before
    assert gr.load(out).name == "blend"
    assert best.table.loc[best.table["ndcg@20"].idxmax(), "model"] == "blend"


def test_what_earlier_runs_found_is_taken_up_whoever_asked_for_it(blended, split, tmp_path):
    out = copied(blended, tmp_path)
    run = run_of(split, out, what=what_of(out))
    take_up(run, SOLVED)
    single = [row for row in run.journal.rows if row["model"] not in ("blend", "refit") and row["figure"] is not None]
    asked = {Trial(e.model, hyper, {}).key for e in SOLVED for hyper in e.settings_for(run.facts)}
    assert {row["key"] for row in single} - asked  # settings that only the search itself came upon
    assert run.kept[0][0] == max(row["figure"] for row in single)
    [first] = {trial.key for _, trial in run.kept[:1]}
    assert run.taken_back(Trial(*_parts_of(first, run)))
    assert run.costs.expected("turbocf", 0.0) < Costs().expected("turbocf", 0.0)


def _parts_of(key, run):
    row = run.journal.latest(key)
    return row["model"], row["hyper"], {}


def test_what_somebody_has_tidied_up_is_fitted_again(blended, split, tmp_path):
    import shutil

    out = copied(blended, tmp_path)
    shutil.rmtree(out / "candidates")
    best = search(split, out, budget=200)
    assert best.name == "blend"
    assert best.table["ndcg@20"].max() >= blended[0].table["ndcg@20"].max()


def test_of_a_candidate_that_was_fitted_twice_the_better_one_stays(split, tmp_path):
    run, (one, two) = run_of(split, tmp_path), (Trial("itempop", {}, {}), Trial("itempop", {}, {}))
    for trial in (one, two):
        trial.solve(run.task)
    run.keep(0.4, one)
    run.keep(0.3, two)
    assert [(f, t) for f, t in run.kept] == [(0.4, one)]
    assert two.recommender is None
    three = Trial("itempop", {}, {})
    three.solve(run.task)
    run.keep(0.4, three)
    assert run.kept[0][1] is three


def test_models_that_a_search_had_not_are_tried_in_the_time_that_is_left(split, tmp_path):
    out = tmp_path / "run"
    first = search(split, out, models=["itempop"])
    assert set(first.table.model) == {"itempop", "refit"}
    best = search(split, out, models=["ease", "rp3beta"])
    assert {"ease", "rp3beta"} <= set(best.table[best.table.status == "ok"].model)
    assert best.table["ndcg@20"].max() > first.table["ndcg@20"].max()
    lines = (out / "journal.jsonl").read_text()
    search(split, out, models=["itempop", "ease"])  # both have been tried
    assert (out / "journal.jsonl").read_text() == lines
    search(split, out, models=["turbocf"], clock=Clock(then=100.5))
    with pytest.raises(InputError, match=r"had its 100 s without itemknn: a larger budget tries them"):
        search(split, out, models=["itemknn"], clock=Clock(then=200.0))


def test_a_model_that_a_search_of_all_never_had_is_not_passed_over(tmp_path):
    journal = Journal(tmp_path / "run", {}, True)
    row = {"figure": 0.1, "hyper": {}, "settings": "", "seconds": 1.0, "eval_seconds": 1.0, "status": "ok", "at": 1.0}
    journal.add({"key": "ease {}", "model": "ease", **row})
    journal.end(60.0, 60.0, None)
    again = Journal(tmp_path / "run", {}, True)
    assert again.covers(60, None)
    assert again.covers(60, ["ease"])
    assert not again.covers(60, ["neumf"])
    assert not again.covers(61, ["ease"])
    with pytest.raises(InputError, match="has had its 60 s without neumf"):
        is_at_its_end(again, tmp_path / "run", 60, ["ease", "neumf"])


def test_time_in_the_middle_of_a_training_is_not_forgotten(split, tmp_path):
    out, clock = tmp_path / "run", Clock()
    run = run_of(split, out, clock=clock, what={})
    for now in (1.0, 3.0, 4.0, 30.0, 31.0):
        clock.now = now
        assert run.clock() == now
    assert [mark["at"] for mark in run.journal.marks] == [3.0, 30.0]  # a fiftieth of 100 s apart at least
    again = Journal(out, {}, True)
    assert again.spent == 30.0
    assert not again.rows


def test_a_kill_in_the_middle_of_a_training_is_charged_for(split, tmp_path):
    class Killed(BaseException):
        pass

    class Ticking(Clock):
        def __call__(self):
            if self.now > 40:
                raise Killed
            self.now += 0.5 if begun else 0.001
            return self.now

    begun, train = [], Trial.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Trial, "train", lambda self, *given: [begun.append(self.model), train(self, *given)][1])
        with pytest.raises(Killed):
            search(split, tmp_path / "run", models=["mf"], clock=Ticking())
    journal = Journal(tmp_path / "run", what_of(tmp_path / "run"), True)
    assert 35 < journal.spent <= 41


def test_what_a_kill_in_the_very_first_candidate_left_is_gone_on_with(split, tmp_path, monkeypatch):
    kept, seen, solve = tmp_path / "run" / "checkpoints" / "begun", [], Trial.solve

    def killed(self, task):
        raise KeyboardInterrupt

    def looking(self, task):
        seen.append(kept.exists())
        return solve(self, task)

    monkeypatch.setattr(Trial, "solve", killed)
    with pytest.raises(KeyboardInterrupt):
        search(split, tmp_path / "run", models=["itempop"], clock=Clock(then=5.0))
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("half a training")
    monkeypatch.setattr(Trial, "solve", looking)
    search(split, tmp_path / "run", models=["itempop"])
    assert seen[0]
    search(split, tmp_path / "run", models=["itempop"], resume=False)
    assert not seen[-1]


def test_a_table_that_somebody_wrote_over_is_written_again(split, tmp_path):
    out = tmp_path / "run"
    first = search(split, out, models=["itempop"])
    before = (out / "table.csv").read_bytes()
    (out / "table.csv").write_text("user_id,item_id\n1,2\n")
    again = search(split, out, models=["itempop"])
    assert (out / "table.csv").read_bytes() == before
    pd.testing.assert_frame_equal(again.table, first.table)


def test_resume_is_true_or_false(split, tmp_path):
    with pytest.raises(InputError, match="resume must be True or False, got 'no'"):
        search(split, tmp_path / "run", resume="no")


def test_an_update_is_not_overwritten(split, tmp_path, capsys):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    gr.load(out).update(split.test).save(out)
    before = record_of(out)
    with pytest.raises(InputError, match="taken in more since its search"):
        search(split, out, budget=200, models=["itempop"])
    read = search(split, out, models=["itempop"], progress=True, seen=split.test)
    said = capsys.readouterr().err
    assert "its run has taken in more since, and stays as it is; only resume=False" in said
    assert "a larger budget" not in said
    assert len(read.train) > len(split.train) + len(split.valid)
    assert record_of(out) == before
    search(split, out, models=["itempop"], resume=False)
    assert record_of(out) != before


def test_the_command_says_whether_it_has_saved_something(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = gr.load_dataset("synthetic").interactions.to_frame()
    data.to_csv("a.csv", index=False)
    call = [
        "search",
        "--data",
        "a.csv",
        "--user",
        "user_id",
        "--item",
        "item_id",
        "--out",
        "run",
        "--model",
        "itempop",
        "--budget",
        "60s",
    ]
    first, second = (CliRunner().invoke(main, call, catch_exceptions=False) for _ in range(2))
    assert "itempop saved in run;" in first.output
    assert "itempop stays as it was saved in run;" in second.output


def test_the_table_of_a_search_is_read_with_its_run(blended):
    best, out = blended
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = gr.load(out).table
    for column in ("ndcg@20", "seconds", "epochs", "at"):
        np.testing.assert_array_equal(table[column], best.table[column].astype(float))
    assert table["ndcg@20"].max() == best.table["ndcg@20"].max()
    assert list(table.columns) == list(best.table.columns)
    assert table["settings"].tolist() == best.table["settings"].tolist()
    assert gr.load(next((out / "candidates").iterdir())).table is None


def test_a_result_that_is_not_fitted_anew_does_not_replace_one_that_is(tmp_path):
    saved = Saved(tmp_path, 0.2, True, 1.0)
    assert saved.stays(0.1999)
    assert saved.stays(0.2)
    assert not saved.stays(0.2001)
    assert saved.stays_beside(0.2001, refit=False)
    assert not saved.stays_beside(0.2001, refit=True)
    assert not saved.stays_beside(0.21, refit=False)  # clearly better
    assert not Saved(tmp_path, 0.2, False, 1.0).stays(0.2)


def test_what_was_told_of_and_not_saved_counts_for_nothing(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    journal, parts = Journal(out, what_of(out), True), (split.train, split.valid)
    known = Saved.of(journal, out, *parts)
    assert known is not None
    assert known.refit
    journal.saving(1.0, "ease", worth=0.9, refit=False, cost=1.0, before=record_of(out))  # killed here
    assert Saved.of(Journal(out, what_of(out), True), out, *parts) == known
    now = weights_in((out / "run.json").read_text())
    journal.saving(1.0, "itempop", worth=0.8, refit=False, cost=1.0, before="another", weights=now)
    assert Saved.of(journal, out, *parts).figure == 0.8
    journal.saving(1.0, "itempop", worth=0.9, refit=False, cost=1.0, before=record_of(out), weights="others")  # and twice here
    journal.saving(1.0, "itempop", worth=0.9, refit=False, cost=1.0, before=record_of(out), weights="others")
    assert Saved.of(journal, out, *parts).figure == 0.8
    (out / "run.json").write_text("{}")
    assert Saved.of(journal, out, *parts) is None
    assert search(split, out, budget=200, models=["itempop"]).name == "itempop"


def test_what_was_not_fitted_anew_is_when_there_is_time(blended, split, tmp_path):
    out = copied(blended, tmp_path)
    gr.Recommender("itempop").fit(split.train).save(out)
    told = {"worth": 0.99, "refit": False, "cost": 0.1, "before": None, "weights": weights_in((out / "run.json").read_text())}
    Journal(out, what_of(out), True).saving(1.0, "itempop", **told)
    best = search(split, out, budget=101)
    assert best.name == "itempop"
    assert len(gr.load(out).train) == len(split.train) + len(split.valid)


# ---- the end --------------------------------------------------------------------------------------


def test_the_end_is_measured_and_its_time_kept(split, tmp_path, monkeypatch):
    clock = Clock()
    finish = importlib.import_module("graphrec.search.finish")
    scores, figure, refit = MemberScores.__init__, MemberScores.figure, finish.refitted

    def slow_scores(self, models, train, valid, *more, **others):
        clock.now += 0.002 * len(models) * len(np.unique(valid.users))
        scores(self, models, train, valid, *more, **others)

    def slow_figure(self, weights):
        clock.now += 0.0005 * len(self._relevant)
        return figure(self, weights)

    def slow_refit(*arguments):
        clock.now += 1.0
        return refit(*arguments)

    monkeypatch.setattr(MemberScores, "__init__", slow_scores)
    monkeypatch.setattr(MemberScores, "figure", slow_figure)
    monkeypatch.setattr(finish, "refitted", slow_refit)
    best = search(split, tmp_path / "run", 25, clock)  # of which the scores and weights of eight members take 40
    table = best.table.set_index("model")
    assert table.loc["refit", "status"] == "ok"
    assert clock.now <= 1.02 * 25
    assert "blend" in table.index


def test_weights_are_as_good_as_time_allows(split):
    task = task_of(split)
    trials, looks = [Trial(name, {}, {}) for name in MODELS], []
    for trial in trials:
        trial.solve(task)
    models = [trial.recommender.model for trial in trials]

    def over(members):
        looks.append(members)
        return len(looks) > 16

    cut, whole = (_Timed(trials, when, task) for when in (over, lambda members: False))
    alone = [MemberScores(models, task.train, task.valid, task.metric).figure(one) for one in np.eye(len(models))]
    assert sum(cut.chosen()) == pytest.approx(1.0)
    assert max(alone) <= MemberScores.figure(cut, cut.chosen()) <= MemberScores.figure(whole, whole.chosen())


def test_time_is_set_aside_for_whoever_will_be_a_member(split):
    run = Reserve(task_of(split), Budget(100.0, 0.0, Clock()), writes=False)
    kept = [Trial("slim", {"l2": float(n)}, {}) for n in range(1, 9)]
    for trial in kept:
        trial.seconds = 0.1
    alike = run.total(kept)
    kept[-1].seconds = 15.1  # the last of the best, but it may be chosen
    assert run.total(kept) >= alike + 15.0


def test_what_others_worked_out_counts_for_the_refit(split):
    run = Reserve(task_of(split), Budget(10.0, 0.0, Clock()), writes=True)
    trial = Trial("gfcf", {"rank": 8}, {})
    trial.seconds, alone = 0.1, run.refit([trial])
    trial.lent = 5.0
    assert run.refit([trial]) >= alone + 5.0
    trial.save_seconds = 2.0
    assert run.writing([trial]) > 2.0
    assert run.total([trial]) > run.refit([trial]) + run.writing([trial])
    matrix = split.train.to_csr().astype(np.float32)
    with shared_decompositions():
        row_space(matrix, 4)
        assert lent_seconds() == 0
        row_space(matrix, 4)
        assert lent_seconds() > 0


def test_a_result_comes_of_a_budget_that_is_over(split, tmp_path):
    run = run_of(split, tmp_path, clock=Clock(then=200.0))
    trial = Trial("itempop", {}, {})
    run.keep(trial.solve(run.task), trial)
    result = finished(run, None)
    assert isinstance(result, Result)
    assert result.is_new


# ---- rows -----------------------------------------------------------------------------------------


def test_settings_that_are_not_for_a_table_are_skipped(split, tmp_path, monkeypatch):
    def refuse(self):
        raise InputError("dim=256 is more than the 60 items.")

    monkeypatch.setattr(gr.models.TurboCF, "solve", refuse)
    run = run_of(split, tmp_path)
    run.solve(Entry("turbocf"), Trial("turbocf", {}, {}))
    assert [(row["status"], row["reason"]) for row in run.journal.rows] == [("skipped", "dim=256 is more than the 60 items.")]


def test_reasons_have_digits(split, tmp_path):
    assert [as_seconds(n) for n in (-1.0, 0.0, 0.0034, 0.3, 2.04, 9.96, 75.2)] == [
        "0.0 s", "0.0 s", "0.0034 s", "0.3 s", "2.0 s", "10 s", "75 s",
    ]  # fmt: skip
    run = run_of(split, tmp_path, seconds=2.0, clock=Clock(then=1.5))
    trial = Trial("itempop", {}, {})
    run.keep(trial.solve(run.task), trial)
    why = run.refusal(Entry("ease", seconds=lambda *_: 0.2), Trial("ease", {}, {}))
    assert why is not None
    assert "about 0 s" not in why
    assert "0.5 s are left" in why or "0.4 s are left" in why


def test_fits_that_are_over_at_once_make_the_next_a_cheap_one():
    costs = Costs()
    for model in ("itempop", "rp3beta"):
        costs.learn(model, 0.001, 0.003)
    assert costs.expected("itemknn", 0.002) < 0.05
    assert costs.expected("ease", 10.0) > 5
