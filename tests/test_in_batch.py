"""Negatives from the batch itself: a row's own positive is none, wherever it occurs in the batch."""

import pytest
import torch
from conftest import DEVICES

import graphrec as gr
from graphrec.training.in_batch import without_own

LOWEST = torch.finfo(torch.float32).min


def masked(scores, items):
    return scores.masked_fill(items[:, None] == items[None], LOWEST)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("items", [[3, 1, 3, 0, 3, 1], [0, 1, 2, 3, 4, 5], [7, 7, 7, 7, 7, 7], [2]])
@pytest.mark.parametrize(
    "loss", [lambda s: s.logsumexp(1).mean(), lambda s: (s.clamp(min=-9) ** 2).mean(), lambda s: (2 * s).sum()], ids=str
)
def test_scores_and_gradients_are_those_of_a_mask(items, in_place, loss, device):
    items = torch.tensor(items, device=device)
    u, v = (torch.randn(len(items), 4, generator=torch.Generator().manual_seed(s)) for s in (0, 1))
    values, gradients = [], []
    for way in (masked, lambda s, i: without_own(s, i, in_place)):
        left, right = (rows.to(device, copy=True).requires_grad_() for rows in (u, v))
        scores = way(left @ right.T, items)
        values.append(scores.detach().clone())
        gradients.append(torch.autograd.grad(loss(scores), (left, right)))
    assert torch.equal(*values)
    for one, other in zip(*gradients, strict=True):
        assert torch.equal(one.nan_to_num(nan=-77), other.nan_to_num(nan=-77))


def test_scores_that_something_else_needs_stay_as_they_were():
    scores = torch.randn(4, 4, requires_grad=True)
    bounded = scores.sigmoid()  # its gradient reads its values
    before = bounded.detach().clone()
    without_own(bounded, torch.tensor([1, 1, 2, 3])).logsumexp(1).sum().backward()
    assert torch.equal(bounded, before)
    assert scores.grad[0, :2].eq(0).all()
    assert scores.grad[0, 2:].gt(0).all()


class Bounded(gr.models.MF):
    """Scores of its own, whose gradient reads the scores."""

    def score_all(self, users, items):
        return torch.sigmoid(users @ items.T)

    def score(self, users, items):
        return torch.sigmoid((users * items).sum(-1))


def test_a_model_with_scores_of_its_own_trains_with_negatives_of_the_batch(interactions):
    rec = gr.Recommender(Bounded, dim=4).fit(interactions, epochs=3, loss="softmax", negatives="in-batch", progress=False)
    losses = rec.history["loss"].tolist()
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("loss", ["bsl", "softmax", "bpr"])
def test_a_batch_of_one_item_has_no_negatives(loss):
    pairs = gr.Interactions.from_indices([0, 1, 2, 3, 4], [0, 0, 0, 0, 1], n_users=5, n_items=3)
    rec = gr.Recommender("mf", dim=4)
    rec.fit(pairs, epochs=8, batch_size=2, loss=loss, negatives="in-batch", pairs="interaction", progress=False)
    assert rec.history["loss"].notna().all()
    assert rec.model.users.isfinite().all()


@pytest.mark.parametrize(("items", "batch_size", "why"), [([0, 1, 2], 1, "batch_size=1"), ([1, 1, 1], 8, "of one item")])
def test_where_a_batch_never_has_another_item_there_is_no_training(items, batch_size, why):
    pairs = gr.Interactions.from_indices([0, 1, 2], items, n_users=3, n_items=3)
    with pytest.raises(gr.errors.InputError, match=rf"negatives='in-batch' .* there are none: .*{why}"):
        gr.Recommender("mf", dim=4).fit(
            pairs, epochs=1, batch_size=batch_size, loss="bpr", negatives="in-batch", progress=False
        )
