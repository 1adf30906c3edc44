"""The hybrid model: its formula, its stages, and what it refuses."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F

import graphrec as gr
from graphrec.data.features import Features
from graphrec.models.factorisation.mf import MF
from graphrec.models.hybrids.hybrid import Hybrid


def described(inter):
    """Genres and a year for every item, an occupation for every user."""
    n = np.arange(inter.n_items)
    items = pd.DataFrame({"item_id": inter.item_ids, "genre": np.where(n % 3, "A|B", "C"), "year": 1990 + n % 7})
    users = pd.DataFrame({"user_id": inter.user_ids, "job": [f"j{u % 4}" for u in range(inter.n_users)]})
    return Features.from_frame(items, inter), Features.from_frame(users, inter, side="user")


def hybrid(inter, **options):
    items, users = described(inter)
    base = MF(inter, dim=6, bias=True)
    return Hybrid(inter, **{"base": base, "item_features": items, "user_features": users, **options})


def index(*values):
    return torch.tensor(values)


def scored(model, u=4, i=9):
    """The score of one pair through the contract."""
    z = model.encode()
    return model.score(z.users.rows(index(u)), z.items.rows(index(i)))


def tower(network, x):
    """The network on already joined rows (n, d), layer by layer."""
    for layer in network.layers:
        x = F.leaky_relu(F.linear(x, layer.weight, layer.bias))
    return (x @ network.out.weight.T + network.out.bias)[:, 0]


@pytest.mark.parametrize("residual", [True, False])
def test_hybrid_is_its_formula(interactions, residual):
    items, users = described(interactions)
    base = MF(interactions, dim=4, bias=True)
    m = Hybrid(interactions, base=base, item_features=items, user_features=users, residual=residual, hidden=[5]).eval()
    torch.nn.init.normal_(m.network.out.weight)
    z = base.encode()
    u, v = z.users.rows(index(4)), z.items.rows(index(9))
    made = [
        F.leaky_relu(torch.from_numpy(f.matrix[[row]].toarray()) @ meta.first + meta.first_bias)
        for f, meta, row in ((users, m.user_metadata, 4), (items, m.item_metadata, 9))
    ]
    assert made[0].shape == (1, 8)
    want = tower(m.network, torch.cat([u, made[0], v, made[1]], 1))
    assert torch.allclose(scored(m), want + (base.score(u, v) if residual else 0), atol=1e-5)


def test_hybrid_starts_from_the_ranking_of_its_base(interactions):
    m = hybrid(interactions).eval()
    assert torch.equal(scored(m), scored(m.base))


def test_hybrid_stages(interactions):
    items, _ = described(interactions)
    base = MF(interactions, dim=4, dropout=0.5)
    before = base.users.detach().clone()
    m = Hybrid(interactions, base=base, item_features=items)
    m.train()
    assert not m.base.training, "a frozen base has no dropout"
    torch.nn.init.normal_(m.network.out.weight)

    def step():
        optimizer = torch.optim.SGD([p for p in m.parameters() if p.requires_grad], lr=1.0)
        z = m.encode()
        rows = z.gather(index(1, 2), index(3, 4))
        model_scores = m.score(rows.users, rows.items)
        model_scores.square().sum().backward()
        optimizer.step()
        m.zero_grad()

    step()
    assert torch.equal(m.base.users, before)
    first = {key: value.clone() for key, value in m.state_dict().items()}
    second = Hybrid(interactions, base=base, item_features=items, frozen=False, start=m)
    assert all(torch.equal(first[key], value) for key, value in second.state_dict().items())
    assert all(p.requires_grad for p in second.parameters())
    m.unfreeze()
    assert m.base.training
    step()
    assert not torch.equal(m.base.users, before)
    assert torch.equal(base.users, before), "the model that was handed in is left alone"


def test_hybrid_over_a_graph_model(interactions):
    items, _ = described(interactions)
    m = Hybrid(interactions, base=gr.models.LightGCN(interactions, dim=4, layers=2), item_features=items).eval()
    z = m.encode()
    assert torch.allclose(m.score_all(z.users.full(), z.items.full())[4, 9], scored(m)[0], atol=1e-6)


def test_hybrid_refuses_another_id_space(interactions, random_frame):
    items, _ = described(interactions)
    smaller = gr.Interactions.from_frame(random_frame[random_frame["user_id"] > 110], rating="rating", time="time")
    with pytest.raises(ValueError, match="base model knows 49 users and 45 items, the training data 60 and 45"):
        Hybrid(interactions, base=MF(smaller, dim=4), item_features=items)
    renamed = gr.Interactions.from_frame(random_frame.assign(item_id=random_frame["item_id"] + 1))
    with pytest.raises(ValueError, match="item_features describe other items"):
        Hybrid(renamed, base=MF(renamed, dim=4), item_features=items)
    with pytest.raises(ValueError, match="user_features describe other users"):
        Hybrid(interactions, base=MF(interactions, dim=4), user_features=items)
    other = MF(renamed, dim=4)
    with pytest.raises(ValueError, match="trained on other item ids"):
        Hybrid(interactions, base=other, item_features=items)


def test_hybrid_over_another_id_space_of_equal_size_is_refused(interactions, random_frame):
    items, _ = described(interactions)
    renamed = gr.Interactions.from_frame(random_frame.assign(item_id=random_frame["item_id"] + 1))
    base = gr.Recommender("mf", dim=4).fit(renamed, epochs=1, progress=False)
    with pytest.raises(gr.errors.InputError, match="base model was trained on other item ids"):
        gr.Recommender("hybrid", base=base, item_features=items).fit(interactions, epochs=1)
