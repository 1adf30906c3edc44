"""Every model after every way of fitting it: what was fitted is what is asked, saved, loaded, copied and shared."""

import copy
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.data.features import Features
from graphrec.errors import InputError
from graphrec.models import MODELS

TRAINED = [*sorted(name for name, kind in MODELS.items() if kind.needs_training), "hybrid"]
SOLVED = sorted(name for name, kind in MODELS.items() if not kind.needs_training)
HYPER = {"lightgcn": {"dim": 8, "layers": 2}, "ngcf": {"dim": 8, "layers": [8]}, "mf": {"dim": 8, "bias": True}}
FIT = {"epochs": 2, "batch_size": 64, "seed": 3, "progress": False}
OWN_BATCHES = {"ials"}  # an epoch is one batch of its own objective
WAYS = [(name, way) for name in TRAINED for way in ("plain", "refit", "warm start", "resumed")]
WAYS += [(name, way) for name in SOLVED for way in ("plain", "refit")]


def frame(people=60, things=40):
    g = np.random.default_rng(5)
    seen = (g.random((people, things)) < 0.2) | (np.arange(people)[:, None] % things == np.arange(things))
    u, i = np.nonzero(seen)
    return pd.DataFrame(
        {"user_id": u, "item_id": i, "rating": g.integers(1, 6, len(u)).astype(float), "time": g.permutation(len(u))}
    )


def table(rows):
    return gr.Interactions.from_frame(rows, rating="rating", time="time")


@pytest.fixture(scope="module")
def split():
    return gr.split.chronological(table(frame()), test=0.2, valid=0.2)


def recommender(name, split, device):
    if name != "hybrid":
        return gr.Recommender(name, **HYPER.get(name, {}))
    n = np.arange(split.train.n_items)
    described = Features.from_frame(pd.DataFrame({"item_id": n, "kind": np.where(n % 2, "a", "b")}), split.train)
    return gr.Recommender(
        "hybrid", base=gr.Recommender("mf", dim=4).fit(split.train, device=device, **FIT), item_features=described
    )


@pytest.fixture(scope="module")
def fitted(split, device, tmp_path_factory):
    """Recommenders by name and way, each fitted once."""
    made = {}

    def fit(name, way):
        if (name, way) not in made:
            rec, how = recommender(name, split, device), {**(FIT if name in TRAINED else {}), "device": device}
            if name in OWN_BATCHES:
                del how["batch_size"]
            if way == "refit":
                rec.fit(split.train, valid=split.valid, refit=True, **how)
            elif way == "resumed":
                folder = tmp_path_factory.mktemp("checkpoint")
                recommender(name, split, device).fit(split.train, valid=split.valid, checkpoint=folder, **{**how, "epochs": 1})
                rec.fit(split.train, valid=split.valid, checkpoint=folder, resume=True, **how)
            else:
                rec.fit(split.train, valid=split.valid, **how)
            if way == "warm start":
                rec.fit(split.valid, warm_start=True, **how)
            made[name, way] = rec
        return made[name, way]

    return fit


def answers(rec, split):
    """What a recommender says, in the caller's ids."""
    users = split.train.user_ids[:20].tolist()
    items = split.train.item_ids[:20].tolist()
    return rec.recommend(users, k=6), rec.similar_items(items[:5], k=4), rec.score(users, items)


def check_same(a, b):
    for one, other in zip(a[:2], b[:2], strict=True):
        pd.testing.assert_frame_equal(one, other, rtol=1e-4, atol=1e-6)
    assert np.allclose(a[2], b[2], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_a_loaded_recommender_is_the_fitted_one(fitted, split, tmp_path, name, way):
    rec = fitted(name, way)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global state must be left alone
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # noqa: NPY002
    check_same(answers(rec, split), answers(again, split))
    again.save(tmp_path / "twice")
    check_same(answers(rec, split), answers(gr.load(tmp_path / "twice"), split))
    assert again.options == rec.options
    assert again.best_epoch == rec.best_epoch
    pd.testing.assert_frame_equal(again.history, rec.history)
    a, b = (gr.evaluate(r, split.test, k=5) for r in (rec, again))
    assert a.protocol == b.protocol
    assert a.mean == pytest.approx(b.mean, abs=1e-6)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_pickles_and_copies_are_the_fitted_one(fitted, split, name, way):
    rec = fitted(name, way)
    want = answers(rec, split)
    check_same(want, answers(pickle.loads(pickle.dumps(rec)), split))
    check_same(want, answers(copy.deepcopy(rec), split))


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_rows_that_are_handed_out_are_those_that_score(fitted, split, name, way):
    rec = fitted(name, way)
    tables = rec.ranker.tables()
    if tables is None:
        assert name in SOLVED
        with pytest.raises(InputError, match=f"{name} has no embeddings"):
            rec.embeddings()
        return
    rows = rec.embeddings()
    users, items = rows["users"], rows["items"]
    assert (list(users.index), list(items.index)) == (list(split.train.user_ids), list(split.train.item_ids))
    if tables.dot_product:
        made = users.to_numpy()[:20] @ items.to_numpy().T
        want = rec.score(np.repeat(users.index[:20], len(items)), np.tile(items.index, 20)).reshape(made.shape)
        np.testing.assert_allclose(made, want, rtol=1e-3, atol=1e-4)
    for again in (pickle.loads(pickle.dumps(rec)), copy.deepcopy(rec)):
        pd.testing.assert_frame_equal(again.embeddings()["users"], users, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "way"), WAYS)
def test_what_was_shown_is_not_recommended_again(fitted, split, name, way):
    shown = pd.concat([split.train.to_frame(), split.valid.to_frame()])
    top = fitted(name, way).recommend(split.train.user_ids, k=8)
    assert top.merge(shown[["user_id", "item_id"]]).empty


@pytest.mark.parametrize("name", [*TRAINED, *SOLVED])
def test_eight_threads_get_the_answers_of_one(fitted, split, name):
    rec = fitted(name, "plain")
    rec.model.train()  # a caller's mode is not the ranking's
    want, threads = answers(rec, split), torch.get_num_threads()
    got, errors = [None] * 8, []

    def ask(place):
        try:
            for _ in range(3):
                got[place] = answers(rec, split)
        except Exception as error:  # told below: an exception in a thread fails no test
            errors.append(error)

    asking = [threading.Thread(target=ask, args=(place,)) for place in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert not errors
    for one in got:
        check_same(want, one)
    assert rec.model.training
    assert torch.get_num_threads() == threads
    rec.model.eval()


IDS = {
    "integers": lambda n: n * 7 - 50,
    "large integers": lambda n: n + 2**60,
    "texts": lambda n: [f"{x:06d}" for x in n],
    "odd texts": lambda n: [f'Zoë, "{x}"\n☃\0{"" if x % 2 else " "}' for x in n],
}


@pytest.mark.parametrize("kind", IDS)
@pytest.mark.parametrize("name", ["lightgcn", "mf", "ease", "itemknn", "multvae"])
def test_ids_keep_their_type(tmp_path, device, kind, name):
    rows = frame()
    n_users, n_items = rows["user_id"].max() + 1, rows["item_id"].max() + 1
    user_ids, item_ids = np.array(IDS[kind](np.arange(n_users))), np.array(IDS[kind](np.arange(n_items)))
    rows = rows.assign(user_id=user_ids[rows["user_id"]], item_id=item_ids[rows["item_id"]])
    rec = gr.Recommender(name, **HYPER.get(name, {})).fit(table(rows), device=device, **(FIT if name in TRAINED else {}))
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    one = user_ids[3].item()
    want = rec.recommend([one], k=5)
    pd.testing.assert_frame_equal(again.recommend([one], k=5), want, rtol=1e-4)
    pd.testing.assert_frame_equal(rec.recommend(one, k=5), want)
    assert set(want["item_id"]) <= set(item_ids.tolist())
    assert type(want["item_id"].iloc[0].item() if kind.endswith("integers") else want["item_id"].iloc[0]) is type(one)


@pytest.mark.parametrize("name", ["mf", "lightgcn", "multvae"])
@pytest.mark.parametrize("way", ["anew", "warm start"])
def test_a_fit_that_fails_leaves_everything_as_it_was(split, device, name, way):
    class Fails:
        def on_epoch_end(self, state):
            if state.epoch == 2:
                raise RuntimeError("no more")

    how = {**FIT, "device": device}
    rec = gr.Recommender(name, **HYPER.get(name, {})).fit(split.train, valid=split.valid, **how)
    want, history = answers(rec, split), rec.history
    with pytest.raises(RuntimeError, match="no more"):
        rec.fit(split.valid, warm_start=way == "warm start", callbacks=[Fails()], **{**how, "epochs": 3})
    check_same(want, answers(rec, split))
    pd.testing.assert_frame_equal(rec.history, history)
    assert rec.train is split.train


def test_parameters_changed_by_hand_are_noticed(fitted, split):
    rec = copy.deepcopy(fitted("lightgcn", "plain"))
    before = answers(rec, split)
    with torch.no_grad():
        rec.model.embedding.mul_(-1.0)
        rec.model.embedding[: rec.model.n_users].mul_(-1.0)
    after = answers(rec, split)
    assert not np.allclose(before[2], after[2])


def test_options_changed_by_hand_are_those_of_the_next_fit(split, tmp_path):
    recommender = gr.Recommender("mf", dim=4).fit(split.train, epochs=1, seed=0, progress=False)
    user = split.train.user_ids[0]
    before = recommender.recommend(user, k=3)
    recommender.hyper["dim"] = 8
    assert "dim=4" in repr(recommender)
    with pytest.raises(InputError, match="hyper was changed"):
        recommender.fit(split.train, epochs=1, progress=False, warm_start=True)
    recommender.save(tmp_path / "run")
    assert gr.load(tmp_path / "run").recommend(user, k=3).equals(before)
    recommender.fit(split.train, epochs=1, progress=False).save(tmp_path / "run")
    assert gr.load(tmp_path / "run").model.users.shape[1] == 8


def test_fits_of_several_threads_are_those_of_one(split, device):
    def fit(_=None):
        return gr.Recommender("ngcf", dim=4, layers=[4]).fit(split.train, device=device, **FIT).recommend(user, k=5)

    user, state = split.train.user_ids[0], torch.get_rng_state()
    alone = fit()
    with ThreadPoolExecutor(4) as pool:
        assert all(one.equals(alone) for one in pool.map(fit, range(4)))
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("as_buffer", [True, False])
def test_a_model_with_a_compressed_sparse_tensor_is_copied(split, device, as_buffer):
    class Hop(gr.models.Model):
        def __init__(self, train, *, dim=4):
            super().__init__(train)
            graph = gr.BipartiteGraph(train).adjacency("sym").to_dense().to_sparse_csr()
            if as_buffer:
                self.register_buffer("hop", graph, persistent=False)
            else:
                self.hop = graph
            self.nodes = gr.models.embedding(self.n_users + self.n_items, dim)

        def encode(self):
            users, items = (self.hop @ self.nodes).split([self.n_users, self.n_items])
            return gr.models.Encoding(gr.models.Table(users), gr.models.Table(items))

    where = device if as_buffer else "cpu"  # a plain attribute does not move with its module
    rec = gr.Recommender(Hop).fit(split.train, device=where, **FIT)
    twin, model = copy.deepcopy(rec), copy.deepcopy(rec.model)
    check_same(answers(rec, split), answers(twin, split))
    assert type(model) is Hop
    assert model.hop is not rec.model.hop
    assert model.hop.values().data_ptr() != rec.model.hop.values().data_ptr()
    check_same(answers(rec, split), answers(rec.to("cpu"), split))
    before = rec.model.nodes.detach().clone()
    twin.fit(split.train, warm_start=True, device=where, **FIT)
    twin.update(split.valid, epochs=1, progress=False)
    assert torch.equal(rec.model.nodes, before.to(rec.model.nodes.device))


def test_a_model_of_another_precision_is_not_saved(split, tmp_path):
    recommender = gr.Recommender("mf", dim=4).fit(split.train, **FIT)
    recommender.save(tmp_path / "run")
    before = (tmp_path / "run" / "run.json").read_bytes()
    recommender.model.double()
    with pytest.raises(InputError, match=r"was changed to torch\.float64 since it was fitted"):
        recommender.save(tmp_path / "run")
    assert (tmp_path / "run" / "run.json").read_bytes() == before


def test_an_option_that_is_put_in_by_hand_is_looked_at(split):
    recommender = gr.Recommender("mf", dim=4)
    recommender.hyper["dimm"] = 8
    with pytest.raises(InputError, match="dimm"):
        recommender.fit(split.train, **FIT)


def test_a_hybrid_says_which_models_it_cannot_build_on(split):
    n = np.arange(split.train.n_items)
    described = Features.from_frame(pd.DataFrame({"item_id": n, "kind": np.where(n % 2, "a", "b")}), split.train)
    ease = gr.Recommender("ease").fit(split.train)
    with pytest.raises(gr.errors.InputError, match="EASE has none to build on"):
        gr.Recommender("hybrid", base=ease, item_features=described).fit(split.train, **FIT)
    popular = gr.Recommender("lightgcn", dim=4, layers=1, similarity="cosine", popularity=0.1).fit(split.train, **FIT)
    with pytest.raises(gr.errors.InputError, match="train it with popularity=0"):
        gr.Recommender("hybrid", base=popular, item_features=described).fit(split.train, **FIT)
