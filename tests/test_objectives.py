"""What a loss is given: shared negatives, the power of popularity, and the correction by log q."""

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec import losses
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions


def first_batch(interactions, **options):
    compute = objective(FitOptions(**options))
    return compute, next(iter(compute.sampler(interactions, torch.Generator().manual_seed(0))))


@pytest.fixture
def model(interactions):
    torch.manual_seed(0)
    return gr.models.MF(interactions, dim=6)


def share_of(interactions, power):
    degree = np.bincount(interactions.structure[1], minlength=interactions.n_items).astype(float) ** power
    return torch.tensor(np.log(degree / degree.sum()), dtype=torch.float32)


def gradients(model, value):
    model.zero_grad()
    value.backward()
    return [parameter.grad.clone() for parameter in model.parameters()]


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_more_negatives_than_items(interactions, model, monkeypatch, l2):
    asked = []
    rows = gr.models.Table.rows
    monkeypatch.setattr(gr.models.Table, "rows", lambda table, index: asked.append(len(index)) or rows(table, index))
    many = interactions.n_items
    compute, batch = first_batch(interactions, loss="bpr", n_negatives=many, l2=l2, batch_size=8)
    got = compute(model, batch)
    # Without a penalty each item is looked up once; a penalty counts every occurrence.
    distinct = torch.cat([batch.items, batch.negatives.flatten()]).unique()
    assert set(asked) == {8, 8 * (many + 1) if l2 else len(distinct)}
    u, pos, neg = model.users[batch.users], model.items[batch.items], model.items[batch.negatives]
    want = losses.bpr((u * pos).sum(1), (u[:, None] * neg).sum(2))
    if l2:
        want = want + l2 * (u.square().sum() + pos.square().sum() + neg.square().sum()) / (2 * 8)
    assert torch.isclose(got, want, rtol=1e-5)
    for mine, by_hand in zip(gradients(model, got), gradients(model, want), strict=True):
        torch.testing.assert_close(mine, by_hand, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("power", [1.0, 0.5])
def test_negatives_shared_by_a_batch_of_pairs(interactions, model, power):
    options = {"loss": "softmax", "negatives": "popularity", "n_negatives": 9, "shared_negatives": True}
    compute, batch = first_batch(interactions, **options, popularity_power=power, log_q=True, l2=0.0, batch_size=32)
    assert batch.negatives.shape == (9,)
    u, v = model.users[batch.users], model.items[batch.items]
    neg, log_q = u @ model.items[batch.negatives].T, share_of(interactions, power)[batch.negatives]
    want = losses.softmax((u * v).sum(1), neg, log_q=log_q)
    assert torch.isclose(compute(model, batch), want, rtol=1e-5)
    assert not torch.isclose(compute(model, batch), losses.softmax((u * v).sum(1), neg), rtol=1e-3)


def test_in_batch_negatives_are_corrected_by_their_share_of_the_interactions(interactions, model):
    options = {"loss": "softmax", "negatives": "in-batch", "pairs": "interaction", "l2": 0.0, "batch_size": 16}
    compute, batch = first_batch(interactions, **options, log_q=True)
    u, v = model.users[batch.users], model.items[batch.items]
    scores = (u @ v.T).masked_fill(batch.items[:, None] == batch.items[None], torch.finfo(torch.float32).min)
    want = losses.softmax((u * v).sum(1), scores, log_q=share_of(interactions, 1.0)[batch.items])
    assert torch.isclose(compute(model, batch), want, rtol=1e-5)


def test_whole_users_with_log_q(interactions, model):
    options = {"loss": "shared_softmax", "negatives": "popularity", "n_negatives": 9, "l2": 0.0, "batch_size": 8}
    compute, batch = first_batch(interactions, **options, popularity_power=0.75, log_q=True)
    u = model.users[batch.users]
    pos = (u[batch.owner] * model.items[batch.items]).sum(1)
    log_q = share_of(interactions, 0.75)[batch.negatives]
    want = losses.shared_softmax(pos, batch.owner, u @ model.items[batch.negatives].T, log_q=log_q)
    assert torch.isclose(compute(model, batch), want, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "bpr", "log_q": True}, "log_q corrects the losses 'softmax' and 'shared_softmax'.*loss='bpr'"),
        ({"loss": "softmax", "negatives": "hardest", "log_q": True}, "negatives='hardest'"),
        ({"popularity_power": -1.0}, "popularity_power must be a finite number of at least 0, got -1.0"),
    ],
)
def test_corrections_that_mean_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        objective(FitOptions(**options))
