"""Folders of saved runs under hostile hands: forged records and tensors, savings at the same time, what kills left behind."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.folder_lock import locked
from graphrec.recommender import artefact
from graphrec.tensor_files import read_tensors, replace_file, write_tensors

HOW = {"epochs": 1, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}


@pytest.fixture(scope="module")
def rec():
    users, items = np.nonzero(np.random.default_rng(0).random((20, 15)) < 0.3)
    return gr.Recommender("mf", dim=4).fit(gr.Interactions.from_indices(users, items, n_users=20, n_items=15), **HOW)


@pytest.fixture
def run(rec, tmp_path):
    rec.save(tmp_path / "run")
    return tmp_path / "run"


def forge(run, change):
    """Change the record and give it the checksum that it then has to have."""
    record = json.loads((run / "run.json").read_text())
    del record["checksum"]
    change(record)
    checksum = hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
    (run / "run.json").write_text(json.dumps({**record, "checksum": checksum}))


def set_(**fields):
    return lambda record: record.update(fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_(hyper={"dim": "abc"}), "dim must be a whole number"),
        (set_(hyper={"dim": -1}), "run"),
        (set_(hyper={"dim": 2**70}), r"dim must be below 2\*\*63"),
        (set_(hyper={"model": "mf"}), "there is no mf of its options"),
        (set_(hyper=None), "hyper is missing or of another type"),
        (set_(options={"seed": "abc"}), "there is no mf of its options"),
        (set_(history=[1]), "history is missing or of another type"),
        (set_(stage=True), "stage is missing or of another type"),
        (set_(best_epoch=1.5), "best_epoch is missing or of another type"),
        (set_(parts={"base": 3}), "parts is missing or of another type"),
        (set_(features=["x"]), "files: features.x is missing or of another type"),
        (set_(files={}), "files: model is missing or of another type"),
        (lambda record: record.pop("selected"), "selected is missing"),
        (lambda record: record["files"].update(more=record["files"]["model"]), "files is missing or of another type"),
        (lambda record: record["files"]["model"].update(name="../model.safetensors"), "no file of its folder"),
    ],
)
def test_a_forged_record_is_refused_in_a_sentence(run, change, message):
    forge(run, change)
    with pytest.raises(InputError, match=message):
        gr.load(run)


def test_saving_removes_no_file_that_a_forged_record_names_outside(rec, run):
    outside = run.parent / "mine.safetensors"
    outside.write_text("mine")
    forge(run, lambda record: record["files"]["model"].update(name="../mine.safetensors"))
    rec.save(run)
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", "thesis/", ".gitignore", "run.json"])
def test_nothing_is_written_among_the_files_of_somebody_else(rec, tmp_path, name):
    folder = tmp_path / "mine"
    (folder / name).mkdir(parents=True) if name.endswith("/") else folder.mkdir()
    if not name.endswith("/"):
        (folder / name).write_text("{}")
    with pytest.raises(InputError, match=f"mine holds {re.escape(name.strip('/'))}, which no saved recommender consists of"):
        rec.save(folder)
    assert [path.name for path in folder.iterdir()] == [name.strip("/")]


def test_a_run_is_replaced_whatever_lies_beside_it(rec, run):
    (run / "notes.txt").write_text("mine")
    rec.save(run)
    forge(run, lambda record: record.update(format=99))
    rec.save(run)
    (run / "run.json").write_text("{")  # damaged: its other files say what it was
    (run / "notes.txt").unlink()
    rec.save(run)
    assert gr.load(run).model.n_users == 20
    fresh = run.parent / "empty"
    fresh.mkdir()
    rec.save(fresh)
    assert gr.load(fresh).model.n_users == 20


def test_a_record_too_deep_for_json_is_refused(run):
    (run / "run.json").write_text('{"format": 2, "hyper": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(InputError, match="cannot be read"):
        gr.load(run)


@pytest.mark.parametrize(
    ("piece", "change", "message"),
    [
        ("interactions", lambda t: t.update(user_ids=torch.zeros(20, dtype=torch.int64)), "a user id occurs twice"),
        ("interactions", lambda t: t["built_from.items"].fill_(99), "names a item that is not there"),
        ("model", lambda t: t.update(more=torch.zeros(3)), "only one of them has more"),
        ("model", lambda t: t.pop("users"), "only one of them has users"),
        ("model", lambda t: t.update(users=t["users"].double()), "users is of another type"),
        ("model", lambda t: t.update(users=t["users"][:3]), "does not fit the model"),
        ("model", lambda t: t["users"].fill_(float("nan")), "not finite"),
    ],
)
def test_forged_tensors_are_refused_in_a_sentence(run, piece, change, message):
    [path] = run.glob(f"{piece}-*")
    tensors, meta = read_tensors(path)
    change(tensors)
    sha256 = write_tensors(path, tensors, meta)
    forge(run, lambda record: record["files"][piece].update(sha256=sha256))
    with pytest.raises(InputError, match=message):
        gr.load(run)


def test_a_record_of_tensors_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.zeros(1)}, {"kind": "x"})
    body = path.read_bytes()
    assert b'{\\"kind\\": \\"x\\"}' in body
    changed = body.replace(b'{\\"kind\\": \\"x\\"}', b'[\\"kind\\", \\"x\\"]')
    digest = read_digest(body)
    blank = changed.replace(digest, b"0" * 64)
    path.write_bytes(changed.replace(digest, hashlib.sha256(blank).hexdigest().encode()))
    with pytest.raises(InputError, match="its record is a list"):
        read_tensors(path)


def read_digest(body):
    return body.split(b'"sha256":"')[1][:64]


def test_who_saves_waits_for_who_saves_and_takes_nothing_away(rec, run, monkeypatch):
    """A second saving of what is there already must not lose its files to the first one's tidying up."""
    other = gr.Recommender("mf", dim=4).fit(rec.train, **{**HOW, "seed": 2})
    inside, go_on, replace = threading.Event(), threading.Event(), artefact.replace_file

    def slow(path, *parts):
        replace(path, *parts)
        if path.name == "run.json" and threading.current_thread() is first:
            inside.set()
            assert go_on.wait(20)

    monkeypatch.setattr(artefact, "replace_file", slow)
    first = threading.Thread(target=other.save, args=(run,))
    second = threading.Thread(target=rec.save, args=(run,))
    first.start()
    assert inside.wait(20)
    second.start()
    second.join(0.3)
    assert second.is_alive()
    go_on.set()
    first.join()
    second.join()
    assert torch.equal(gr.load(run).model.users, rec.model.users)


def test_a_reader_whose_files_are_replaced_under_its_hands_reads_the_new_run(rec, run, monkeypatch):
    other = gr.Recommender("mf", dim=4).fit(rec.train, **{**HOW, "seed": 2})
    text, saved = artefact._text, []

    def late(folder):
        found = text(folder)
        if not saved:
            saved.append(1)
            other.save(folder)
        return found

    monkeypatch.setattr(artefact, "_text", late)
    assert torch.equal(gr.load(run).model.users, other.model.users)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_lock_is_let_go_though_a_forked_process_still_has_its_handle(tmp_path):
    with locked(tmp_path) as alone:
        assert alone
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
    taken = threading.Thread(target=lambda: locked(tmp_path).__enter__(), daemon=True)
    taken.start()
    taken.join(10)
    waits = taken.is_alive()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not waits


def test_files_of_killed_savings_go_with_the_next_one(rec, run):
    names = {path.name for path in run.iterdir()}
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    old = run / f"model-{'0' * 16}.safetensors"
    for left in (old, old.with_name(f"{old.name}.{dead.pid}.part"), run / f"run.json.{dead.pid}.part"):
        left.write_bytes(b"half")
    for mine in ("notes.txt", "weights.safetensors"):
        (run / mine).write_text("mine")
    rec.save(run)
    assert len({path.name for path in run.iterdir()}) == len(names) + 2
    assert (run / "notes.txt").exists()
    assert (run / "weights.safetensors").exists()


def test_parts_of_dead_processes_go_and_those_of_the_living_stay(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    living = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    for process in (dead, living):
        (tmp_path / f"state.{process.pid}.part").write_bytes(b"half")
    replace_file(tmp_path / "state", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {"state", f"state.{living.pid}.part"}
    living.communicate(b"\n")


def test_a_saving_that_fails_after_the_last_move_leaves_the_new_run(rec, run, monkeypatch):
    other = gr.Recommender("mf", dim=4).fit(rec.train, **{**HOW, "seed": 2})
    replace = artefact.replace_file

    def fail(path, *parts):
        replace(path, *parts)
        if path.name == "run.json":
            raise OSError(5, "Input/output error", str(path))

    monkeypatch.setattr(artefact, "replace_file", fail)
    with pytest.raises(OSError, match="Input/output error"):
        other.save(run)
    assert torch.equal(gr.load(run).model.users, other.model.users)


FORK = """
import os, sys
import numpy as np, torch
torch.set_num_threads(4)
import graphrec as gr
from graphrec import threads
items = np.arange(100_000)
rec = gr.Recommender("random").fit(gr.Interactions.from_indices(items % 50, items))
first = rec.similar_items(items[:20], k=3)
assert not threads._pools, "torch alone is to have had several threads"
child = os.fork()
if child == 0:
    os._exit(0 if rec.similar_items(items[:20], k=3)["similar_id"].equals(first["similar_id"]) else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_answers_after_torch_has_had_several_threads():
    with subprocess.Popen([sys.executable, "-c", FORK], start_new_session=True) as process:
        try:
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_a_link_that_leads_nowhere_is_one_sentence(tmp_path):
    where = tmp_path / "run"
    where.symlink_to(tmp_path / "gone")
    with pytest.raises(InputError, match=r"run is a link to .*gone, which is not there"):
        gr.Recommender("itempop").fit(gr.Interactions.from_indices([0, 1], [0, 1])).save(where)
    (tmp_path / "gone").mkdir()
    gr.Recommender("itempop").fit(gr.Interactions.from_indices([0, 1], [0, 1])).save(where)
    assert gr.load(where).name == "itempop"
