"""What holds on every device: equal answers, few waits of the host, random state that is nobody else's."""

import copy
import pickle
import re
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist

import graphrec as gr
from graphrec.devices import random_state, seeded
from graphrec.errors import InputError
from graphrec.graph import products
from graphrec.graph.propagate import propagate, propagate_rows
from graphrec.graph.row_sparse import NodeIndex
from graphrec.models import MODELS, Encoding, Model
from graphrec.models.base import Solved
from graphrec.models.encoding import Table
from graphrec.models.parts import symmetric_inverse
from graphrec.ranking.ranker import Ranker
from graphrec.training import loss_watch
from graphrec.training.feeding import fed

FIT = {"epochs": 2, "batch_size": 64, "seed": 3, "progress": False}
HYPER = {"lightgcn": {"dim": 8, "layers": 3}, "ngcf": {"dim": 8, "layers": [8, 8], "message_dropout": 0.0}, "mf": {"dim": 8}}
HYPER |= {"simgcl": {"dim": 8, "layers": 2}}
TOGETHER = {**HYPER, "neumf": {"dim": 8}}


@pytest.fixture(scope="module")
def split():
    g = np.random.default_rng(4)
    seen = g.random((70, 50)) < 0.2
    seen[np.arange(70), np.arange(70) % 50] = True
    u, i = np.nonzero(seen)
    rows = pd.DataFrame({"user_id": u, "item_id": i, "rating": g.integers(1, 6, len(u)) * 1.0, "time": g.permutation(len(u))})
    return gr.split.chronological(gr.Interactions.from_frame(rows, rating="rating", time="time"), test=0.2, valid=0.2)


class OneHop(Model):
    """README's model of one's own: the adjacency is a plain attribute."""

    def __init__(self, train, dim=8):
        super().__init__(train)
        self.nodes = torch.nn.Parameter(0.1 * torch.randn(self.n_users + self.n_items, dim))
        self.adjacency = gr.BipartiteGraph(train).adjacency("sym")

    def encode(self):
        z = self.nodes + propagate(self.adjacency, self.nodes)
        return Encoding(Table(z[: self.n_users]), Table(z[self.n_users :]))


class Weighed(Model):
    """A tensor that stays where it was made."""

    def __init__(self, train, dim=8):
        super().__init__(train)
        self.nodes = torch.nn.Parameter(0.1 * torch.randn(self.n_users + self.n_items, dim))
        self.weights = torch.rand(self.n_users + self.n_items, 1)

    def encode(self):
        z = self.nodes * self.weights
        return Encoding(Table(z[: self.n_users]), Table(z[self.n_users :]))


def test_a_tensor_that_stays_behind_gets_a_sentence(split, device):
    recommender = gr.Recommender(Weighed)
    if device == "cpu":
        recommender.fit(split.train, device=device, **FIT)
        return
    with pytest.raises(InputError, match=r"two devices meet.*register_buffer"):
        recommender.fit(split.train, device=device, **FIT)
    recommender.fit(split.train, device="cpu", **FIT).to(device)
    with pytest.raises(InputError, match=r"two devices meet.*register_buffer"):
        recommender.recommend(split.train.user_ids[0])


@pytest.mark.parametrize("name", ["mf", "ease"])
def test_the_run_says_where_it_was_fitted(split, device, name, tmp_path):
    options = {"device": "auto", **(FIT if name == "mf" else {})}
    recommender = gr.Recommender(name).fit(split.train, **options)
    where = "cpu" if device == "cpu" and not torch.cuda.is_available() else "cuda:0"
    recommender.save(tmp_path / "run")
    for one in (recommender.to("cpu"), gr.load(tmp_path / "run"), pickle.loads(pickle.dumps(recommender))):
        assert one.fit_device == where


# ---- adjacencies and products ---------------------------------------------------------------------


@pytest.mark.parametrize("normalisation", ["sym", "row"])
def test_an_adjacency_moves_with_its_model(split, device, normalisation):
    model = gr.models.LightGCN(split.train, dim=4, normalisation=normalisation).to(device)
    twin = pickle.loads(pickle.dumps(copy.deepcopy(model)))
    for one in (model, twin):
        assert one._adjacency.device.type == device
        assert one._adjacency.t.device.type == device
        assert not any("adjacency" in name for name in one.state_dict())
    assert torch.equal(model.encode().items.full(), twin.encode().items.full())
    assert model.cpu()._adjacency.device.type == "cpu"


def test_an_adjacency_is_copied_to_a_device_once(split, device):
    adjacency = gr.BipartiteGraph(split.train).adjacency("row")
    assert adjacency.to(device) is adjacency.to(device)
    assert adjacency.to(device).to(device) is adjacency.to(device)


def test_a_model_of_ones_own_that_propagates_works_there(split, device):
    rec = gr.Recommender(OneHop).fit(split.train, valid=split.valid, device=device, **FIT)
    assert rec.model.adjacency.device.type == device
    want = gr.Recommender(OneHop).fit(split.train, valid=split.valid, device="cpu", **FIT)
    pd.testing.assert_frame_equal(rec.recommend([0, 7], k=5), want.recommend([0, 7], k=5), rtol=1e-3)


def test_propagate_brings_the_adjacency_to_its_table(split, device):
    adjacency = gr.BipartiteGraph(split.train).adjacency("row")
    x = torch.randn(adjacency.n_nodes, 3)
    rows = torch.tensor([5, 0, 5, 119])
    there = x.to(device)
    assert torch.allclose(propagate(adjacency, there).cpu(), adjacency.to_dense() @ x, atol=1e-5)
    assert torch.allclose(propagate_rows(adjacency, there, rows.to(device)).cpu(), (adjacency.to_dense() @ x)[rows], atol=1e-5)


def able(adjacency, x):
    return [name for name in products.BACKENDS if products._cannot(name, adjacency, x) is None]


@pytest.mark.parametrize("reach", ["argument", "global", "environment"])
def test_every_back_end_can_be_reached_and_gives_the_same(split, device, reach, monkeypatch):
    adjacency = gr.BipartiteGraph(split.train).adjacency("row").to(device)
    x, g = (torch.randn(adjacency.n_nodes, 5, generator=torch.Generator().manual_seed(s)).to(device) for s in (0, 1))
    names = able(adjacency, x)
    assert {"torch-csr", "edge-index"} <= set(names)
    for name in names:
        called, run = [], products.BACKENDS[name]
        monkeypatch.setitem(products.BACKENDS, name, lambda a, b, run=run, called=called: called.append(1) or run(a, b))
        leaf = x.clone().requires_grad_()
        if reach == "argument":
            y = propagate(adjacency, leaf, backend=name)
            y.backward(g)
        elif reach == "global":
            assert products.use_backend(name) is None
            y = propagate(adjacency, leaf)
            y.backward(g)
            assert products.use_backend(None) == name
        else:
            monkeypatch.setenv("GRAPHREC_SPMM", name)
            y = propagate(adjacency, leaf)
            y.backward(g)
            monkeypatch.delenv("GRAPHREC_SPMM")
        assert len(called) == 2
        dense = adjacency.to_dense()
        assert torch.allclose(y, dense @ x, atol=1e-5)
        assert torch.allclose(leaf.grad, dense.T @ g, atol=1e-5)


def test_a_named_back_end_trains_to_the_same_weights(split, device):
    states = []
    for name in (None, "torch-csr", "edge-index"):
        products.use_backend(name)
        try:
            states.append(
                gr.Recommender("lightgcn", **HYPER["lightgcn"]).fit(split.train, device=device, **FIT).model.embedding
            )
        finally:
            products.use_backend(None)
    for other in states[1:]:
        assert torch.allclose(states[0], other, atol=1e-4)


@pytest.mark.parametrize("name", ["nonsense", "torch-csrs"])
def test_an_unknown_back_end_is_named(split, monkeypatch, name):
    x = torch.zeros(120, 2)
    adjacency = gr.BipartiteGraph(split.train).adjacency()
    with pytest.raises(InputError, match="unknown back end"):
        products.use_backend(name)
    with pytest.raises(InputError, match="unknown back end"):
        propagate(adjacency, x, backend=name)
    monkeypatch.setenv("GRAPHREC_SPMM", name)
    with pytest.raises(InputError, match="GRAPHREC_SPMM"):
        propagate(adjacency, x)


def test_a_back_end_that_cannot_says_why(split):
    adjacency = gr.BipartiteGraph(split.train).adjacency()
    with pytest.raises(InputError, match="'numba' cannot make this product: it takes float32 on the CPU, not float64"):
        propagate(adjacency, torch.zeros(120, 2, dtype=torch.float64), backend="numba")


@pytest.mark.parametrize(
    ("seconds", "want"),
    [({"torch-csr": 1.0, "edge-index": 0.9}, "torch-csr"), ({"torch-csr": 1.0, "edge-index": 0.7}, "edge-index")],
)
def test_another_back_end_is_chosen_where_it_wins_clearly(split, monkeypatch, seconds, want):
    adjacency = gr.BipartiteGraph(split.train).adjacency()
    x = torch.zeros(120, 2)
    monkeypatch.setattr(products, "candidates", lambda adjacency, x: list(seconds))
    monkeypatch.setattr(products, "_seconds", lambda name, adjacency, x: seconds[name])
    assert products._fastest(adjacency, x) == want


def test_a_node_index_off_the_cpu_needs_no_count(split, device):
    nodes = torch.tensor([7, 3, 7, 3, 0], device=device)
    index = NodeIndex(nodes, 9)
    assert torch.equal(index.distinct[index.position], nodes)
    assert index.position[0] == index.position[2]
    assert index.position[1] == index.position[3]


# ---- training -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HYPER)
@pytest.mark.parametrize("loss", ["bpr", "shared_softmax"])
def test_training_ends_where_it_ends_on_the_cpu(split, device, name, loss):
    how = {**FIT, "loss": loss}
    if loss == "shared_softmax":
        how |= {"n_negatives": 12, "batch_size": 16}
    a, b = (gr.Recommender(name, **HYPER[name]).fit(split.train, valid=split.valid, device=d, **how) for d in (device, "cpu"))
    assert np.allclose(a.score([1, 2, 3], [4, 5, 6]), b.score([1, 2, 3], [4, 5, 6]), atol=1e-4)
    assert np.allclose(a.history["loss"], b.history["loss"], rtol=1e-4)
    assert list(a.history) == list(b.history)


@pytest.mark.parametrize(
    ("name", "loss"),
    [("lightgcn", "bpr"), ("mf", "bpr"), ("mf", "shared_softmax"), ("simgcl", "bpr"), ("ngcf", "bpr"), ("neumf", "bce")],
)
def test_the_training_of_several_processes_keeps_to_the_device(split, device, name, loss, tmp_path):
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        how = {**FIT, "loss": loss, "valid": split.valid}
        alone = gr.Recommender(name, **TOGETHER[name]).fit(split.train, device=device, **how)
        group = gr.Recommender(name, **TOGETHER[name])
        group.fit(split.train, device=device, distributed=True, checkpoint=tmp_path, **how)
        state = group.model.state_dict()
        for key, tensor in alone.model.state_dict().items():
            assert state[key].device.type == device
            torch.testing.assert_close(state[key], tensor, atol=1e-5, rtol=1e-5)
        assert group.history["ndcg@20"].tolist() == pytest.approx(alone.history["ndcg@20"].tolist(), abs=1e-6)
        group.fit(split.train, device=device, distributed=True, checkpoint=tmp_path, resume=True, **{**how, "epochs": 3})
        assert len(group.history) == 3
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("name", ["gfcf", "ease", "itemknn"])
def test_filters_of_several_processes_keep_to_the_device(split, device, name):
    alone = gr.Recommender(name).fit(split.train, device=device)
    expected = gr.evaluate(alone, split.valid, k=5, metrics=["ndcg@5", "mrr"]).per_user
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        group = gr.Recommender(name).fit(split.train, device=device, distributed=True).share_ranking()
        for key, tensor in alone.model.state_dict().items():
            found = group.model.state_dict()[key]
            assert found.device.type == device
            assert torch.equal(found, tensor)
        pd.testing.assert_frame_equal(gr.evaluate(group, split.valid, k=5, metrics=["ndcg@5", "mrr"]).per_user, expected)
    finally:
        dist.destroy_process_group()


@pytest.mark.parametrize("bad", [1, 20, 33, 40])
def test_divergence_is_told_with_epoch_and_step(split, device, bad):
    calls = [0]

    def loss(pos, neg):
        calls[0] += 1
        return -(pos[:, None] - neg).mean() * (float("nan") if calls[0] == 45 + bad else 1.0)

    steps = -(-len(split.train) // 11)
    assert steps > 40
    with pytest.raises(
        FloatingPointError, match=f"the loss became nan in epoch {1 + (44 + bad) // steps}, step {(44 + bad) % steps + 1}:"
    ):
        gr.Recommender("mf", dim=4).fit(split.train, loss=loss, device=device, **{**FIT, "batch_size": 11, "epochs": 4})


def test_losses_are_read_every_few_dozen_steps(monkeypatch):
    watch = loss_watch.LossWatch(torch.device("cpu"), 1, 0.1)
    watch._every, reads, read = 32, [], watch._read
    monkeypatch.setattr(watch, "_read", lambda norms: reads.append(watch.steps) or read(norms))
    for value in range(70):
        loss = torch.tensor(float(value))
        watch.add(loss + 1, {"loss": loss, "l2": torch.tensor(1.0)})
    assert reads == [32, 64]
    assert watch.latest == 64.0
    assert watch.close(torch.ones(2, dtype=torch.float64)) == {"loss": 35.5, "l2": 1.0}


@pytest.mark.parametrize("name", [*HYPER, "neumf", "gmf"])
def test_the_host_waits_once_in_32_steps(split, device, name):
    pretend = pytest.importorskip("pretend_gpu") if device == "cuda" else pytest.skip("counted on the pretended device")
    how = {**FIT, "batch_size": 8}

    def waits(epochs):
        with pretend.traffic() as seen:
            gr.Recommender(name, **HYPER.get(name, {})).fit(split.train, device=device, **{**how, "epochs": epochs})
        return seen.waits

    steps = -(-len(split.train) // how["batch_size"])
    assert (waits(5) - waits(2)) / 3 <= steps // 32 + 1


def test_ranking_copies_its_result_once(split, device):
    pretend = pytest.importorskip("pretend_gpu") if device == "cuda" else pytest.skip("counted on the pretended device")
    ranker = gr.Recommender("lightgcn", **HYPER["lightgcn"]).fit(split.train, device=device, **FIT).ranker
    ranker.top_k(np.arange(3), 5)
    with pretend.traffic() as seen:
        ranker.top_k(np.arange(70), 5, budget=20_000)  # many blocks
        ranker.pairs(np.arange(70), np.tile(np.arange(20), (70, 1)))
    assert (seen.to_host, seen.items, seen.implicit) == (4, 0, 0)


@pytest.mark.parametrize("negatives", ["uniform", "own"])
def test_batches_are_the_samplers_own_in_its_order(split, device, negatives):
    class Own:
        def draw(self, users, k, seed):
            return (users[:, None] + np.arange(k)) % split.train.n_items

    def sampler():
        chosen = Own() if negatives == "own" else negatives
        return gr.sampling.PairSampler(split.train, 32, negatives=chosen, generator=torch.Generator().manual_seed(1))

    plain, source = list(sampler()), sampler()
    assert source.can_run_ahead == (negatives == "uniform")
    got = list(fed(source, torch.device(device)))
    assert len(got) == len(plain)
    for a, b in zip(got, plain, strict=True):
        assert torch.equal(a.users.cpu(), b.users)
        assert torch.equal(a.negatives.cpu(), b.negatives)


def test_an_error_of_the_sampler_reaches_the_caller(device):
    class Broken:
        can_run_ahead = True

        def __iter__(self):
            yield torch.zeros(1)
            raise RuntimeError("no more pairs")

    batches = fed(Broken(), torch.device(device))
    next(batches)
    with pytest.raises(RuntimeError, match="no more pairs"):
        next(batches)


# ---- random state ---------------------------------------------------------------------------------


def state(device):
    return torch.get_rng_state() if device == "cpu" else random_state(torch.device(device, 0))


@pytest.mark.parametrize("name", ["ngcf", "multvae", "ease"])
def test_the_callers_random_state_is_left_alone(split, device, name):
    before = state(device)
    gr.Recommender(name, **({} if name == "ease" else {"dim": 8})).fit(
        split.train, device=device, **({} if name == "ease" else FIT)
    )
    assert torch.equal(before, state(device))


def test_a_seed_is_for_one_device(device):
    where, before = torch.device(device, 0) if device == "cuda" else torch.device("cpu"), state(device)
    draws = []
    for _ in range(2):
        with seeded(5, where):
            draws.append(torch.rand(4, device=where))
    assert torch.equal(*draws)
    assert torch.equal(before, state(device))


# ---- ranking --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["lightgcn", "neumf", "ease", "itemknn", "rp3beta", "gfcf", "itempop"])
@pytest.mark.parametrize("budget", [1, 30_000, None])
def test_lists_and_ranks_are_those_of_the_cpu(split, device, name, budget):
    rec = gr.Recommender(name, **HYPER.get(name, {}))
    rec.fit(split.train, device="cpu", **(FIT if rec.kind.needs_training else {}))
    here = Ranker(rec.model, split.train)
    there = Ranker(copy.deepcopy(rec.model).to(device), split.train)
    how = {} if budget is None else {"budget": budget}
    for items in (None, np.arange(3, 40, 2)):
        (a, x), (b, y) = here.top_k(np.arange(70), 8, items), there.top_k(np.arange(70), 8, items, **how)
        assert np.allclose(x, y, rtol=1e-4, atol=1e-5)
        level = np.isclose(x[:, 1:], x[:, :-1], rtol=1e-3).any(1)  # rounding may swap what is nearly equal
        assert np.array_equal(a[~level], b[~level])
        if name == "itempop":
            assert np.array_equal(a, b)
    (ranks, best), (others, lists) = here.ranks_of(split.test, 5), there.ranks_of(split.test, 5, **how)
    if name == "itempop":  # whole numbers, many of them equal
        for field in ("above", "ties", "ties_before"):
            assert np.array_equal(getattr(ranks, field), getattr(others, field))
        assert np.array_equal(best, lists)
    assert np.abs(ranks.above + ranks.ties_before - others.above - others.ties_before).mean() < 0.05
    (a, x), (b, y) = here.similar(np.arange(6), 7), there.similar(np.arange(6), 7)
    assert np.allclose(x, y, rtol=1e-4, atol=1e-5)


def test_ties_go_to_the_lower_index(device):
    class Level(Model):
        def __init__(self, train):
            super().__init__(train)
            self.row = torch.nn.Parameter(torch.tensor([[1.0]]))

        def encode(self):
            return Encoding(Table(self.row.expand(self.n_users, 1)), Table(-0.0 * self.row.expand(self.n_items, 1)))

    table = gr.Interactions.from_indices([0, 1], [2, 0], n_users=2, n_items=6)
    ranker = Ranker(Level(table).to(device), table)
    best, scores = ranker.top_k(np.array([0, 1]), 6)
    assert best.tolist() == [[0, 1, 3, 4, 5, -1], [1, 2, 3, 4, 5, -1]]
    assert (scores[:, -1] == -np.inf).all()
    ranks, _ = ranker.ranks_of(gr.Interactions.from_indices([0, 0, 1], [3, 5, 1], n_users=2, n_items=6))
    assert (ranks.above.tolist(), ranks.ties.tolist(), ranks.ties_before.tolist()) == ([0] * 3, [4] * 3, [2, 4, 0])


@pytest.mark.parametrize("ask", ["top_k", "ranks_of", "pairs", "similar"])
def test_scores_that_are_no_numbers_are_refused(split, device, ask):
    rec = gr.Recommender("mf", dim=4).fit(split.train, device=device, **FIT)
    with torch.no_grad():
        rec.model.items[3] = torch.nan
    ranker = rec.ranker
    calls = {
        "top_k": lambda: ranker.top_k(np.arange(4), 3),
        "ranks_of": lambda: ranker.ranks_of(split.test),
        "pairs": lambda: ranker.pairs(np.arange(4), np.full((4, 1), 3)),
        "similar": lambda: ranker.similar(np.arange(4), 3),
    }
    with pytest.raises(FloatingPointError, match="not finite"):
        calls[ask]()


# ---- doors ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mf", "ease", "rp3beta", "bias"])
def test_a_recommender_is_loaded_on_and_moved_to_a_device(split, device, tmp_path, name):
    rec = gr.Recommender(name).fit(split.train, device=device, **(FIT if name == "mf" else {}))
    want = rec.score([0, 1, 2], [3, 4, 5])
    rec.save(tmp_path)
    assert {t.device.type for t in gr.load(tmp_path).model.state_dict().values()} == {"cpu"}
    there = gr.load(tmp_path, device=device)
    assert {t.device.type for t in there.model.state_dict().values()} == {device}
    for moved in (there, rec.to("cpu"), rec.to(device)):
        assert np.allclose(moved.score([0, 1, 2], [3, 4, 5]), want, rtol=1e-4, atol=1e-5)
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        gr.load(tmp_path, device="gpu")
    with pytest.raises(InputError, match="unknown device 'gpu'"):
        gr.Recommender(name).fit(split.train, device="gpu")


SOLVED = [
    *((name, {}) for name, kind in sorted(MODELS.items()) if issubclass(kind, Solved)),
    ("ease", {"rank": 10}),
    ("ease", {"neighbours": 8}),
    ("turbocf", {"order": 2, "power": 1.0}),
    ("chebycf", {"rank": 0}),
]


@pytest.mark.parametrize(("name", "hyper"), SOLVED)
def test_every_solved_model_answers_there_as_here(split, device, tmp_path, name, hyper):
    here, there = (gr.Recommender(name, **hyper).fit(split.train, device=on) for on in ("cpu", device))
    assert {t.device.type for t in there.model.buffers()} == {device}
    close = {"rtol": 1e-3, "atol": 1e-4}
    pairs = [0, 1, 2, 69], [3, 4, 5, 49]
    np.testing.assert_allclose(there.score(*pairs), here.score(*pairs), **close)
    np.testing.assert_allclose(there.recommend([0, 7], k=5)["score"], here.recommend([0, 7], k=5)["score"], **close)
    there.save(tmp_path)
    np.testing.assert_allclose(gr.load(tmp_path, device=device).score(*pairs), here.score(*pairs), **close)
    for ask in (
        lambda rec: rec.recommend_new([[1, 2, 3]], k=5)["score"],
        lambda rec: rec.similar_items([3], k=5)["score"],
        lambda rec: rec.explain(0, 3)["contribution"],
    ):
        try:
            want = ask(here)
        except InputError as refused:  # a model without people or likeness says the same on every device
            with pytest.raises(InputError, match=re.escape(str(refused))):
                ask(there)
        else:
            np.testing.assert_allclose(ask(there), want, **close)


@pytest.mark.parametrize("block", [512, 16])
def test_ease_is_inverted_on_the_device_in_its_own_memory(split, device, monkeypatch, block):
    monkeypatch.setattr(symmetric_inverse, "_BLOCK", block)
    monkeypatch.setattr(symmetric_inverse, "_PANEL", 20)
    x = torch.randn(90, 60, generator=torch.Generator().manual_seed(0))
    matrix = (x.T @ x + 5 * torch.eye(60)).to(device)
    want = torch.linalg.inv(matrix.cpu())
    place = matrix.data_ptr()
    inverse = symmetric_inverse.invert_in_place(matrix)
    assert (inverse.data_ptr(), inverse.device.type) == (place, device)
    assert torch.allclose(inverse.cpu(), want, rtol=1e-3, atol=1e-5)


# ---- precision ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_precision_rounds_the_table_and_nothing_else(split, device, precision, dtype):
    adjacency = gr.BipartiteGraph(split.train).adjacency("row").to(device)
    x = torch.randn(adjacency.n_nodes, 4, generator=torch.Generator().manual_seed(0)).to(device)
    got = propagate(adjacency.stored_as(dtype), x)
    assert got.dtype == torch.float32
    assert torch.allclose(got, adjacency.to_dense() @ x.to(dtype).float(), atol=2e-2 if torch.version.cuda else 1e-5)
    assert not torch.allclose(got, adjacency.to_dense() @ x, atol=1e-6)
    plain = gr.Recommender("lightgcn", **HYPER["lightgcn"]).fit(split.train, device=device, **FIT)
    half = gr.Recommender("lightgcn", **HYPER["lightgcn"]).fit(split.train, device=device, precision=precision, **FIT)
    assert half.options["precision"] == precision
    a, b = plain.model.embedding, half.model.embedding
    assert b.dtype == torch.float32
    assert not torch.equal(a, b)
    assert torch.allclose(a, b, atol=5e-3)


@pytest.mark.parametrize(
    "model",
    [OneHop, "simgcl", "sgl", "lightgcnpp", "lightgcnlw", "lrgccf", "mgdcf", "dgcf", "gcmc", "pinsage", "ngcf", "simplex"],
)
def test_every_model_that_propagates_reads_precision_and_ranks_without_it(split, device, model):
    plain, half = (gr.Recommender(model, dim=8).fit(split.train, device=device, precision=p, **FIT) for p in (None, "bf16"))
    trained = [[p.detach() for p in found.model.parameters()] for found in (plain, half)]
    assert not all(torch.equal(a, b) for a, b in zip(*trained, strict=True))
    assert all(b.dtype == torch.float32 and torch.allclose(a, b, atol=3e-2) for a, b in zip(*trained, strict=True))
    plain.model.load_state_dict(half.model.state_dict())
    users = np.arange(split.train.n_users)
    items = np.tile(np.arange(split.train.n_items), (len(users), 1))
    assert np.array_equal(*(Ranker(found.model).pairs(users, items) for found in (plain, half)))


@pytest.mark.parametrize(("model", "hyper"), [("mf", {}), ("lightgcn", {"layers": 0}), ("neumf", {})])
def test_precision_is_refused_where_it_means_nothing(split, model, hyper):
    name = {"mf": "MF", "lightgcn": "LightGCN", "neumf": "NeuMF"}[model]
    recommender = gr.Recommender(model, dim=4, **hyper)
    with pytest.raises(InputError, match=f"precision='bf16' is about hops over the graph, and {name} makes none"):
        recommender.fit(split.train, precision="bf16", **FIT)
    assert recommender._state is None


def test_precision_is_a_known_one_and_too_narrow_a_type_is_named(split, device):
    with pytest.raises(FloatingPointError, match="precision='fp16' ends at 65,504, where 'bf16' goes on"):
        gr.Recommender("lightgcn", dim=4, init_std=1e6).fit(split.train, device=device, precision="fp16", **FIT)
    with pytest.raises(InputError, match="unknown value of precision 'int8'"):
        gr.Recommender("lightgcn", dim=4).fit(split.train, precision="int8", **FIT)


# ---- weights, and lists measured beyond accuracy --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *((name, {}) for name in ("itempop", "ease", "slim", "itemknn", "userknn", "rp3beta", "puresvd", "gfcf", "bspm")),
        ("ials", {"epochs": 2, "seed": 3, "progress": False}),
        *(("mf", {**FIT, "loss": loss}) for loss in ("bpr", "softmax", "shared_softmax", "mse")),
        ("multvae", FIT),
    ],
)
def test_weights_make_the_same_difference_on_a_device(split, device, name, options):
    w = np.random.default_rng(0).integers(0, 6, len(split.train)).astype(np.float32)
    table = replace(split.train, weights=w, ratings=split.train.ratings if options.get("loss") == "mse" else None)
    everybody, everything = np.arange(table.n_users), np.tile(np.arange(table.n_items), (table.n_users, 1))
    here, there, plain = (
        gr.Recommender(name).fit(of, device=on, **options).ranker.pairs(everybody, everything)
        for of, on in ((table, "cpu"), (table, device), (replace(table, weights=None), device))
    )
    np.testing.assert_allclose(there, here, rtol=2e-3, atol=2e-4)
    assert np.abs(there - plain).max() > 1e-4


def test_lists_are_measured_alike_on_a_device(split, device):
    rec = gr.Recommender("mf", dim=8).fit(split.train, device="cpu", **FIT)
    for beyond in (True, "embeddings"):
        here = gr.evaluate(rec, split, k=5, beyond=beyond, item_groups="popularity")
        there = gr.evaluate(copy.deepcopy(rec).to(device), split, k=5, beyond=beyond, item_groups="popularity")
        pd.testing.assert_frame_equal(there.per_user, here.per_user, rtol=1e-4)
        pd.testing.assert_frame_equal(there.by_item_group, here.by_item_group)


@pytest.mark.parametrize("name", ["mf", "lightgcn", "puresvd"])
def test_rows_and_an_index_come_from_every_device(split, device, name):
    rec = gr.Recommender(name, **HYPER.get(name, {"rank": 8}))
    rec.fit(split.train, valid=split.valid, device=device, **(FIT if name in HYPER else {}))
    index = rec.to_ann()
    users, items = split.train.user_ids, split.train.item_ids
    made = rec.embeddings()["users"].to_numpy() @ rec.embeddings()["items"].to_numpy().T
    pairs = np.meshgrid(users, items, indexing="ij")
    np.testing.assert_allclose(made.ravel(), rec.score(pairs[0].ravel(), pairs[1].ravel()), rtol=1e-4, atol=1e-5)
    assert gr.ann.recall(index, rec, k=5) > 0.95


# ---- from one device to another -------------------------------------------------------------------


def test_resuming_on_another_kind_of_device_is_told(split, device, tmp_path):
    def fit(where, epochs, **how):
        options = {**FIT, "epochs": epochs, "device": where, "checkpoint": tmp_path}
        return gr.Recommender("mf", dim=4).fit(split.train, **options, **how)

    fit(device, 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit("cpu", 2, resume=True)
    told = [w for w in caught if "written on another kind of device than cpu" in str(w.message)]
    assert len(told) == (device != "cpu")


def test_an_update_trains_where_the_model_is(split, device, tmp_path):
    gr.Recommender("mf", dim=4).fit(split.train, device=device, **FIT).save(tmp_path)
    found = gr.load(tmp_path).update(split.test, epochs=1, progress=False)
    assert found.options["device"] == "cpu"
    there = gr.load(tmp_path, device=device).update(split.test, epochs=1, progress=False)
    assert there.options["device"].startswith(device)
    assert next(there.model.parameters()).device.type == device


@pytest.mark.parametrize("name", ["mf", "lightgcn", "ngcf", "neumf", "multvae", "rp3beta", "gfcf", "bspm", "itemknn", "ials"])
@pytest.mark.parametrize("there", ["cpu", None])
def test_a_default_device_of_the_callers_changes_nothing(split, device, name, there):
    def lists():
        fit = {} if issubclass(MODELS[name], Solved) else {k: v for k, v in FIT.items() if name != "ials" or k != "batch_size"}
        rec = gr.Recommender(name, **HYPER.get(name, {})).fit(split.train, device=torch.device(there or device), **fit)
        old, new = rec.recommend(split.train.user_ids[:5], k=4), rec.recommend_new([split.train.item_ids[:3]], k=3)
        return rec, pd.concat([old, new, rec.similar_items(split.train.item_ids[:2], k=3)])

    _, want = lists()
    torch.set_default_device(device)
    try:
        rec, got = lists()
        assert torch.get_default_device().type == device
    finally:
        torch.set_default_device(None)
    pd.testing.assert_frame_equal(got, want, rtol=1e-4)
    assert {p.device.type for p in rec.model.parameters()} <= {there or device}
