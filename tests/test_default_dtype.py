"""torch's default dtype is the caller's: whatever it is, the library computes in single precision, and the same numbers."""

import ast
from pathlib import Path

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.models import MODELS

# Values that are not the defaults, with which further tensors are made.
HYPER = {
    "ease-neighbours": ("ease", {"neighbours": 6}),
    "ease-rank": ("ease", {"rank": 8}),
    "lightgcn-svd": ("lightgcn", {"dim": 8, "init": "svd", "similarity": "cosine", "popularity": 0.1}),
    "mf-bias": ("mf", {"bias": True}),
}
LOSSES = {
    "softmax": {"negatives": "popularity", "n_negatives": 3, "log_q": True},
    "shared_softmax": {"n_negatives": 5},
    "hinge": {},
    "adaptive_hinge": {"n_negatives": 3},
    "warp": {"n_negatives": 3},
    "mse": {},
    "directau": {},
    "bsl": {"n_negatives": 3},
    "ccl": {"n_negatives": 3},
    "shared_bsl": {"n_negatives": 5},
    "bpr": {"optimizer": "row_adagrad", "schedule": "cosine"},
    "multinomial": {},
}


@pytest.fixture(scope="module")
def table():
    g = np.random.default_rng(2)
    users, items = np.nonzero(g.random((40, 30)) < 0.25)
    ratings = g.integers(1, 6, len(users)).astype(float)
    return gr.Interactions.from_indices(users, items, ratings, n_users=40, n_items=30)


def under_another(make):
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        made = make()
        assert torch.get_default_dtype() == torch.float64
        return made
    finally:
        torch.set_default_dtype(before)


def answers(rec, table):
    """All that it is and says."""
    state = {name: tensor.clone() for name, tensor in rec.model.state_dict().items()}
    users = np.unique(table.users)
    lists = rec.recommend(users, k=8)
    said = [lists["score"].to_numpy(), rec.score(users[:5], [0, 1, 2, 3, 4]), lists["item_id"].to_numpy()]
    try:
        said.append(rec.similar_items([0, 1], k=5)["score"].to_numpy())
        said.append(rec.recommend_new([[0, 1], [5]], k=5)["score"].to_numpy())
        why = rec.explain(int(users[0]), 3)["contribution"].to_numpy()
    except gr.errors.InputError:
        why = None
    return state, said, why


def assert_same(a, b):
    assert a[0].keys() == b[0].keys()
    for name, tensor in a[0].items():
        assert tensor.dtype == b[0][name].dtype, name
        assert torch.equal(tensor, b[0][name]), name
    for left, right in zip(a[1], b[1], strict=True):
        assert left.dtype == right.dtype
        assert np.array_equal(left, right)
    assert a[1][0].dtype == np.float32
    assert (a[2] is None and b[2] is None) or np.array_equal(a[2], b[2])


def test_whatever_makes_a_tensor_says_of_which_type():
    """Read in the sources: a path that no test walks must not go by the default either."""
    makers, silent = {"empty", "zeros", "ones", "rand", "randn", "eye", "Linear", "Embedding"}, []
    for path in Path(gr.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            of, name = node.func.value, node.func.attr
            makes = isinstance(of, ast.Name) and of.id in ("torch", "nn") and name in makers
            if makes and not any(keyword.arg == "dtype" for keyword in node.keywords):
                silent.append(f"{path.name}:{node.lineno} {name}")
    assert not silent


@pytest.mark.parametrize("name", sorted([*MODELS, *HYPER]))
def test_a_model_is_the_same_under_another_default(table, name):
    kind, hyper = HYPER.get(name, (name, {}))
    how = {"epochs": 1, "seed": 1, "progress": False} if MODELS[kind].needs_training else {}

    def make():
        return answers(gr.Recommender(kind, **hyper).fit(table, **how), table)

    assert_same(make(), under_another(make))


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_a_loss_is_the_same_under_another_default(table, loss):
    def make():
        rec = gr.Recommender("mf", dim=4).fit(table, epochs=1, seed=1, loss=loss, progress=False, **LOSSES[loss])
        return answers(rec, table)

    assert_same(make(), under_another(make))


@pytest.mark.parametrize("name", ["lightgcn", "ngcf"])
def test_drawn_neighbours_are_the_same_under_another_default(table, name):
    pytest.importorskip("torch_sparse")

    def make():
        rec = gr.Recommender(name, dim=4, layers={"lightgcn": 2, "ngcf": [4, 4]}[name])
        return answers(rec.fit(table, epochs=1, seed=1, fanout=3, progress=False), table)

    assert_same(make(), under_another(make))


def test_what_is_loaded_and_measured_is_the_same_under_another_default(table, tmp_path):
    split = gr.split.random(table, test=0.2, valid=0.1, seed=0)
    gr.Recommender("lightgcn", dim=4).fit(split.train, valid=split.valid, epochs=2, progress=False).save(tmp_path / "run")
    gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, epochs=2, loss="mse", progress=False).save(
        tmp_path / "stars"
    )

    def measured():
        found, stars = gr.load(tmp_path / "run"), gr.load(tmp_path / "stars")
        return (
            gr.evaluate(found, split, k=5).mean,
            gr.evaluate(found, split.test, k=3, negatives=5, seed=0).mean,
            gr.evaluate_ratings(stars, split.test),
        )

    assert measured() == under_another(measured)
    how = {"checkpoint": tmp_path / "c", "progress": False}
    under_another(lambda: gr.Recommender("lightgcn", dim=4).fit(split.train, epochs=1, **how))
    resumed = gr.Recommender("lightgcn", dim=4).fit(split.train, epochs=2, resume=True, **how)
    whole = gr.Recommender("lightgcn", dim=4).fit(split.train, epochs=2, progress=False)
    assert torch.equal(whole.model.embedding, resumed.model.embedding)
