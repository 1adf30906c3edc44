"""What a person disliked is not recommended to them, though nothing is learnt from it and no figure changes by it."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch.distributed as dist
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.own_table import TableOptions
from graphrec.report.names import names_of
from graphrec.runs import split_of
from graphrec.serve.answers import Answers

HOW = {"mf": {"epochs": 2, "batch_size": 32, "seed": 0, "progress": False}}
COLUMNS = ("--user", "who", "--item", "what", "--rating", "stars")


def rated(seed=0, people=range(24), things=range(30)):
    """Twelve ratings a person, a third of them low; ids are texts."""
    g = np.random.default_rng(seed)
    rows = [(f"p{p}", f"{t:03d}", 2 if n % 3 == 0 else 5) for p in people for n, t in enumerate(g.choice(things, 12, False))]
    return pd.DataFrame(rows, columns=["who", "what", "stars"])


def table_of(frame):
    return gr.Interactions.from_frame(frame, "who", "what", "stars")


ALL = table_of(rated())
LOW, HIGH = ALL.select(ALL.ratings < 4), ALL.binarize(4).compact()
SPLIT = gr.split.random(HIGH, test=0.2, valid=0.1, seed=0)


def pairs(table):
    frame = table if isinstance(table, pd.DataFrame) else table.to_frame()
    return set(map(tuple, frame.iloc[:, :2].astype(str).to_numpy()))


def listed(rec, **how):
    return pairs(rec.recommend(rec.train.user_ids, k=rec.train.n_items, cold="popular", **how))


def fitted(name, seen, **more):
    if name == "blend":
        halves = (
            (None, None) if seen is None else (seen.select(np.arange(0, len(seen), 2)), seen.select(np.arange(1, len(seen), 2)))
        )
        members = [fitted(*one) for one in zip(("itemknn", "mf"), halves, strict=True)]
        return gr.Blend(members, weights=[0.5, 0.5]).fit(SPLIT.train, valid=SPLIT.valid, **more)
    return gr.Recommender(name).fit(SPLIT.train, valid=SPLIT.valid, seen=seen, **HOW.get(name, {}), **more)


@pytest.mark.parametrize("name", ["itemknn", "mf", "blend"])
def test_whatever_becomes_of_it_nobody_is_recommended_what_they_disliked(name, tmp_path):
    low, plain = pairs(LOW), fitted(name, None)
    assert listed(plain) & low
    rec = fitted(name, LOW)
    assert listed(rec) == listed(plain) - low
    assert listed(rec, filter_seen=False) & low
    assert rec.trained_on.fingerprint == plain.trained_on.fingerprint
    for k in (5, 20):
        for test in (SPLIT, SPLIT.test):
            with_it, without = (gr.evaluate(one, test, k=k, metrics=[f"ndcg@{k}", "auc"], beyond=True) for one in (rec, plain))
            assert with_it.per_user.equals(without.per_user)
            assert with_it.overall == without.overall
            assert with_it.protocol == without.protocol
    rec.save(tmp_path / "run")
    others = {"loaded": gr.load(tmp_path / "run"), "pickled": pickle.loads(pickle.dumps(rec)), "copied": copy.deepcopy(rec)}
    others |= {"refitted": fitted(name, LOW, refit=True), "moved": copy.copy(rec).to("cpu")}
    if name == "mf":
        others["gone on"] = copy.copy(rec).fit(SPLIT.train, valid=SPLIT.valid, warm_start=True, **HOW["mf"])
        others["gone on"].fit(SPLIT.train, seen=HIGH.select(np.arange(3)), warm_start=True, **HOW["mf"])
    for how, one in others.items():
        assert not listed(one) & low, how
        assert listed(one), how
        one.save(tmp_path / "again")
        assert not listed(gr.load(tmp_path / "again")) & low, how
    for place, member in enumerate(getattr(others["refitted"], "members", [])):
        assert not listed(member) & pairs(LOW.select(np.arange(place, len(LOW), 2)))
    answer = Answers(others["loaded"], names_of(others["loaded"])).recommend("p3", 30)
    assert not {("p3", item["item_id"]) for item in answer["items"]} & low
    assert listed(plain.fit(SPLIT.train, valid=SPLIT.valid, **HOW.get(name, {}))) & low  # a new fit knows what it is given


def test_an_index_of_neighbours_leaves_them_out_too():
    pytest.importorskip("usearch")
    rec = fitted("mf", LOW)
    items, _ = rec.to_ann().top_k(np.arange(rec.train.n_users), 30)
    found = {
        (str(rec.train.user_ids[u]), str(rec.train.item_ids[i])) for u, i in np.argwhere(items >= 0) for i in [items[u, i]]
    }
    assert found
    assert not found & pairs(LOW)


@pytest.mark.parametrize("name", ["itemknn", "mf", "blend"])
def test_an_update_keeps_it_and_brings_more(name):
    rec = fitted(name, LOW)
    more = table_of(rated(1, range(20, 30), range(20, 40)))
    today, low = more.binarize(4).compact(), more.select(more.ratings < 4)
    rec.update(today, seen=low)
    new = pairs(rec.recommend(rec.train.user_ids, k=20))
    assert {who for who, _ in new} >= {"p0", "p29"}
    assert not new & (pairs(LOW) | pairs(low))
    before = rec._state
    rec.update(today, seen=low)
    assert rec._state is before
    rec.update(today, seen=HIGH.select(np.arange(2)))
    assert rec._state is not before
    # what was unknown comes to be known: p40 rated 000 low before anything of theirs was liked
    early = gr.Interactions.from_frame(pd.DataFrame({"who": ["p40"], "what": ["000"]}), "who", "what")
    rec = fitted(name, early)
    rec.update(gr.Interactions.from_frame(pd.DataFrame({"who": ["p40", "p40"], "what": ["001", "002"]}), "who", "what"))
    assert ("p40", "000") not in pairs(rec.recommend("p40", k=30))
    assert len(rec.recommend("p40", k=30)) == rec.train.n_items - 3


def test_it_must_be_a_table_with_ids_of_the_same_type():
    for odd, told in (
        ([1], "seen must be Interactions, not list"),
        (gr.Interactions.from_indices([0], [0]), "user ids of this data are texts, not integers"),
    ):
        with pytest.raises(InputError, match=told):
            gr.Recommender("itemknn").fit(SPLIT.train, seen=odd)
        with pytest.raises(InputError, match=told):
            fitted("itemknn", None).update(SPLIT.valid, seen=odd)
    rec = gr.Recommender("itemknn").fit(SPLIT.train, seen=LOW.select(np.zeros(0, int)))
    assert rec._state.seen is None


def test_a_search_hands_it_to_what_it_finds(tmp_path):
    for _ in range(2):  # the second time it is read
        best = gr.search(
            *(SPLIT.train, SPLIT.valid, "20s"),
            **{"models": ["itempop", "rp3beta"], "out": tmp_path / "s", "seen": LOW, "progress": False, "device": "cpu"},
        )
        assert not listed(best) & pairs(LOW)
    assert not listed(gr.load(tmp_path / "s")) & pairs(LOW)
    best = gr.tune("itemknn", {"neighbours": [5, 9]}, SPLIT.train, SPLIT.valid, "20s", seen=LOW, refit=True, progress=False)
    assert not listed(best) & pairs(LOW)


@pytest.mark.parametrize("name", ["itemknn", "mf"])
def test_several_processes_leave_it_out(name):
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        rec = fitted(name, LOW, distributed=True)
        assert not listed(rec) & pairs(LOW)
        assert not listed(rec.share_ranking()) & pairs(LOW)
    finally:
        dist.destroy_process_group()


# ---- the command line --------------------------------------------------------------------------------


def call(*words, code=0):
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == code, (done.output, done.exception)
    return done


@pytest.fixture
def shop(tmp_path):
    frame = rated()
    frame["stars"] = frame["stars"].astype(object)
    gaps = frame.index[5::12]
    frame.loc[gaps, "stars"] = ""
    frame.to_csv(tmp_path / "t.csv", index=False)
    # p0's first, a low one, again with a high rating: the row that counts is the first, unless --duplicates max
    again = pd.DataFrame({"who": ["p0"], "what": [frame["what"][0]], "stars": [5]})
    pd.concat([frame, again]).to_csv(tmp_path / "again.csv", index=False)
    low, without = frame[frame["stars"] == 2], frame.loc[gaps]
    return tmp_path, pairs(low), pairs(without)


def told_by(run, k=30):
    rec = gr.load(run)
    out = run.parent / "lists.csv"
    call("recommend", run, "--all", "-k", min(k, rec.train.n_items), "--out", out)
    return pairs(pd.read_csv(out, dtype=str))


def test_train_passes_what_it_leaves_out(shop):
    folder, low, without = shop
    rows = ("--data", folder / "t.csv", *COLUMNS, "--missing", "drop")
    done = call("train", "itemknn", *rows, "--min-rating", 4, "--out", folder / "run")
    assert "What is left out is not learnt from, and not recommended to those who have met it." in done.stderr
    assert f"{len(without)} pairs whose rows have gaps (--missing drop) are not learnt from, and not rec" in done.stderr
    lists = told_by(folder / "run")
    assert lists
    assert not lists & (low | without)
    figures = call("evaluate", folder / "run", "--data", folder / "t.csv", "--json").stdout
    rec = gr.load(folder / "run")
    assert len(rec._state.seen) == len(low | without)
    options = TableOptions("who", "what", "stars", missing="drop", min_rating=4)
    split, _, seen = split_of(str(folder / "t.csv"), options)
    assert not pairs(seen) & (pairs(split.test) | pairs(split.train) | pairs(split.valid))
    assert lists >= pairs(split.test)
    rec._state = replace(rec._state, seen=None)
    rec.save(folder / "run")
    assert call("evaluate", folder / "run", "--data", folder / "t.csv", "--json").stdout == figures
    call("train", "itemknn", *rows, "--out", folder / "all")  # gaps alone
    assert not told_by(folder / "all") & without


def test_an_update_says_that_gaps_are_left_out_as_in_training(shop):
    folder, run = shop[0], shop[0] / "run"
    call("train", "itemknn", "--data", folder / "t.csv", *COLUMNS, "--missing", "drop", "--out", run)
    pd.DataFrame({"who": ["0", "new"], "what": ["n1", "n2"], "stars": [5, None]}).to_csv(folder / "more.csv", index=False)
    update, said = ("update", run, "--data", folder / "more.csv"), "1 pairs whose rows have gaps (--missing drop"
    assert f"{said}, as {run} was trained) are not learnt from" in call(*update).stderr
    assert f"{said}) are not learnt from" in call(*update, "--missing", "drop").stderr


@pytest.mark.parametrize("policy", ["first", "max", "keep"])
def test_a_pair_that_counts_after_all_is_trained_on(shop, policy):
    folder, low, _ = shop
    rows = ("--data", folder / "again.csv", *COLUMNS, "--missing", "drop", "--min-rating", 4, "--duplicates", policy)
    call("train", "itemknn", *rows, "--final", "--out", folder / "run")
    rec, pair = gr.load(folder / "run"), next(iter(pairs(pd.read_csv(folder / "again.csv", dtype=str).iloc[-1:])))
    assert pair in low
    assert (pair in pairs(rec._state.seen)) == (policy == "first")
    assert (pair in pairs(rec.trained_on)) == (policy != "first")


def test_update_and_search_pass_it_too(shop):
    folder, low, without = shop
    rows = ("--data", folder / "t.csv", *COLUMNS, "--missing", "drop", "--min-rating", 4)
    call("train", "mf", *rows, "--out", folder / "run", "--set", "epochs=1", "--set", "progress=false")
    more = rated(1, range(20, 30), range(20, 40))
    more.to_csv(folder / "more.csv", index=False)
    call("update", folder / "run", "--data", folder / "more.csv")
    lists = told_by(folder / "run", 40)
    assert {who for who, _ in lists} >= {"p0", "p29"}
    assert not lists & (low | without | pairs(more[more["stars"] == 2]))
    call("search", *rows, "--out", folder / "found", "--budget", "20s", "--model", "itempop", "--device", "cpu")
    assert not told_by(folder / "found") & (low | without)


def test_ids_that_are_texts_only_where_something_is_missing(tmp_path):
    """The ids of the rows that count are numbers, and one of those left out is not."""
    rows = [(p, t, 5) for p in range(9) for t in range(p, p + 8)]
    frame = pd.DataFrame([*rows, ("old", 3, None), (1, 0, None)], columns=["who", "what", "stars"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    call("train", "itempop", "--data", tmp_path / "t.csv", *COLUMNS, "--missing", "drop", "--out", tmp_path / "run")
    assert ("1", "0") not in told_by(tmp_path / "run")


# ---- who and what are not in the table that is learnt from ------------------------------------------------------------

LIKED = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "z"), ("c", "z"), ("c", "w")]


def likes(rows):
    return gr.Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))


@pytest.mark.parametrize("rows", [[("hater", "x")], [("a", "elsewhere")], [("hater", "elsewhere")]])
def test_pairs_that_have_no_place_in_the_table_do_nothing_yet(rows, tmp_path):
    rec = gr.Recommender("itemknn").fit(likes(LIKED), seen=likes(rows))
    plain = gr.Recommender("itemknn").fit(likes(LIKED))
    assert rec.recommend("a", k=2).equals(plain.recommend("a", k=2))
    rec.save(tmp_path / "run")
    assert gr.load(tmp_path / "run").recommend("a", k=2).equals(plain.recommend("a", k=2))
    rec.update(likes([("hater", "w"), ("a", "elsewhere")]))
    assert not pairs(rows and likes(rows)) & listed(rec)


def test_somebody_who_has_only_disliked_gets_the_common_list_without_that(tmp_path):
    rec = gr.Recommender("itemknn").fit(likes(LIKED), seen=likes([("hater", "x"), ("hater", "z")]))
    rec.save(tmp_path / "run")
    for one in (rec, gr.load(tmp_path / "run")):
        lists = one.recommend(["hater", "nobody"], k=4, cold="popular")
        assert set(lists.loc[lists["user_id"] == "hater", "item_id"]) == {"w", "y"}
        assert set(lists.loc[lists["user_id"] == "nobody", "item_id"]) == {"w", "x", "y", "z"}
        every = one.recommend("hater", k=4, cold="popular", filter_seen=False)
        assert set(every["item_id"]) == {"w", "x", "y", "z"}


@pytest.mark.parametrize("name", ["itemknn", "mf", "blend"])
def test_a_liking_that_is_taken_back_is_not_learnt_from_any_more(name):
    train = likes(LIKED)
    if name == "blend":
        members = [gr.Recommender(one).fit(train, **HOW.get(one, {})) for one in ("itemknn", "mf")]
        rec = gr.Blend(members, weights=[0.5, 0.5]).fit(train)
    else:
        rec = gr.Recommender(name).fit(train, **HOW.get(name, {}))
    with pytest.warns(UserWarning, match="1 pairs that were learnt from are in seen now"):
        rec.update(likes([("d", "z")]), seen=likes([("a", "x")]))
    assert ("a", "x") not in pairs(rec.train) | listed(rec)
    # what is solved again has not met it; trained weights have learnt it, and no figure may come from it
    assert (("a", "x") in pairs(rec.trained_on)) == (name != "itemknn")
    rec.update(likes([("a", "x")]), seen=likes([("a", "x")]))  # and liked again
    assert ("a", "x") in pairs(rec.trained_on)
    if name == "itemknn":
        again = gr.Recommender(name).fit(likes([*LIKED[1:], ("d", "z"), ("a", "x")]))
        assert listed(rec) == listed(again)


@pytest.mark.parametrize("name", ["itemknn", "mf"])
def test_an_update_may_have_nothing_but_what_was_seen(name):
    rec = gr.Recommender(name).fit(likes(LIKED), **HOW.get(name, {}))
    before = rec.model
    rec.update(None, seen=likes([("a", "z")]))
    assert rec.model is before
    assert ("a", "z") not in listed(rec)
    with pytest.raises(InputError, match="update takes Interactions, not NoneType"):
        rec.update(None)
    with pytest.raises(InputError, match="takes all pairs away"):
        rec.update(None, seen=likes(LIKED))


def test_a_table_of_nothing_but_dislikes_is_taken_in_by_the_command(shop):
    folder, _, _ = shop
    (folder / "low.csv").write_text("who,what,stars\np0,new,1\np1,000,\n")
    rows = ("--data", folder / "t.csv", *COLUMNS, "--missing", "drop", "--min-rating", 4)
    call("train", "itemknn", *rows, "--final", "--out", folder / "run")
    said = call("update", folder / "run", "--data", folder / "low.csv")
    assert "Nothing is learnt from it" in said.stderr
    assert {("p0", "new"), ("p1", "000")} <= pairs(gr.load(folder / "run")._fitted.seen)


def test_the_run_of_a_search_that_is_over_knows_what_is_seen_now(tmp_path):
    how = {"models": ["itemknn"], "out": tmp_path / "so", "progress": False, "budget": 5}
    gr.search(SPLIT.train, SPLIT.valid, **how)
    gr.search(SPLIT.train, SPLIT.valid, seen=LOW, **how)
    assert not listed(gr.load(tmp_path / "so")) & pairs(LOW)
