"""Training over drawn neighbours: estimates of one hop and of many, and everything a training promises besides."""

import warnings

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.graph import neighbours as drawing
from graphrec.graph.neighbours import ALL, Neighbours
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions
from graphrec.training.sampled import SampledBatches

pytest.importorskip("torch_sparse", reason="PyG's loader draws with torch-sparse or pyg-lib")

FIT = {"epochs": 3, "batch_size": 64, "seed": 3, "lr": 1e-2, "progress": False}
MODELS = {
    "lightgcn": {"dim": 8, "layers": 3},
    "lightgcn, cosine": {"dim": 8, "layers": 2, "similarity": "cosine"},
    "lightgcn, self-loops": {"dim": 8, "layers": 2, "normalisation": "sym+self"},
    "lightgcnlw": {"dim": 8, "layers": 2},
    "lightgcnpp": {"dim": 8, "layers": 2},
    "lrgccf": {"dim": 8, "layers": 2, "transform": True},
    "ngcf": {"dim": 8, "layers": [8, 6], "message_dropout": 0.0},
    "pinsage": {"dim": 8, "layers": 2, "neighbours": 5},
}


@pytest.fixture(scope="module")
def split():
    g = np.random.default_rng(4)
    seen = g.random((70, 50)) < g.random(50) ** 2
    seen[np.arange(70), np.arange(70) % 50] = True
    users, items = np.nonzero(seen)
    return gr.split.random(gr.Interactions.from_indices(users, items, n_users=72, n_items=52), test=0.1, valid=0.2, seed=0)


def made(case, train, **more):
    name = case.split(",")[0]
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return gr.models.MODELS[name](train, **{**MODELS[case], **more})


def fitted(split, device, *, valid=True, **options):
    return gr.Recommender("lightgcn", dim=8, layers=2).fit(
        split.train, valid=split.valid if valid else None, device=device, **{**FIT, "fanout": [4, 3], **options}
    )


# ---- what is drawn ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("normalisation", "fanout"), [("sym", 1), ("row", 2), ("sym", 3), ("sym+self", 10)])
def test_the_expectation_of_a_hop_is_the_whole_hop(split, normalisation, fanout):
    adjacency = gr.BipartiteGraph(split.train).adjacency(normalisation)
    n, draws = adjacency.n_nodes, 600
    x = torch.randn(n, 2, generator=torch.Generator().manual_seed(0)).double()
    neighbours, everyone = Neighbours(adjacency, [fanout]), torch.arange(n)
    estimates = []
    for seed in range(draws):
        drawn = neighbours.draw(everyone, seed)
        (hop,) = drawn.hops
        estimates.append(hop._replace(weights=hop.weights.double())(x[drawn.nodes]))
    found, whole = torch.stack(estimates), adjacency.to_dense().double() @ x
    error = (found.mean(0) - whole).abs()
    # 248 numbers, whose errors are nearly normal after so many draws: 4.5 standard errors are passed once in 600 times.
    assert bool((error <= 4.5 * found.std(0) / draws**0.5 + 1e-6).all())
    assert float(found.std(0).mean()) > 1e-3


def test_a_walk_that_comes_back_to_a_node_meets_neighbours_drawn_anew():
    """A person with two things, of which one has eight others: with one draw for all hops the mean would be .707."""
    inter = gr.Interactions.from_indices([0, 0, *range(1, 9)], [0, 1, *[1] * 8])
    adjacency, draws = gr.BipartiteGraph(inter).adjacency("sym"), 400
    x = torch.zeros(11, 1)
    x[9] = 1.0
    neighbours, found = Neighbours(adjacency, [1, ALL, 1]), []
    for seed in range(draws):
        drawn = neighbours.draw(torch.tensor([0]), seed)
        h = x[drawn.nodes]
        for hop in drawn.hops:
            h = hop(h)
        found.append(float(h))
    dense = adjacency.to_dense()
    exact = float((dense @ dense @ dense @ x)[0])
    assert exact == pytest.approx(0.3928, abs=1e-4)
    assert abs(np.mean(found) - exact) < 4 * np.std(found) / draws**0.5 < 0.13


def test_probabilities_are_those_with_which_edges_are_drawn(split):
    adjacency, draws, k = gr.BipartiteGraph(split.train).adjacency("none"), 1500, 4
    neighbours, counted = Neighbours(adjacency, [k]), torch.zeros(len(adjacency.values), dtype=torch.float64)
    node = int(np.diff(adjacency.pattern.indptr).argmax())
    first, last = adjacency.pattern.indptr[node : node + 2]
    degree = last - first
    (loader,) = neighbours._loaders
    for seed in range(draws):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            counted[loader(torch.tensor([node])).e_id] += 1
    p = drawing._probability(torch.full((degree,), degree), torch.arange(degree), k)
    assert float(p.sum()) == pytest.approx(k)
    assert bool(((counted[first:last] / draws - p).abs() < 4.5 * (p * (1 - p) / draws).sqrt()).all())


def test_a_draw_is_fixed_by_its_seed_and_leaves_torchs_own_state_alone(split):
    neighbours = Neighbours(gr.BipartiteGraph(split.train).adjacency("sym"), [2, 2])
    before, nodes = torch.get_rng_state(), torch.tensor([3, 3, 90, 71, 123])
    a, b, c = (neighbours.draw(nodes, seed) for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert a.seeds.tolist() == a.nodes[:4].tolist() == [3, 71, 90, 123]
    assert a.position(nodes).tolist() == [0, 0, 2, 1, 3]
    assert torch.equal(a.nodes, b.nodes)
    assert not (torch.equal(a.nodes, c.nodes) and torch.equal(a.hops[0].sources, c.hops[0].sources))
    assert len(a.nodes.unique()) == len(a.nodes)
    with pytest.raises(InputError, match="rows of its own batch only"):
        a.position(torch.tensor([4]))


# ---- steps ------------------------------------------------------------------------------------------------------------


def gradients(model, options, batch, neighbourhood=None):
    compute = objective(options)
    compute.neighbourhood = neighbourhood
    model.zero_grad()
    value = compute(model, batch)
    value.backward()
    return value.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("loss", ["bpr", "shared_softmax", "directau"])
@pytest.mark.parametrize("case", MODELS)
def test_a_step_over_all_neighbours_is_the_exact_step(split, case, loss):
    model = made(case, split.train).train()
    options = FitOptions(loss=loss, batch_size=32, n_negatives=1 if loss == "directau" else 3, l2=1e-3, given=frozenset())
    batches, graph = objective(options).sampler(split.train, torch.Generator().manual_seed(0)), model.sampling_graph()
    sampled = SampledBatches(batches, Neighbours(graph.adjacency, [ALL] * graph.hops), 72, torch.Generator().manual_seed(0))
    batch, neighbourhood = next(iter(sampled))
    value, exact = gradients(model, options, batch)
    again, over_all = gradients(model, options, batch, neighbourhood)
    torch.testing.assert_close(again, value, atol=1e-5, rtol=1e-5)
    for name, gradient in exact.items():
        torch.testing.assert_close(over_all[name], gradient, atol=1e-5, rtol=1e-5)


def test_a_gradient_reaches_the_drawn_rows_only(split):
    model = made("lightgcn", split.train).train()
    options = FitOptions(batch_size=4)
    batches = objective(options).sampler(split.train, torch.Generator().manual_seed(0))
    neighbours = Neighbours(model.sampling_graph().adjacency, [1, 1, 1])
    batch, neighbourhood = next(iter(SampledBatches(batches, neighbours, 72, torch.Generator().manual_seed(0))))
    _, found = gradients(model, options, batch, neighbourhood)
    touched = found["embedding"].abs().sum(1).nonzero()[:, 0]
    assert 0 < len(touched) < 124
    assert set(touched.tolist()) <= set(neighbourhood.nodes.tolist())


# ---- trainings --------------------------------------------------------------------------------------------------------


def test_training_over_all_neighbours_is_exact_training(split, device):
    exact, over_all = (fitted(split, device, fanout=fanout) for fanout in (None, ALL))
    torch.testing.assert_close(over_all.model.embedding, exact.model.embedding, atol=1e-5, rtol=0)
    np.testing.assert_allclose(over_all.history["loss"], exact.history["loss"], atol=1e-5)
    np.testing.assert_allclose(over_all.history["ndcg@20"], exact.history["ndcg@20"], atol=1e-6)


def test_a_seed_fixes_the_weights(split, device):
    a, b, c = (fitted(split, device, seed=seed).model.embedding for seed in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_training_learns(split, device):
    history = fitted(split, device, epochs=12, fanout=3).history
    assert history["loss"].iloc[-1] < 0.85 * history["loss"].iloc[0]


def test_resuming_goes_on_bit_for_bit(split, device, tmp_path):
    whole = fitted(split, device, epochs=4)
    fitted(split, device, epochs=2, checkpoint=tmp_path)
    resumed = fitted(split, device, epochs=4, checkpoint=tmp_path, resume=True)
    assert torch.equal(resumed.model.embedding, whole.model.embedding)
    with pytest.raises(InputError, match="fanout"):
        fitted(split, device, epochs=5, checkpoint=tmp_path, resume=True, fanout=None)


def test_the_option_comes_back_with_the_recommender(split, device, tmp_path):
    rec = fitted(split, device, refit=True)
    rec.save(tmp_path)
    again = gr.load(tmp_path, device=device)
    assert again.options["fanout"] == [4, 3]
    asked = split.train.user_ids[:5].tolist()
    assert again.recommend(asked).equals(rec.recommend(asked))
    before = again.model.embedding.clone()
    again.fit(split.train, warm_start=True, device=device, **{**FIT, "epochs": 1}, fanout=2)
    assert not torch.equal(again.model.embedding, before)
    assert again.options["fanout"] == 2
    again.update(gr.Interactions.from_indices([0, 1], [50, 51], n_users=72, n_items=52))
    assert again.options["fanout"] == 2


@pytest.mark.parametrize("case", MODELS)
def test_every_model_that_can_is_trained_so(split, device, case):
    name, hyper = case.split(",")[0], MODELS[case]
    options = {**FIT, "epochs": 2, "fanout": 3, "device": device}
    rec = gr.Recommender(name, **hyper).fit(split.train, valid=split.valid, **options)
    assert np.isfinite(rec.history["loss"]).all()
    assert len(rec.recommend(split.train.user_ids[0], k=3)) == 3


def test_nothing_is_said_of_pygs_preferences(split):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        fitted(split, "cpu", epochs=1)
    assert not told


# ---- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mf", "simgcl", "ncl", "mgdcf", "gcmc", "dgcf"])
def test_models_that_cannot_refuse_it(split, name):
    with pytest.raises(InputError, match=r"fanout=5 draws neighbours .* can be trained so"):
        gr.Recommender(name, dim=8).fit(split.train, fanout=5, **FIT)


@pytest.mark.parametrize(
    ("hyper", "options", "said"),
    [
        ({}, {"fanout": [5, 5]}, "is for 2 hops, and LightGCN makes 3"),
        ({"layers": 0}, {"fanout": 5}, "makes no hop"),
        ({}, {"fanout": 0}, "whole number of at least 1, got 0"),
        ({}, {"fanout": [5, 5, -2]}, "whole number of at least 1, got -2"),
        ({}, {"fanout": [5, 5, True]}, "whole number of at least 1, got True"),
        ({}, {"fanout": []}, "a number of neighbours or a list of them"),
        ({}, {"fanout": "5"}, "a number of neighbours or a list of them"),
        ({}, {"fanout": 5, "precision": "bf16"}, "precision='bf16' is about whole hops"),
        ({}, {"fanout": 5, "loss": "multinomial"}, "for the losses that look at no others .* loss='multinomial'"),
    ],
)
def test_what_means_nothing_is_refused(split, hyper, options, said):
    with pytest.raises(InputError, match=said):
        gr.Recommender("lightgcn", dim=8, **hyper).fit(split.train, **{**FIT, **options})


def test_two_ways_of_leaving_out_edges_are_refused(split):
    with pytest.raises(InputError, match="node_dropout leaves out edges"):
        gr.Recommender("ngcf", dim=8, layers=[8], node_dropout=0.1).fit(split.train, fanout=5, **FIT)


def test_without_a_library_that_draws_there_is_a_sentence(split, monkeypatch):
    import torch_geometric.typing

    for name in ("WITH_PYG_LIB", "WITH_TORCH_SPARSE"):
        monkeypatch.setattr(torch_geometric.typing, name, False)
    with pytest.raises(InputError, match=r"torch-sparse or pyg-lib; pip install .*graphrec\[sparse\]"):
        fitted(split, "cpu")
