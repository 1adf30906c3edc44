"""The models of NGCF's table and those after it, against dense transcriptions of their papers' equations."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.models import MODELS
from graphrec.models.base import Step
from graphrec.models.factorisation.ultragcn import UltraGCN
from graphrec.models.parts.item_graph import strongest_items
from graphrec.models.parts.svd_start import singular_vectors
from graphrec.sampling import PairBatch


def tables(encoding):
    return torch.cat([encoding.users.full(), encoding.items.full()])


def dense(inter, name="sym"):
    return gr.BipartiteGraph(inter).adjacency(name).to_dense()


@pytest.mark.parametrize("transform", [False, True])
def test_lrgccf_joins_linear_hops(interactions, transform):
    model = gr.models.LRGCCF(interactions, dim=6, layers=2, transform=transform)
    for w in model.transforms:
        w.data.normal_()
    hops = [model.embedding]
    for k in range(2):
        hops.append(dense(interactions, "sym+self") @ hops[-1] @ (model.transforms[k] if transform else torch.eye(6)))
    assert torch.allclose(tables(model.encode()), torch.cat(hops, 1), atol=1e-5)


def test_lightgcnpp_has_its_own_powers_and_weights(interactions):
    model = gr.models.LightGCNPP(interactions, dim=6, layers=2)
    a = (dense(interactions) > 0).float()
    d = a.sum(1).clamp(min=1)
    e, hops = model.embedding, []
    for _ in range(2):
        e = d[:, None] ** -0.6 * (a @ (d[:, None] ** 0.1 * e / e.norm(dim=1, keepdim=True).clamp(min=1e-12)))
        hops.append(e)
    assert torch.allclose(tables(model.encode()), 0.2 * model.embedding + 0.8 * (hops[0] + hops[1]) / 2, atol=1e-5)


def test_dgcf_routes_edges(interactions):
    model = gr.models.DGCF(interactions, dim=8, intents=2, iterations=2)
    a = (dense(interactions) > 0).float()
    parts = model.embedding.chunk(2, 1)
    logits = [a.clone(), a.clone()]
    for _ in range(2):
        shares = torch.stack(logits).softmax(0) * a
        after = []
        for s, x in zip(shares, parts, strict=True):
            scale = s.sum(1).clamp(min=1e-12).rsqrt()
            after.append((scale[:, None] * s * scale) @ x)
        logits = [
            s + F.normalize(n, dim=1) @ F.normalize(x, dim=1).tanh().T for s, n, x in zip(logits, after, parts, strict=True)
        ]
    assert torch.allclose(tables(model.encode()), model.embedding + torch.cat(after, 1), atol=1e-5)


@pytest.mark.parametrize("accumulate", ["sum", "stack"])
def test_gcmc_has_an_edge_type_a_rating(interactions, accumulate):
    model = gr.models.GCMC(interactions, dim=5, hidden=6, accumulate=accumulate, decoder="bilinear")
    n, m = interactions.n_users, interactions.n_items
    degree = (dense(interactions) > 0).sum(1).clamp(min=1).float()
    parts = []
    for level, table in zip(model.levels, model.tables, strict=True):
        a = torch.zeros(n + m, n + m)
        keep = torch.tensor(interactions.ratings == level.item())
        u, i = torch.tensor(interactions.users)[keep].long(), torch.tensor(interactions.items)[keep].long() + n
        a[u, i] = a[i, u] = 1
        parts.append((a / (degree[:, None] * degree).sqrt()) @ table)
    h = (sum(parts) if accumulate == "sum" else torch.cat(parts, 1)).relu()
    z = model.encode()
    assert torch.allclose(tables(z), h @ model.out.weight.T, atol=1e-5)
    u, v = z.users.full()[:3], z.items.full()[:4]
    logits = torch.stack([u @ q @ v.T for q in model.forms], -1)
    assert torch.allclose(model.score_all(u, v), (logits.softmax(-1) * model.levels).sum(-1), atol=1e-5)
    assert torch.allclose(model.score(u[:, None], v), model.score_all(u, v), atol=1e-5)


def test_gcmc_for_ratings_is_trained_by_a_loss_that_reads_them(interactions):
    rec, fit = gr.Recommender("gcmc", dim=4, hidden=4, decoder="bilinear"), {"epochs": 1, "progress": False}
    words = r"^decoder='bilinear' of gcmc .* loss='bpr' reads none; fit it with loss='mse'"
    with pytest.raises(gr.InputError, match=words):
        rec.fit(interactions, **fit)
    rec.fit(interactions, loss="mse", **fit)
    with pytest.raises(gr.InputError, match=words):
        rec.fit(interactions, warm_start=True, **fit)
    assert rec.fit(interactions, warm_start=True, loss="mse", **fit).history["levels"].notna().all()
    assert rec.scores_are_ratings


def test_pinsage_pools_over_the_most_visited(interactions):
    model = gr.models.PinSage(interactions, dim=6, neighbours=4)
    alpha = model._adjacency.to_dense()
    assert ((alpha > 0).sum(1) <= 4).all()
    assert alpha.diagonal().abs().max() == 0
    met = (dense(interactions) > 0).any(1)
    assert torch.allclose(alpha.sum(1), met.float(), atol=1e-5)
    h = model.embedding
    for q, w in zip(model.messages, model.updates, strict=True):
        h = F.normalize(w(torch.cat([h, alpha @ q(h).relu()], 1)).relu(), dim=1)
    assert torch.allclose(tables(model.encode()), model.head(h), atol=1e-5)
    again = gr.models.PinSage(interactions, dim=6, neighbours=4)
    assert torch.equal(alpha, again._adjacency.to_dense())


def test_pinsage_does_not_hear_all_neighbours_while_it_trains(interactions):
    model = gr.models.PinSage(interactions, dim=6, layers=1, neighbours=4, edge_dropout=0.4)
    alpha = model._adjacency.to_dense()
    heard = model.messages[0](model.embedding).relu()
    want = model.head(model._updated(model.updates[0], model.embedding, alpha @ heard))
    model.eval()
    assert torch.allclose(tables(model.encode()), want, atol=1e-5)
    model.train()
    first, second = (tables(model.encode()) for _ in range(2))
    assert not torch.allclose(first, second)
    thinned = model.graph_dropout(model._adjacency).to_dense()
    assert torch.allclose(thinned[thinned > 0], (alpha / 0.6)[thinned > 0])
    assert 0.25 < (thinned[alpha > 0] == 0).float().mean() < 0.55
    with pytest.raises(gr.InputError, match="edge_dropout leaves out neighbours, and so does fanout"):
        gr.Recommender("pinsage", edge_dropout=0.4).fit(interactions, fanout=[2, 2], epochs=1, progress=False)


def test_cmn_attends_to_the_people_of_an_item(interactions):
    model = gr.models.CMN(interactions, dim=5, hops=2, neighbours=1000)
    z = model.encode()
    users, items = z.users.full(), z.items.full()
    csr = interactions.to_csr("ones").tocsc()
    got = model.score_all(users[:4], items)
    for u in range(4):
        for i in range(interactions.n_items):
            people = torch.tensor(csr[:, i].indices).long()
            people = people[people != u]
            e, query = model.items[i], model.users[u] + model.items[i]
            for hop in range(2):
                p = (model.users[people] @ query).softmax(0)
                o = p @ model.memory[people]
                if hop == 0:
                    query = (model.maps[0](query) + o).relu()
            want = model.out((model.of_product(model.users[u] * e) + model.of_memory(o)).relu())
            assert torch.allclose(got[u, i], want[0], atol=1e-5)


@pytest.mark.parametrize(("name", "table"), [("cmn", "people"), ("nescl", "like.nearest")])
def test_room_is_made_for_the_neighbours_that_there_are(interactions, name, table):
    most = max(interactions.n_users, interactions.n_items)
    all_of_them, more = (MODELS[name](interactions, neighbours=n).get_buffer(table) for n in (most, 10**9))
    assert torch.equal(all_of_them, more)
    if name == "cmn":
        assert more.shape[1] == np.bincount(interactions.items).max()
    few = MODELS[name](interactions, neighbours=2).get_buffer(table)
    assert few.shape == (len(more), 2)


def pair_step(model, users, items, negatives):
    batch = PairBatch(torch.tensor(users), torch.tensor(items), torch.tensor(negatives))
    z = model.encode()
    rows = z.gather(batch.users, torch.cat([batch.items, batch.negatives.reshape(-1)]))
    pos, neg = rows.items[: len(items)], rows.items[len(items) :].view(*batch.negatives.shape, -1)
    of_neg = model.score(rows.users[:, None], neg)  # of negatives that all pairs share, too
    return Step(z, rows, batch, 1, (model.score(rows.users, pos), of_neg))


def test_ultragcn_weighs_its_terms(interactions):
    model = UltraGCN(interactions, dim=6, neighbours=3, init_std=0.5)
    extra = model.auxiliary(pair_step(model, [0, 1], [2, 3], [[4, 5], [6, 7]]))
    indptr, of = interactions.structure
    du, di = np.diff(indptr), np.bincount(of, minlength=interactions.n_items)
    similar, weight = strongest_items(interactions, 3)
    constraint = likes = 0.0
    for u, i, js in ((0, 2, (4, 5)), (1, 3, (6, 7))):
        for j, sign in ((i, -1), (js[0], 1), (js[1], 1)):
            beta = np.sqrt((du[u] + 1) / (di[j] + 1)) / du[u]
            constraint += beta * F.softplus(sign * (model.users[u] @ model.items[j])) / 6
        for j, w in zip(similar[i], weight[i], strict=True):
            likes += 0.5 * float(w) * F.softplus(-model.users[u] @ model.items[j]) / 2
    assert torch.allclose(extra["constraint"], constraint.float(), atol=1e-5)
    assert torch.allclose(extra["item_constraint"], likes.float(), atol=1e-5)


def test_ultragcn_may_weigh_the_mean_of_the_negatives(interactions):
    model = UltraGCN(interactions, dim=6, init_std=0.5, constraint=2.0, negative_weight=300.0, item_constraint=0.0)
    extra = model.auxiliary(pair_step(model, [0, 1], [2, 3], [[4, 5], [6, 7]]))
    indptr, of = interactions.structure
    du, di = np.diff(indptr), np.bincount(of, minlength=interactions.n_items)
    total = 0.0
    for u, i, js in ((0, 2, (4, 5)), (1, 3, (6, 7))):
        for j, sign, weight in ((i, -1, 1), (js[0], 1, 150), (js[1], 1, 150)):
            beta = np.sqrt((du[u] + 1) / (di[j] + 1)) / du[u]
            total += weight * beta * F.softplus(sign * (model.users[u] @ model.items[j]))
    assert torch.allclose(extra["constraint"], total.float(), rtol=1e-5)  # twice, over two pairs


@pytest.mark.parametrize("model", ["ultragcn", "hoprec"])
def test_many_negatives_need_no_row_each(interactions, model, monkeypatch):
    """Where more are drawn than there are items, each is looked up once: losses and weights as they were."""
    how = {"epochs": 2, "n_negatives": 30, "batch_size": 64, "l2": 0.0, "seed": 0, "progress": False}
    once = gr.Recommender(model, dim=6).fit(interactions, **how)
    monkeypatch.setattr("graphrec.training.objectives.Pairwise._may_share", lambda *_: False)
    each = gr.Recommender(model, dim=6).fit(interactions, **how)
    assert np.allclose(once.history["loss"], each.history["loss"], rtol=1e-5)
    assert torch.allclose(once.model.items, each.model.items, atol=1e-4)


def test_the_item_graph_is_the_papers(interactions):
    r = (interactions.to_csr("ones") > 0).astype(float).toarray()
    g = r.T @ r
    total, own = g.sum(1), g.diagonal()
    with np.errstate(all="ignore"):
        omega = np.nan_to_num(g / (total - own)[:, None] * np.sqrt(total[:, None] / total), posinf=0)
    np.fill_diagonal(omega, 0)
    _, weight = strongest_items(interactions, 4)
    assert np.allclose(np.sort(weight, 1), np.sort(omega, 1)[:, -4:], atol=1e-6)


def test_hoprec_walks_along_edges_by_degree(interactions):
    model = gr.models.HOPRec(interactions, dim=6)
    a = dense(interactions) > 0
    node = int(a.sum(1).argmax())
    drawn = torch.bincount(model.walk(torch.full((40_000,), node)), minlength=len(a)) / 40_000
    weight = a[node] * a.sum(1)
    assert (drawn - weight / weight.sum()).abs().max() < 0.02
    assert (drawn[~a[node]] == 0).all()
    assert list(model.auxiliary(pair_step(model, [0, 1], [int(x) for x in interactions.items[:2]], [[4], [6]]))) == [
        "order_2",
        "order_3",
    ]


def test_hoprec_asks_all_negatives_of_a_pair(interactions):
    model, people = gr.models.HOPRec(interactions, dim=6, order=2, init_std=0.5), [0, 1, 2]
    met = [int(interactions.items[interactions.users == u][0]) for u in people]
    model.walk = lambda nodes: nodes  # nobody walks: the item at the end is the observed one
    for negatives, against in (([[4, 5], [6, 7], [8, 9]], [[4, 5], [6, 7], [8, 9]]), ([4, 6], [[4, 6]] * 3)):
        step = pair_step(model, people, met, negatives)
        leads = [
            model.users[u] @ (model.items[i] - model.items[j])
            for u, i, js in zip(people, met, against, strict=True)
            for j in js
        ]
        assert torch.allclose(model.auxiliary(step)["order_2"], F.softplus(-torch.stack(leads)).mean() / 2)


@pytest.mark.parametrize(("name", "users", "items"), [("pinsage", "embedding", "embedding"), ("cmn", "users", "items")])
def test_a_start_from_singular_vectors(interactions, tmp_path, name, users, items):
    start = singular_vectors(interactions, 4, 0.1)
    rec = gr.Recommender(name, dim=4, init="svd").fit(interactions, epochs=1, lr=1e-12, l2=0.0, seed=0, progress=False)
    state, n = rec.model.state_dict(), interactions.n_users
    assert torch.allclose(state[users][:n].abs(), start[:n].abs(), atol=1e-5)
    assert torch.allclose(state[items][-interactions.n_items :].abs(), start[n:].abs(), atol=1e-5)
    if name == "cmn":
        assert torch.allclose(state["of_product.weight"], torch.eye(4), atol=1e-5)
        assert torch.allclose(state["out.weight"], torch.ones(1, 4), atol=1e-5)
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    assert again.hyper["init"] == "svd"
    person = interactions.user_ids[0]
    assert again.recommend(person, k=3).equals(rec.recommend(person, k=3))
    with pytest.raises(gr.errors.InputError, match="init must be 'normal' or 'svd', got 'he'"):
        gr.Recommender(name, init="he").fit(interactions, epochs=1)
