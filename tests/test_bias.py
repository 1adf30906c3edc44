"""The baseline of rating models: means by hand, damping, and what it refuses."""

import numpy as np
import pytest

import graphrec as gr
from graphrec.models import Bias


def by_loops(inter, item_damping, user_damping):
    mean = sum(map(float, inter.ratings)) / len(inter)
    of_items, of_users = np.zeros(inter.n_items), np.zeros(inter.n_users)
    for item in range(inter.n_items):
        mine = [float(r) - mean for i, r in zip(inter.items, inter.ratings, strict=True) if i == item]
        of_items[item] = sum(mine) / (len(mine) + item_damping) if mine else 0
    for user in range(inter.n_users):
        rows = zip(inter.users, inter.items, inter.ratings, strict=True)
        mine = [float(r) - mean - of_items[i] for u, i, r in rows if u == user]
        of_users[user] = sum(mine) / (len(mine) + user_damping) if mine else 0
    return mean + of_users[:, None] + of_items


@pytest.mark.parametrize("damping", [(0, 0), (25, 10), (3, 0.5)])
def test_bias_is_its_loops(interactions, damping):
    rec = gr.Recommender("bias", item_damping=damping[0], user_damping=damping[1]).fit(interactions)
    want = by_loops(interactions, *damping)
    users, items = np.meshgrid(range(60), range(interactions.n_items), indexing="ij")
    got = rec.score(interactions.user_ids[users.ravel()], interactions.item_ids[items.ravel()])
    assert np.allclose(got, want.ravel(), atol=1e-5)


def test_additive_ratings_are_found_exactly():
    # Every user has every item: plain means are the least-squares solution of an additive table.
    users, items = np.divmod(np.arange(12), 4)
    ratings = 3 + np.array([-1.0, 0.0, 1.0])[users] + np.array([-0.5, 0.5, 1.0, -1.0])[items]
    inter = gr.Interactions.from_indices(users, items, ratings)
    rec = gr.Recommender("bias", item_damping=0, user_damping=0).fit(inter)
    assert gr.evaluate_ratings(rec, inter)["mse"] == pytest.approx(0, abs=1e-12)


def test_without_ratings_or_with_negative_damping_it_says_so(interactions):
    with pytest.raises(gr.errors.InputError, match="Bias needs ratings"):
        Bias(interactions.binarize())
    with pytest.raises(gr.errors.InputError, match="item_damping must be at least 0"):
        Bias(interactions, item_damping=-1)
