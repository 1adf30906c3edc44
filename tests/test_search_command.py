"""What ``graphrec search`` says and refuses on the command line, and what ``--final`` makes of its result."""

import shlex
import signal

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.cli.final import check_final
from graphrec.errors import InputError
from graphrec.search.budget import Budget
from graphrec.search.journal import Journal
from graphrec.search.run import Run
from graphrec.search.saved import record_of
from graphrec.search.space import facts_of
from graphrec.search.trial import Task, Trial

COLUMNS = ["--user", "user_id", "--item", "item_id", "--time", "time"]
MODELS = ["--model", "itempop", "--model", "ease"]


def call(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    path = tmp_path_factory.mktemp("shop") / "shop.csv"
    frame = gr.load_dataset("synthetic").interactions.to_frame()
    frame.loc[frame["user_id"] <= 300, ["user_id", "item_id", "time"]].to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    path, g = tmp_path_factory.mktemp("tiny") / "tiny.csv", np.random.default_rng(0)
    rows = [(user, item, at) for user in range(40) for at, item in enumerate(g.permutation(12)[:8])]
    pd.DataFrame(rows, columns=["user_id", "item_id", "time"]).to_csv(path, index=False)
    return path


def search(data, out, *more, budget="60s", models=MODELS):
    return call("search", "--data", data, *COLUMNS, "--out", out, "--budget", budget, *models, *more)


def owned(lists, data):
    return len(lists.merge(pd.read_csv(data), on=["user_id", "item_id"]))


# ---- --final --------------------------------------------------------------------------------------


def test_what_people_have_is_not_recommended_once_the_result_is_final(shop, tmp_path):
    out = tmp_path / "best"
    first = search(shop, out)
    name = gr.load(out).name
    assert f"of the test part may be recommended again; --final fits {name} anew on everything, in {out}/final" in first.stderr
    record = record_of(out)
    done = search(shop, out, "--final")
    assert done.exit_code == 0, done.output
    assert f"{name} stays as it was saved in {out};" in done.stdout
    assert (
        f"{name} fitted anew on all {len(pd.read_csv(shop)):,} pairs of {shop} (--final), saved in {out}/final" in done.stdout
    )
    assert record_of(out) == record  # figures are of this one, and the search goes on from it
    usual, final = gr.load(out), gr.load(out / "final")
    assert usual.name == final.name == name == "blend"
    assert final.weights == pytest.approx(usual.weights)
    assert all(len(one.train) == len(final.train) for one in final.members)
    assert len(final.train.distinct_keys) == len(pd.read_csv(shop))
    everybody = final.train.user_ids
    assert owned(usual.recommend(everybody, k=5), shop) > 0
    assert owned(final.recommend(everybody, k=5), shop) == 0
    assert call("evaluate", out, "--data", shop).exit_code == 0
    refused = call("evaluate", out / "final", "--data", shop)
    assert f"the test pairs are in train, too; measure the run of the search it is of, {out}." in refused.output
    again = record_of(out / "final")
    assert f"{name} stays as it was fitted on everything in {out}/final" in search(shop, out, "--final").stdout
    larger = search(shop, out, "--final", budget="90s", models=[*MODELS, "--model", "p3alpha"])
    assert larger.exit_code == 0, larger.output
    assert f"goes on with {out}: " in larger.stderr
    assert (record_of(out / "final") != again) == (record_of(out) != record)


def test_a_final_run_that_has_taken_in_more_is_not_lost(tiny, tmp_path):
    out, models = tmp_path / "best", ["--model", "itempop"]
    assert search(tiny, out, "--final", models=models).exit_code == 0
    pd.DataFrame({"user_id": [0], "item_id": [99], "time": [50]}).to_csv(tmp_path / "more.csv", index=False)
    assert call("update", out / "final", "--data", tmp_path / "more.csv").exit_code == 0
    record = record_of(out / "final")
    for budget in ("60s", "90s"):
        refused = search(tiny, out, "--final", models=models, budget=budget)
        assert refused.exit_code == 1
        assert f"the run in {out / 'final'} has taken in more since its search" in refused.output
    assert search(tiny, out, models=models).exit_code == 0
    assert record_of(out / "final") == record
    assert search(tiny, out, "--final", "--fresh", models=models).exit_code == 0
    assert record_of(out / "final") != record


def test_final_of_an_updated_search_is_refused_and_of_data_without_a_test_part(tiny, tmp_path):
    out, models = tmp_path / "best", ["--model", "itempop"]
    search(tiny, out, models=models)
    pd.DataFrame({"user_id": [0], "item_id": [99], "time": [50]}).to_csv(tmp_path / "more.csv", index=False)
    items = tmp_path / "items.csv"
    pd.DataFrame({"item_id": range(12), "name": "x"}).to_csv(items, index=False)
    assert "the search in" not in call("update", out, "--items", items, "--title", "name").stderr  # which goes on
    updated = call("update", out, "--data", tmp_path / "more.csv")
    assert updated.exit_code == 0
    assert f"note: the search in {out} cannot go on after this, " in updated.stderr
    assert "search in another folder" in updated.stderr
    refused = search(tiny, out, "--final", models=models)
    assert refused.exit_code == 1
    assert f"the run in {out} has taken in more since its search" in refused.output
    larger, measured = search(tiny, out, budget="90s", models=models), call("evaluate", out, "--data", tiny)
    assert larger.exit_code == measured.exit_code == 1
    assert all("in another folder" in one.output for one in (refused, larger, measured))
    table = gr.read_csv(tiny, user="user_id", item="item_id")
    with pytest.raises(InputError, match=r"^x has no test part, so that --final has nothing to add"):
        check_final(tmp_path / "b", gr.Split(train=table), "x", False)


def test_a_stale_final_run_is_told_of(tiny, tmp_path):
    out = tmp_path / "best"
    search(tiny, out, "--final", models=["--model", "itempop"])
    assert f"may be recommended again; {out}/final knows them" in search(tiny, out, models=["--model", "itempop"]).stderr
    told = search(tiny, out, "--fresh", models=["--model", "p3alpha"])
    assert f"{out}/final is of an earlier result of the search; --final fits it anew" in told.stderr


def test_a_final_run_without_the_titles_is_not_of_another_result(tiny, tmp_path):
    out, models, items = tmp_path / "best", ["--model", "itempop"], tmp_path / "items.csv"
    search(tiny, out, "--final", models=models)
    for name, said in (("x", "no titles yet"), ("y", "other titles")):
        pd.DataFrame({"item_id": range(12), "name": name}).to_csv(items, index=False)
        titled = ("--items", items, "--title", "name")
        told = search(tiny, out, *titled, models=models)
        assert f"{out}/final has {said}; --final gives it those of this search." in told.stderr
        assert "earlier result" not in told.stderr
        search(tiny, out, *titled, "--final", models=models)
        assert set(gr.load(out / "final").titles) == {name}
        assert f"{out}/final knows them" in search(tiny, out, models=models).stderr


# ---- what is said -----------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["itempop", "ease", None])
def test_ctrl_c_says_whether_there_is_something_to_go_on_with(tiny, tmp_path, monkeypatch, model):
    solve, out = Trial.solve, tmp_path / "best"

    def stopped(trial, task):
        if trial.model == model and len(task.train) > 200:
            raise KeyboardInterrupt
        return solve(trial, task)

    def stopped_before(data, table):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*(("graphrec.runs.split_of", stopped_before) if model is None else (Trial, "solve", stopped)))
        done = search(tiny, out)
    assert done.exit_code == 130
    assert ("Interrupted; the search can be gone on with." if model else "Interrupted; nothing was saved.") in done.stderr
    if model == "itempop":  # the very first: what it took is not forgotten
        assert "0 candidates known" in search(tiny, out).stderr


def test_ctrl_c_that_is_lost_comes_again(tiny, tmp_path, monkeypatch):
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        pytest.skip("somebody else takes care of Ctrl-C")
    solve, lost = Trial.solve, []

    def deaf(trial, task):
        if trial.model == "ease" and not lost:
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                lost.append(1)
            for _ in range(10_000_000):  # until somebody interrupts
                np.ones(10_000).sum()
        return solve(trial, task)

    monkeypatch.setattr("graphrec.cli.ending._UNHEARD", 0.05)
    monkeypatch.setattr(Trial, "solve", deaf)
    done = search(tiny, tmp_path / "best")
    assert lost
    assert "Interrupted; the search can be gone on with." in done.stderr
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_search_that_goes_on_says_where(tiny, tmp_path):
    first = search(tiny, tmp_path / "best", models=["--model", "itempop"])
    assert "goes on with" not in first.stderr
    more = search(tiny, tmp_path / "best", models=["--model", "itempop", "--model", "p3alpha"])
    line = next(line for line in more.stderr.splitlines() if "goes on with" in line)
    assert line.endswith("s of 60 s spent, 1 candidate known")


def test_after_fresh_nothing_stays_as_it_was(tiny, tmp_path):
    models = ["--model", "itempop"]
    assert "unless -k" not in search(tiny, tmp_path / "best", models=models).stderr
    done = search(tiny, tmp_path / "best", "--fresh", "--metric", "recall@5", models=models)
    assert "note: chosen by lists of 5; `evaluate` measures those of 12 unless -k 5 is given." in done.stderr
    assert f"itempop saved in {tmp_path / 'best'};" in done.stdout


def test_settings_and_reason_are_told_apart(tmp_path, capsys, interactions):
    split = gr.split.random(interactions, test=0.2, seed=0)
    task = Task(split.train, split.test, "ndcg@20", 0, "cpu")
    run = Run(task, facts_of(split.train), Budget(10.0), 1e9, Journal(None, {}, False), tmp_path, True)
    run.tell(Trial("mf", {"dim": 8}, {}), "stopped", "its time was over")
    run.tell(Trial("mf", {}, {}), "failed", "its time was over")
    assert [line.rpartition(" s  ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "dim=8; its time was over",
        "its time was over",
    ]


# ---- around it --------------------------------------------------------------------------------------


def test_evaluation_of_a_small_catalogue_has_lists_as_long(tiny, tmp_path):
    search(tiny, tmp_path / "best", models=["--model", "itempop"])
    done = call("evaluate", tmp_path / "best", "--data", tiny)
    assert done.exit_code == 0, done.output
    assert "the catalogue has 12 items: the lists are as long (k=12), not 20" in done.stderr
    assert "ndcg@12" in done.stdout
    refused = call("evaluate", tmp_path / "best", "--data", tiny, "-k", 20)
    assert "k must be between 1 and the catalogue's 12 items, got 20" in refused.output


def test_validation_pairs_that_are_in_train_are_named_before_anything_is_fitted(tmp_path):
    table = gr.load_dataset("synthetic").interactions.binarize()
    split = gr.split.chronological(table, test=0.2, valid=0.1)
    for valid, shared in ((split.train, len(split.train)), (table, len(split.train))):
        with pytest.raises(InputError, match=rf"^{shared:,} validation pairs are in train, first at row \d+: user .*, item"):
            gr.search(split.train, valid, "5s", out=tmp_path / "out")
        with pytest.raises(InputError, match=rf"^{shared:,} validation pairs are in train"):
            gr.tune("itemknn", {"shrink": [1.0]}, split.train, valid, "5s", progress=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("31.12.2024", "format='%d.%m.%Y')"),
        ("3.1.24", "format='%d.%m.%y')"),
        ("12/31/2024 18:30", "format='%m/%d/%Y %H:%M')"),
        ("01/02/2024 18:30:00", "format='%d/%m/%Y %H:%M:%S', or '%m/%d/%Y %H:%M:%S' if the month comes first)"),
        ("soon", "format=…)"),
    ],
)
def test_dates_that_are_written_otherwise_are_refused_with_a_remedy(text, said):
    frame = pd.DataFrame({"user_id": [1, 2], "item_id": [1, 2], "day": [text] * 2})
    with pytest.raises(InputError) as refused:
        gr.Interactions.from_frame(frame, time="day")
    assert "Dates are read as 2024-12-31 or 2024-12-31T18:30:00 (ISO 8601), and no option reads others" in str(refused.value)
    assert str(refused.value).endswith(f"frame['day'] = pandas.to_datetime(frame['day'], {said}.")
    if "'%" in said and " if " not in said:
        pattern = said[len("format='") : -len("')")]
        frame["day"] = pd.to_datetime(frame["day"], format=pattern)
        assert gr.Interactions.from_frame(frame, time="day").times is not None


def test_the_docstring_of_a_preset_names_what_there_is():
    assert ":func:`graphrec.presets.preset_names`" in gr.preset.__doc__
    assert "lightgcn-2020" in __import__("graphrec.presets").presets.preset_names()


@pytest.mark.parametrize(("option", "said"), [(["--metric", "foo"], "foo"), (["--model", "ngfc"], "did you mean 'ngcf'")])
def test_names_that_are_none_are_refused_before_anything_is_read(tmp_path, option, said):
    done = call("search", "--data", tmp_path / "nothing.csv", "--out", tmp_path / "run", *option)
    assert done.exit_code == 1
    assert said in done.output


def test_new_titles_for_a_search_whose_run_was_updated_are_refused(tiny, tmp_path):
    out, items = tmp_path / "run", tmp_path / "items.csv"
    pd.DataFrame({"item_id": range(12), "name": "x"}).to_csv(items, index=False)
    assert search(tiny, out).exit_code == 0
    more = tmp_path / "more.csv"
    pd.DataFrame({"user_id": [0, 99], "item_id": [3, 4], "time": [99, 99]}).to_csv(more, index=False)
    updated = call("update", out, "--data", more)
    assert updated.exit_code == 0, updated.output
    titled = ("--items", items, "--title", "name")
    done = search(tiny, out, *titled)
    assert done.exit_code == 1
    assert "12 titles of --items are not taken in: the run in" in done.output
    assert search(tiny, out).exit_code == 0
    advised = call(*shlex.split(done.stderr.split("`")[1])[1:])
    assert "0 more pairs; new people: 0, new things: 0, new titles: 12." in advised.stdout
    assert set(gr.load(out).titles) == {"x"}
    done = search(tiny, out, *titled)  # the run has them
    assert done.exit_code == 0, done.output
    assert "stays as it was updated" in done.stdout


# ---- files beside it --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def found(tiny, tmp_path_factory):
    out = tmp_path_factory.mktemp("found") / "best"
    assert search(tiny, out, models=["--model", "itempop"]).exit_code == 0
    return out


@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["recommend", "--all"], "table.csv"),
        (["recommend", "--all"], "history.csv"),
        (["explain", "--user", "0", "--item", "0"], "search.png"),
        (["report"], "run.json"),
        (["report"], "journal.jsonl"),
    ],
)
def test_no_answer_takes_the_place_of_a_file_of_the_run(found, command, name):
    before = {path.name: path.read_bytes() for path in found.iterdir() if path.is_file()}
    done = call(command[0], found, *command[1:], "--out", found / name)
    assert done.exit_code == 1
    assert f"{found / name} is a file of the run itself; give another name." in done.output
    assert {path.name: path.read_bytes() for path in found.iterdir() if path.is_file()} == before


def test_a_page_is_not_written_over_a_run_that_no_search_made(found, tmp_path):
    run = gr.load(found)
    run.save(tmp_path / "run")
    with pytest.raises(InputError, match=r"run\.json is a file of the run itself"):
        run.report(0, tmp_path / "run" / "run.json")
    assert run.report(0, tmp_path / "run" / "page.html").is_file()
    assert run.report(0, tmp_path / "table.csv").is_file()  # where there is no run the name is free


def test_files_beside_a_search_are_nobody_s_harm(tiny, tmp_path):
    out, models = tmp_path / "best", ["--model", "itempop"]
    assert search(tiny, out, models=models).exit_code == 0
    assert call("report", out, "--out", out / "page.html").exit_code == 0
    (out / "notes").mkdir()
    for more, budget in (([], "60s"), ([], "90s"), (["--fresh"], "60s")):
        done = search(tiny, out, *more, models=models, budget=budget)
        assert done.exit_code == 0, done.output
    (out / "run.json").unlink()  # as after a kill
    assert search(tiny, out, models=models).exit_code == 0
    assert gr.load(out).name == "itempop"
    assert (out / "page.html").is_file()
    assert (out / "notes").is_dir()


def test_a_folder_of_somebody_else_is_refused_before_the_search(tiny, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    done = search(tiny, tmp_path)
    assert done.exit_code == 1
    assert "holds notes.txt, which this command did not write: move it away, or give a new or empty folder" in done.output
    table = gr.read_csv(tiny)
    split = gr.split.random(table, test=0.2, seed=0)
    with pytest.raises(InputError, match=r"holds notes\.txt, which no search wrote: move it away"):
        gr.search(split.train, split.test, 60, out=tmp_path, models=["itempop"], progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
