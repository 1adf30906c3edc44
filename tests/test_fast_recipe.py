"""The parts of the fast recipe: listed pairs, cosines with popularity, SVD starts, whole users with shared negatives."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec import losses
from graphrec.graph.pair_dot import pair_dot
from graphrec.graph.unit_rows import unit_rows
from graphrec.models.parts.svd_start import singular_vectors
from graphrec.sampling import UserBatch
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions


def test_pair_dot_and_its_gradients():
    g = torch.Generator().manual_seed(0)
    u, v = (torch.randn(n, 6, generator=g, requires_grad=True) for n in (9, 12))
    left, right = torch.randint(9, (50,), generator=g), torch.randint(11, (50,), generator=g)
    weight = torch.randn(50, generator=g)
    results = []
    for scores in (pair_dot(u, v, left, right), (u[left] * v[right]).sum(1)):
        u.grad = v.grad = None
        (scores * weight).sum().backward()
        results.append((scores.detach(), u.grad, v.grad))
    for ours, plain in zip(*results, strict=True):
        assert torch.allclose(ours, plain, atol=1e-5)
    assert torch.equal(v.grad[11], torch.zeros(6))


def test_cosine_scores_with_popularity_only_when_ranking(interactions):
    model = gr.models.LightGCN(interactions, dim=8, layers=2, similarity="cosine", popularity=0.3)
    plain = gr.models.LightGCN(interactions, dim=8, layers=2)
    plain.load_state_dict(model.state_dict())
    z = plain.encode()
    cosine = F.normalize(z.users.full(), dim=1) @ F.normalize(z.items.full(), dim=1).T
    degree = np.bincount(interactions.structure[1], minlength=45)
    want = {True: cosine, False: cosine + 0.3 * torch.tensor(np.log(np.maximum(degree, 1)), dtype=torch.float32)}
    users, items = torch.tensor([3, 9]), torch.tensor([5, 44])
    for training in (True, False):
        z = model.encode() if training else model.encode_for_ranking()
        assert torch.allclose(model.score_all(z.users.full(), z.items.full()), want[training], atol=1e-5)
        assert torch.allclose(model.score(z.users.rows(users), z.items.rows(items)), want[training][users, items], atol=1e-5)
        rows = z.gather(users, items)
        assert torch.allclose(model.score(rows.users, rows.items), want[training][users, items], atol=1e-5)


def test_svd_start_is_the_best_approximation_of_its_rank(interactions):
    start = singular_vectors(interactions, 5, spread=0.1)
    assert start.square().mean().sqrt() == pytest.approx(0.1)
    r = interactions.to_csr("ones").toarray()
    scaled = r / np.sqrt(r.sum(1, keepdims=True)) / np.sqrt(np.maximum(r.sum(0, keepdims=True), 1))
    u, s, vt = np.linalg.svd(scaled, full_matrices=False)
    best = (u[:, :5] * s[:5]) @ vt[:5]
    product = (start[:60] @ start[60:].T).numpy()
    assert np.allclose(product / np.linalg.norm(product), best / np.linalg.norm(best), atol=1e-4)


def test_whole_users_with_shared_negatives_against_loops(interactions):
    model = gr.models.LightGCN(interactions, dim=8, layers=2, similarity="cosine")
    indptr, indices = interactions.structure
    users = np.array([4, 17, 30])
    items = np.concatenate([indices[indptr[u] : indptr[u + 1]] for u in users]).astype(np.int64)
    owner = np.repeat(np.arange(3), np.diff(indptr)[users])
    negatives = torch.tensor([3, 3, 40, 12])
    looked_up = torch.unique(torch.cat([torch.tensor(items), negatives]), return_inverse=True)
    batch = UserBatch(torch.tensor(users), torch.tensor(owner), torch.tensor(items), negatives, None, None, *looked_up)
    options = FitOptions(loss="shared_softmax", loss_options={"temperature": 0.2}, l2=0.0)
    got = objective(options)(model, batch)
    z = model.encode()
    terms = []
    for user, item in zip(users[owner], items, strict=True):
        u = z.users.full()[user]
        pos, neg = z.items.full()[item] @ u / 0.2, z.items.full()[negatives] @ u / 0.2
        terms.append(torch.logsumexp(torch.cat([pos[None], neg]), 0) - pos)
    assert torch.isclose(got, torch.stack(terms).mean(), atol=1e-5)
    gradients = torch.autograd.grad(got, model.embedding)[0], torch.autograd.grad(torch.stack(terms).mean(), model.embedding)[0]
    assert torch.allclose(*gradients, atol=1e-6)
    assert "shared_softmax" in losses.SHARED


def test_the_preset_trains(interactions):
    rec = gr.preset("lightgcn-fast", dim=8).fit(interactions, epochs=12, progress=False)
    assert rec.history["loss"].iloc[-1] < rec.history["loss"].iloc[0]
    assert rec.history["lr"].iloc[-1] < 0.03


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"init": "svdd"}, "init must be 'normal' or 'svd', got 'svdd'"),
        ({"similarity": "cos"}, "similarity must be 'dot' or 'cosine', got 'cos'"),
        ({"popularity": 1.0}, "popularity is a term beside cosines"),
        ({"init": "svd", "dim": 46}, "init='svd' gives at most 45 dimensions here, got dim=46"),
    ],
)
def test_bad_options(interactions, options, message):
    with pytest.raises(ValueError, match=message):
        gr.models.LightGCN(interactions, **options)


def test_unit_rows_and_their_gradient():
    x = torch.randn(40, 7, generator=torch.Generator().manual_seed(0)).mul_(3).requires_grad_()
    weight = torch.randn(40, 7, generator=torch.Generator().manual_seed(1))
    (ours,) = torch.autograd.grad((unit_rows(x) * weight).sum(), x)
    (plain,) = torch.autograd.grad((F.normalize(x, dim=1) * weight).sum(), x)
    assert torch.allclose(unit_rows(x), F.normalize(x, dim=1), atol=1e-6)
    assert torch.allclose(ours, plain, atol=1e-6)


def test_a_row_of_zeros_has_no_direction_and_no_gradient():
    x = torch.zeros(2, 3, requires_grad=True)
    y = unit_rows(x)
    y.sum().backward()
    assert torch.equal(y, torch.zeros(2, 3))
    assert torch.equal(x.grad, torch.zeros(2, 3))


@pytest.mark.parametrize("weighted", [False, True])
def test_a_product_is_the_matrix_it_stands_for(weighted):
    g = torch.Generator().manual_seed(0)
    u, v = (torch.randn(n, 6, generator=g, requires_grad=True) for n in (9, 12))
    owner, pos = torch.tensor([0, 0, 5, 8]), torch.randn(4, generator=g)
    log_q = torch.rand(12, generator=g).log() if weighted else None
    results = []
    for neg in (losses.Product(u, v), u @ v.T):
        assert tuple(neg.shape) == (9, 12)
        value = losses.shared_softmax(pos, owner, neg, 0.2, log_q) + losses.shared_bsl(pos, owner, neg, 0.3)
        results.append((value.detach(), *torch.autograd.grad(value, (u, v))))
    for ours, plain in zip(*results, strict=True):
        assert torch.allclose(ours, plain, atol=1e-5)
