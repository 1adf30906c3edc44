"""What a new user stumbled over on the command line."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main


def call(*arguments):
    return CliRunner().invoke(main, [str(one) for one in arguments])


@pytest.fixture
def bought(tmp_path, interactions):
    frame = interactions.to_frame().rename(columns={"user_id": "who", "item_id": "what"})
    frame.to_csv(tmp_path / "bought.csv", index=False)
    return tmp_path / "bought.csv"


@pytest.mark.parametrize("model", ["mf", "itemknn"])
def test_final_trains_on_everything(tmp_path, bought, model):
    train = ["train", model, "--data", bought, "--user", "who", "--item", "what", "--time", "time"]
    settings = ["--set", "epochs=2"] if model == "mf" else []
    usual, final = call(*train, "--out", tmp_path / "a", *settings), call(*train, "--out", tmp_path / "b", "--final", *settings)
    assert usual.exit_code == final.exit_code == 0, usual.output + final.output
    assert "may be recommended again; --final trains on everything" in usual.output
    assert "may be recommended again" not in final.output
    assert "to train on, validate on and test on" not in final.output
    assert "pairs of" in final.output
    assert ("trained on (--final), once the epochs are chosen on" in final.output) == (model == "mf")
    everything = pd.read_csv(bought)[["who", "what"]].drop_duplicates()
    rec = gr.load(tmp_path / "b")
    assert len(rec.train.distinct_keys) == len(everything)
    top = rec.recommend(rec.train.user_ids, k=5)
    assert top.merge(everything, left_on=["user_id", "item_id"], right_on=["who", "what"]).empty
    refused = call("evaluate", tmp_path / "b", "--data", bought)
    assert refused.exit_code == 1
    assert "it was trained with --final on everything, so that the test pairs are in train" in refused.output


def test_final_of_a_named_data_set_is_not_measured(tmp_path):
    done = call("train", "itempop", "--data", "synthetic", "--out", tmp_path / "run", "--final")
    assert done.exit_code == 0, done.output
    assert "pairs of synthetic are trained on (--final)." in done.output
    refused = call("evaluate", tmp_path / "run", "--data", "synthetic")
    assert refused.exit_code == 1
    assert "it was trained with --final on everything" in refused.output


def test_final_and_refit_exclude_each_other(tmp_path, bought):
    done = call(
        "train", "mf", "--data", bought, "--user", "who", "--item", "what", "--out", tmp_path / "a", "--final", "--refit"
    )
    assert done.exit_code == 1
    assert "leave --refit out" in done.output


def test_semicolons_are_named_and_read(tmp_path, bought):
    frame = pd.read_csv(bought)
    frame.to_csv(tmp_path / "excel.csv", index=False, sep=";")
    pd.DataFrame({"what": frame["what"].unique(), "name": "x"}).to_csv(tmp_path / "names.csv", index=False, sep=";")
    train = ["train", "itempop", "--data", tmp_path / "excel.csv", "--user", "who", "--item", "what", "--out", tmp_path / "run"]
    refused = call(*train)
    assert refused.exit_code == 1
    assert "its first line has no ',', but ';': --sep ';' says what separates columns" in refused.output
    done = call(*train, "--sep", ";", "--items", tmp_path / "names.csv", "--title", "name")
    assert done.exit_code == 0, done.output
    measured = call("evaluate", tmp_path / "run", "--data", tmp_path / "excel.csv", "--json")
    assert 0 < json.loads(measured.stdout)["recall@20"] <= 1


def test_a_packed_table_is_read_as_it_is(tmp_path, bought):
    for number in range(5):  # bytes of some archive or other have a semicolon before the first end of a line
        frame = pd.read_csv(bought).sample(frac=1, random_state=number)
        frame.to_csv(tmp_path / "bought.csv.gz", index=False)
        done = call(
            "train",
            "itempop",
            "--data",
            tmp_path / "bought.csv.gz",
            "--user",
            "who",
            "--item",
            "what",
            "--out",
            tmp_path / "run",
        )
        assert done.exit_code == 0, done.output


def test_a_made_table_takes_titles(tmp_path, bought):
    pd.DataFrame({"sku": pd.read_csv(bought)["what"].unique(), "name": "a thing"}).to_csv(tmp_path / "names.csv", index=False)
    assert call("table", bought, "--user", "who", "--item", "what", "--out", tmp_path / "table").exit_code == 0
    titles = ["--items", tmp_path / "names.csv", "--title", "name", "--item", "sku"]
    done = call("train", "itempop", "--data", tmp_path / "table", "--out", tmp_path / "run", *titles)
    assert done.exit_code == 0, done.output
    assert set(gr.load(tmp_path / "run").titles) == {"a thing"}


def test_a_file_that_is_not_there_is_no_data_set(tmp_path):
    done = call("train", "mf", "--data", "purchase.csv", "--user", "a", "--item", "b", "--out", tmp_path / "run")
    assert "--data purchase.csv does not exist" in done.output


def test_remedies_are_options(tmp_path, bought):
    frame = pd.read_csv(bought).rename(columns={"rating": "stars"})
    frame.loc[3, "who"] = None
    frame.to_csv(tmp_path / "gap.csv", index=False)
    done = call("train", "mf", "--data", tmp_path / "gap.csv", "--user", "who", "--item", "what", "--out", tmp_path / "run")
    assert "--missing drop leaves such rows out" in done.output
    rated = ["train", "itempop", "--data", bought, "--user", "who", "--item", "what", "--rating", "rating"]
    assert "--min-rating 4 keeps the high ones" in call(*rated, "--out", tmp_path / "rated").output


def test_the_device_is_looked_at_before_anything_is_read(tmp_path):
    train = ["train", "mf", "--data", tmp_path / "absent.csv", "--user", "who", "--item", "what", "--out", tmp_path / "run"]
    refused = call(*train, "--device", "cuda:99")
    assert refused.exit_code == 1
    assert "device 'cuda:99' is not there" in refused.output
    assert "give one of them" in call(*train, "--device", "cpu", "--set", "device=cpu").output
    searched = call("search", "--data", "absent", "--out", tmp_path / "run", "--device", "cuda:99")
    assert "device 'cuda:99' is not there" in searched.output


def test_a_run_says_its_device_and_tables_are_read_as_json(tmp_path):
    done = call(
        "train", "mf", "--data", "synthetic", "--out", tmp_path / "run", "--device", "cpu", "--set", "epochs=3",
        "--set", 'schedule={"name": "cosine", "warmup": 1}', "--set", "lr=.1",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    options = gr.load(tmp_path / "run").options
    assert options["lr"] == 0.1
    assert (options["device"], options["schedule"]["name"], options["schedule"]["warmup"]) == ("cpu", "cosine", 1)
    refused = call(
        "train", "mf", "--data", "synthetic", "--out", tmp_path / "b", "--set", "epochs=2",
        "--set", 'schedule={"name": "cosine", "warmup": 99999}',
    )  # fmt: skip
    assert 'schedule={"name": "cosine", "warmup": 0}' in refused.output
