"""What a first user is told on the way from a table to a run: what was left out, what was kept, and what to do."""

import warnings

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.evaluation.groups import group_users
from graphrec.report.names import names_of

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
    assert "not recommended to those who have met it" in done.stderr.split("leaves out")[1].splitlines()[0]
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
    done = call(*train, "--set", "eval_every=12", "--out", tmp_path / "e")
    assert "note: only the last epoch was looked at on validation; --set eval_every=1 looks at each" in done.stderr
    done = call(*train, "--refit", "--set", "metric=recall@5", "--out", tmp_path / "d")
    assert "only the last epoch" not in done.stderr
    assert "of 12: recall@5 0." in done.stdout
    assert ", and trained again for so many, with the validation pairs\n" in done.stdout


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
    assert "with --rating its latest row (last)" in told
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


def test_titles_under_other_ids(tmp_path, bought):
    for ids, told in (
        ([str(n) for n in range(30)], "the file has '0' where the run has '000'; write the ids of both alike"),
        ([f"x{n}" for n in range(30)], "the ids of the file look like x0, and those of the run like 0"),
    ):
        pd.DataFrame({"what": ids, "name": ids}).to_csv(tmp_path / "items.csv", index=False)
        titled = ("--items", tmp_path / "items.csv", "--title", "name", "--out", tmp_path / "run")
        done = call("train", "itempop", "--data", bought, *COLUMNS, *titled)
        assert "31 of 31 items have no title: " + told in done.stderr


def test_an_item_with_two_titles_says_what_to_do(tmp_path, bought):
    pd.DataFrame({"what": ["004", "004"], "name": ["a", "b"]}).to_csv(tmp_path / "items.csv", index=False)
    titled = ("--items", tmp_path / "items.csv", "--title", "name", "--out", tmp_path / "run")
    done = call("train", "itempop", "--data", bought, *COLUMNS, *titled, code=1)
    assert "item 004 has more than one title; keep one row for each item." in done.stderr


def test_titles_that_are_very_long_are_cut(tmp_path, bought):
    whole, long, exact = "x" * 100_000, "é" * 301, "y" * 300
    items = pd.DataFrame({"what": [f"{t:03d}" for t in range(30)], "name": [whole, long, exact, *("short" for _ in range(27))]})
    items.to_csv(tmp_path / "items.csv", index=False)
    titled = ("--items", tmp_path / "items.csv", "--title", "name", "--out", tmp_path / "run")
    done = call("train", "itempop", "--data", bought, *COLUMNS, *titled)
    assert done.stderr.count("2 titles are longer than 300 characters and are cut there.") == 1
    rec = gr.load(tmp_path / "run")
    cut = {"000": f"{whole[:299]}…", "001": f"{long[:299]}…", "002": exact, "003": "short"}
    assert {one: rec.titles[one] for one in cut} == cut
    rec.titles = None  # as `graphrec serve --items` and reports read them
    with pytest.warns(UserWarning, match="2 titles are longer") as told:
        names = names_of(rec, items)
    assert len(told) == 1
    shown = dict(zip(rec.train.item_ids, names.titles, strict=True))
    assert {one: shown[one] for one in cut} == cut
    rec.report("p1", tmp_path / "page.html", items)
    assert whole[:301] not in (tmp_path / "page.html").read_text()


def test_help_of_explain_says_what_paths_are():
    told = " ".join(call("explain", "--help").stdout.split())
    assert "how many other people have met both" in told
    assert "It is 0 where a row is about no item of the user's" in told


def test_groups_by_history_are_disjoint():
    lengths = np.repeat([1, 6, 13], [5, 9, 4])  # thirds by rank would cut the sixes in two
    users, items = np.repeat(np.arange(18), lengths), np.concatenate([np.arange(n) for n in lengths])
    groups = group_users("history", gr.Interactions.from_indices(users, items), np.arange(18))
    assert list(groups.categories) == [
        "short history (1 to 1 items)", "middle history (6 to 6 items)", "long history (13 to 13 items)",
    ]  # fmt: skip
    assert np.bincount(groups.codes).tolist() == [5, 9, 4]
    alike = group_users("history", gr.Interactions.from_indices([0, 1, 2, 3], [0, 1, 2, 3]), np.arange(4))
    assert list(alike.categories) == ["middle history (1 to 1 items)"]


@pytest.mark.parametrize("times", [(), ("--time", "at")])
def test_somebody_s_latest_rating_counts(tmp_path, times):
    people = [f"p{n}" for n in range(12)]
    rows = pd.DataFrame({"who": np.repeat(people, 6), "what": [f"t{(n + m) % 9}" for n in range(12) for m in range(6)]})
    rows = rows.assign(stars=5, at=np.arange(len(rows)))
    changed = rows.iloc[:1].assign(stars=1, at=1000)
    pd.concat([rows, changed]).to_csv(tmp_path / "t.csv", index=False)
    rated = (*COLUMNS, "--rating", "stars", *times)
    done = call("train", "itempop", "--data", tmp_path / "t.csv", *rated, "--min-rating", "3", "--out", tmp_path / "run")
    assert "1 of 73 rows repeat an earlier pair, which counts once (--duplicates last" in done.stderr
    call("table", tmp_path / "t.csv", *rated, "--out", tmp_path / "table")
    taught, made = gr.load(tmp_path / "run"), gr.open_table(tmp_path / "table").to_frame()
    assert made.query("user_id == 'p0' and item_id == 't0'").rating.tolist() == [1]
    shown = taught.recommend("p0", k=9).item_id
    assert "t0" not in set(shown)
    assert "t0" not in set(taught.train.to_frame().query("user_id == 'p0'").item_id)


def test_what_a_policy_does_to_numbers_is_said(tmp_path):
    rows = pd.DataFrame({"who": list("aaabbbcc"), "what": list("xxyyxzzx"), "stars": [4, 3, 5, 4, 2, 1, 3, 4], "n": [1, 9] * 4})
    rows.to_csv(tmp_path / "t.csv", index=False)
    train = ("train", "itempop", "--data", tmp_path / "t.csv", *COLUMNS, "--out", tmp_path / "run")
    summed = call(*train, "--rating", "stars", "--duplicates", "sum")
    assert "--duplicates sum adds up ratings, too: the highest is 7 now, and was 5." in summed.stderr
    first = call(*train, "--rating", "stars", "--weight", "n")
    assert "of a repeated pair the weight of one row counts (--duplicates last); sum adds them up." in first.stderr
    for quiet in (("--weight", "n"), ("--rating", "stars"), ("--rating", "stars", "--duplicates", "max")):
        assert "adds up ratings" not in (said := call(*train, *quiet).stderr)
        assert "the weight of one row" not in said


def test_a_file_of_groups_has_two_columns(bought, tmp_path):
    call("train", "itempop", "--data", bought, *COLUMNS, "--out", tmp_path / "run", "--min-rating", 1, "--rating", "stars")
    (tmp_path / "groups.csv").write_text("what,name,category\n000,A thing,tools\n")
    done = call("evaluate", tmp_path / "run", "--data", bought, "--item-groups", tmp_path / "groups.csv", code=1)
    assert "groups.csv has 3 columns (what, name, category): give a file of two, an id and the name of its group" in done.output


@pytest.mark.parametrize("model", ["itempop", "mf"])
def test_a_table_too_small_to_be_split_is_trained_on_as_a_whole(tmp_path, model):
    pd.DataFrame({"who": ["a", "a", "b"], "what": ["x", "y", "z"], "at": [1, 2, 3]}).to_csv(tmp_path / "t.csv", index=False)
    train = ("train", model, "--data", tmp_path / "t.csv", *COLUMNS, "--time", "at", "--out", tmp_path / "run")
    if model == "mf":
        train = (*train, "--set", "epochs=2")
    done = call(*train, "--final")
    assert "has too few pairs to choose epochs on some of them" in done.stderr
    assert len(gr.load(tmp_path / "run").train) == 3
    assert "3 pairs of 2 users" in call(*train, code=1).output


def test_the_clock_is_no_date(tmp_path):
    for word in ("now", "today"):
        (tmp_path / "t.csv").write_text(f"user_id,item_id,at\na,x,2024-01-02\nb,y,{word}\n")
        with pytest.raises(InputError, match=rf"column 'at' has '{word}'.*which is no date that is written down"):
            gr.read_csv(tmp_path / "t.csv", time="at")


def test_whole_numbers_of_parquet_stay_whole_beside_gaps(tmp_path):
    stamps = [1_700_000_000_123_456_789, None, 1_700_000_000_123_456_791]
    frame = pd.DataFrame({"user_id": [1, None, 2**53 + 1], "item_id": ["x", "y", "z"], "at": stamps}, dtype=object)
    frame = frame.astype({"user_id": "Int64", "at": "Int64", "item_id": str})
    frame.to_parquet(tmp_path / "t.parquet")
    table = gr.read_parquet(tmp_path / "t.parquet", time="at", missing="drop")
    assert table.user_ids.tolist() == [1, 2**53 + 1]
    assert table.times.tolist() == [stamps[0], stamps[2]]


def test_what_expands_one_number_can_be_saved(tmp_path):
    train = gr.Interactions.from_indices([0, 0, 1, 2], [0, 1, 1, 0])
    gr.Recommender("slim", l1=50.0, l2=5.0).fit(train).save(tmp_path / "run")
    assert gr.load(tmp_path / "run").score(0, 0) == 0


def test_a_candidate_that_cannot_be_saved_ends_no_search(tmp_path, monkeypatch, interactions):
    usual = gr.Recommender.save

    def save(self, path):
        if self.name == "itemknn":
            raise RuntimeError("no")
        return usual(self, path)

    monkeypatch.setattr(gr.Recommender, "save", save)
    split = gr.split.random(interactions.binarize(), test=0.2, valid=0.2, seed=0)
    found = gr.search(split.train, split.valid, "20s", out=tmp_path / "s", models=["itempop", "itemknn"], progress=False)
    assert found.name == "itempop"
    assert set(found.table.query("model == 'itemknn'")["status"]) == {"failed"}


def test_spaces_and_fractions_of_ids_are_told(tmp_path):
    rows = pd.DataFrame({"who": ["Anna", "Anna ", "7.0", "7.0", "Anna", "B"], "what": list("xyxyzz")})
    rows.to_csv(tmp_path / "t.csv", index=False)
    done = call("train", "itempop", "--data", tmp_path / "t.csv", *COLUMNS, "--out", tmp_path / "run", "--final")
    assert "1 user ids are others but for spaces at their ends, first 'Anna '; each counts as an id of its own." in done.stderr
    assert "item ids" not in done.stderr
    assert "Did you mean '7.0'?" in call("recommend", tmp_path / "run", "--user", "7", "-k", 1, code=1).output


def test_reasons_stand_beside_the_items(bought, tmp_path):
    call("train", "itemknn", "--data", bought, *COLUMNS, "--out", tmp_path / "run", "--final")
    done = call("recommend", tmp_path / "run", "--user", "p1", "-k", 3, "--explain", 2)
    want = gr.load(tmp_path / "run").recommend("p1", k=3, explain=2)
    assert "reason_2" in done.output
    assert all(f"{one}" in done.output for one in want["reason_1"])
    assert "--explain is for --user" in call("recommend", tmp_path / "run", "--history", "001", "--explain", 2, code=1).output
