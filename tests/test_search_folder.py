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
from graphrec.search.journal_lines import line_of, row_of
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


def test_a_journal_that_told_of_no_weights_is_read(split, tmp_path):
    out = tmp_path / "run"
    best = search(split, out)
    path = out / "journal.jsonl"
    lines = [{n: v for n, v in json.loads(line).items() if n not in ("check", "checked", "weights")} for line in path.open()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert search(split, out).name == best.name
    assert search(split, out, 200).name == best.name
    gr.Recommender("random").fit(split.train).save(out)
    with pytest.raises(InputError, match="of somebody else"):
        search(split, out, 300)


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
    rows = [row_of(line) for line in (out / "journal.jsonl").read_bytes().splitlines()[1:]]
    assert all(row["status"] in ("ok", "stopped", "saved") for row in rows)
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


def test_a_row_that_is_not_as_it_was_written_is_damage(split, tmp_path):
    out = tmp_path / "run"
    search(split, out, models=["itempop"])
    path = out / "journal.jsonl"
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    row = row_of(lines[1])
    assert line_of(row) == lines[1]
    old = json.dumps({"search": what_of(out)}).encode() + b"\n"
    wrong = [{**row, "figure": "0.9"}, {**row, "figure": True}, {**row, "at": None}]
    wrong += [{**row, "figure": float("nan")}, {**row, "hyper": "none"}, {**row, "status": "fine"}, {**row, "key": "itempop"}]
    wrong += [{n: v for n, v in row.items() if n != "figure"}, {**row, "seconds": "1"}, {**row, "epochs": 1.5}, [row], "row", 3]
    wrong += [
        {**row_of(lines[-1]), "budget": "100"},
        {**row_of(lines[-1]), "models": "mf"},
        {**row_of(lines[-2]), "worth": None},
    ]
    checked = [{**json.loads(lines[1]), "figure": 0.9999}, row]  # another figure; no checksum where there must be one
    for head, one in [*((lines[0], one) for one in checked), *((old, one) for one in wrong)]:
        path.write_bytes(head + json.dumps(one).encode() + b"\n" + b"".join(lines[2:]))
        with pytest.raises(InputError, match=r"journal\.jsonl is damaged"):
            search(split, out, 200, models=["itempop"])
    for garbage in (b"[" * 100_000 + b"\n", b"\xff\xfe\n", b"\n"):
        path.write_bytes(whole + garbage)
        with pytest.raises(InputError, match=r"journal\.jsonl is damaged"):
            search(split, out, 200, models=["itempop"])
    path.write_bytes(old + json.dumps(row).encode() + b"\n" + b"".join(lines[2:]))  # of which nothing is wrong
    assert search(split, out, 200, models=["itempop"]).name == "itempop"


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
