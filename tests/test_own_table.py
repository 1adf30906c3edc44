"""A table of one's own on the command line: read, split, tested on the same part, asked, exported."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.own_table import TableOptions
from graphrec.own_table.options import policy_of
from graphrec.own_table.rows import read_rows

SHOP_ITEMS = object()
COLUMNS = ("--user", "customer", "--item", "sku")


def call(*words, ok=True):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert (done.exit_code == 0) == ok, (done.output, done.exception)
    assert ok or (isinstance(done.exception, SystemExit) and "Error: " in done.stderr), done.exception
    return done


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    g, rows = np.random.default_rng(0), []
    for person in range(40):
        for n, sku in enumerate(g.choice(30, 10, replace=False)):
            rows.append((f"Müller, {person:02d}", f"{sku:04d}", f"2026-01-{g.integers(1, 29):02d}T10:00:00Z", n % 5 + 1))
    table = pd.DataFrame(rows, columns=["customer", "sku", "at", "stars"])
    table = pd.concat([table, table.iloc[:7]], ignore_index=True)
    folder = tmp_path_factory.mktemp("shop")
    table.to_csv(folder / "p.csv", index=False)
    table.to_parquet(folder / "p.parquet")
    table.to_parquet(folder / "disguised.csv")
    names = [f"Thing, <{s}>" for s in range(29)]
    pd.DataFrame({"sku": [f"{s:04d}" for s in range(29)], "name": names}).to_csv(folder / "items.csv", index=False)
    titled = ("--items", folder / "items.csv", "--title", "name")
    done = call("train", "itemknn", "--data", folder / "p.csv", *COLUMNS, "--time", "at", *titled, "--out", folder / "run")
    assert "7 of 407 rows repeat" in done.stderr
    assert "split by time (chronological) into 280 / 40 / 80" in done.stderr
    assert "1 of 30 items have no title" in done.stderr
    assert "note" not in done.stdout
    return folder


@pytest.mark.parametrize("file", ["p.csv", "p.parquet", "disguised.csv"])
def test_evaluation_is_on_the_same_test_part(shop, file):
    means = json.loads(call("evaluate", shop / "run", "--data", shop / file, *COLUMNS, "-k", 5, "--json").stdout)
    table = gr.read_csv(shop / "p.csv", "customer", "sku", time="at", duplicates="first")
    split = gr.split.chronological(table, test=0.2, valid=0.1)
    rec = gr.Recommender("itemknn").fit(split.train, valid=split.valid)
    assert means == dict(gr.evaluate(rec, split, k=5).mean)


def test_another_table_or_split_is_refused(shop, tmp_path):
    lines = (shop / "p.csv").read_text().splitlines()
    (tmp_path / "p.csv").write_text("\n".join([*lines, "somebody,0001,2026-01-01T10:00:00Z,1"]))
    ask = ("evaluate", shop / "run", "--data")
    assert "is not the table that" in call(*ask, tmp_path / "p.csv", ok=False).stderr
    assert "--split random" in call(*ask, shop / "p.csv", "--split", "random", ok=False).stderr
    assert "--user is for a table" in call("train", "mf", "--data", "synthetic", "--user", "u", "--out", "x", ok=False).stderr
    rec = gr.load(shop / "run")
    rec.fit(rec.train).save(tmp_path / "anew")  # nothing says any more how its table was split
    assert "was not trained from a table" in call("evaluate", tmp_path / "anew", "--data", shop / "p.csv", ok=False).stderr


def test_without_times_the_split_is_drawn_with_a_stated_seed(shop, tmp_path):
    train = ("train", "itempop", "--data", shop / "p.csv", *COLUMNS, "--out", tmp_path / "run")
    assert "at random with seed 3" in call(*train, "--split-seed", 3, "--rating", "stars", "--min-rating", 4).stderr
    call("evaluate", tmp_path / "run", "--data", shop / "p.csv")
    rec = gr.load(tmp_path / "run")
    assert rec.origin["split"] == "stratified"
    assert rec.origin["split_seed"] == 3
    assert rec.origin["min_rating"] == 4
    assert len(rec.train) < 160


def test_low_ratings_of_a_data_set_by_name_are_left_out(tmp_path):
    train, cut = ("train", "itempop", "--data", "synthetic", "--out"), ("--min-rating", 4)
    assert "--min-rating 4 keeps the high ones" in call(*train, tmp_path / "all").stderr
    done = call(*train, tmp_path / "run", *cut)
    assert "synthetic: --min-rating 4 leaves out" in done.stderr
    assert "keeps the high ones" not in done.stderr
    rec = gr.load(tmp_path / "run")
    assert rec.origin["min_rating"] == 4
    split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(4).compact(), test=0.2, valid=0.1)
    assert rec.train.fingerprint == split.train.fingerprint
    ask = ("evaluate", tmp_path / "run", "--data", "synthetic")
    assert json.loads(call(*ask, "--json").stdout) == dict(gr.evaluate(rec, split).mean)
    assert "was trained with 4.0, and is tested in the same way" in call(*ask, "--min-rating", 3, ok=False).stderr
    assert "was trained without" in call("evaluate", tmp_path / "all", "--data", "synthetic", *cut, ok=False).stderr
    assert "--user is for a table" in call(*train, tmp_path / "x", *cut, "--user", "u", ok=False).stderr
    small = ("--budget", "2s", "--model", "itempop", "--out", tmp_path / "found")
    assert "keeps the high ones" not in call("search", "--data", "synthetic", *cut, *small).stderr
    assert gr.load(tmp_path / "found").origin["min_rating"] == 4


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ((), "it has customer, sku, at, stars"),
        (("--user", "custumer", "--item", "sku"), "custumer"),
        ((*COLUMNS, "--split", "global-time"), "needs --time"),
        ((*COLUMNS, "--time", "at", "--split-seed", 1), "goes by time"),
        ((*COLUMNS, "--min-rating", 3), "needs --rating"),
        ((*COLUMNS, "--title", "name"), "--title is a column of the file that --items names"),
        ((*COLUMNS, "--items", SHOP_ITEMS), "items.csv needs --title, the column of it that has the titles; it has sku, name."),
        (
            (*COLUMNS, "--items", SHOP_ITEMS, "--title", "nam"),
            "'nam', which --title names; did you mean 'name'? it has sku, name.",
        ),
        ((*COLUMNS, "--encoding", "cp12"), "unknown encoding: cp12"),
        ((*COLUMNS, "--items", "nothing.csv", "--title", "name"), "nothing.csv is not a file"),
        ((*COLUMNS, "--duplicates", "error"), "in line 402"),
    ],
)
def test_a_mistake_is_named(shop, tmp_path, rest, named):
    rest = [shop / "items.csv" if word is SHOP_ITEMS else word for word in rest]
    done = call("train", "itempop", "--data", shop / "p.csv", *rest, "--out", tmp_path / "run", ok=False)
    assert named in done.stderr
    assert not (tmp_path / "run").exists()


def test_titles_are_saved_and_shown(shop, tmp_path):
    rec = gr.load(shop / "run")
    assert rec.titles["0003"] == "Thing, <3>"
    assert "0029" not in rec.titles
    rec.save(tmp_path / "run")
    pd.testing.assert_series_equal(gr.load(tmp_path / "run").titles, rec.titles)
    assert "Thing, <" in call("recommend", shop / "run", "--user", "Müller, 03").stdout
    assert "Thing, <" in call("similar", shop / "run", "--item", "0003").stdout
    shutil.copytree(tmp_path / "run", tmp_path / "damaged")
    file = next((tmp_path / "damaged").glob("titles-*"))
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(gr.errors.InputError, match="damaged"):
        gr.load(tmp_path / "damaged")


def test_reasons_are_told_and_drawn(shop, tmp_path):
    rec, who = gr.load(shop / "run"), "Müller, 03"
    item = rec.recommend(who, k=1)["item_id"][0]
    why = rec.explain(who, item)
    done = call("explain", shop / "run", "--user", who, "--item", item, "-n", 2, "--out", tmp_path / "paths.png")
    assert f"score {why['contribution'].sum():.4g}; {len(why) - 2} more parts" in done.stdout
    assert rec.titles.get(why["item_id"].iloc[0], why["item_id"].iloc[0]) in done.stdout
    assert (tmp_path / "paths.png").read_bytes().startswith(b"\x89PNG")
    ask = ("explain", shop / "run", "--user", who, "--item")
    assert "unknown item" in call(*ask, "nothing", ok=False).stderr
    assert ".png, .svg, .pdf" in call(*ask, item, "--out", tmp_path / "paths.bmp", ok=False).stderr
    assert os.listdir(tmp_path) == ["paths.png"]


def test_everybody_in_blocks(shop, tmp_path, monkeypatch):
    monkeypatch.setattr("graphrec.recommend_all._ROWS", 35)  # seven users a block
    for name in ("recs.csv", "recs.parquet"):
        call("recommend", shop / "run", "--all", "--out", tmp_path / name, "-k", 5)
    read = pd.read_parquet(tmp_path / "recs.parquet")
    rec = gr.load(shop / "run")
    want = rec.recommend(rec.train.user_ids, k=5)
    pd.testing.assert_frame_equal(read.drop(columns="title"), want, check_dtype=False)
    text = pd.read_csv(tmp_path / "recs.csv", dtype={"item_id": str}, keep_default_na=False)
    pd.testing.assert_frame_equal(text, read, check_dtype=False, rtol=1e-5)
    assert sorted(os.listdir(tmp_path)) == ["recs.csv", "recs.parquet"]


def test_an_export_that_fails_leaves_what_was_there(shop, tmp_path, monkeypatch):
    out = tmp_path / "recs.csv"
    out.write_text("before")
    monkeypatch.setattr(gr.Recommender, "recommend", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    assert "No space left" in call("recommend", shop / "run", "--all", "--out", out, ok=False).stderr
    assert out.read_text() == "before"
    assert os.listdir(tmp_path) == ["recs.csv"]


def test_what_a_killed_export_left_is_removed_by_the_next(shop, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f"recs.csv.{dead.pid}.part", f"recs.csv.{os.getppid()}.part", f"other.csv.{dead.pid}.part"):
        (tmp_path / name).write_text("half")
    call("recommend", shop / "run", "--all", "--out", tmp_path / "recs.csv", "-k", 5)
    left = {"recs.csv", f"recs.csv.{os.getppid()}.part", f"other.csv.{dead.pid}.part"}  # of one that runs, of another file
    assert set(os.listdir(tmp_path)) == left


def test_one_cold_customer_does_not_stop_the_export(tmp_path):
    rows = [("a", 1), ("a", 2), ("b", 1), ("b", 3), ("c", 2)]
    table = gr.Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))
    gr.Recommender("itemknn").fit(table.select(np.arange(4))).save(tmp_path / "run")
    ask = ("recommend", tmp_path / "run", "--all", "-k", 2, "--out", tmp_path / "r.csv")
    told = "1 of 3 users have no training interaction: their lists are what most people have"
    for more in ((), ("--cold", "popular")):
        assert told in call(*ask, *more).stderr
    read = pd.read_csv(tmp_path / "r.csv")
    assert read[read["user_id"] == "c"][["item_id", "score"]].to_numpy().tolist() == [[1, 2.0], [2, 1.0]]  # people who have it
    assert np.isfinite(read["score"]).all()
    few = ("recommend", tmp_path / "run", "-k", 2, "--cold", "popular", "--user", "a", "--user")
    assert "1 of 2 users have no" in call(*few, "nobody").stderr
    assert "users have no" not in call(*few, "b").stderr
    assert set(pd.read_csv(tmp_path / "r.csv")["user_id"]) == {"a", "b", "c"}
    call(*ask, "--cold", "skip")
    assert set(pd.read_csv(tmp_path / "r.csv")["user_id"]) == {"a", "b"}
    assert "user c has no training interaction" in call(*ask, "--cold", "error", ok=False).stderr


@pytest.mark.parametrize("name", ["r.csv", "r.parquet"])
def test_an_export_without_any_row_has_its_columns(shop, tmp_path, monkeypatch, name):
    rec, only = gr.load(shop / "run"), tmp_path / "only.txt"
    met = rec.train.item_ids[rec.train.items[0]]
    who = np.flatnonzero(np.bincount(rec.train.users[rec.train.items == rec.train.items[0]], minlength=len(rec.train.user_ids)))
    rec.fit(rec.train.select(np.flatnonzero(np.isin(rec.train.users, who))).compact()).save(tmp_path / "run")
    only.write_text(f"{met}\n")
    monkeypatch.setattr("graphrec.recommend_all._ROWS", 2)  # several blocks, all of them empty
    call("recommend", tmp_path / "run", "--all", "-k", 1, "--candidates", only, "--out", tmp_path / name)
    read = pd.read_csv(tmp_path / name) if name.endswith("csv") else pd.read_parquet(tmp_path / name)
    assert len(read) == 0
    assert [*read.columns] == ["user_id", "item_id", "score", "rank", "title"]


def test_a_device_that_is_not_there_is_named(shop):
    for words in (("recommend", shop / "run", "--user", "Müller, 03"), ("evaluate", shop / "run", "--data", shop / "p.csv")):
        call(*words, "--device", "cpu")
        assert "nonsense" in call(*words, "--device", "nonsense", ok=False).stderr


def test_files_of_candidates_and_exclusions(shop, tmp_path):
    (tmp_path / "some.txt").write_bytes(b"\xef\xbb\xbf0001\r\n0002\r\n\r\nstrange\r\n")
    ask = ("recommend", shop / "run", "--all", "-k", 3, "--out", tmp_path / "r.parquet")
    assert "does not know 1 of its items, first strange" in call(*ask, "--candidates", tmp_path / "some.txt").stderr
    assert set(pd.read_parquet(tmp_path / "r.parquet")["item_id"]) <= {"0001", "0002"}
    call(*ask, "--exclude", tmp_path / "some.txt")
    assert not set(pd.read_parquet(tmp_path / "r.parquet")["item_id"]) & {"0001", "0002"}


def test_someone_new_and_ids_with_commas(tmp_path):
    rows = [(u, i) for u in range(6) for i in ("a, b", "007", '7"', "c")[u % 2 :: 2]] + [(7, "c"), (7, "007"), (7, "a, b")]
    table = gr.Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))
    gr.Recommender("ease").fit(table).save(tmp_path / "run")
    out = tmp_path / "new.csv"
    call("recommend", tmp_path / "run", "--history", '"a, b",007', "--history", "c", "-k", 4, "--out", out)
    new = pd.read_csv(out, dtype={"item_id": str})
    assert set(new["item_id"][new["user_id"] == 0]) == {"c", '7"'}
    assert set(new["item_id"][new["user_id"] == 1]) == {"a, b", "007", '7"'}
    assert "an id is missing" in call("recommend", tmp_path / "run", "--history", "007,", ok=False).stderr
    assert "007x" in call("recommend", tmp_path / "run", "--history", "007x", "-k", 2, ok=False).stderr
    assert "one of" in call("recommend", tmp_path / "run", ok=False).stderr
    assert "--all needs --out" in call("recommend", tmp_path / "run", "--all", ok=False).stderr
    assert ".csv or .parquet" in call("recommend", tmp_path / "run", "--all", "--out", tmp_path / "r.xls", ok=False).stderr


def test_data_of_a_preset_is_chosen_or_refused(tmp_path):
    train = ("train", "--data", "synthetic", "--out", tmp_path / "run", "--preset-data")
    assert "is a model" in call(*train, "gowalla", "itempop", ok=False).stderr
    assert "nonsense" in call(*train, "nonsense", "turbocf-2024", ok=False).stderr
    call(*train, "amazon-book", "turbocf-2024")
    assert gr.load(tmp_path / "run").hyper == gr.preset("turbocf-2024", data="amazon-book").hyper


def test_a_search_of_a_table_is_a_run_that_is_tested_and_reported(shop, tmp_path):
    titled = ("--items", shop / "items.csv", "--title", "name")
    ask = ("search", "--data", shop / "p.csv", *COLUMNS, "--time", "at", "--budget", "20s", "--out", tmp_path / "run")
    done = call(*ask, *titled, "--model", "itempop", "--model", "rp3beta")
    assert "split by time (chronological) into 280 / 40 / 80" in done.stderr
    rec = gr.load(tmp_path / "run")
    assert rec.titles["0003"] == "Thing, <3>"
    assert len(rec.train) == 320  # fitted anew on train and validation
    means = json.loads(call("evaluate", tmp_path / "run", "--data", shop / "p.csv", "-k", 5, "--json").stdout)
    call("report", tmp_path / "run", "--data", shop / "p.csv", "-k", 5, "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<h2>Metrics</h2>" in page
    assert f"{means['recall@5']:.4f}" in page
    assert "--user and --item" in call("search", "--data", shop / "p.csv", "--out", tmp_path / "x", ok=False).stderr
    call("report", tmp_path / "run", "--data", shop / "items.csv", "--out", tmp_path / "x.html", ok=False)
    assert not (tmp_path / "x.html").exists()


@pytest.mark.parametrize(("columns", "policy", "counts"), [
    ({"weight": "n"}, "sum", [3.0, 5.0]),
    ({"weight": "n", "rating": "n"}, "last", [2.0, 5.0]),
    ({"weight": "n", "duplicates": "max"}, "max", [2.0, 5.0]),
])  # fmt: skip
def test_quantities_of_repeated_pairs_add_up(tmp_path, columns, policy, counts):
    path = tmp_path / "bought.csv"
    path.write_text("who,what,n\na,x,1\na,y,5\na,x,2\n")
    options = TableOptions(user="who", item="what", **columns)
    options = replace(options, duplicates=policy_of(options), missing="error")
    with pytest.warns(UserWarning, match=rf"1 of 3 rows repeat an earlier pair, which counts once \(--duplicates {policy}\)"):
        table, _ = read_rows(str(path), options)
    assert sorted(table.weights.tolist()) == counts


def test_texts_as_windows_writes_them(shop, tmp_path):
    text = (shop / "p.csv").read_text(encoding="utf-8")
    for name, encoding in (("cp.csv", "cp1252"), ("wide.csv", "utf-16"), ("mark.csv", "utf-8-sig")):
        (tmp_path / name).write_bytes(text.encode(encoding))
    train = ("train", "itempop", *COLUMNS, "--time", "at", "--out", tmp_path / "run", "--data")
    assert "is not a text in UTF-8; --encoding cp1252" in call(*train, tmp_path / "cp.csv", ok=False).stderr
    assert "as a text in UTF-16 does; --encoding utf-16" in call(*train, tmp_path / "wide.csv", ok=False).stderr
    call(*train, tmp_path / "mark.csv")
    assert gr.load(tmp_path / "run").train.user_ids[0] == "Müller, 00"
    call(*train, tmp_path / "wide.csv", "--encoding", "utf-16")
    call(*train, tmp_path / "cp.csv", "--encoding", "cp1252")
    assert gr.load(tmp_path / "run").train.user_ids[0] == "Müller, 00"
    call("evaluate", tmp_path / "run", "--data", tmp_path / "cp.csv", "-k", 5)
    assert "--encoding is for text files" in call(*train, shop / "p.parquet", "--encoding", "cp1252", ok=False).stderr
    table = ("table", tmp_path / "cp.csv", *COLUMNS, "--duplicates", "first", "--out", tmp_path / "table")
    assert "cp.csv is not a text in UTF-8; --encoding cp1252" in call(*table, ok=False).stderr
    assert "in 400 pairs" in (call(*table, "--encoding", "cp1252").stdout.replace("Interactions(", "in "))


def test_titles_as_windows_writes_them(shop, tmp_path):
    names = "\n".join(["sku;name", *(f"{n:04d};Thé {n}" for n in range(30))])
    (tmp_path / "items.csv").write_bytes(names.encode("cp1252"))
    titled = ("--items", tmp_path / "items.csv", "--title", "name")
    done = call("train", "itempop", "--data", shop / "p.csv", *COLUMNS, *titled, "--out", tmp_path / "run")
    assert "items.csv is not in UTF-8 and is read as Windows-1252" in done.stderr
    assert gr.load(tmp_path / "run").titles["0003"] == "Thé 3"
    call("report", tmp_path / "run", "--items", tmp_path / "items.csv", "--out", tmp_path / "page.html")
    assert "Thé 17" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_a_table_too_small_to_be_cut_is_named(shop, tmp_path):
    (tmp_path / "one.csv").write_text("customer,sku\nann,0001\n")
    done = call("train", "itempop", "--data", tmp_path / "one.csv", *COLUMNS, "--out", tmp_path / "run", ok=False)
    assert "one.csv has 1 pairs of 1 users: " in done.stderr


def test_a_tab_may_be_written_as_two_characters(shop, tmp_path):
    pd.read_csv(shop / "p.csv", dtype=str).to_csv(tmp_path / "p.tsv", index=False, sep="\t")
    for what in (("train", "itempop", "--data"), ("table",)):
        given = (*what, tmp_path / "p.tsv", *COLUMNS, "--out", tmp_path / what[0])
        assert "\\t' says what separates columns" in call(*given, ok=False).stderr
        call(*given, "--sep", "\\t")


def test_what_is_near_by_is_named(shop, tmp_path):
    train = ("train", "itempop", "--out", tmp_path / "run", "--data")
    folder = call(*train, shop, ok=False).stderr
    assert "is a folder without train.txt, and disguised.csv is in it: name that file, or let graphrec table make" in folder
    assert "is the folder of a saved run; --data takes the table" in call(*train, shop / "run", ok=False).stderr
    few = call(*train, shop / "p.csv", *COLUMNS, "--rating", "stars", "--min-rating", 9, ok=False).stderr
    assert "--min-rating 9.0 leaves no row: the highest rating is 5" in few
    asked = call("recommend", shop / "run", "--history", "0003;0004", ok=False).stderr
    assert "is one id; between several ids there are commas" in asked


def test_what_is_said_of_fractions_is_about_a_column_of_numbers(shop, tmp_path):
    need = "--decimal , needs --rating or --weight, a column of numbers that it is about."
    said = (*COLUMNS, "--decimal", ",")
    train = ("train", "itempop", "--data", shop / "p.csv", *said, "--out", tmp_path / "run")
    assert need in call(*train, ok=False).stderr
    assert need in call("evaluate", shop / "run", "--data", shop / "p.csv", *said, ok=False).stderr
    assert need in call("update", shop / "run", "--data", shop / "p.csv", *said, ok=False).stderr
    assert not (tmp_path / "run").exists()
    call(*train, "--rating", "stars")
