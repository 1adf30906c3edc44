"""Contrastive graph models and SimpleX against dense transcriptions of their papers' equations."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.losses import info_nce
from graphrec.models import MGDCF, NCL, NESCL, SGL, LightGCNLW, SimGCL, SimpleX, Step, XSimGCL
from graphrec.models.parts.k_means import k_means
from graphrec.sampling import PairBatch

PRESETS = [
    n
    for n in gr.presets.preset_names()
    if n.startswith(
        (
            "sgl",
            "simgcl",
            "xsimgcl",
            "ncl",
            "nescl",
            "mgdcf",
            "simplex",
            "directau",
            "ultragcn",
            "mf-",
            "lightgcnpp",
            "lightgcn-sl",
            "lightgcn-bsl",
        )
    )
]


@pytest.fixture(scope="module")
def inter():
    g = np.random.default_rng(0)
    pairs = np.unique(np.stack([g.integers(0, 12, 60), g.integers(0, 9, 60)]), axis=1)
    return gr.Interactions.from_indices(*pairs, n_users=12, n_items=9)


def loop_nce(a, b, tau):
    a, b = (F.normalize(x, dim=1).double() for x in (a, b))
    each = [
        -math.log(math.exp(a[i] @ b[i] / tau) / sum(math.exp(a[i] @ b[j] / tau) for j in range(len(a)))) for i in range(len(a))
    ]
    return sum(each) / len(each)


def step_of(model):
    users, items = torch.tensor([3, 1, 3, 5]), torch.tensor([2, 0, 4, 2])
    return Step(model.encode(), None, PairBatch(users, items), 1)


def contrast(first, second, tau):
    users, items = torch.tensor([1, 3, 5]), torch.tensor([0, 2, 4]) + 12
    return sum(loop_nce(first[i].detach(), second[i].detach(), tau) for i in (users, items))


def test_info_nce_is_the_loop_and_leaves_out_what_does_not_count():
    a, b = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
    assert float(info_nce(a, b, 0.3)) == pytest.approx(loop_nce(a, b, 0.3), rel=1e-5)
    some = torch.tensor([True, False, True, True, False])
    assert float(info_nce(a, b, 0.3, some)) == pytest.approx(loop_nce(a[some], b[some], 0.3), rel=1e-5)


@pytest.mark.parametrize("augmentation", ["edge", "node", "walk"])
def test_sgl_is_the_papers_equations(inter, augmentation):
    model = SGL(inter, dim=8, layers=2, augmentation=augmentation, drop=0.3, weight=0.5)
    value = model.auxiliary(step_of(model))["contrast"]
    whole, means = BipartiteGraph(inter).adjacency("sym").to_dense() > 0, []
    for adjacencies in model._views:
        e = [model.embedding]
        for k in range(2):
            dense = adjacencies[k % len(adjacencies)].to_dense()
            kept = (dense != 0).float()
            degree = kept.sum(1).clamp(min=1)
            assert torch.allclose(dense, kept / torch.sqrt(degree[:, None] * degree))
            assert torch.equal(kept, kept.T)
            assert 0 < kept.sum() < whole.sum()
            e.append(dense @ e[-1])
        means.append(sum(e) / 3)
    assert float(value) == pytest.approx(0.5 * contrast(*means, 0.2), rel=1e-4)
    same = model._views
    model.auxiliary(step_of(model))
    assert model._views is same, "the graphs of an epoch stay"
    assert model.train()._views == []


def test_simgcl_is_the_mean_of_hops_without_ego_and_its_noise_has_one_length(inter):
    model = SimGCL(inter, dim=8, layers=2, noise=0.3, weight=0.5)
    dense = BipartiteGraph(inter).adjacency("sym").to_dense()
    first = dense @ model.embedding
    assert torch.allclose(torch.cat([model.encode().users.full(), model.encode().items.full()]), (first + dense @ first) / 2)
    added = model.passed(0.3).hops[0] - first
    linked = dense.sum(1) > 0
    assert torch.allclose(added[linked].norm(dim=1), torch.tensor(0.3), atol=1e-5)
    assert bool((added * first >= -1e-7).all())
    torch.manual_seed(4)
    value = model.auxiliary(step_of(model))["contrast"]
    torch.manual_seed(4)
    views = [sum(model.passed(0.3).hops) / 2 for _ in range(2)]
    assert float(value) == pytest.approx(0.5 * contrast(*views, 0.2), rel=1e-4)


def test_xsimgcl_compares_the_mean_with_a_layer_of_the_same_pass(inter):
    model = XSimGCL(inter, dim=8, layers=2, weight=0.2)
    torch.manual_seed(4)
    step = step_of(model)
    torch.manual_seed(4)
    hops = model.passed(model.noise).hops
    value = model.auxiliary(step)["contrast"]
    assert float(value) == pytest.approx(0.2 * contrast(sum(hops) / 2, hops[0], 0.2), rel=1e-4)
    assert torch.equal(model.eval().encode().users.full(), model.encode().users.full())


def test_cosines_may_train_and_dot_products_rank(inter):
    fit = {"epochs": 2, "progress": False, "loss": "bsl", "negatives": "in-batch"}
    rec, same = (gr.Recommender("lightgcn", dim=8, similarity="cosine", ranking=r).fit(inter, **fit) for r in ("dot", "same"))
    assert torch.equal(rec.model.embedding, same.model.embedding), "training is the same"
    e, a = rec.model.embedding, BipartiteGraph(inter).adjacency("sym").to_dense()
    z = (e + a @ e + a @ a @ e + a @ a @ a @ e) / 4
    expected = (z[:12] @ z[12:].T).detach().numpy()
    users, items = np.divmod(np.arange(12 * 9), 9)
    assert np.allclose(rec.score(users, items), expected.ravel(), atol=1e-6)
    assert np.abs(same.score(users, items)).max() <= 1 + 1e-6
    with pytest.raises(gr.errors.InputError, match="ranking='same'"):
        gr.models.LightGCN(inter, similarity="cosine", ranking="dot", popularity=0.1)


def test_simgcl_folds_in_and_explains_without_an_ego_row(inter):
    rec = gr.Recommender("simgcl", dim=8).fit(inter, epochs=2, progress=False)
    known = [u for u in range(12) if inter.to_csr()[u].nnz][:4]
    with torch.no_grad():
        rows = rec.model.encode().users.full()[known]
    # A user of the graph who is put in again with the same items has the same edges, and so the same row.
    assert torch.allclose(rec.model.fold_in(inter.to_csr("ones")[known]), rows, atol=1e-5)
    user, item = known[0], int(rec.recommend([known[0]], k=1)["item_id"].iloc[0])
    assert rec.explain(user, item)["contribution"].sum() == pytest.approx(float(rec.score([user], [item])[0]), rel=1e-4)


def among(a, b, which, tau):
    """−log of the softmax of cosines, row by row."""
    a, b = F.normalize(a, dim=1).double(), F.normalize(b, dim=1).double()
    return [-float((a[i] @ b.T / tau).log_softmax(0)[w]) for i, w in enumerate(which)]


def test_k_means_finds_the_clusters_that_are_there():
    g = torch.Generator().manual_seed(3)
    places = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    rows = places.repeat(20, 1) + 0.1 * torch.randn(60, 2, generator=g)
    torch.manual_seed(1)
    centres, kind = k_means(rows, 3)
    assert torch.allclose(centres[kind], places.repeat(20, 1), atol=0.2)
    assert len(k_means(rows, 500)[0]) == 60, "no more clusters than rows"


def test_ncl_is_the_papers_equations(inter):
    model = NCL(inter, dim=8, layers=1, hop=2, clusters=3, warm_up=1, structure=0.5, prototypes=0.25, item_share=1.5)
    dense = BipartiteGraph(inter).adjacency("sym").to_dense()
    e, context = model.embedding, dense @ dense @ model.embedding
    step = step_of(model)
    z = torch.cat([step.encoding.users.full(), step.encoding.items.full()])
    assert torch.allclose(z, (e + dense @ e) / 2, atol=1e-6)
    model.eval()
    assert torch.allclose(model.encode().users.full(), z[:12], atol=1e-6)
    model.train()
    users, items = step.batch.users.tolist(), step.batch.items.tolist()  # a repeated one counts as often as it is there
    total = np.mean(among(context[users], e[:12], users, 0.1))
    total += 1.5 * np.mean(among(context[12:][items], e[12:], items, 0.1))
    first = model.auxiliary(step)
    assert first.keys() == {"structure"}, "no prototypes in the warm-up"
    assert float(first["structure"]) == pytest.approx(0.5 * total, rel=1e-4)
    second = model.auxiliary(step._replace(epoch=2))
    of_users, of_items = model._kinds
    total = np.mean(among(e[users], of_users[0], of_users[1][users].tolist(), 0.1))
    total += 1.5 * np.mean(among(e[12:][items], of_items[0], of_items[1][items].tolist(), 0.1))
    assert float(second["prototypes"]) == pytest.approx(0.25 * total, rel=1e-4)
    same = model._kinds
    model.auxiliary(step._replace(epoch=2))
    assert model._kinds is same, "the clusters of an epoch stay"
    assert model.train()._kinds == []


def test_the_nearest_nodes_are_those_of_the_cosines(inter):
    model = NESCL(inter, dim=8, neighbours=3)
    r = torch.tensor(inter.to_csr().toarray() > 0).double()
    for table, start in ((r, 0), (r.T, 12)):
        cosines = F.normalize(table, dim=1) @ F.normalize(table, dim=1).T
        cosines.fill_diagonal_(0)
        for node, row in enumerate(cosines):
            count = int(model.like.count[start + node])
            there = model.like.nearest[start + node, :count] - start
            if row.max() == 0:
                assert there.tolist() == [node]
            else:
                assert count == min(3, int((row > 0).sum()))
                assert torch.allclose(row[there].sort().values, row.topk(count).values.sort().values)
    torch.manual_seed(0)
    nodes = torch.arange(21).repeat(50)
    drawn = model.like.drawn(nodes).view(50, 21)
    for node in range(21):
        assert set(drawn[:, node].tolist()) == set(model.like.nearest[node, : model.like.count[node]].tolist())


@pytest.mark.parametrize("positives", ["inside", "outside"])
@pytest.mark.parametrize("denominator", ["anchor", "positive"])
def test_nescl_is_the_loop(inter, positives, denominator):
    model = NESCL(inter, dim=8, positives=positives, denominator=denominator, weight=0.5)
    step = step_of(model)
    users, items = step.batch.users.tolist(), (step.batch.items + 12).tolist()
    torch.manual_seed(4)
    value = model.auxiliary(step)["contrast"]
    torch.manual_seed(4)
    anchors = users + items
    drawn = model.like.drawn(torch.tensor(anchors)).tolist()
    first, second = model.view().detach().double(), model.view().detach().double()
    each = []
    for a, paired, like in zip(anchors, items + users, drawn, strict=True):
        ratios = []
        for p in (a, paired, like):
            left, right = (a, p) if denominator == "anchor" else (p, a)
            below = sum(math.exp(first[left] @ second[j] / 0.1) for j in anchors)
            ratios.append(math.exp(first[left] @ second[right] / 0.1) / below)
        each.append(-math.log(sum(ratios) / 3) if positives == "inside" else -sum(math.log(r) for r in ratios) / 3)
    assert float(value) == pytest.approx(0.5 * sum(each) / len(each), rel=1e-4)


def test_mgdcf_is_the_markov_process(inter):
    model = MGDCF(inter, dim=8, layers=3, alpha=0.2, beta=0.7, output_l2=0.5)
    dense = BipartiteGraph(inter).adjacency("sym+self").to_dense()
    h = model.embedding
    for _ in range(3):
        h = 0.7 * dense @ h + 0.2 * model.embedding
    z = h / (0.7**3 + 0.2 * (1 + 0.7 + 0.7**2))
    step = step_of(model)
    assert torch.allclose(torch.cat([step.encoding.users.full(), step.encoding.items.full()]), z, atol=1e-6)
    assert float(model.auxiliary(step)["output_l2"]) == pytest.approx(0.5 * float(z.square().sum()) / 8, rel=1e-5)
    dropping = MGDCF(inter, dim=8, edge_dropout=0.5)
    assert not torch.equal(dropping.encode().users.full(), dropping.encode().users.full())
    dropping.eval()
    assert torch.equal(dropping.encode().users.full(), dropping.encode().users.full())


@pytest.mark.parametrize("weights", ["softmax", "free"])
def test_learnt_weights_of_layers_start_as_lightgcn_and_move(inter, weights):
    rec = gr.Recommender("lightgcnlw", dim=8, layers=2, weights=weights)
    model = LightGCNLW(inter, dim=8, layers=2, weights=weights)
    dense = BipartiteGraph(inter).adjacency("sym").to_dense()
    e = model.embedding
    assert torch.allclose(model.encode().items.full(), ((e + dense @ e + dense @ dense @ e) / 3)[12:], atol=1e-6)
    moved = rec.fit(inter, epochs=3, progress=False).model.hop_weight
    assert moved.std() > 0
    assert "hop_weight" in rec.model.state_dict()


def test_simplex_is_the_papers_equations(inter):
    model = SimpleX(inter, dim=8, gate=0.3)
    r = torch.tensor(inter.to_csr().toarray() > 0).float()
    users, items = model.embedding[:12], model.embedding[12:]
    mean = r @ items / r.sum(1, keepdim=True).clamp(min=1)
    expected = F.normalize(0.3 * users + 0.7 * mean @ model.transform.weight.T, dim=1) @ F.normalize(items, dim=1).T
    z = model.encode()
    assert torch.allclose(z.users.full() @ z.items.full().T, expected, atol=1e-6)
    assert torch.allclose(z.users.rows(torch.tensor([4, 1, 4])) @ z.items.full().T, expected[[4, 1, 4]], atol=1e-6)


def test_simplex_attends_to_what_a_user_has(inter):
    model = SimpleX(inter, dim=8, gate=0.3, pooling="attention")
    users, items = model.embedding[:12], model.embedding[12:]
    keys = torch.tanh(items @ model.key.weight.T + model.key.bias)
    met = torch.tensor(inter.to_csr().toarray() > 0)
    share = (users @ keys.T).masked_fill(~met, -torch.inf).softmax(1).nan_to_num(0.0)
    expected = F.normalize(0.3 * users + 0.7 * share @ items @ model.transform.weight.T, dim=1)
    z = model.encode()
    assert torch.allclose(z.users.full(), expected, atol=1e-6)
    assert torch.allclose(z.users.rows(torch.tensor([4, 1, 4])), expected[[4, 1, 4]], atol=1e-6)
    (grad,) = torch.autograd.grad(z.users.full().sum(), model.embedding, retain_graph=True)
    (wanted,) = torch.autograd.grad(expected.sum(), model.embedding)
    assert torch.allclose(grad, wanted, atol=1e-5)


def test_simplex_drops_of_unit_rows(inter):
    model = SimpleX(inter, dim=8, dropout=0.5)
    some, whole = model.encode().users.full(), model.eval().encode().users.full()
    kept = some != 0
    assert 0.2 < kept.float().mean() < 0.8
    assert torch.allclose(some[kept], 2 * whole[kept])
    rows = model.train().encode().gather(torch.tensor([0, 1]), torch.tensor([2]))
    assert bool((rows.users == 0).any())
    assert torch.equal(rows.ego_users, model.embedding[:2])
    hopping = gr.models.LightGCN(inter, dim=8, similarity="cosine", dropout=0.5)
    rows = hopping.encode().gather(torch.tensor([0, 1]), torch.tensor([2])).users
    assert bool((rows == 0).any())
    assert torch.allclose(rows.norm(dim=1), torch.ones(2)), "before the cosine"


@pytest.mark.parametrize("name", ["sgl", "simgcl", "xsimgcl", "ncl", "nescl"])
def test_whole_users_make_a_batch_too(inter, name):
    rec = gr.Recommender(name, dim=4, **({"warm_up": 0} if name == "ncl" else {}))
    rec.fit(inter, epochs=1, loss="shared_softmax", n_negatives=4, progress=False)
    assert np.isfinite(rec.history["loss"].iloc[0])


RANDOM = {
    "sgl-node": {"augmentation": "node", "drop": 0.3},
    "sgl-walk": {"augmentation": "walk", "drop": 0.3},
    "ncl": {"clusters": 4, "warm_up": 1},
    "nescl": {},
    "xsimgcl": {},
    "simplex": {"pooling": "attention", "dropout": 0.2},
    "mgdcf": {"input_dropout": 0.2, "edge_dropout": 0.2},
}


@pytest.mark.parametrize("name", RANDOM)
def test_resuming_with_random_views_is_bit_equal(inter, name, tmp_path):
    def fit(epochs, **more):
        rec = gr.Recommender(name.split("-")[0], dim=8, **RANDOM[name])
        return rec.fit(inter, epochs=epochs, batch_size=16, seed=2, progress=False, **more).model.embedding

    whole = fit(4)
    fit(2, checkpoint=tmp_path / "c")
    assert torch.equal(whole, fit(4, checkpoint=tmp_path / "c", resume=True))


@pytest.mark.parametrize("name", PRESETS)
def test_the_presets_train(inter, name):
    rec = gr.preset(name, dim=4)
    rec.fit(inter, valid=None, epochs=1, progress=False, patience=None)
    assert np.isfinite(rec.history["loss"].iloc[0])
