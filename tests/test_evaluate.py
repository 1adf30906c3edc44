"""Whole evaluations against loops over sets, and against ranx; the sampled protocol; bad calls."""

import numpy as np
import pytest
import torch
from test_topk import Scores

import graphrec as gr
from graphrec.evaluation.full_ranking import full_ranking
from graphrec.evaluation.sampled import draw_candidates, sampled_ranking
from graphrec.ranking.ranker import Ranker


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.3, seed=1)


@pytest.fixture
def model(interactions):
    return Scores(interactions, np.random.default_rng(2).integers(0, 30, (60, 45)))


def ranking(model, split, user):
    """All items but those in train, best first, ties to the lower index."""
    seen = set(split.train.items[split.train.users == user].tolist())
    row = model.matrix.numpy()[user]
    return sorted((i for i in range(45) if i not in seen), key=lambda i: (-row[i], i))


@pytest.mark.parametrize("budget", [2_000, 100_000, 2**28])
def test_an_evaluation_is_a_loop_over_users(model, split, budget):
    report = full_ranking(
        Ranker(model, split.train),
        split.test,
        metrics=["recall@5", "ndcg@5", "mrr", "auc", "ndcg_hits100@5"],
        budget=budget,
        warn_cold=False,
    )
    rows = report.per_user.set_index("user_id")
    assert set(rows.index) == set(split.test.to_frame()["user_id"])
    for user in np.unique(split.test.users):
        relevant = set(split.test.items[split.test.users == user].tolist())
        ranked = ranking(model, split, user)
        got = rows.loc[user + 100]
        hits = [i in relevant for i in ranked]
        assert got["recall@5"] == pytest.approx(sum(hits[:5]) / len(relevant))
        gains = sum(h / np.log2(j + 2) for j, h in enumerate(hits[:5]))
        assert got["ndcg@5"] == pytest.approx(gains / sum(1 / np.log2(j + 2) for j in range(min(5, len(relevant)))))
        assert got["mrr"] == pytest.approx(1 / (hits.index(True) + 1))
        scores = model.matrix.numpy()[user]
        others = [i for i in ranked if i not in relevant]
        right = [(scores[i] > scores[j]) + 0.5 * (scores[i] == scores[j]) for i in relevant for j in others]
        assert got["auc"] == pytest.approx(np.mean(right))
    assert report.mean["recall@5"] == pytest.approx(rows["recall@5"].mean())


def test_against_torchmetrics(interactions, split):
    """Continuous scores (no ties, where libraries differ), the metrics whose definitions coincide."""
    retrieval = pytest.importorskip("torchmetrics.functional.retrieval")
    model = Scores(interactions, np.random.default_rng(3).random((60, 45)))
    report = full_ranking(Ranker(model, split.train), split.test, k=10, warn_cold=False)
    theirs = {
        "recall@10": lambda p, t: retrieval.retrieval_recall(p, t, top_k=10),
        "ndcg@10": lambda p, t: retrieval.retrieval_normalized_dcg(p, t, top_k=10),
        "precision@10": lambda p, t: retrieval.retrieval_precision(p, t, top_k=10),
        "hit_rate@10": lambda p, t: retrieval.retrieval_hit_rate(p, t, top_k=10),
        "mrr@10": lambda p, t: retrieval.retrieval_reciprocal_rank(p, t, top_k=10),
    }
    rows = report.per_user.set_index("user_id")
    for user in np.unique(split.test.users):
        left = torch.tensor(ranking(model, split, user))
        target = torch.isin(left, torch.tensor(split.test.items[split.test.users == user]))
        for name, theirs_of in theirs.items():
            value = float(theirs_of(model.matrix[user, left], target))
            assert rows.loc[user + 100, name] == pytest.approx(value, abs=1e-6), name


def test_training_pairs_are_masked_however_high_they_score(interactions, split):
    matrix = np.zeros((60, 45))
    matrix[split.train.users, split.train.items] = 1e9
    matrix[split.test.users, split.test.items] = -1.0
    report = full_ranking(Ranker(Scores(interactions, matrix), split.train), split.test, metrics=["recall@1"], warn_cold=False)
    assert report.mean["recall@1"] == 0
    matrix[split.test.users, split.test.items] = 1.0
    report = full_ranking(
        Ranker(Scores(interactions, matrix), split.train), split.test, metrics=["hit_rate@1"], warn_cold=False
    )
    assert report.mean["hit_rate@1"] == 1


def test_intervals_cover_the_mean_and_shrink_with_more_users(model, split):
    report = full_ranking(Ranker(model, split.train), split.test, metrics=["recall@5"], warn_cold=False)
    row = report.interval(seed=1).loc["recall@5"]
    assert row["mean"] == pytest.approx(report.mean["recall@5"])
    assert row["low"] < row["mean"] < row["high"]
    values = report.per_user["recall@5"].to_numpy()
    standard_error = values.std() / np.sqrt(len(values))
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * standard_error, rel=0.15)
    assert report.interval(seed=1).equals(report.interval(seed=1))


def test_a_recommender_of_everything_liked_has_perfect_metrics(checkerboard):
    inter = gr.Interactions.from_frame(checkerboard)
    split = gr.split.stratified(inter, test=0.3, seed=0)
    likes = np.array([[int(str(u)[1:]) % 2 == int(str(i)[1:]) % 2 for i in inter.item_ids] for u in inter.user_ids])
    matrix = likes * 1.0
    matrix[split.test.users, split.test.items] += 1
    report = full_ranking(
        Ranker(Scores(inter, matrix), split.train), split.test, k=3, metrics=["ndcg@3", "mrr", "auc", "map@3"]
    )
    assert list(report.mean.values()) == pytest.approx([1, 1, 1, 1])


def test_cold_users_are_counted_and_told(interactions):
    train = interactions.select(interactions.users >= 2)
    test = interactions.select(interactions.users < 4)
    test = test.select(~train.has_keys(test.keys))
    model = Scores(interactions, np.zeros((60, 45)))
    with pytest.warns(UserWarning, match="2 of 2 test users have nothing in train"):
        assert full_ranking(Ranker(model, train), test, k=5).n_cold == 2


def test_scores_that_are_not_numbers_are_refused(interactions, split):
    model = Scores(interactions, np.full((60, 45), np.nan))
    with pytest.raises(FloatingPointError, match=r"scores that are not finite numbers for .* first user 100"):
        full_ranking(Ranker(model, split.train), split.test, k=5, warn_cold=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 46}, "k must be between 1 and the catalogue's 45 items, got 46"),
        ({"k": 0}, "got 0"),
        ({"metrics": ["ndgc@5"]}, "did you mean 'ndcg'"),
        ({"metrics": ["ndcg@99"]}, "got 99"),
    ],
)
def test_bad_options(model, split, options, message):
    with pytest.raises(ValueError, match=message):
        full_ranking(Ranker(model, split.train), split.test, **options)


# ---- the sampled protocol -------------------------------------------------------------------------


def test_candidates_are_distinct_unmet_and_seeded(split):
    drawn = draw_candidates(split.train, split.test, 20, seed=4)
    assert drawn.shape == (len(split.test), 20)
    for row, user in zip(drawn, split.test.users, strict=True):
        assert len(set(row)) == 20
        known = set(split.train.items[split.train.users == user]) | set(split.test.items[split.test.users == user])
        assert not known & set(row)
    assert np.array_equal(drawn, draw_candidates(split.train, split.test, 20, seed=4))
    assert not np.array_equal(drawn, draw_candidates(split.train, split.test, 20, seed=5))


def test_sampled_metrics_are_the_rank_among_the_kept_candidates(model, split):
    report = sampled_ranking(Ranker(model, split.train), split.test, k=3, negatives=10, seed=0)
    assert list(report.mean) == ["hit_rate@3/10", "ndcg@3/10", "mrr/10"]
    matrix, hits = model.matrix.numpy(), {}
    for row in report.candidates.itertuples():
        user = row.user_id - 100
        own, others = matrix[user, row.item_id - 500], matrix[user, np.asarray(row.negatives) - 500]
        rank = 1 + (others > own).sum() + 0.5 * (others == own).sum()
        hits.setdefault(row.user_id, []).append(rank <= 3)
    want = {user: np.mean(values) for user, values in hits.items()}
    got = report.per_user.set_index("user_id")["hit_rate@3/10"].to_dict()
    assert got == pytest.approx(want)


def test_too_many_negatives_name_the_user(model, split):
    with pytest.raises(ValueError, match=r"user \d+ has only \d+ items .* fewer than negatives=44"):
        sampled_ranking(Ranker(model, split.train), split.test, k=3, negatives=44)
    with pytest.raises(ValueError, match="k=12 and negatives=10"):
        sampled_ranking(Ranker(model, split.train), split.test, k=12, negatives=10)
