"""What a first user is told on the way from a table to a run: what was left out, what was kept, and what to do."""

import warnings

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError

COLUMNS = ("--user", "who", "--item", "what")


def call(*words, code=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture(scope="module")
def bought(tmp_path_factory):
    """40 people with 10 things each; of two more all ratings are low, and so are all of one more thing."""
    g = np.random.default_rng(0)
    rows = [(f"p{p}", f"{t:03d}", 3.5 + n % 2) for p in range(40) for n, t in enumerate(g.choice(30, 10, replace=False))]
    rows += [("low1", "000", 1.5), ("low2", "001", 2.5), ("p0", "never", 1.5)]
    path = tmp_path_factory.mktemp("first") / "bought.csv"
    pd.DataFrame(rows, columns=["who", "what", "stars"]).to_csv(path, index=False)
    return path


@pytest.mark.parametrize("made", [False, True])
def test_what_a_least_rating_leaves_out_is_counted(bought, tmp_path, made):
    data, columns = bought, (*COLUMNS, "--rating", "stars")
    if made:
        data = tmp_path / "made"
        call("table", bought, "--out", data, *columns)
        columns = ()
    rated = ("--data", data, *columns, "--min-rating", 3.5)
    done = call("train", "itempop", *rated, "--out", tmp_path / "run")
    assert "--min-rating 3.5 leaves out 3 of 403 pairs; 2 people and 1 things have no other." in done.stderr
    assert "may be recommended" in done.stderr.split("leaves out")[1].splitlines()[0]
    assert "leaves out" not in call("evaluate", tmp_path / "run", *rated).stderr  # said in training
    done = call("train", "itempop", *rated[:-1], 1, "--out", tmp_path / "all")
    assert "leaves out" not in done.stderr


def test_train_says_which_epoch_it_kept(bought, tmp_path):
    train = ("train", "mf", "--data", bought, *COLUMNS, "--set", "progress=false", "--set", "epochs=12")
    done = call(*train, "--set", "lr=0.5", "--out", tmp_path / "a")
    rec = gr.load(tmp_path / "a")
    value = rec.history["ndcg@20"].iloc[rec.best_epoch - 1]
    assert f"kept epoch {rec.best_epoch} of 12: ndcg@20 {value:.4f}\nsaved in" in done.stdout
    assert ("--set patience=10" in done.stderr) == (rec.best_epoch <= 6)
    done = call(*train, "--set", "lr=0.5", "--set", "patience=11", "--out", tmp_path / "b")
    assert "kept epoch" in done.stdout
    assert "--set patience" not in done.stderr
    assert "kept epoch" not in call(*train, "--no-valid", "--out", tmp_path / "c").stdout
    done = call(*train, "--refit", "--set", "metric=recall@5", "--out", tmp_path / "d")
    assert "of 12: recall@5 0." in done.stdout
    assert "and trained again" in done.stdout


def test_decimal_commas(tmp_path, bought):
    frame = pd.read_csv(bought, dtype=str)
    frame["stars"] = frame["stars"].str.replace(".", ",")
    frame.to_csv(tmp_path / "b.csv", index=False, sep=";")
    train = ("train", "itempop", "--data", tmp_path / "b.csv", *COLUMNS, "--rating", "stars", "--sep", ";")
    done = call(*train, "--out", tmp_path / "run", code=1)
    assert "Where a comma stands before the fraction, --decimal , says so." in done.stderr
    call(*train, "--decimal", ",", "--out", tmp_path / "run")
    call("evaluate", tmp_path / "run", "--data", tmp_path / "b.csv")
    with pytest.raises(InputError, match=r"decimal=',' says so\.$"):
        gr.read_csv(tmp_path / "b.csv", "who", "what", "stars", sep=";")
    table = gr.read_csv(tmp_path / "b.csv", "who", "what", "stars", sep=";", decimal=",")
    same = gr.read_csv(bought, "who", "what", "stars")
    assert np.array_equal(table.ratings, same.ratings)
    frame["stars"] = "none, 5"
    frame.to_csv(tmp_path / "c.csv", index=False, sep=";")
    with pytest.raises(InputError, match=r"none, 5'\.$"):
        gr.read_csv(tmp_path / "c.csv", "who", "what", "stars", sep=";")
    frame.to_parquet(tmp_path / "c.parquet")
    refused = call(
        "train", "itempop", "--data", tmp_path / "c.parquet", *COLUMNS, "--decimal", ",", "--out", tmp_path / "r", code=1
    )
    assert "--decimal is for text files" in refused.stderr


def test_help_says_what_becomes_of_times_and_repeats(tmp_path):
    told = " ".join(call("train", "--help").stdout.split())
    assert "a column of both kinds is refused" in told
    assert "earliest row by --time" in told
    pd.DataFrame(
        {"who": ["a", "a", "b", "b"] * 5, "what": [*"xxyz"] * 5, "at": range(20, 0, -1)},
    ).to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        done = call(
            "train",
            "itempop",
            "--data",
            tmp_path / "t.csv",
            *COLUMNS,
            "--time",
            "at",
            "--split",
            "random",
            "--out",
            tmp_path / "o",
            code=1,
        )
    assert "(--duplicates first, by --time)" in done.stderr
