"""Evaluations small enough to be worked out on paper, through ``gr.evaluate`` and the model whose scores one can count."""

import math
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.evaluation.full_ranking import full_ranking
from graphrec.evaluation.sampled import sampled_ranking
from graphrec.ranking.ranker import Ranker

pytestmark = pytest.mark.filterwarnings("ignore:.*nothing in train")


def table(pairs):
    users, items = zip(*pairs, strict=True)
    return gr.Interactions.from_indices(users, items, n_users=5, n_items=6)


# Popularity of the six items: 4, 3, 1, 1, 0, 0.
TRAIN = table([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 3), (2, 0), (2, 1), (3, 0)])
# User 0 has nothing else left; 2 has 2 = 3 > 4 = 5 left; 3 has 1 > 2 = 3 > 4 = 5.
TEST = table([(0, 3), (0, 4), (0, 5), (2, 3), (3, 1), (3, 4)])


@pytest.fixture
def popular():
    return gr.Recommender("itempop").fit(TRAIN)


def by_user(report, metric):
    return report.per_user.set_index("user_id")[metric].to_dict()


@pytest.mark.parametrize(
    ("metric", "values"),
    [
        ("mrr", [1, 1 / 2, 1]),
        # Whoever has nothing left to rank has no pair in the wrong order; ties count half.
        ("auc", [1, 2.5 / 3, 3.5 / 6]),
        ("recall@1", [1 / 3, 0, 1 / 2]),
        ("recall@2", [2 / 3, 1, 1 / 2]),
        ("recall@6", [1, 1, 1]),
        ("recall_capped@1", [1, 0, 1]),
        ("recall_capped@2", [1, 1, 1 / 2]),
        ("precision@2", [1, 1 / 2, 1 / 2]),
        ("precision@6", [1 / 2, 1 / 6, 1 / 3]),
        ("hit_rate@1", [1, 0, 1]),
        ("hit_rate@2", [1, 1, 1]),
        ("mrr@1", [1, 0, 1]),
        ("mrr@2", [1, 1 / 2, 1]),
        ("map@2", [1, 1 / 2, 1 / 2]),
        ("map@4", [1, 1 / 2, (1 + 2 / 4) / 2]),
        ("ndcg@2", [1, 1 / math.log2(3), 1 / (1 + 1 / math.log2(3))]),
        ("ndcg@4", [1, 1 / math.log2(3), (1 + 1 / math.log2(5)) / (1 + 1 / math.log2(3))]),
        ("ndcg_hits@2", [1, 1 / math.log2(3), 1]),
        ("ndcg_hits100@2", [1, 1 / math.log2(3), 1 / (1 + 1 / math.log2(3))]),
    ],
)
def test_values_of_each_user(popular, metric, values):
    assert by_user(gr.evaluate(popular, TEST, metrics=[metric]), metric) == pytest.approx(
        dict(zip([0, 2, 3], values, strict=True))
    )


def test_metrics_keep_their_order_and_may_be_of_both_kinds(popular):
    names = ["auc", "recall@2", "mrr", "recall@1"]
    report = gr.evaluate(popular, TEST, metrics=names)
    assert report.metrics == list(report.mean) == names
    assert list(gr.evaluate(popular, TEST, k=[1, 3]).mean)[5:7] == ["mrr@1", "recall@3"]
    assert report.n_users == 3
    assert report.n_cold == 0
    assert report.mean["recall@2"] == pytest.approx((2 / 3 + 1 + 1 / 2) / 3)


def test_with_the_items_of_training_ranked_too(popular):
    report = gr.evaluate(popular, TEST, metrics=["mrr", "recall@4", "auc"], filter_seen=False)
    assert by_user(report, "mrr") == pytest.approx({0: 1 / 4, 2: 1 / 4, 3: 1 / 2})
    assert by_user(report, "recall@4") == pytest.approx({0: 1 / 3, 2: 1, 3: 1 / 2})
    # User 2: items 0 and 1 are above 3, item 2 is level.
    assert by_user(report, "auc")[2] == pytest.approx(2.5 / 5)


@pytest.mark.parametrize("k", [0, 7])
def test_lists_are_as_long_as_the_catalogue_at_most(popular, k):
    with pytest.raises(gr.errors.InputError, match=f"between 1 and .*6 items, got {k}"):
        gr.evaluate(popular, TEST, k=k)
    assert gr.evaluate(popular, TEST, k=6).mean["recall@6"] == 1


def test_a_report_made_by_hand_counts_nobody_as_cold():
    report = gr.Report(pd.DataFrame({"user_id": ["a", "b"], "x": [0.0, 1.0]}), gr.Protocol("made up", "", ""))
    assert (report.n_cold, report.n_users, report.metrics, report.mean) == (0, 2, ["x"], {"x": 0.5})
    assert str(report).endswith("2 users; 95 % bootstrap intervals. Made up.")


def test_means_of_columns_are_those_of_the_table():
    g = np.random.default_rng(0)
    columns = {"user_id": np.arange(1000), "x": g.random(1000), "y": np.where(g.random(1000) < 0.5, np.nan, g.random(1000))}
    report = gr.Report(columns, gr.Protocol("made up", "", ""))
    means = report.mean
    assert means == {name: report.per_user[name].mean() for name in ("x", "y")} == report.mean
    assert report.per_user is report.per_user
    assert pickle.loads(pickle.dumps(report)).mean == means


def test_people_without_history_are_counted(popular):
    test = table([(0, 3), (2, 3), (4, 1)])
    with pytest.warns(UserWarning, match="1 of 3 test users"):
        report = gr.evaluate(popular, test, k=2)
    assert report.n_cold == 1
    assert "1 of them have nothing in train" in str(report)
    assert "nothing in train" not in str(gr.evaluate(popular, TEST, k=2))


def test_pairs_of_training_are_refused_with_the_first_of_them(popular):
    with pytest.raises(gr.errors.InputError, match=r"1 test pairs are in train .* at row 1: user 1, item 3"):
        gr.evaluate(popular, table([(0, 3), (1, 3), (2, 3)]), k=2)


# ---- among drawn items: where all that is left is drawn, the draw is known --------------------------


@pytest.mark.parametrize(
    ("k", "hit", "gain"),
    [
        # User 2: items 2, 4 and 5 are drawn and 2 is level with 3: rank 1.5. User 3: ranks 1 and 3.5.
        (1, {2: 0, 3: 1 / 2}, {2: 0, 3: 1 / 2}),
        (2, {2: 1, 3: 1 / 2}, {2: 1 / math.log2(2.5), 3: 1 / 2}),
        (4, {2: 1, 3: 1}, {2: 1 / math.log2(2.5), 3: (1 + 1 / math.log2(4.5)) / 2}),
    ],
)
def test_sampled_values_of_each_user(popular, k, hit, gain):
    test = TEST.select(TEST.users > 0)
    report = gr.evaluate(popular, test, k=k, negatives=3)
    assert by_user(report, f"hit_rate@{k}/3") == pytest.approx(hit)
    assert by_user(report, f"ndcg@{k}/3") == pytest.approx(gain)
    assert by_user(report, "mrr/3") == pytest.approx({2: 1 / 1.5, 3: (1 + 1 / 3.5) / 2})
    drawn = {(r.user_id, r.item_id): sorted(r.negatives) for r in report.candidates.itertuples()}
    assert drawn == {(2, 3): [2, 4, 5], (3, 1): [2, 3, 5], (3, 4): [2, 3, 5]}


def test_a_rank_of_exactly_k_is_a_hit(popular):
    test = table([(3, 1)])
    report = gr.evaluate(popular, test, k=1, negatives=1)
    assert report.mean == {"hit_rate@1/1": 1, "ndcg@1/1": 1, "mrr/1": 1}


@pytest.mark.parametrize(("k", "negatives"), [(5, 3), (0, 3), (1, 0)])
def test_sampled_lists_have_room_for_the_test_item_and_those_drawn(popular, k, negatives):
    with pytest.raises(gr.errors.InputError, match=f"k={k} and negatives={negatives}"):
        gr.evaluate(popular, table([(2, 3)]), k=k, negatives=negatives)


def test_more_items_than_are_left_cannot_be_drawn(popular):
    with pytest.raises(gr.errors.InputError, match="user 2 has only 3 items"):
        gr.evaluate(popular, table([(3, 1), (2, 3)]), k=1, negatives=4)


# ---- intervals ---------------------------------------------------------------------------------------


def test_intervals_of_equal_values_have_no_width(popular):
    interval = gr.evaluate(popular, TEST, metrics=["recall@6", "recall@1"]).interval(n_boot=50)
    assert interval.loc["recall@6"].tolist() == pytest.approx([1, 1, 1])
    assert interval.loc["recall@1", "low"] < interval.loc["recall@1", "mean"] < interval.loc["recall@1", "high"]


@pytest.mark.parametrize(("level", "deviations"), [(0.5, 0.6745), (0.9, 1.6449), (0.95, 1.96)])
def test_intervals_have_the_quantiles_of_their_level(level, deviations):
    values = np.random.default_rng(0).random(500)
    report = gr.Report(pd.DataFrame({"user_id": np.arange(500), "x": values}), gr.Protocol("made up", "", ""))
    row = report.interval(level=level, n_boot=4000).loc["x"]
    error = values.std() / np.sqrt(500)
    assert row["mean"] == pytest.approx(values.mean())
    assert row["high"] - row["mean"] == pytest.approx(deviations * error, rel=0.08)
    assert row["mean"] - row["low"] == pytest.approx(deviations * error, rel=0.08)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("test", "warn", "told"), [(TEST, True, 0), ([(4, 0)], True, 1), ([(4, 0)], False, 0)])
def test_people_without_a_history_are_told_once_and_nobody_else(popular, test, warn, told):
    part = test if isinstance(test, gr.Interactions) else table(test)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        full_ranking(Ranker(popular.model, TRAIN), part, metrics=["recall@2"], warn_cold=warn)
    assert sum("nothing in train" in str(one.message) for one in caught) == told


def test_every_item_is_drawn_as_a_negative():
    train, test = table([(0, 1), (1, 1)]), table([(0, 2), (1, 2)])
    rec = gr.Recommender("itempop").fit(table([(0, 1), (1, 1), (2, 0), (3, 0), (4, 0), (2, 2)]))
    # Item 0 is ahead of the test item whenever it is drawn, which 1 of 4 is in a quarter of the cases.
    ranker = rec.ranker.leaving_out(train)
    behind = [sampled_ranking(ranker, test, 1, 1, seed).mean["hit_rate@1/1"] for seed in range(400)]
    assert 0.69 < sum(behind) / len(behind) < 0.81  # four standard deviations of 800 draws
