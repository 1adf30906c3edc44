"""The folder of a search: of one search at a time, whose run is known again, and which a full disk does not spoil."""

import errno
import importlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from test_search import QUICK, made_split

import graphrec as gr
from graphrec import tensor_files
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.folder_lock import Held, held_file
from graphrec.search.journal import Journal
from graphrec.search.journal_lines import line_of
from graphrec.search.saved import Saved, record_of
from graphrec.search.space import TRAINED

MODELS = ["itempop", "rp3beta"]


@pytest.fixture(scope="module")
def split():
    return made_split()


def search(split, out, budget=100, models=MODELS, **options):
    given = {"models": models, "progress": False, "device": "cpu", "clock": lambda: 0.0} | options
    return gr.search(split.train, split.valid, budget, out=out, **given)


def what_of(out):
    return json.loads((out / "journal.jsonl").read_text().splitlines()[0])["search"]


# ---- whose run it is ------------------------------------------------------------------------------


def test_a_run_that_is_of_no_search_is_not_overwritten(split, tmp_path):
    out = tmp_path / "run"
    gr.Recommender("puresvd", rank=4).fit(split.train).save(out)
    with pytest.raises(InputError, match=r"holds a run that is of no search, and it would be overwritten"):
        search(split, out)
    assert gr.load(out).name == "puresvd"
    assert not (out / "journal.jsonl").exists()
    assert search(split, out, resume=False).name in MODELS


def test_nobody_saves_in_a_folder_that_a_search_holds(split, tmp_path):
    out, other = tmp_path / "run", gr.Recommender("puresvd", rank=4).fit(split.train)
    search(split, out)
    before = record_of(out)
    with held_file(out / "search.lock"), pytest.raises(InputError, match=r"a search is under way in .* \(process \d+\): wait"):
        other.save(out)
    assert record_of(out) == before
    other.save(out)
    (out / "search.lock").touch()  # of a search that was killed
    other.save(out)


def test_what_a_search_found_is_not_replaced_by_a_training(tmp_path):
    data = ["--data", "synthetic", "--out", str(tmp_path / "run")]
    found = CliRunner().invoke(main, ["search", *data, "--budget", "60s", "--model", "itempop"])
    assert found.exit_code == 0, found.output
    before = record_of(tmp_path / "run")
    done = CliRunner().invoke(main, ["train", "puresvd", *data])
    assert done.exit_code == 1
    assert "holds what a search has found, which would be lost; give another folder" in done.output
    assert record_of(tmp_path / "run") == before


def test_a_training_that_lay_in_the_folder_leaves_no_picture_behind(tmp_path):
    data = ["--data", "synthetic", "--out", str(tmp_path / "run")]
    assert CliRunner().invoke(main, ["train", "mf", *data, "--set", "epochs=1"]).exit_code == 0
    more = ["search", *data, "--budget", "60s", "--model", "itempop"]
    told = CliRunner().invoke(main, more)
    assert told.exit_code == 1
    assert "holds a run that is of no search" in told.output
    assert CliRunner().invoke(main, [*more, "--fresh"]).exit_code == 0
    assert not {"history.csv", "curves.png"} & {path.name for path in (tmp_path / "run").iterdir()}


@pytest.mark.parametrize("budget", [100, 200])
@pytest.mark.parametrize("harm", ["gone", "damaged", "without a tensor", "with half a tensor"])
def test_a_result_that_is_damaged_or_gone_is_made_again_with_a_word(split, tmp_path, harm, budget):
    out = tmp_path / "run"
    first = search(split, out)
    tensors = next(out.glob("model-*"))
    if harm == "gone":
        (out / "run.json").unlink()
    elif harm == "damaged":
        (out / "run.json").write_text("{}")
    elif harm == "without a tensor":
        tensors.unlink()
    else:
        tensors.write_bytes(tensors.read_bytes()[:-10])
    with pytest.warns(UserWarning, match="is damaged or gone: it is made again") as told:
        again = search(split, out, budget)
    assert told[0].filename == __file__
    assert again.name == first.name
    assert gr.load(out).name == first.name


def test_titles_stay_where_none_are_given(split, tmp_path):
    items = tmp_path / "items.csv"
    ids = gr.load_dataset("synthetic").interactions.item_ids
    pd.DataFrame({"item_id": ids, "name": [f"thing {i}" for i in ids]}).to_csv(items, index=False)
    out = tmp_path / "run"
    call = ["search", "--data", "synthetic", "--out", str(out), "--budget", "60s", "--model", "itempop"]
    assert CliRunner().invoke(main, [*call, "--items", str(items), "--title", "name"]).exit_code == 0
    done = CliRunner().invoke(main, [*call, "--model", "rp3beta", "--budget", "90s"])
    assert f"the titles that the run in {out} has are kept" in done.stderr
    assert gr.load(out).titles[ids[0]] == f"thing {ids[0]}"
    assert gr.load(out).name != "itempop"
    assert CliRunner().invoke(main, [*call, "--fresh"]).exit_code == 0
    assert gr.load(out).titles is None


def test_a_figure_that_is_reached_again_was_there_before(tmp_path):
    journal, row = Journal(None, {}, True), {"model": "a", "settings": "", "status": "ok", "reason": ""}
    for at, figure, seconds in ((1.0, 0.2, 1.0), (3.0, 0.3, 2.0), (5.0, 0.3, 3.0), (7.0, 0.25, 4.0)):
        journal.add({**row, "key": "a", "figure": figure, "seconds": seconds, "epochs": None, "at": at})
    table = journal.table("ndcg@20")
    assert table[["ndcg@20", "at", "seconds"]].to_numpy().tolist() == [[0.3, 3.0, 3.0]]


def test_a_search_of_models_without_settings_is_read_without_a_warning(split, tmp_path):
    search(split, tmp_path / "run", models=["itempop"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert gr.load(tmp_path / "run").table["settings"].tolist()[0] == ""


@pytest.mark.parametrize("seed", [-1, 1.5, "0", True, 2**63])
def test_a_seed_that_is_none_is_refused_at_once(split, tmp_path, seed):
    with pytest.raises(InputError, match="seed must be"):
        search(split, tmp_path / "run", seed=seed)
    with pytest.raises(InputError, match="seed must be"):
        gr.tune("itemknn", {"neighbours": [5]}, split.train, split.valid, seed=seed)
    assert not (tmp_path / "run").exists()


def test_the_run_of_somebody_else_has_not_the_figure_of_the_search(split, tmp_path):
    out, whole = tmp_path / "run", split.train_and_valid
    search(split, out)
    others = [gr.Recommender("random").fit(split.train), gr.Recommender("rp3beta", alpha=0.123).fit(split.train)]
    others += [gr.Recommender("itempop").fit(split.test), gr.Recommender("itemknn").fit(whole)]
    for other in others:
        other.save(out)
        before = record_of(out)
        for budget in (100, 200):
            with pytest.raises(InputError, match=r"of somebody else.*--fresh"):
                search(split, out, budget)
        assert record_of(out) == before
    best = search(split, out, resume=False)
    assert best.name not in ("random", "itemknn")


def test_a_journal_that_lost_lines_is_told_from_an_update(split, tmp_path):
    out = tmp_path / "run"
    search(split, out)
    before, path = record_of(out), out / "journal.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    saved = next(place for place, line in enumerate(lines) if json.loads(line).get("status") == "saved")
    for count in (1, saved):
        path.write_bytes(b"".join(lines[:count]))
        with pytest.raises(InputError, match=r"journal\.jsonl does not tell of the run .* lost its last lines\. .*--fresh"):
            search(split, out, 200)
    path.write_bytes(b"")
    with pytest.raises(InputError, match=r"journal\.jsonl is damaged, .*--fresh"):
        search(split, out, 200)
    assert record_of(out) == before
    assert search(split, out, 200, resume=False).name in MODELS


def test_an_update_of_another_run_is_of_somebody_else(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    few = gr.Recommender("itempop").fit(split.valid)
    few.update(split.test)
    few.save(out)
    with pytest.raises(InputError, match="of somebody else"):
        search(split, out, models=["itempop"])


def test_titles_beside_a_run_leave_it_the_search_s(split, tmp_path):
    out = tmp_path / "run"
    search(split, out)
    named = gr.load(out)
    named.titles = pd.Series({500: "five hundred"})
    named.save(out)
    assert search(split, out).name == named.name
    assert Saved.of(Journal(out, what_of(out), True), out, split.train, split.valid).updated is False


def test_what_was_to_be_left_out_still_is(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, models=["itempop"], seen=split.test)

    def left_out():
        kept = gr.load(out)._fitted.seen
        return None if kept is None else len(kept)

    assert left_out() == len(split.test)
    search(split, out, models=["itempop"])  # is at its end
    assert left_out() == len(split.test)
    assert search(split, out, 200).name != "itempop"  # a new result
    assert left_out() == len(split.test)
    search(split, out, resume=False)
    assert left_out() is None


def test_a_kill_between_the_journal_and_the_run_leaves_the_older_result(split, tmp_path, monkeypatch):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    known = Saved.of(Journal(out, what_of(out), True), out, split.train, split.valid)
    replace_file = tensor_files.replace_file

    def killed(path, *parts):
        if path.name == "run.json" and path.parent == out:
            raise KeyboardInterrupt
        replace_file(path, *parts)

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("graphrec.recommender.artefact.replace_file", killed)
            with pytest.raises(KeyboardInterrupt):
                search(split, out, 200)
        assert Saved.of(Journal(out, what_of(out), True), out, split.train, split.valid) == known
    assert search(split, out, 200).table["ndcg@20"].max() > known.figure


def killed_before_its_end(split, out, patch, **options):
    """A search that has its candidates in the journal, and was killed before it announced a result."""
    patch.setattr(importlib.import_module("graphrec.search.search"), "finished", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(split, out, **options)


def interrupted(*_):
    raise KeyboardInterrupt


def test_nothing_is_trained_or_saved_over_a_search_that_has_saved_nothing(split, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        killed_before_its_end(split, out, patch)
    done = CliRunner().invoke(main, ["train", "puresvd", "--data", "synthetic", "--out", str(out)])
    assert done.exit_code == 1
    assert "holds a search that has not come to its end, which would be lost; give another folder" in done.output
    with pytest.raises(InputError, match="holds a search that has not come to its end, which would be lost"):
        gr.Recommender("itempop").fit(split.train).save(out)
    asked = CliRunner().invoke(main, ["recommend", str(out), "--user", "u3"])
    assert asked.exit_code == 1
    assert f"the search in {out} has not come to its end; the same search, called again, goes on with it." in asked.output
    assert not (out / "run.json").exists()
    assert search(split, out).name in MODELS


def test_a_run_that_came_before_a_search_has_saved_anything_is_of_somebody_else(split, tmp_path, monkeypatch):
    out, other = tmp_path / "run", gr.Recommender("puresvd", rank=4).fit(split.train)
    with monkeypatch.context() as patch:
        killed_before_its_end(split, out, patch)
    other.save(tmp_path / "other")
    for path in (tmp_path / "other").iterdir():
        path.rename(out / path.name)
    for budget in (100, 200):
        with pytest.raises(InputError, match=r"of somebody else.*--fresh"):
            search(split, out, budget)
    assert gr.load(out).name == "puresvd"


def test_a_search_that_began_anew_over_a_run_goes_on_after_a_kill(split, tmp_path, monkeypatch):
    out, other = tmp_path / "run", gr.Recommender("puresvd", rank=4).fit(split.train)
    other.save(out)
    with monkeypatch.context() as patch:
        killed_before_its_end(split, out, patch, resume=False)
    assert gr.load(out).name == "puresvd"
    gr.Recommender("random").fit(split.train).save(out)
    with pytest.raises(InputError, match="of somebody else"):
        search(split, out)
    other.save(out)
    assert search(split, out).name in MODELS
    assert search(split, out, 200).name in MODELS


# ---- one at a time --------------------------------------------------------------------------------


def test_two_threads_in_a_new_folder(split, tmp_path):
    out, said, ended = tmp_path / "run", [], []

    def slowly():
        time.sleep(0.05)
        return 0.0

    def one():
        try:
            ended.append(search(split, out, models=["itempop"], clock=slowly))
        except Exception as error:
            said.append(error)

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(ended) == 1
    [error] = said
    assert isinstance(error, InputError)
    assert f"a search is under way in {out} (process {os.getpid()})" in str(error)
    assert not (out / "search.lock").exists()
    assert search(split, out, models=["itempop"]).name == "itempop"


PROGRAM = """
import sys, time, graphrec as gr
sys.path.insert(0, sys.argv[2])
from test_search import made_split
split = made_split()
looks = []
def clock():
    looks.append(1)
    if len(looks) > 1:  # the first is at the call
        print("at work", flush=True)
        time.sleep(60)
    return 0.0
gr.search(split.train, split.valid, 100, out=sys.argv[1], models=["itempop"], device="cpu", progress=False, clock=clock)
"""


def test_another_process_is_named_readers_read_and_a_kill_lets_go(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, 50)
    call = [sys.executable, "-c", PROGRAM, str(out), os.path.dirname(__file__)]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "at work\n"
        with pytest.raises(InputError, match=rf"under way in .* \(process {process.pid}\)"):
            search(split, out)
        assert len(gr.load(out).recommend("u3", k=3)) == 3
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (out / "search.lock").exists()
    assert search(split, out).table is not None
    assert not (out / "search.lock").exists()


def test_a_folder_without_locks_or_that_cannot_be_written_is_not_held(tmp_path, monkeypatch):
    path = tmp_path / "search.lock"
    with held_file(path) as held:
        assert held
        with pytest.raises(Held), held_file(path):
            pass
    with held_file(tmp_path / "nowhere" / "search.lock") as held:
        assert not held
    monkeypatch.setattr("graphrec.folder_lock.fcntl", None)
    with held_file(path) as held, held_file(path) as again:
        assert (held, again) == (False, False)
    assert not path.exists()


# ---- a full disk ----------------------------------------------------------------------------------


def full_for(where, monkeypatch, number=errno.ENOSPC):
    """A disk that has no room for files whose path has a word in it."""
    fsync = os.fsync

    def refused(handle):
        if where in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr("os.fsync", refused)


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks Linux what a handle stands for")
@pytest.mark.parametrize(
    ("where", "number"), [("checkpoint", errno.EFBIG), ("candidates", errno.ENOSPC), ("run.json", errno.EDQUOT)]
)
def test_a_full_disk_ends_a_search_which_goes_on(split, tmp_path, monkeypatch, where, number):
    out, short = tmp_path / "run", [replace(entry, fit={"epochs": 2}) for entry in TRAINED if entry.model == "mf"]
    monkeypatch.setattr(importlib.import_module("graphrec.search.search"), "TRAINED", short)
    with monkeypatch.context() as patch:
        full_for(where, patch, number)
        with pytest.raises(OSError, match=rf"{os.strerror(number)}; the search in {out} has ended here.*goes on") as caught:
            search(split, out, 60, models=["itempop", "mf"], clock=time.perf_counter)
    assert caught.value.errno == number
    assert where in caught.value.filename
    assert not (out / "run.json").exists()
    rows = [json.loads(line) for line in (out / "journal.jsonl").read_bytes().splitlines()[1:]]
    assert all(row["status"] in ("ok", "stopped", "saved", "at work") for row in rows)
    table = search(split, out, 60, models=["itempop", "mf"], clock=time.perf_counter).table
    assert set(table[table.model == "mf"].status) <= {"ok", "stopped"}
    assert table[table.model == "mf"]["ndcg@20"].notna().any()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="asks Linux what a handle stands for")
def test_a_full_disk_is_no_setting_s_fault_in_tune(split, monkeypatch):
    full_for("checkpoint", monkeypatch)
    with pytest.raises(OSError, match=r"No space left on device.*checkpoint"):
        gr.tune("mf", {"dim": [4, 8]}, split.train, split.valid, "20s", progress=False, device="cpu")


def test_the_command_never_leaves_a_run_without_its_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gr.load_dataset("synthetic").interactions.to_frame().to_csv("a.csv", index=False)
    call = ["search", "--data", "a.csv", "--out", "run", "--model", "itempop", "--budget", "60s"]
    call += ["--user", "user_id", "--item", "item_id"]
    saved, write = [], tensor_files.replace_file

    def watched(path, *parts):
        write(path, *parts)
        if path.name == "run.json" and path.parent.name == "run":
            saved.append(json.loads(path.read_bytes())["origin"])

    monkeypatch.setattr("graphrec.recommender.artefact.replace_file", watched)
    assert CliRunner().invoke(main, call, catch_exceptions=False).exit_code == 0
    assert [bool(origin) for origin in saved] == [True]
    again = CliRunner().invoke(main, call, catch_exceptions=False)
    assert "itempop stays as it was saved" in again.output
    assert len(saved) == 1
    told = CliRunner().invoke(main, ["evaluate", "run", "--data", "a.csv"], catch_exceptions=False)
    assert told.exit_code == 0, told.output


# ---- rows -----------------------------------------------------------------------------------------


def lines_of(*rows):
    """A journal of these rows, each with the checksum that it must have."""
    lines, check = [], ""
    for row in rows:
        line, check = line_of(row, check)
        lines.append(line)
    return b"".join(lines)


def test_a_row_that_is_not_as_it_was_written_is_damage(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    path = out / "journal.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    head, row, *rest = ({n: v for n, v in json.loads(line).items() if n != "check"} for line in lines)
    assert lines_of(head, row, *rest) == whole
    rows = [{**row, "figure": "0.9"}, {**row, "figure": True}, {**row, "at": None}]
    rows += [{**row, "figure": float("nan")}, {**row, "hyper": "none"}, {**row, "status": "fine"}, {**row, "key": "itempop"}]
    rows += [{n: v for n, v in row.items() if n != "figure"}, {**row, "seconds": "1"}, {**row, "epochs": 1.5}]
    rows += [{**rest[-1], "budget": "100"}, {**rest[-1], "models": "mf"}, {**rest[-2], "worth": None}]
    wrong = [lines_of(head, one, *rest) for one in rows]  # no row of a search, though written so
    wrong += [b"".join(line for line in lines if line is not one) for one in lines[:-1]]  # a line is gone
    wrong += [b"".join([*lines, lines[-1]]), b"".join([*lines[:-2], lines[-1], lines[-2]])]  # one twice, two in another order
    wrong += [lines[0] + json.dumps(one).encode() + b"\n" for one in (row, [row], "row", 3)]
    wrong += [whole.replace(b'"figure": 0.', b'"figure": 0.9', 1)]
    wrong += [whole + garbage for garbage in (b"[" * 100_000 + b"\n", b"\xff\xfe\n", b"\n")]
    for text in wrong:
        path.write_bytes(text)
        with pytest.raises(InputError, match=r"journal\.jsonl is damaged"):
            search(split, out, 200, models=["itempop"])
        assert path.read_bytes() == text
    path.write_bytes(lines_of(head, row, *rest))  # of which nothing is wrong
    assert search(split, out, 200, models=["itempop"]).name == "itempop"


def test_a_line_whose_writing_was_broken_off_is_written_over(tmp_path, monkeypatch):
    journal, fsync = Journal(tmp_path, {"seed": 0}, resume=True), os.fsync

    def broken_off(handle):
        fsync(handle)
        raise KeyboardInterrupt  # the line is there, and nobody knows

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", broken_off)
        with pytest.raises(KeyboardInterrupt):
            journal.at_work(1.0)
    journal.at_work(2.0)
    again = Journal(tmp_path, {"seed": 0}, resume=True)
    assert [mark["at"] for mark in again.marks] == [2.0]
    again.at_work(3.0)
    assert [mark["at"] for mark in Journal(tmp_path, {"seed": 0}, resume=True).marks] == [2.0, 3.0]


def test_damaged_bytes_of_a_journal_change_no_figure(split, tmp_path):
    out, generator = tmp_path / "run", np.random.default_rng(3)
    search(split, out, models=QUICK)
    path, what = out / "journal.jsonl", what_of(out)
    whole, journal = path.read_bytes(), Journal(out, what_of(out), True)
    known = [*journal.rows, *journal.marks]
    for _ in range(200):
        at = int(generator.integers(len(whole)))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << int(generator.integers(8)))]) + whole[at + 1 :])
        try:
            journal = Journal(out, what, True)
        except InputError:
            continue
        assert all(row in known for row in (*journal.rows, *journal.marks))


def test_a_table_or_picture_that_is_gone_is_written_again(split, tmp_path):
    out = tmp_path / "run"
    search(split, out)
    before, lines = (out / "table.csv").read_bytes(), (out / "journal.jsonl").read_bytes()
    for name in ("table.csv", "search.png"):
        (out / name).unlink()
        search(split, out)
        assert (out / name).is_file()
    assert (out / "table.csv").read_bytes() == before
    assert (out / "journal.jsonl").read_bytes() == lines


def test_out_is_a_path(split):
    for wrong in (5, "", True):
        with pytest.raises(InputError, match="out must be a path"):
            search(split, wrong)
