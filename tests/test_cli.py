"""The command line, run in this process: files, tables, and errors of one sentence."""

import json

import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main


@pytest.fixture
def folder(interactions, tmp_path):
    split = gr.split.random(interactions, test=0.2, valid=0.1, seed=2)
    gr.write_lightgcn(split, tmp_path / "data")
    return tmp_path / "data"


def call(*args):
    return CliRunner().invoke(main, [str(a) for a in args])


def test_train_evaluate_recommend_similar(folder, tmp_path):
    run = tmp_path / "run"
    sets = ["--set", "epochs=2", "--set", "dim=8", "--set", "layers=2", "--set", "progress=false"]
    done = call("train", "lightgcn", "--data", folder, "--out", run, *sets)
    assert done.exit_code == 0, done.output
    assert {p.name.split("-")[0] for p in run.iterdir()} == {"run.json", "model", "interactions", "history.csv", "curves.png"}
    means = json.loads(call("evaluate", run, "--data", folder, "-k", 5, "--json").output)
    assert means == pytest.approx(dict(gr.evaluate(gr.load(run), gr.read_lightgcn(folder).test, k=5).mean))
    assert "ndcg@5" in call("evaluate", run, "--data", folder, "-k", 5).output
    assert len(call("recommend", run, "--user", 3, "-k", 4).output.splitlines()) == 5
    assert len(call("similar", run, "--item", 3, "-k", 4).output.splitlines()) == 5


def test_no_valid_trains_on_everything_but_test(folder, tmp_path):
    done = call("train", "itempop", "--data", folder, "--out", tmp_path / "run", "--no-valid")
    assert done.exit_code == 0, done.output
    split = gr.read_lightgcn(folder)
    assert len(gr.load(tmp_path / "run").train) == len(split.train) + len(split.valid)


def test_lists():
    assert {"lightgcn", "ngcf", "mf"} <= {line.split()[0] for line in call("models").output.splitlines()}
    assert {"lightgcn-2020", "ngcf-2019"} <= {line.split()[0] for line in call("presets").output.splitlines()}
    assert "ml-100k" in call("datasets").output


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["train", "no-such-model", "--data", "synthetic", "--out", "x"], "unknown model or preset 'no-such-model'"),
        (["train", "mf", "--data", "ml-1000k", "--out", "x"], "unknown data set 'ml-1000k'; did you mean 'ml-100k'"),
        (
            ["train", "mf", "--data", "synthetic", "--out", "x", "--set", "epoch=3"],
            "unknown setting 'epoch'; did you mean 'epochs'",
        ),
        (["train", "mf", "--data", "synthetic", "--out", "x", "--set", "epochs"], "--set takes key=value, got 'epochs'"),
        (["evaluate", "nowhere", "--data", "synthetic"], "nowhere is not a saved recommender"),
        (["recommend", "nowhere", "--user", "1"], "nowhere is not a saved recommender"),
    ],
)
def test_errors_are_one_sentence(args, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = call(*args)
    assert done.exit_code == 1
    assert message in done.output
    assert "Traceback" not in done.output
    assert not list(tmp_path.iterdir()), "something was left behind"
