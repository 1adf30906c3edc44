"""``graphrec update``: tomorrow's table read as today's was, and the run replaced in one move."""

import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.training.trainer import Trainer

COLUMNS = ("--user", "customer", "--item", "sku", "--time", "at")
FIT = ("--set", "epochs=2", "--set", "dim=8", "--set", "progress=false")


def call(*words, ok=True):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert (done.exit_code == 0) == ok, (done.output, done.exception)
    assert ok or isinstance(done.exception, SystemExit), done.exception
    return done


def purchases(people, skus, seed):
    g = np.random.default_rng(seed)
    rows = [
        (f"Müller, {p:02d}", f"{s:04d}", f"2026-01-{g.integers(1, 29):02d}")
        for p in people
        for s in skus[(3 * p + np.arange(8)) % len(skus)]
    ]
    return pd.DataFrame(rows, columns=["customer", "sku", "at"])


@pytest.fixture
def shop(tmp_path):
    purchases(range(30), np.arange(20), 0).to_csv(tmp_path / "today.csv", index=False)
    # all of its skus look like whole numbers, as those of today do not
    tomorrow = purchases(range(25, 35), np.arange(1000, 1020), 1)
    pd.concat([tomorrow, tomorrow.iloc[:3]]).to_csv(tmp_path / "tomorrow.csv", index=False)
    skus = [f"{s:04d}" for s in [*range(20), *range(1000, 1020)]]
    pd.DataFrame({"sku": skus[:20], "name": [f"Thing {s}" for s in skus[:20]]}).to_csv(tmp_path / "items.csv", index=False)
    pd.DataFrame({"sku": skus, "name": [f"Article {s}" for s in skus]}).to_csv(tmp_path / "more_items.csv", index=False)
    return tmp_path


@pytest.mark.parametrize(("model", "sets"), [("mf", FIT), ("itemknn", ())])
def test_new_people_and_things_are_served_from_the_same_run(shop, model, sets):
    titles = ("--items", shop / "items.csv", "--title", "name")
    call("train", model, "--data", shop / "today.csv", *COLUMNS, *titles, "--out", shop / "run", *sets)
    before = gr.load(shop / "run")
    done = call("update", shop / "run", "--data", shop / "tomorrow.csv")
    assert "80 more pairs; new people: 5, new things: 20" in done.stdout
    assert "3 of 83 rows repeat an earlier pair" in done.stderr
    assert "20 of 40 items have no title" in done.stderr
    rec = gr.load(shop / "run")
    assert rec.train.item_ids[:20].tolist() == before.train.item_ids.tolist()
    assert rec.titles["0003"] == "Thing 0003"
    assert len(rec.recommend("Müller, 34", k=5)) == 5
    assert len(rec.history) == (7 if sets else 0)
    assert (shop / "run" / "history.csv").exists() == bool(sets)
    assert "was updated after its training" in call("evaluate", shop / "run", "--data", shop / "today.csv", ok=False).stderr

    assert "nothing new" in call("update", shop / "run", "--data", shop / "tomorrow.csv").stdout
    titles = ("--items", shop / "more_items.csv", "--title", "name")
    call("update", shop / "run", "--data", shop / "tomorrow.csv", *titles)
    assert gr.load(shop / "run").titles["1003"] == "Article 1003"


def test_titles_are_taken_in_where_there_is_nothing_else(shop):
    call("train", "itempop", "--data", shop / "today.csv", *COLUMNS, "--out", shop / "run")
    ask, titles = ("update", shop / "run"), ("--items", shop / "items.csv", "--title", "name")
    assert "takes --data, a table of what has happened since, or --items" in call(*ask, ok=False).stderr
    assert "--user is about a table" in call(*ask, *titles, "--user", "customer", ok=False).stderr
    assert "--set epochs is about a table" in call(*ask, *titles, "--set", "epochs=1", ok=False).stderr
    origin = gr.load(shop / "run").origin
    assert "has 0 more pairs; new people: 0, new things: 0, new titles: 20." in call(*ask, *titles).stdout
    rec, before = gr.load(shop / "run"), (shop / "run" / "run.json").read_bytes()
    assert rec.titles["0003"] == "Thing 0003"
    assert rec.origin == origin
    call("evaluate", shop / "run", "--data", shop / "today.csv")  # which is still its table
    assert f"{shop / 'items.csv'} says nothing new" in call(*ask, *titles).stdout
    assert (shop / "run" / "run.json").read_bytes() == before
    pd.read_csv(shop / "items.csv", dtype=str).replace({"name": {"Thing 0003": "T"}}).to_csv(shop / "items.csv", index=False)
    assert "new titles: 1." in call(*ask, "--data", shop / "today.csv", *titles).stdout


@pytest.mark.parametrize(("wrong", "line"), [("neu", 3), ("007", 4)])
def test_a_text_among_ids_that_are_integers_is_named_with_its_line(tmp_path, wrong, line):
    pd.DataFrame({"u": np.repeat(np.arange(10), 6), "i": np.tile(np.arange(12), 5)}).to_csv(tmp_path / "t.csv", index=False)
    call("train", "itempop", "--data", tmp_path / "t.csv", "--user", "u", "--item", "i", "--out", tmp_path / "run")
    people = ["1", *["2"] * (line - 3), wrong, wrong, "anna"]
    pd.DataFrame({"u": people, "i": range(20, 20 + len(people))}).to_csv(tmp_path / "more.csv", index=False, sep=";")
    ask = ("update", tmp_path / "run", "--sep", ";", "--data", tmp_path / "more.csv")
    for more in ((), ("--user", "i", "--item", "u")):
        said = call(*ask, *more, ok=False).stderr
        assert f"more.csv: '{wrong}' in line {line} (column 'u') is not written as an integer, as all " in said


def test_columns_that_the_run_does_not_know_are_asked_for(shop):
    table = gr.read_csv(shop / "today.csv", "customer", "sku", time="at")
    gr.Recommender("itempop").fit(table).save(shop / "run")
    assert "it has customer, sku, at" in call("update", shop / "run", "--data", shop / "tomorrow.csv", ok=False).stderr
    call("update", shop / "run", "--data", shop / "tomorrow.csv", *COLUMNS)
    assert gr.load(shop / "run").origin["item"] == "sku"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--data", "ml-100k"), "ml-100k is not a file"),
        (("--data", "tomorrow.csv", "--item", "skew"), "skew"),
        (("--data", "tomorrow.csv", "--set", "dim=9"), "unknown training option 'dim'"),
        (("--data", "tomorrow.csv", "--set", "epochs=0"), "epochs"),
        (("--data", "tomorrow.csv", "--items", "items.csv"), "--title"),
        (("--data", "tomorrow.csv", "--min-rating", "3"), "--min-rating 3"),
        (("--data", "tomorrow.csv", "--split", "random"), "--split"),
    ],
)
def test_a_mistake_is_named_and_the_run_stays(shop, monkeypatch, words, named):
    monkeypatch.chdir(shop)
    call("train", "mf", "--data", "today.csv", *COLUMNS, "--out", "run", *FIT)
    before = sorted((path.name, path.read_bytes()) for path in (shop / "run").iterdir())
    assert named in call("update", "run", *words, ok=False).stderr
    assert sorted((path.name, path.read_bytes()) for path in (shop / "run").iterdir()) == before


@pytest.mark.parametrize(("today", "advised"), [(None, True), (5, True), ([1, 5], False)])
def test_advice_about_low_ratings_can_be_taken(shop, today, advised):
    """It is given where the run has no low ones, and where it has them they are not spoken of again."""
    frame, more = pd.read_csv(shop / "today.csv", dtype=str), pd.read_csv(shop / "tomorrow.csv", dtype=str)
    frame["stars"] = today if np.ndim(today) == 0 else np.resize(today, len(frame))
    more.assign(stars=np.resize([1, 5, 4], len(more))).to_csv(shop / "tomorrow.csv", index=False)
    frame.to_csv(shop / "today.csv", index=False)
    rated = ("--rating", "stars")
    call("train", "itempop", "--data", shop / "today.csv", *COLUMNS, *(rated if today else ()), "--out", shop / "run")
    ask = ("update", shop / "run", "--data", shop / "tomorrow.csv", *rated)
    shutil.copytree(shop / "run", shop / "other")
    assert ("--min-rating 4 keeps the high ones" in call(*ask).stderr) == advised
    done = call("update", shop / "other", *ask[2:], "--min-rating", 4, ok=advised)
    assert advised or "was trained without" in done.stderr
    assert gr.load(shop / "other").origin.get("min_rating") == (4 if advised else None)


def test_an_interrupt_and_another_update_leave_the_run_as_it_is(shop, monkeypatch):
    call("train", "mf", "--data", shop / "today.csv", *COLUMNS, "--out", shop / "run", *FIT)
    before, epoch = (shop / "run" / "run.json").read_bytes(), Trainer._epoch
    ask = ("update", shop / "run", "--data", shop / "tomorrow.csv")

    def interrupted(*args, **options):
        epoch(*args, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    done = CliRunner().invoke(main, [str(word) for word in ask])
    assert done.exit_code == 130
    assert "stays as it was" in done.stderr
    assert (shop / "run" / "run.json").read_bytes() == before

    def overtaken(*args, **options):
        gr.Recommender("itempop").fit(gr.read_csv(shop / "today.csv", "customer", "sku")).save(shop / "run")
        return epoch(*args, **options)

    monkeypatch.setattr(Trainer, "_epoch", overtaken)
    assert "replaced by somebody else" in call(*ask, ok=False).stderr
    assert gr.load(shop / "run").name == "itempop"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_times_with_a_zone_and_without_are_not_compared(tmp_path, kind):
    def written(name, made, **change):
        frame = purchases(range(20), np.arange(12), 0).assign(at=lambda f: made(f["at"]), **change)
        getattr(frame, f"to_{kind}")(tmp_path / f"{name}.{kind}", index=False)
        return tmp_path / f"{name}.{kind}"

    def hours(zone):
        return lambda at: at + f"T05:00{zone}" if kind == "csv" else pd.to_datetime(at).dt.tz_localize(zone or None)

    where = "+02:00" if kind == "csv" else "Europe/Vienna"
    tables = {
        "with a zone": written("zoned", hours(where)),
        "without a zone": written("bare", hours("")),
        "numbers": written("numbers", lambda at: pd.to_datetime(at).astype("datetime64[s]").astype("int64")),
    }
    others = {"with a zone": written("utc", hours("Z" if kind == "csv" else "UTC"), sku="new")}
    for then, data in tables.items():
        call("train", "itempop", "--data", data, *COLUMNS, "--out", tmp_path / "run")
        before = (tmp_path / "run" / "run.json").read_bytes()
        for now, more in tables.items():
            differs = "numbers" not in (then, now) and then != now
            done = call("update", tmp_path / "run", "--data", more, ok=not differs)
            told = f"{more} are {now if now == 'numbers' else f'dates {now}'}, and those that"
            assert (told in done.stderr) == (then != now)
            assert ("Their order is not known; write those of" in done.stderr) == differs
            assert ("dates count as seconds" in done.stderr) == ("numbers" in (then, now) and then != now)
            assert not differs or (tmp_path / "run" / "run.json").read_bytes() == before
            before = (tmp_path / "run" / "run.json").read_bytes()
        if then in others:
            call("update", tmp_path / "run", "--data", others[then])
            assert (
                "without a zone, and those"
                in call("update", tmp_path / "run", "--data", tables["without a zone"], ok=False).stderr
            )


def test_pairs_that_are_no_longer_learnt_are_counted(tmp_path):
    rows = [(user, item, 5.0, at) for user in range(20) for at, item in enumerate(range(user % 5, user % 5 + 8))]
    pd.DataFrame(rows, columns=["u", "i", "r", "t"]).to_csv(tmp_path / "today.csv", index=False)
    columns = ("--user", "u", "--item", "i", "--rating", "r", "--time", "t", "--min-rating", 4)
    call("train", "itemknn", "--data", tmp_path / "today.csv", *columns, "--out", tmp_path / "run")
    known = gr.load(tmp_path / "run").train.to_frame().head(2)[["user_id", "item_id"]].set_axis(["u", "i"], axis=1)
    known.assign(r=1.0, t=99).to_csv(tmp_path / "tomorrow.csv", index=False)
    done = call("update", tmp_path / "run", "--data", tmp_path / "tomorrow.csv")
    assert "has 2 fewer pairs; new people: 0, new things: 0." in done.stdout
