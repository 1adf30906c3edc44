"""The command line, run in this process: files, tables, and a sentence for every mistake."""

import json
import os
import subprocess
import sys
import warnings
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.listings import option_tables
from graphrec.models import MODELS
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

QUICK = ["--set", "epochs=1", "--set", "progress=false"]


def call(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with data, trained runs, damaged runs, and things that are neither."""
    place = tmp_path_factory.mktemp("cli")
    rng = np.random.default_rng(7)
    seen = rng.random((40, 30)) < 0.25
    seen[np.arange(40), rng.integers(0, 30, 40)] = True
    split = gr.split.random(gr.Interactions.from_indices(*np.nonzero(seen), n_users=41), test=0.2, valid=0.1, seed=2)
    gr.write_lightgcn(split, place / "data")
    for name, sets in (("lightgcn", ["--set", "dim=8", "--set", "layers=2", *QUICK]), ("itempop", [])):
        done = call("train", name, "--data", place / "data", "--out", place / name, *sets)
        assert done.exit_code == 0, done.output
    (place / "file").write_text("x")
    for folder, name, text in (
        ("foreign", "notes.txt", "mine"),
        ("json", "run.json", '{"mine": 1}'),
        ("words", "train.txt", "hello world\n"),
        ("words", "test.txt", "0 1\n"),
        ("blank", "train.txt", ""),
        ("blank", "test.txt", ""),
    ):
        (place / folder).mkdir(exist_ok=True)
        (place / folder / name).write_text(text)
    (place / "empty").mkdir()
    (place / "dangling").symlink_to("nothing")
    for kind in ("record", "weights"):
        broken = place / f"broken-{kind}"
        done = call("train", "itempop", "--data", place / "data", "--out", broken)
        file = broken / "run.json" if kind == "record" else next(broken.glob("model*"))
        file.write_bytes(file.read_bytes()[:50])
    return place


@pytest.fixture
def here(place, monkeypatch, tmp_path):
    monkeypatch.chdir(place)
    monkeypatch.setenv("GRAPHREC_DATA", "no-such-folder")
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path))

    def offline(*args, **options):
        raise OSError("no network")

    monkeypatch.setattr("urllib.request.urlopen", offline)
    before = sorted(place.rglob("*"))
    yield place
    assert sorted(place.rglob("*")) == before, "a mistake left something behind"


def check_refusal(done, *named):
    """A sentence or two on stderr with one of the words, and no traceback."""
    assert done.exit_code in (1, 2), (done.exit_code, done.output, done.exception)
    assert isinstance(done.exception, SystemExit), done.exception
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ")
    assert "Traceback" not in done.output
    assert any(str(word) in last for word in named), last


# ---- what it is for ------------------------------------------------------------------------------------


def test_a_run_is_a_folder_that_can_be_asked(place):
    run = place / "lightgcn"
    assert {p.name.split("-")[0] for p in run.iterdir()} == {"run.json", "model", "interactions", "history.csv", "curves.png"}
    assert pd.read_csv(run / "history.csv")["epoch"].tolist() == [1]
    assert len(call("recommend", run, "--user", 3, "-k", 4).output.splitlines()) == 5
    assert len(call("similar", run, "--item", 3, "-k", 4).output.splitlines()) == 5


def test_evaluate_leaves_out_train_and_valid_of_the_split(place):
    means = json.loads(call("evaluate", place / "lightgcn", "--data", place / "data", "-k", 5, "--json").output)
    report = gr.evaluate(gr.load(place / "lightgcn"), gr.read_lightgcn(place / "data"), k=5)
    assert means == pytest.approx(dict(report.mean))
    assert "ndcg@5" in call("evaluate", place / "lightgcn", "--data", place / "data", "-k", 5).output


def test_no_valid_trains_on_everything_but_test(place, tmp_path):
    done = call("train", "itempop", "--data", place / "data", "--out", tmp_path / "run", "--no-valid")
    assert done.exit_code == 0, done.output
    split = gr.read_lightgcn(place / "data")
    assert len(gr.load(tmp_path / "run").train) == len(split.train) + len(split.valid)


@pytest.mark.parametrize(("cold", "rows"), [("skip", 3), ("popular", 6)])
def test_people_without_history_are_skipped_or_given_what_is_popular(place, cold, rows):
    asked = ["recommend", place / "lightgcn", "--user", 3, "--user", 40, "-k", 3]
    check_refusal(call(*asked), "user 40 has no training interaction")
    done = call(*asked, "--cold", cold)
    assert len(done.stdout.splitlines()) == 1 + rows
    assert ("1 of 2 users have no training interaction" in done.stderr) == (cold == "popular")


def test_a_run_replaces_the_one_before_with_its_curves(place, tmp_path):
    train = ["--data", place / "data", "--out", tmp_path / "new" / "run"]
    assert "saved in" in call("train", "mf", *train, *QUICK).output
    (tmp_path / "new" / "run" / "notes.txt").write_text("of the user")
    done = call("train", "itempop", *train)
    assert "replaced the run in" in done.output
    assert {p.name.split("-")[0] for p in (tmp_path / "new" / "run").iterdir()} == {
        "run.json", "model", "interactions", "notes.txt",
    }  # fmt: skip


def test_a_checkpoint_is_gone_on_from(place, tmp_path):
    how = ["train", "mf", "--data", place / "data", "--out", tmp_path / "run", "--checkpoint", tmp_path / "kept", "--resume"]
    for epochs in (1, 3):
        done = call(*how, "--set", f"epochs={epochs}", "--set", "dim=4")
        assert done.exit_code == 0, done.output
    call("train", "mf", "--data", place / "data", "--out", tmp_path / "whole", "--set", "epochs=3", "--set", "dim=4")
    broken, whole = (pd.read_csv(tmp_path / run / "history.csv") for run in ("run", "whole"))
    assert broken["loss"].tolist() == whole["loss"].tolist()
    done = call("train", "mf", "--data", place / "data", "--out", tmp_path / "run", "--resume")
    assert done.exit_code == 1
    assert done.stderr == "Error: --resume needs --checkpoint, the folder to go on from.\n"


def test_lists_have_a_line_for_each_name():
    assert set(MODELS) <= {line.split()[0] for line in call("models").output.splitlines()}
    assert {"lightgcn-2020", "ngcf-2019"} <= {line.split()[0] for line in call("presets").output.splitlines()}
    assert "ml-100k" in call("datasets").output


def test_options_lists_what_set_takes():
    text = call("options", "lightgcn-2020").output
    found = dict(line.split()[0].split("=", 1) for line in text.splitlines() if line.startswith("  "))
    assert set(FitOptions.names()) - {"credit"} < set(found)
    assert (found["layers"], found["epochs"], found["progress"]) == ("3", "1000", "true")
    assert "epochs=" not in call("options", "ease").output
    assert "graphrec options MODEL" in call("train", "--help").output


def test_options_names_the_values_among_which_one_chooses():
    for name, kind in gr.models.MODELS.items():
        told = dict(line.split("=", 1) for line in option_tables(name).splitlines() if line.startswith("  ") and "=" in line)
        for option, hint in get_type_hints(kind.__init__).items():
            some = [value for part in (hint, *get_args(hint)) if get_origin(part) is Literal for value in get_args(part)]
            assert not some or all(str(value) in told[f"  {option}"] for value in some), (name, option)
    assert "for ratings" in call("options", "gcmc").output


@pytest.mark.parametrize("name", ["mf-bpr", "mf", "multdae", "lightgcn-2020"])
def test_the_options_that_are_shown_are_those_of_a_fit(name):
    liked = gr.Interactions.from_indices(np.arange(60) % 12, np.arange(60) % 11)
    rec = gr.Recommender(name) if name in gr.models.MODELS else gr.preset(name)
    used = rec.fit(liked, epochs=1, progress=False).options
    lines = call("options", name).output.partition("Options of fit")[2].splitlines()
    told = dict(line.split()[0].split("=", 1) for line in lines if line.startswith("  "))
    for option in ("batch_size", "l2", "lr", "weight_decay", "optimizer", "n_negatives", "loss", "negatives"):
        assert told[option] == str(used[option]), option


# ---- warnings --------------------------------------------------------------------------------------------


def test_a_warning_is_a_note_and_said_once(place, tmp_path, monkeypatch):
    def talkative(*args, **options):
        for _ in range(2):
            warnings.warn("look\nout", UserWarning, stacklevel=1)

    monkeypatch.setattr("graphrec.runs.train_run", talkative)
    done = call("train", "mf", "--data", place / "data", "--out", tmp_path / "run")
    assert done.stderr == "note: look out\n"


# ---- mistakes --------------------------------------------------------------------------------------------

SETTINGS = [
    ("lightgcn", "dim", ["abc", "2.5", "0", "-1", "true", "[1]", "None", "1" + 30 * "0", "1e21", "2020-01-01"]),
    ("lightgcn", "layers", ["abc", "1.5", "-1", "[64]", "{a=1}"]),
    ("lightgcn", "init_std", ["abc", "-1", "nan", "inf", "1e300"]),
    ("lightgcn", "init", ["3", "[]", "x", "1\nother=2", "'''a\nb'''"]),
    ("lightgcn", "normalisation", ["3", "x", "[1]"]),
    ("ngcf", "layers", ["3", "abc", "[]", "[0]", "[2.5]", "nan", "None", "07:00:00"]),
    ("ngcf", "form", ["[]", "{a=1}", "x"]),
    ("mf", "rating_range", ["3", "2.5", "true", "[1]", "[2, 1]", "[1, [2]]", "2020-01-01"]),
    ("mf", "init_range", ["abc", "[1]", "[1, nan]", "3"]),
    ("embeddingnet", "dropout", ["abc", "2020-01-01", "[[1]]", "1"]),
    ("lightgcn", "epochs", ["0", "-1", "abc", "2.5", "nan", "[]", "1e3", "07:00:00"]),
    ("lightgcn", "lr", ["nan", "inf", "0", "-1", "abc", "true", "1" + 30 * "0", "[1]", ""]),
    ("lightgcn", "l2", ["nan", "-1", "abc", "1" + 30 * "0"]),
    ("lightgcn", "seed", ["abc", "-1", "2.5", "true", "1" + 30 * "0"]),
    ("lightgcn", "batch_size", ["1e21", "0", "abc", "1" + 30 * "0"]),
    ("lightgcn", "metric", ["3", "abc", "[]", "[1]", "recall", "recall@0", "recall@abc"]),
    ("lightgcn", "device", ["zz", "3", "cuda:99", ""]),
    ("lightgcn", "loss", ["zz", "3", "[]", "mse"]),
    ("lightgcn", "loss_options", ["3", "abc", "{a=1}", "[]"]),
    ("lightgcn", "negatives", ["zz", "3", "None", "{a=1}"]),
    ("lightgcn", "optimizer", ["zz", "3"]),
    ("lightgcn", "schedule", ["zz", "3", "{a=1}", '{name="cosine", warmup="x"}']),
    ("lightgcn", "parameter_groups", ["3", "{a=1}", '{embedding={lr="x"}}', "{nothing={lr=1}}"]),
    ("lightgcn", "patience", ["0", "abc", "-1"]),
    ("lightgcn", "progress", ["yes", "0"]),
    ("lightgcn", "credit", ["3"]),
    ("ease", "l2", ["abc", "nan", "-1"]),
    ("ease", "epochs", ["3"]),
]


@pytest.mark.parametrize(("model", "key", "value"), [(m, k, v) for m, k, values in SETTINGS for v in values])
def test_a_bad_setting_is_named(here, model, key, value):
    rest = [] if model == "ease" or key == "epochs" else ["--set", "epochs=1"]
    check_refusal(call("train", model, "--data", "data", "--out", "new", *rest, "--set", f"{key}={value}"), key)


@pytest.mark.parametrize(
    ("pair", "named"),
    [
        ("epochs", "--set takes key=value, got 'epochs'"),
        ("", "--set takes key=value"),
        ("=3", "--set takes key=value"),
        ("epoch=3", "unknown setting 'epoch'; did you mean 'epochs'"),
        ("lr=2", "--set gives lr twice: 0.1 and '2'"),
        ("train=1", "unknown setting 'train'"),
        ("self=1", "unknown setting 'self'"),
        ("refit=true", "unknown setting 'refit'"),
        ("schedule.name=x", "unknown setting 'schedule.name'"),
        ("ключ=1", "unknown setting"),
    ],
)
def test_a_bad_pair_is_named(here, pair, named):
    check_refusal(call("train", "mf", "--data", "data", "--out", "new", "--set", "lr=0.1", "--set", pair), named)


@pytest.mark.parametrize("text", ["True", "true"])
def test_pythons_words_are_taken_for_what_they_are(here, text):
    check_refusal(call("train", "mf", "--data", "data", "--out", "new", "--set", f"epochs={text}"), "got True")


@pytest.mark.parametrize("command", ["train", "evaluate"])
@pytest.mark.parametrize(
    ("data", "named"),
    [
        ("", "--data is empty"),
        ("file", ("--data file is a file: name its columns with --user and --item", "was not trained from a table")),
        ("ml-1000k", "unknown data set 'ml-1000k'; did you mean 'ml-100k'"),
        ("no/where", "--data no/where does not exist"),
        ("dangling", "unknown data set 'dangling'"),
        ("empty", "empty has no file 'train.txt'"),
        ("foreign", "foreign has no file 'train.txt'"),
        ("words", "words/train.txt, line 1"),
        ("blank", "blank/train.txt is empty"),
        ("ml-100k", "data set 'ml-100k' is not on this machine"),
        ("x" * 300, "xxx"),
    ],
)
def test_bad_data_is_named(here, command, data, named):
    first = ["train", "mf", "--out", "new", *QUICK] if command == "train" else ["evaluate", "lightgcn"]
    check_refusal(call(*first, "--data", data), *([named] if isinstance(named, str) else named))


@pytest.mark.parametrize("command", ["train", "demo"])
@pytest.mark.parametrize(
    ("out", "named"),
    [
        ("file", "--out file is a file"),
        ("file/below", "--out file/below cannot be written"),
        ("dangling", "--out dangling cannot be written"),
        ("/dev/null/x", "--out /dev/null/x cannot be written"),
        ("foreign", "--out foreign holds notes.txt"),
        ("json", "--out json holds run.json"),
        ("data", "--out data holds test.txt"),
        (".", "--out . holds"),
        ("x" * 300, "File name too long"),
    ],
)
def test_out_is_checked_before_anything_is_trained(here, monkeypatch, command, out, named):
    monkeypatch.setattr(Trainer, "fit", lambda *args, **options: pytest.fail("trained"))
    first = ["train", "mf", "--data", "data", *QUICK] if command == "train" else ["demo"]
    check_refusal(call(*first, "--out", out), named)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_read_only_out_is_named(here):
    here.joinpath("empty").chmod(0o500)
    try:
        check_refusal(call("train", "itempop", "--data", "data", "--out", "empty"), "--out empty cannot be written")
    finally:
        here.joinpath("empty").chmod(0o700)


@pytest.mark.parametrize("asked", [("evaluate", "--data", "data"), ("recommend", "--user", 1), ("similar", "--item", 1)])
@pytest.mark.parametrize(
    "run", ["nowhere", "file", "empty", "data", "dangling", "json", "broken-record", "broken-weights", "x" * 300]
)
def test_a_folder_that_is_no_run_is_named(here, asked, run):
    check_refusal(call(asked[0], run, *asked[1:]), run)


@pytest.mark.parametrize("asked", [("evaluate", "--data", "data"), ("recommend", "--user", 1), ("similar", "--item", 1)])
@pytest.mark.parametrize("k", ["0", "-1", "abc", "1.5", "1000000", "9" * 30, "nan", ""])
def test_a_bad_k_is_named(here, asked, k):
    check_refusal(call(asked[0], "lightgcn", *asked[1:], "-k", k), "k ", "'-k'")


@pytest.mark.parametrize("value", ["", "abc", "-1", "999", "9" * 19, "9" * 40, "1.0", "1_0", "١", "nan", "True"])
@pytest.mark.parametrize("command", ["recommend", "similar"])
def test_a_bad_id_is_named(here, command, value):
    option = "--user" if command == "recommend" else "--item"
    check_refusal(call(command, "lightgcn", option, 1, option, value), option, f"{option[2:]} id {value}")


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["train", "no-such-model", "--data", "synthetic", "--out", "new"], "unknown model or preset 'no-such-model'"),
        (["options", "no-such-model"], "unknown model or preset 'no-such-model'"),
        (["train", "mf", "--data", "data", "--out", "new", "--refit", "--no-valid"], "--refit"),
        (["train", "mf", "--data", "data", "--out", "new", "--no-valid", "--set", "patience=2"], "patience"),
        (["train", "mf", "--data", "data"], "--out"),
        (["train", "mf", "--out", "new"], "--data"),
        (["recommend", "lightgcn", "--user", "1", "--cold", "never"], "--cold"),
        (["recommend", "lightgcn"], "--user"),
        (["no-such-command"], "no-such-command"),
    ],
)
def test_a_bad_call_is_named(here, args, named):
    check_refusal(call(*args), named)


def test_too_little_memory_is_said(here):
    done = call("train", "mf", "--data", "data", "--out", "new", "--set", "dim=100000000000")
    check_refusal(done, "there is not enough memory")


def test_a_defect_keeps_its_traceback(here, monkeypatch):
    def broken(*args, **options):
        raise RuntimeError("a defect")

    monkeypatch.setattr("graphrec.runs.train_run", broken)
    assert isinstance(call("train", "mf", "--data", "data", "--out", "new").exception, RuntimeError)


# ---- interrupts, full disks, closed pipes ------------------------------------------------------------------


@pytest.mark.parametrize(("epochs", "last"), [(2, "Interrupted; saved in"), (0, "Interrupted; nothing is saved")])
def test_an_interrupt_keeps_the_epochs_that_ended(place, tmp_path, monkeypatch, epochs, last):
    epoch = Trainer._epoch

    def stopped(trainer, sampler):
        if trainer.state.epoch == epochs:
            raise KeyboardInterrupt
        return epoch(trainer, sampler)

    monkeypatch.setattr(Trainer, "_epoch", stopped)
    done = call("train", "mf", "--data", place / "data", "--out", tmp_path / "run", "--set", "progress=false")
    assert done.exit_code == 130
    assert "note: training was interrupted in epoch" in done.stderr
    assert last in done.stderr
    assert (tmp_path / "run").exists() == bool(epochs)
    if epochs:
        assert len(gr.load(tmp_path / "run").history) == epochs


def test_a_full_disk_leaves_the_old_run(place, tmp_path):
    resource = pytest.importorskip("resource")
    train = ["train", "itempop", "--data", place / "data", "--out", tmp_path / "run"]
    assert call(*train).exit_code == 0
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        done = call("train", "ease", *train[2:])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    check_refusal(done, "File too large")
    assert gr.load(tmp_path / "run").name == "itempop"


@pytest.mark.skipif(os.name != "posix", reason="pipes of posix")
@pytest.mark.parametrize("kind", ["closed", "full", "ascii"])
def test_odd_terminals(kind):
    if kind == "closed":
        reader, out = os.pipe()
        os.close(reader)
    elif kind == "full":
        out = os.open("/dev/full", os.O_WRONLY)
    else:
        out = subprocess.PIPE
    encoding = {"PYTHONIOENCODING": "ascii"} if kind == "ascii" else {}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "graphrec", "models"],
            stdout=out,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **encoding},
            check=False,
        )
    finally:
        if isinstance(out, int) and out >= 0:
            os.close(out)
    told = {"closed": (1, ""), "full": (1, "Error: No space left on device.\n"), "ascii": (0, "")}
    assert (done.returncode, done.stderr) == told[kind]
