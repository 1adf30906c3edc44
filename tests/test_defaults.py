"""What is done when an option is not given: the same as with the value that the documentation names."""

import inspect

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec import losses

PAIRS = (torch.tensor([0.4, -0.2, 0.9]), torch.tensor([[0.5, 1.3], [-0.4, 0.95], [0.2, 0.1]]))
ROWS = (torch.tensor([[1.0, 0.2], [0.1, -1.0], [0.5, 0.5]]), torch.tensor([[0.3, 0.4], [1.0, 1.0], [-1.0, 0.1]]))
SHARED = (PAIRS[0], torch.tensor([0, 0, 1]), PAIRS[1][:2])


@pytest.mark.parametrize(
    ("name", "scores", "options"),
    [
        ("hinge", PAIRS, {"margin": 1.0}),
        ("adaptive_hinge", PAIRS, {"margin": 1.0}),
        ("warp", PAIRS, {"margin": 1.0, "n_items": 3}),
        ("softmax", PAIRS, {"temperature": 1.0}),
        ("bsl", PAIRS, {"temperature": 0.1, "negative_temperature": 0.1, "power": 1.0}),
        ("ccl", PAIRS, {"margin": 0.9, "weight": 10.0}),
        ("shared_softmax", SHARED, {"temperature": 1.0}),
        ("shared_bsl", SHARED, {"temperature": 0.1, "negative_temperature": 0.1, "power": 1.0}),
        ("directau", ROWS, {"gamma": 1.0}),
        ("mawu", ROWS, {"user_margin": 0.0, "item_margin": 0.0, "gamma_user": 1.0, "gamma_item": 1.0}),
    ],
)
def test_losses(name, scores, options):
    loss = getattr(losses, name)
    value = float(loss(*scores))
    assert value == pytest.approx(float(loss(*scores, **options)), rel=1e-6)
    # Each of the values matters, so that another default would be noticed above.
    for option, given in options.items():
        assert value != pytest.approx(float(loss(*scores, **{**options, option: given + 1})), rel=1e-3), option


def test_uniformity_is_of_gaussian_kernels_of_width_two():
    rows = torch.nn.functional.normalize(ROWS[0], dim=1)
    pairs = [torch.exp(-2 * (rows[a] - rows[b]).square().sum()) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert float(losses.uniformity(rows)) == pytest.approx(float(torch.stack(pairs).mean().log()), rel=1e-5)


@pytest.mark.parametrize(
    ("way", "options"),
    [
        ("chronological", {"test": 0.2, "valid": 0.0}),
        ("stratified", {"test": 0.2, "valid": 0.0, "seed": 0}),
        ("random", {"test": 0.2, "valid": 0.0, "seed": 0}),
        ("n_per_user", {"test": 10, "valid": 0}),
        ("leave_one_out", {"valid": False}),
        ("global_time", {"test": 0.2, "valid": 0.1}),
    ],
)
def test_splits(interactions, way, options):
    g = np.random.default_rng(0)
    # 15 rows each, so that n_per_user finds ten, at distinct times.
    table = gr.Interactions.from_indices(
        np.repeat(np.arange(20), 15), np.concatenate([g.permutation(40)[:15] for _ in range(20)]), times=g.permutation(300)
    )
    got, want = getattr(gr.split, way)(table), getattr(gr.split, way)(table, **options)
    assert np.array_equal(got.train.keys, want.train.keys)
    assert np.array_equal(got.test.keys, want.test.keys)
    assert (got.valid is None) == (want.valid is None)
    assert got.valid is None or np.array_equal(got.valid.keys, want.valid.keys)


def test_folds(interactions):
    default, five = list(gr.split.k_fold(interactions)), list(gr.split.k_fold(interactions, folds=5, seed=0))
    assert len(default) == 5
    assert all(np.array_equal(a.test.keys, b.test.keys) for a, b in zip(default, five, strict=True))


def test_ngcf_is_the_official_one(interactions):
    model = gr.models.NGCF(interactions)
    assert model.embedding.shape == (interactions.n_users + interactions.n_items, 64)
    assert [tuple(t.sum.weight.shape) for t in model.transforms] == [(64, 64)] * 3
    assert {t.slope for t in model.transforms} == {0.2}
    assert (model.message_dropout.p, model.graph_dropout.p) == (0.1, 0.0)
    assert model.defaults == {"loss": "bpr", "batch_size": 1024, "lr": 1e-3, "l2": 1e-5}
    assert torch.equal(gr.BipartiteGraph(interactions).adjacency("ngcf").to_dense(), model._adjacency.to_dense()), (
        "the official normalisation"
    )


def test_slope_of_a_transform():
    from graphrec.graph.transform import NGCFTransform

    assert NGCFTransform(3, 2).slope == 0.2


def test_evaluation(interactions):
    split = gr.split.random(interactions, test=0.2, seed=1)
    rec = gr.Recommender("itempop").fit(split.train)
    report = gr.evaluate(rec, split.test)
    names = ["recall", "ndcg", "precision", "hit_rate", "map", "mrr"]
    assert list(report.mean) == [f"{name}@20" for name in names]
    assert report.interval().equals(report.interval(level=0.95, n_boot=1000, seed=0))
    assert not report.interval().equals(report.interval(n_boot=1001))
    sampled = gr.evaluate(rec, split.test, k=5, negatives=9)
    assert sampled.mean == gr.evaluate(rec, split.test, k=5, negatives=9, seed=0).mean
    assert sampled.mean != gr.evaluate(rec, split.test, k=5, negatives=9, seed=1).mean


def test_comparison(interactions):
    split = gr.split.random(interactions, test=0.2, seed=1)
    reports = {
        name: gr.evaluate(gr.Recommender(name).fit(split.train), split.test, k=3) for name in ("itempop", "itemknn", "ease")
    }
    table = gr.compare(reports)
    assert table.equals(gr.compare(reports, baseline="ease", n_permutations=10_000, seed=0))
    assert not table["p"].equals(gr.compare(reports, seed=1)["p"])
    assert inspect.signature(gr.compare).parameters["n_permutations"].default == 10_000
