"""The reasons of a blend are those of its members, on the scale on which it adds them up."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.serve.answers import load_answers

HOW = {"epochs": 2, "lr": 0.05, "seed": 0, "progress": False}
LEVEL = "level of an average item"


@pytest.fixture(scope="module")
def table():
    g = np.random.default_rng(7)
    taste = g.random((40, 3)) @ g.random((3, 32)) + 0.4 * g.random((40, 32))
    u, i = np.nonzero(taste > np.quantile(taste, 0.75, axis=1, keepdims=True))
    return gr.Interactions.from_frame(pd.DataFrame({"user_id": u + 100, "item_id": i + 500}))


@pytest.fixture(scope="module")
def fitted(table):
    made = {name: gr.Recommender(name) for name in ("gfcf", "itemknn", "itempop", "lightgcn", "mf", "random")}
    return {n: rec.fit(table, **(HOW if rec.kind.needs_training else {})) for n, rec in made.items()}


def pair(rec, user=103):
    return user, int(rec.recommend(user, k=1)["item_id"].iloc[0])


def level(rec, user):
    """μ and t − μ of a member, from its scores."""
    n = rec.train.n_items
    scores = np.asarray(rec.score([user] * n, rec.train.item_ids), np.float64)
    return scores.mean(), np.sort(scores)[-(n // 4) :].mean() - scores.mean()


@pytest.mark.parametrize(
    "names", [("gfcf", "itemknn"), ("gfcf", "mf"), ("lightgcn", "itempop", "mf"), ("gfcf", "random"), ("gfcf", "gfcf")]
)
def test_parts_add_up_to_the_score(table, fitted, names, tmp_path):
    blend = gr.Blend([fitted[name] for name in names], weights=range(1, len(names) + 1)).fit(table)
    blend.save(tmp_path / "run")
    user, item = pair(blend)
    for again in (blend, copy.deepcopy(blend), pickle.loads(pickle.dumps(blend)), gr.load(tmp_path / "run")):
        why = again.explain(user, item)
        assert why["contribution"].sum() == pytest.approx(float(again.score([user], [item])[0]), abs=2e-5)
        assert not why.duplicated(["item_id", "kind"]).any()
        assert (why["kind"] == LEVEL).sum() == 1


def test_each_part_is_a_members_own_on_the_scale_of_the_blend(table, fitted):
    """By hand: parts over (t − μ), times the weight; and μ over (t − μ) in one row of its own, the same for every item."""
    weights, names = [0.3, 0.7], ("gfcf", "itemknn")
    blend = gr.Blend([fitted[name] for name in names], weights=weights).fit(table)
    user, item = pair(blend)
    why = blend.explain(user, item).set_index("item_id")["contribution"]
    want, away = 0, 0
    for weight, name in zip(weights, names, strict=True):
        mean, reach = level(fitted[name], user)
        want = want + fitted[name].explain(user, item).set_index("item_id")["contribution"] * weight / reach
        away -= weight * mean / reach
    rows = blend.explain(user, item)
    got = rows.dropna(subset="item_id").set_index("item_id")["contribution"]
    pd.testing.assert_series_equal(got.sort_index(), want.sort_index(), check_exact=False, rtol=1e-4, atol=1e-6)
    assert set(rows["kind"]) == {"your item", LEVEL}
    assert rows.loc[rows["kind"] == LEVEL, "contribution"].item() == pytest.approx(away, rel=1e-4)
    other = blend.explain(user, int(table.item_ids[0]))
    assert other.loc[other["kind"] == LEVEL, "contribution"].item() == pytest.approx(away, rel=1e-4)
    assert len(why) == len(got) + 1


def test_reasons_that_all_members_have_stay_above_nothing(table, fitted):
    """What raises a score for each member raises it in the blend: it did not when one item at a time was left out."""
    blend = gr.Blend([fitted["itemknn"], fitted["itempop"]], weights=[0.5, 0.5]).fit(table)
    for user in table.user_ids[:10].tolist():
        item = pair(blend, user)[1]
        alone, why = fitted["itemknn"].explain(user, item), blend.explain(user, item)
        raised = set(alone.loc[alone["contribution"] > 1e-9, "item_id"])
        assert raised == set(why.loc[(why["contribution"] > 1e-9) & (why["kind"] == "your item"), "item_id"])


def test_one_member_that_is_asked_and_blends_of_blends(table, fitted):
    only = gr.Blend([fitted["mf"], fitted["gfcf"]], weights=[0, 1]).fit(table)
    user, item = pair(only)
    pd.testing.assert_frame_equal(only.explain(user, item), fitted["gfcf"].explain(user, item))
    inner = gr.Blend([fitted["gfcf"], fitted["itemknn"]], weights=[1, 1]).fit(table)
    outer = gr.Blend([inner, fitted["itempop"]], weights=[1, 1]).fit(table)
    why = outer.explain(user, item)
    assert why["contribution"].sum() == pytest.approx(float(outer.score(user, item)[0]), abs=2e-5)
    assert set(why["kind"]) == {"your item", "popularity", LEVEL}


def test_a_member_without_reasons_is_one_part_and_all_are_refused(table, fitted):
    blend = gr.Blend([fitted["gfcf"], fitted["random"]], weights=[0.5, 0.5]).fit(table)
    user, item = pair(blend)
    mean, reach = level(fitted["random"], user)
    why = blend.explain(user, item).set_index("kind")["contribution"]
    own = float(fitted["random"].score(user, item)[0])
    assert why["Random, which gives no reasons"] == pytest.approx(0.5 * (own - mean) / reach, rel=1e-4)
    with pytest.raises(InputError, match="Random gives no reasons"):
        gr.Blend([fitted["random"], fitted["random"]], weights=[1, 1]).fit(table).explain(user, item)


@pytest.mark.filterwarnings("ignore:the table has ratings")
def test_each_member_reads_the_table_as_it_does_alone(table):
    """MF left of its own accord without ratings, a member that reads them with them."""
    rows = table.to_frame()[["user_id", "item_id"]]
    rated = gr.Interactions.from_frame(rows.assign(rating=1.0 + np.arange(len(rows)) % 5), rating="rating")
    mf, bias = gr.Recommender("mf").fit(rated, **HOW), gr.Recommender("mf").fit(rated, loss="mse", **HOW)
    blend = gr.Blend([mf, bias], weights=[1, 1]).fit(rated)
    user, item = pair(blend)
    why, want = blend.explain(user, item), 0
    for member in (mf, bias):
        alone = member.explain(user, item).dropna(subset="item_id").set_index("item_id")["contribution"]
        want = want + 0.5 * alone / level(member, user)[1]
    got = why.dropna(subset="item_id").set_index("item_id")["contribution"]
    pd.testing.assert_series_equal(got.sort_index(), want.sort_index(), check_exact=False, rtol=1e-3, atol=1e-6)


def test_a_member_without_a_spread_says_nothing(table):
    flat = gr.Recommender("itempop").fit(table)
    flat.model.counts.fill_(2.0)
    knn = gr.Recommender("itemknn").fit(table)
    blend = gr.Blend([flat, knn], weights=[1, 1]).fit(table)
    user, item = pair(blend)
    why = blend.explain(user, item)
    assert why["contribution"].sum() == pytest.approx(float(blend.score(user, item)[0]), abs=2e-5)
    assert why.loc[why["kind"] == "popularity", "contribution"].item() == 0


def test_reasons_follow_changed_weights_and_the_device(table, device):
    mf = gr.Recommender("lightgcn", dim=8).fit(table, device=device, **HOW)
    blend = gr.Blend([mf, gr.Recommender("itemknn").fit(table)], weights=[0.5, 0.5]).fit(table, device=device)
    user, item = pair(blend)
    before = blend.explain(user, item)
    moved = copy.deepcopy(blend).to("cpu").explain(user, item)
    pd.testing.assert_frame_equal(moved, before, check_exact=False, rtol=1e-3, atol=1e-4)
    with torch.no_grad():
        blend.model.members[0].embedding[: len(table.user_ids) // 2].mul_(-1)
    after = blend.explain(user, item)
    assert after["contribution"].sum() == pytest.approx(float(blend.score(user, item)[0]), abs=2e-5)
    assert abs(after["contribution"].sum() - before["contribution"].sum()) > 1e-3


def test_everything_that_asks_for_reasons_gives_the_same(table, fitted, tmp_path):
    blend = gr.Blend([fitted["gfcf"], fitted["itemknn"]], weights=[0.5, 0.5]).fit(table)
    blend.save(tmp_path / "run")
    user, item = pair(blend)
    why = blend.explain(user, item)
    answers = load_answers(tmp_path / "run", "", None, None, None)
    served = answers.explain(str(user), str(item))["reasons"]
    served.sort(key=lambda one: -one["contribution"])  # there the largest stand first, whatever their sign
    np.testing.assert_allclose([one["contribution"] for one in served], why["contribution"], atol=1e-6)
    assert [one["kind"] for one in served] == why["kind"].tolist()
    first = answers.recommend(str(user), 1, explain=2)["items"][0]
    best = why.dropna(subset="item_id").head(2)
    assert [one["item_id"] for one in first["why"]] == best["item_id"].tolist()
    assert [one["contribution"] for one in first["why"]] == pytest.approx(best["contribution"].tolist(), abs=1e-6)
    told = blend.recommend(user, k=1, explain=2)
    assert told[["reason_1", "reason_2"]].iloc[0].tolist() == best["item_id"].tolist()
    done = CliRunner().invoke(main, ["explain", str(tmp_path / "run"), "--user", str(user), "--item", str(item), "-n", "50"])
    assert done.exit_code == 0, done.output
    assert LEVEL in done.output
    assert f"score {float(blend.score(user, item)[0]):.4g}" in done.output
    assert json.dumps(served)
