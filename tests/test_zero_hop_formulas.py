"""Each zero-hop model against a line-by-line transcription of its formula on dense inputs."""

import copy

import pytest
import torch
from torch.nn import functional as F

from graphrec.models.autoencoders.autoencoder import Autoencoder
from graphrec.models.autoencoders.multvae import MultDAE, MultVAE
from graphrec.models.base import Step
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.factorisation.mlp import MLP
from graphrec.models.factorisation.ncf import NCF
from graphrec.models.factorisation.neumf import NeuMF
from graphrec.models.ratings.collabfnet import CollabFNet
from graphrec.models.ratings.embeddingnet import EmbeddingNet
from graphrec.sampling import PairBatch


def index(*values):
    return torch.tensor(values)


def scored(model, u=4, i=9):
    """The score of one pair through the contract."""
    z = model.encode()
    return model.score(z.users.rows(index(u)), z.items.rows(index(i)))


def extra(model, z, users):
    """The further losses of a step that looked at some users."""
    return model.auxiliary(Step(z, None, PairBatch(users, users), 1))


def tower(network, x, activation=F.relu):
    """A perceptron on already joined rows (n, d), layer by layer."""
    for layer in network.layers:
        x = activation(F.linear(x, layer.weight, layer.bias))
    return (x @ network.out.weight.T + network.out.bias)[:, 0]


def test_gmf_is_equation_9(interactions):
    m = GMF(interactions, dim=5)
    want = (m.out.weight[0] * m.users[4] * m.items[9]).sum() + m.out.bias[0]
    assert torch.allclose(scored(m), want)


@pytest.mark.parametrize("kind", [MLP, NCF])
def test_mlp_is_equation_10(interactions, kind):
    m = kind(interactions)
    assert torch.allclose(scored(m), tower(m.network, torch.cat([m.users[4], m.items[9]])[None]), atol=1e-6)


def test_default_towers_are_those_of_the_rows(interactions):
    shapes = [tuple(layer.weight.shape) for layer in MLP(interactions).network.layers]
    assert shapes == [(32, 64), (16, 32), (8, 16)]
    ncf = NCF(interactions)
    assert [tuple(layer.weight.shape) for layer in ncf.network.layers] == [(64, 16), (32, 64)]
    assert ncf.network.out.weight.shape == (1, 32)


def test_neumf_is_equation_12(interactions):
    m = NeuMF(interactions, dim=5, mlp_dim=3, hidden=[6, 4])
    x = torch.cat([m.mlp.users[4], m.mlp.items[9]])
    for layer in m.mlp.network.layers:
        x = F.relu(layer(x))
    joined = torch.cat([m.gmf.users[4] * m.gmf.items[9], x])
    h = torch.cat([m.gmf.out.weight[0], m.mlp.network.out.weight[0]])
    assert torch.allclose(scored(m), joined @ h + m.gmf.out.bias + m.mlp.network.out.bias, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_pretrained_neumf_weighs_its_parts(interactions, alpha):
    gmf, mlp = GMF(interactions, dim=5, init_std=1.0), MLP(interactions, dim=3, hidden=[6, 4], init_std=1.0)
    with torch.no_grad():
        gmf.out.bias.fill_(0.7)
        mlp.network.out.bias.fill_(-0.2)
    before = copy.deepcopy(gmf.state_dict())
    m = NeuMF.from_pretrained(interactions, gmf, mlp, alpha=alpha)
    assert torch.allclose(scored(m), alpha * scored(gmf) + (1 - alpha) * scored(mlp), atol=1e-6)
    again = NeuMF(interactions, dim=5, mlp_dim=3, hidden=[6, 4], gmf=gmf, mlp=mlp, alpha=alpha)
    assert torch.equal(scored(again), scored(m))
    (scored(m) ** 2).sum().backward()
    assert all(torch.equal(before[key], gmf.state_dict()[key]) for key in before), "the trained model is left alone"


def test_embeddingnet_in_its_range(interactions):
    m = EmbeddingNet(interactions, dim=5, hidden=[6, 4], dropout=0.5, rating_range=(1, 5)).eval()
    x = tower(m.network, torch.cat([m.users[4], m.items[9]])[None])
    assert torch.allclose(scored(m), 1 + 4 * torch.sigmoid(x), atol=1e-6)
    start = EmbeddingNet(interactions, dim=5, hidden=[6], rating_range=(1, 5)).network.out.bias
    assert 1 + 4 * torch.sigmoid(start).item() == pytest.approx(interactions.ratings.mean(), abs=1e-5)


def test_collabfnet_rectifies_twice(interactions):
    m = CollabFNet(interactions, dim=5, hidden=[4], init_range=None).eval()
    x = F.relu(torch.cat([m.users[4], m.items[9]]))
    x = F.relu(m.network.layers[0](x))
    assert torch.allclose(scored(m), m.network.out(x), atol=1e-6)
    u = CollabFNet(interactions).users
    assert u.min() >= 0
    assert u.max() <= 0.05


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("vectors", ["users", "items"])
def test_autoencoder_is_dense_selu_layers(interactions, vectors, centre):
    m = Autoencoder(interactions, vectors=vectors, hidden=[6, 5, 4], centre=centre).eval()
    mean = float(interactions.ratings.mean()) if centre else 0.0
    dense, seen = torch.from_numpy(interactions.to_csr().toarray()), torch.from_numpy(interactions.to_csr("ones").toarray())
    x = (dense - mean) * seen
    x = x if vectors == "users" else x.T
    h = F.selu(x @ m.first + m.first_bias)
    for layer in m.encoder:
        h = F.selu(layer(h))
    assert h.shape[1] == 4
    for layer in m.decoder:
        h = F.selu(layer(h))
    answer = h @ m.output[:, :-1].T + m.output[:, -1]
    z = m.encode()
    want = answer if vectors == "users" else answer.T
    assert torch.allclose(m.score_all(z.users.full(), z.items.full()), want, atol=1e-5)


def test_refeeding_is_the_distance_of_two_passes(interactions):
    m = Autoencoder(interactions, vectors="users", hidden=[6, 5], refeed=0.7).eval()
    users = index(5, 2, 5, 11)
    z = m.encode()
    once = m.score_all(z.users.rows(index(2, 5, 11)), z.items.full()).detach()
    h, _ = m.hidden((once - m._mean) @ m.first + m.first_bias)
    twice = h @ m.output[:, :-1].T + m.output[:, -1]
    assert torch.allclose(extra(m, z, users)["refeed"], 0.7 * ((twice - once) ** 2).mean(), atol=1e-6)
    assert not extra(Autoencoder(interactions, hidden=[6], refeed=0.0), z, users)


def test_multdae_is_dense_tanh_layers(interactions):
    m = MultDAE(interactions, dim=4, hidden=[7]).eval()
    x = F.normalize(torch.from_numpy(interactions.to_csr("ones").toarray()), dim=1)
    h = torch.tanh(x @ m.first + m.first_bias)
    h = torch.tanh(m.encoder[0](h))
    assert h.shape[1] == 4
    h = torch.tanh(m.decoder[0](h))
    z = m.encode()
    want = h @ m.output[:, :-1].T + m.output[:, -1]
    assert torch.allclose(m.score_all(z.users.full(), z.items.full()), want, atol=1e-5)


def test_multvae_ranks_by_the_mean_and_pays_for_divergence(interactions):
    m = MultVAE(interactions, dim=4, hidden=[7], beta=0.2, anneal_steps=10, dropout=0.0)
    x = F.normalize(torch.from_numpy(interactions.to_csr("ones").toarray()), dim=1)
    moments = m.encoder[0](torch.tanh(x @ m.first + m.first_bias))
    mean, log_variance = moments[:, :4], moments[:, 4:]
    h = torch.tanh(m.decoder[0](mean))
    z = m.eval().encode()
    want = h @ m.output[:, :-1].T + m.output[:, -1]
    assert torch.allclose(m.score_all(z.users.full(), z.items.full()), want, atol=1e-5)
    normal = torch.distributions.Normal
    kl = torch.distributions.kl_divergence(normal(mean, (log_variance / 2).exp()), normal(0.0, 1.0)).sum(1)
    m.train()
    for step in range(1, 13):
        z = m.encode()
        users = index(8, 3, 8)
        z.users.rows(users)
        term = extra(m, z, users)["kl"]
        assert term.item() == pytest.approx(0.2 * min(1, step / 10) * kl[[3, 8]].mean().item(), rel=1e-4)
    assert m.state_dict()["steps"].item() == 12


def test_the_divergence_is_that_of_the_reconstructed_code(interactions):
    m = MultVAE(interactions, dim=4, hidden=[7], dropout=0.5, anneal_steps=0, beta=1.0).train()
    users, z = torch.arange(30), m.encode()
    z.users.rows(users)
    assert torch.equal(extra(m, z, users)["kl"], extra(m, z, users)["kl"]), "no second draw of dropout"


@pytest.mark.parametrize(
    ("kind", "options"), [(Autoencoder, {"vectors": "users"}), (MultVAE, {"dim": 6}), (MultDAE, {"dim": 6, "hidden": [5]})]
)
def test_fold_in_gives_a_known_history_the_known_row(interactions, kind, options):
    m = kind(interactions, **options).eval()
    assert torch.allclose(m.fold_in(interactions.to_csr()[7:12]), m.encode().users.rows(torch.arange(7, 12)), atol=1e-6)


def test_fold_in_needs_vectors_of_users_and_the_same_catalogue(interactions):
    with pytest.raises(ValueError, match="reads vectors of items"):
        Autoencoder(interactions, vectors="items").fold_in(interactions.to_csr())
    with pytest.raises(ValueError, match="column for each of 45 items, got 3"):
        MultVAE(interactions, dim=6).fold_in(interactions.to_csr()[:, :3])
