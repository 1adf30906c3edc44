"""One contract for all zero-hop models in several settings: look-ups, scores, gradients, state, learning, mistakes."""

import numpy as np
import pytest
import test_hybrid
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.models.autoencoders.autoencoder import Autoencoder
from graphrec.models.autoencoders.multvae import MultDAE, MultVAE
from graphrec.models.base import Step
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.factorisation.mf import MF
from graphrec.models.factorisation.mlp import MLP
from graphrec.models.factorisation.ncf import NCF
from graphrec.models.factorisation.neumf import NeuMF
from graphrec.models.hybrids.hybrid import Hybrid
from graphrec.models.ratings.collabfnet import CollabFNet
from graphrec.models.ratings.embeddingnet import EmbeddingNet
from graphrec.sampling import PairBatch


def hybrid(inter, **options):
    return test_hybrid.hybrid(inter, **{"dropout": 0.3, **options})


MODELS = {
    "gmf": lambda inter: GMF(inter, dim=6),
    "mlp": lambda inter: MLP(inter, dim=6, hidden=[8, 4], dropout=0.2),
    "neumf": lambda inter: NeuMF(inter, dim=6, mlp_dim=5, hidden=[8, 4], dropout=0.1),
    "ncf": lambda inter: NCF(inter),
    "embeddingnet": lambda inter: EmbeddingNet(inter, dim=7, hidden=[12, 10, 8], rating_range=(1, 5)),
    "embeddingnet-open": lambda inter: EmbeddingNet(inter, dim=7, hidden=[12], dropout=0.1),
    "collabfnet": lambda inter: CollabFNet(inter, dim=6),
    "collabfnet-range": lambda inter: CollabFNet(inter, dim=6, hidden=[5, 4], rating_range=(1, 5), init_range=None),
    "autoencoder-items": lambda inter: Autoencoder(inter, vectors="items", hidden=[6, 5]),
    "autoencoder-users": lambda inter: Autoencoder(inter, vectors="users", hidden=[6, 5, 4], rating_range=(1, 5)),
    "multvae": lambda inter: MultVAE(inter, dim=6, hidden=[9]),
    "multdae": lambda inter: MultDAE(inter, dim=6),
    "hybrid": lambda inter: hybrid(inter, frozen=False),
    "hybrid-plain": lambda inter: hybrid(inter, frozen=False, residual=False, user_features=None, hidden=[6, 5]),
}


@pytest.fixture(params=sorted(MODELS))
def model(request, interactions):
    """Each model away from its initial zeros, in evaluation mode."""
    torch.manual_seed(1)
    built = MODELS[request.param](interactions)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    built.name = request.param
    return built.eval()


def index(*values):
    return torch.tensor(values)


# ---- the contract ------------------------------------------------------------------------------


def test_rows_are_the_rows_of_the_full_table(model, interactions):
    z = model.encode()
    for side, count in ((z.users, interactions.n_users), (z.items, interactions.n_items)):
        full = side.full()
        assert full.shape[0] == count
        assert full.dtype == torch.float32
        some = index(3, 0, 3, count - 1)
        assert torch.allclose(side.rows(some), full[some], atol=1e-6)
        assert side.rows(some.view(2, 2)).shape == (2, 2, full.shape[1])


def test_paired_scores_are_the_scores_of_all_pairs(model):
    z = model.encode()
    u, items = z.users.rows(index(0, 4, 9, 4)), z.items.full()
    every = model.score_all(u, items)
    assert every.shape == (4, len(items))
    assert torch.allclose(model.score(u[:, None], items[None]), every, atol=1e-5)
    assert torch.allclose(model.score(u, items[:4]), every[:, :4].diagonal(), atol=1e-5)
    two_each = model.score(u[:, None], items[:8].view(4, 2, -1))
    assert torch.allclose(two_each, every[:, :8].view(4, 4, 2)[range(4), range(4)], atol=1e-5)
    for lo, hi in ((0, 1), (5, 20), (44, 45)):
        assert torch.allclose(model.score_all(u, items[lo:hi]), every[:, lo:hi], atol=1e-5)


def test_evaluation_is_deterministic_and_training_draws_dropout(model):
    def scores():
        with torch.no_grad():
            z = model.encode()
            return model.score_all(z.users.rows(torch.arange(10)), z.items.full())

    assert torch.equal(scores(), scores())
    model.train()
    assert torch.equal(scores(), scores()) == (model.name in ("gmf", "ncf")), "these two have no dropout"


def test_every_parameter_gets_a_gradient(model, interactions):
    z = model.encode()
    rows = z.gather(torch.arange(interactions.n_users), torch.arange(interactions.n_items))
    loss = (model.score_all(rows.users, rows.items) ** 2).mean() + 1e-3 * model.penalty(rows)
    batch = PairBatch(torch.arange(interactions.n_users), torch.arange(interactions.n_items))
    (loss + sum(model.auxiliary(Step(z, rows, batch, 1)).values())).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_state_alone_rebuilds_the_model(model, interactions):
    torch.manual_seed(5)
    twin = MODELS[model.name](interactions).eval()
    twin.load_state_dict(model.state_dict())
    mine, theirs = (m.score_all(m.encode().users.full(), m.encode().items.full()) for m in (model, twin))
    assert torch.equal(mine, theirs)


def test_encoding_makes_no_parameter(model):
    before = {name: id(p) for name, p in model.named_parameters()}
    z = model.encode()
    model.score_all(z.users.full(), z.items.full())
    assert {name: id(p) for name, p in model.named_parameters()} == before


def test_similar_items_are_cosines(model, interactions):
    similar = model.likeness()(index(2, 7))
    assert similar.shape == (2, interactions.n_items)
    assert torch.allclose(similar[[0, 1], [2, 7]], torch.ones(2), atol=1e-5)
    assert similar.abs().max() <= 1 + 1e-5


@pytest.mark.parametrize("name", ["gmf", "hybrid", "hybrid-plain", "mlp", "multdae", "multvae", "ncf", "neumf"])
def test_training_finds_the_checkerboard(checkerboard, name):
    """Even people like even things: the loss falls, and the two left-out things of the right colour rank first."""
    inter = gr.Interactions.from_frame(checkerboard)
    torch.manual_seed(2)
    model = MODELS[name](inter)
    losses = fit_implicit(model, inter, steps=120)
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:5])
    model.eval()
    z = model.encode()
    scores = model.score_all(z.users.full(), z.items.full()).detach().numpy()
    seen = inter.to_csr().toarray() > 0
    colour = np.array([[int(u[1:]) % 2 == int(i[1:]) % 2 for i in inter.item_ids] for u in inter.user_ids])
    top = np.where(seen, -np.inf, scores).argsort(1)[:, -2:]
    assert np.take_along_axis(colour, top, 1).mean() > 0.9


def fit_implicit(model, inter, steps):
    """Full-batch training on all pairs: multinomial for models over vectors of users, else cross-entropy."""
    x = torch.from_numpy(inter.to_csr().toarray())
    users, items = torch.arange(inter.n_users), torch.arange(inter.n_items)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(steps):
        z = model.encode()
        rows = z.gather(users, items)
        scores = model.score_all(rows.users, rows.items)
        if isinstance(model, MultDAE):
            loss = -(x * scores.log_softmax(1)).sum(1).mean()
        else:
            loss = F.binary_cross_entropy_with_logits(scores, x)
        extra = model.auxiliary(Step(z, rows, PairBatch(users, items), 1))
        optimizer.zero_grad()
        (loss + sum(extra.values())).backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("name", sorted(n for n in MODELS if n.split("-")[0] in ("embeddingnet", "collabfnet", "autoencoder")))
def test_training_on_ratings_beats_the_mean(name):
    g = np.random.default_rng(0)
    u, i = np.nonzero(g.random((40, 30)) < 0.6)
    inter = gr.Interactions.from_indices(u, i, np.where(u % 2 == i % 2, 5.0, 2.0))
    torch.manual_seed(0)
    model = MODELS[name](inter)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    users, items = (torch.from_numpy(side.astype(np.int64)) for side in (inter.users, inter.items))
    ratings = torch.tensor(inter.ratings)
    losses = []
    for _ in range(250):
        rows = model.encode().gather(users, items)
        loss = F.mse_loss(model.score(rows.users, rows.items), ratings)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 1.5, "the first prediction is about the mean"
    assert np.mean(losses[-10:]) < 0.6


# ---- mistakes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda x: GMF(x, dim=0), "dim must be at least 1"),
        (lambda x: MLP(x, hidden=[]), r"hidden must list the width of each layer.*got \[\]"),
        (lambda x: MLP(x, hidden=[8, -1]), r"hidden must list.*\[8, -1\]"),
        (lambda x: MLP(x, hidden=8), "hidden must list.*got 8"),
        (lambda x: MLP(x, dropout=1.0), "dropout.*at least 0 and below 1, got 1.0"),
        (lambda x: MLP(x, init_std=float("nan")), "init_std must be at least 0"),
        (lambda x: NeuMF(x, gmf=GMF(x)), "both gmf and mlp, or neither"),
        (lambda x: NeuMF(x, gmf=GMF(x), mlp=MLP(x), alpha=1.5), r"alpha must lie in \[0, 1\], got 1.5"),
        (
            lambda x: NeuMF(x, dim=4, gmf=GMF(x, dim=5), mlp=MLP(x, dim=4)),
            r"gmf has other sizes.*\(60, 5\), not \(60, 4\)",
        ),
        (lambda x: EmbeddingNet(x, hidden=[4, 4], dropout=[0.1]), "names 1 probabilities for 2 hidden layers"),
        (lambda x: EmbeddingNet(x, embedding_dropout=-0.1), "^embedding_dropout must be at least 0"),
        (lambda x: EmbeddingNet(x, rating_range=(5, 1)), r"rating_range must be \(low, high\) with low < high, got \(5, 1\)"),
        (lambda x: CollabFNet(x, rating_range=(1, float("nan"))), "rating_range must be"),
        (lambda x: CollabFNet(x, rating_range=(1, 2, 3)), "rating_range must be"),
        (lambda x: CollabFNet(x, init_range=(0.1, 0.1)), "init_range must be"),
        (lambda x: Autoencoder(x, vectors="films"), "vectors must be 'users' or 'items', got 'films'"),
        (lambda x: Autoencoder(x, hidden=()), "hidden must list"),
        (lambda x: Autoencoder(x, refeed=-1), "refeed must be at least 0"),
        (lambda x: Autoencoder(x, input_dropout=1), "input_dropout must be at least 0 and below 1"),
        (lambda x: MultVAE(x, dim=0), "dim must be at least 1"),
        (lambda x: MultVAE(x, beta=-0.1), "beta must be at least 0"),
        (lambda x: MultDAE(x, dropout=2), "dropout must be at least 0 and below 1"),
        (lambda x: Hybrid(x, base=MF(x)), "needs item_features or user_features"),
        (lambda x: hybrid(x, metadata_hidden=[]), "metadata_hidden must list"),
        (lambda x: hybrid(x, start=hybrid(x, hidden=[3])), "start is a hybrid of other sizes"),
    ],
)
def test_mistakes_are_named(interactions, build, message):
    with pytest.raises(ValueError, match=message):
        build(interactions)
