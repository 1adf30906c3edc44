"""LightGCN, NGCF and MF against dense transcriptions of their papers; row look-ups against full tables."""

import gc
import weakref

import pytest
import torch
from scipy import sparse
from torch.nn import functional as F

import graphrec as gr


def tables(encoding):
    return torch.cat([encoding.users.full(), encoding.items.full()])


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_lightgcn_is_the_mean_of_dense_hops(interactions, layers):
    model = gr.models.LightGCN(interactions, dim=8, layers=layers)
    a = gr.BipartiteGraph(interactions).adjacency("sym").to_dense()
    hops = [model.embedding]
    for _ in range(layers):
        hops.append(a @ hops[-1])
    assert torch.allclose(tables(model.encode()), torch.stack(hops).mean(0), atol=1e-6)


def dense_ngcf(model, inter):
    """NGCF written down with dense matrices: equation 7 of the paper, or the authors' code."""
    official = model.transforms[0].form == "official"
    graph = gr.BipartiteGraph(inter)
    a = graph.adjacency("ngcf" if official else "sym").to_dense()
    e, joined = model.embedding, [model.embedding]
    for layer in model.transforms:
        w1, w2 = layer.sum.weight.T, layer.product.weight.T
        if official:
            side = a @ e
            e = F.leaky_relu(side @ w1 + layer.sum.bias, 0.2) + F.leaky_relu((e * side) @ w2 + layer.product.bias, 0.2)
            joined.append(e / e.norm(dim=1, keepdim=True))
        else:
            e = F.leaky_relu((a + torch.eye(len(a))) @ e @ w1 + ((a @ e) * e) @ w2, 0.2)
            joined.append(e)
    return torch.cat(joined, 1)


@pytest.mark.parametrize("form", ["official", "paper"])
@pytest.mark.parametrize("layers", [[6], [8, 4], [8, 8, 8]])
def test_ngcf_is_its_dense_transcription(interactions, form, layers):
    model = gr.models.NGCF(interactions, dim=8, layers=layers, form=form, message_dropout=0.0)
    want = dense_ngcf(model, interactions)
    assert want.shape[1] == 8 + sum(layers)
    assert torch.allclose(tables(model.encode()), want, atol=1e-5)


MODELS = {
    "lightgcn": lambda inter: gr.models.LightGCN(inter, dim=8, layers=3),
    "lightgcn-row": lambda inter: gr.models.LightGCN(inter, dim=8, layers=2, normalisation="row"),
    "lightgcn-0": lambda inter: gr.models.LightGCN(inter, dim=8, layers=0),
    "ngcf": lambda inter: gr.models.NGCF(inter, dim=8, layers=[8, 4], message_dropout=0.0),
    "ngcf-paper": lambda inter: gr.models.NGCF(inter, dim=8, layers=[8], form="paper", message_dropout=0.0),
    "mf": lambda inter: gr.models.MF(inter, dim=8),
    "mf-bias": lambda inter: gr.models.MF(inter, dim=8, bias=True),
}


@pytest.mark.parametrize("how", ["gather", "rows"])
@pytest.mark.parametrize("name", MODELS)
def test_looked_up_rows_and_gradients_are_those_of_the_full_table(interactions, name, how):
    torch.manual_seed(0)
    model = MODELS[name](interactions)
    users, items = torch.tensor([1, 5, 5, 0]), torch.tensor([2, 2, 44, 9])
    gradients = []
    for full in (False, True):
        model.zero_grad()
        z = model.encode()
        if full:
            u, v = z.users.full()[users], z.items.full()[items]
        elif how == "gather":
            u, v = z.gather(users, items)[:2]
        else:
            u, v = z.users.rows(users), z.items.rows(items)
        (model.score(u, v).sigmoid().log().sum() + u.square().sum()).backward()
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert (gradients[0] - gradients[1]).abs().max() / gradients[1].abs().max() < 1e-5


@pytest.mark.parametrize("name", ["lightgcn", "ngcf"])
def test_rows_take_an_index_of_any_shape(interactions, name):
    z = MODELS[name](interactions).encode()
    index = torch.tensor([[1, 2, 3], [3, 3, 0]])
    assert torch.allclose(z.items.rows(index), z.items.full()[index], atol=1e-6)


def test_ego_rows_are_the_parameters(interactions):
    users, items = torch.tensor([1, 5]), torch.tensor([2, 2, 9])
    for name in ("lightgcn", "ngcf"):
        model = MODELS[name](interactions)
        rows = model.encode().gather(users, items)
        assert torch.equal(rows.ego_users, model.embedding[users])
        assert torch.equal(rows.ego_items, model.embedding[60 + items])


def test_penalty_is_half_the_square_per_example(interactions):
    model = gr.models.LightGCN(interactions, dim=8, layers=2)
    users, items = torch.tensor([1, 5]), torch.tensor([2, 2, 9, 4])
    ego = torch.cat([model.embedding[users], model.embedding[60 + items]])
    assert torch.isclose(model.penalty(model.encode().gather(users, items)), ego.square().sum() / 2 / 2)
    ngcf = gr.models.NGCF(interactions, dim=8, layers=[8], message_dropout=0.0)
    rows = ngcf.encode().gather(users, items)
    assert torch.isclose(ngcf.penalty(rows), (rows.users.square().sum() + rows.items.square().sum()) / 4)


def test_ngcf_dropout_draws_once_for_a_repeated_node(interactions):
    model = gr.models.NGCF(interactions, dim=8, layers=[8], message_dropout=0.5, node_dropout=0.2)
    rows = model.encode().users.rows(torch.tensor([4, 7, 4]))
    assert torch.equal(rows[0], rows[2])
    assert not torch.equal(rows, model.encode().users.rows(torch.tensor([4, 7, 4])))


def test_mf_with_biases_is_its_formula(interactions):
    model = gr.models.MF(interactions, dim=4, bias=True)
    torch.nn.init.normal_(model.user_bias), torch.nn.init.normal_(model.item_bias)
    z = model.encode()
    want = model.users @ model.items.T + model.user_bias + model.item_bias.T + float(interactions.ratings.mean())
    assert torch.allclose(model.score_all(z.users.full(), z.items.full()), want, atol=1e-5)


def test_similar_items_of_mf_do_not_look_at_biases(interactions):
    model = gr.models.MF(interactions, dim=4, bias=True)
    before = model.likeness()(torch.tensor([3]))
    torch.nn.init.normal_(model.item_bias, std=10.0)
    assert torch.equal(model.likeness()(torch.tensor([3])), before)
    rows = F.normalize(model.items, dim=1)
    assert torch.allclose(before[0], rows @ rows[3], atol=1e-6)


def test_mf_in_a_rating_range_stays_in_it(interactions):
    model = gr.models.MF(interactions, dim=4, bias=True, rating_range=(1, 5), init_std=10.0)
    z = model.encode()
    scores = model.score_all(z.users.full(), z.items.full())
    assert scores.min() >= 1
    assert scores.max() <= 5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: gr.models.LightGCN(x, dim=0), "dim must be at least 1, got 0"),
        (lambda x: gr.models.LightGCN(x, layers=-1), "layers must be 0 or more, got -1"),
        (lambda x: gr.models.NGCF(x, layers=3), "layers must list the width of each layer"),
        (lambda x: gr.models.NGCF(x, message_dropout=1.5), "message_dropout must be at least 0 and below 1, got 1.5"),
        (lambda x: gr.models.NGCF(x, form="papre"), "unknown form 'papre'; did you mean 'paper'"),
        (lambda x: gr.models.NGCF(x, dropout_kind="row"), "unknown dropout_kind 'row'"),
        (lambda x: gr.models.MF(x, rating_range=(5, 1)), "rating_range must be"),
        (lambda x: gr.models.MF(x, dropout=1.0), "dropout must be at least 0 and below 1"),
    ],
)
def test_bad_hyper_parameters(interactions, call, message):
    with pytest.raises(ValueError, match=message):
        call(interactions)


@pytest.mark.parametrize("name", ["lightgcn", "ngcf"])
def test_an_encoding_is_freed_at_once(interactions, name):
    """A reference cycle would keep every step's tables until the garbage collector happens to run."""
    model = MODELS[name](interactions)
    gc.collect()
    gc.disable()
    try:
        z = model.encode()
        z.gather(torch.tensor([1]), torch.tensor([2])).users.sum().backward()
        nodes = weakref.ref(z.nodes)
        del z
        assert nodes() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("form", ["official", "paper"])
def test_ngcf_folds_a_person_in_by_one_pass_over_all_layers(interactions, form):
    torch.manual_seed(0)
    model = gr.models.NGCF(interactions, dim=4, layers=[5, 6, 3], form=form, message_dropout=0.0).eval()
    met = torch.tensor([0, 2, 5])
    history = sparse.csr_matrix((torch.ones(3).numpy(), (torch.zeros(3).numpy(), met.numpy())), shape=(1, model.n_items))
    with torch.no_grad():
        got = model.fold_in(history)[0]
        graph = gr.BipartiteGraph(interactions).adjacency("ngcf" if form == "official" else "sym")
        a, e, heard = graph.to_dense(), model.embedding, []
        items = model.n_users + met
        # Of a person with three items: a quarter each and for itself, or 1/√(3 d) by the items' degrees.
        degree = torch.bincount(torch.as_tensor(interactions.items), minlength=model.n_items)[met]
        weights = torch.full((3,), 0.25) if form == "official" else 1 / (3 * degree).sqrt()
        own = 0.25 if form == "official" else 0.0
        for transform in model.transforms:
            heard.append(weights @ e[items])
            e = transform(e, a @ e)
        rows = [got[:4]]  # the ego row is fitted; what follows from it is not
        for message, transform in zip(heard, model.transforms, strict=True):
            rows.append(transform(rows[-1], message + own * rows[-1]))
        want = [F.normalize(row, dim=0) for row in rows[1:]] if model.normalise_layers else rows[1:]
    assert torch.allclose(got[4:], torch.cat(want), atol=1e-5)
