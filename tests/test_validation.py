"""Metrics by name on validation: mixtures, the sampled protocol, and the validation loss."""

import numpy as np
import pytest

import graphrec as gr
from graphrec.evaluation import evaluator
from graphrec.evaluation.evaluator import Evaluator
from graphrec.evaluation.sampled import sampled_ranking
from graphrec.ranking.ranker import Ranker

HOW = {"epochs": 3, "batch_size": 64, "lr": 0.01, "seed": 1, "progress": False}


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


def test_the_first_of_several_metrics_selects_and_all_are_recorded(split):
    metrics = ["recall@5", "hit_rate@3/10", "mrr/10", "rmse", "auc"]
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, metric=metrics, **{**HOW, "epochs": 8})
    assert set(metrics) <= set(rec.history.columns)
    assert rec.best_epoch == rec.history["recall@5"].idxmax() + 1
    by_error = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, metric=["mse", "recall@5"], **HOW)
    assert by_error.best_epoch == by_error.history["mse"].idxmin() + 1
    assert np.allclose(by_error.history["mse"], rec.history["rmse"][:3] ** 2)


def test_the_sampled_protocol_selects_with_the_same_items_at_each_look(split):
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, metric="ndcg@3/10", **HOW)
    assert rec.best_epoch == rec.history["ndcg@3/10"].idxmax() + 1
    want = sampled_ranking(Ranker(rec.model, split.train), split.valid, 3, 10, seed=0).mean["ndcg@3/10"]
    assert rec.history["ndcg@3/10"].max() == pytest.approx(want)


def test_validation_loss_stands_beside_the_training_loss_of_mse(split):
    history = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, loss="mse", metric="rmse", **HOW).history
    assert np.allclose(history["valid_loss"], history["rmse"] ** 2)
    assert "mse" not in history
    ranking = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, metric="ndcg@5", **HOW).history
    assert "valid_loss" not in ranking


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("recal@5", "did you mean 'recall'"),
        ("recall@5/10", "none of the sampled protocol"),
        ("ndcg@5/x", "none of the sampled protocol"),
        ([], "metric must be a name or a list of names"),
        (["auc", 3], "metric must be a name or a list of names"),
    ],
)
def test_unknown_metrics_are_refused_before_training(split, metric, words):
    class Never:
        def on_train_begin(self, state):
            raise AssertionError("training began")

    with pytest.raises(gr.errors.InputError, match=words):
        gr.Recommender("mf").fit(split.train, valid=split.valid, metric=metric, callbacks=[Never()], **HOW)


def test_errors_of_ratings_are_those_of_the_evaluation(split):
    rec = gr.Recommender("bias").fit(split.train)
    want = gr.evaluate_ratings(rec, split.valid)
    assert Evaluator(["mae", "mse", "rmse"], split.train)(rec.model, split.valid) == want | {}
    assert want["mse"] == pytest.approx(want["rmse"] ** 2)


def test_items_of_training_can_be_ranked_too(split):
    rec = gr.Recommender("itempop").fit(split.train)
    got = gr.evaluate(rec, split.test, metrics=["precision@3", "auc"], filter_seen=False)
    assert "those in training as well" in got.protocol.ranked
    order = np.argsort(-np.bincount(split.train.items, minlength=45), kind="stable")[:3]
    user = split.test.users[0]
    mine = split.test.items[split.test.users == user]
    row = got.per_user[got.per_user["user_id"] == split.test.user_ids[user]]
    assert row["precision@3"].item() == pytest.approx(np.isin(order, mine).sum() / 3)
    assert got.mean["auc"] != gr.evaluate(rec, split.test, metrics=["auc"]).mean["auc"]
    with pytest.raises(gr.errors.InputError, match="not for the sampled protocol"):
        gr.evaluate(rec, split.test, k=5, negatives=10, filter_seen=False)


def test_a_group_of_processes_ranks_together(split, monkeypatch):
    asked = []
    monkeypatch.setattr(evaluator, "SharedRanker", lambda model, seen, group: asked.append(group) or Ranker(model, seen))
    model = gr.Recommender("itempop").fit(split.train).model
    alone, together = (Evaluator(["ndcg@5"], split.train, group=group)(model, split.valid) for group in (None, "group"))
    assert asked == ["group"]
    assert alone == together


@pytest.mark.parametrize(("metric", "sizes"), [("hit_rate@10/100", (10, 100)), ("ndcg@7/20", (7, 20)), ("mrr/50", (1, 50))])
def test_a_sampled_metric_names_its_list_and_its_draws(split, monkeypatch, metric, sizes):
    asked = []
    usual = evaluator.sampled_ranking
    monkeypatch.setattr(evaluator, "sampled_ranking", lambda *given: asked.append(given[2:4]) or usual(*given))
    few = metric.split("/")[0] + "/12"
    model = gr.Recommender("itempop").fit(split.train).model
    assert few in Evaluator([few], split.train)(model, split.valid)
    assert asked == [(sizes[0], 12)]
    assert evaluator._sizes(metric) == sizes
