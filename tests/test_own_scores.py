"""A model that scores in its own way is trained, ranked and served by that score and by no parent's."""

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.models import scoring


class Fresh(gr.models.Model):
    """Tables of its own and the dot product."""

    def __init__(self, train, *, dim=4):
        super().__init__(train)
        self.users, self.items = (gr.models.embedding(n, dim) for n in (self.n_users, self.n_items))

    def encode(self):
        return gr.models.Encoding(gr.models.Table(self.users), gr.models.Table(self.items))


PARENTS = {"Model": Fresh, "MF": gr.models.MF, "GCMC": gr.models.GCMC, "Autoencoder": gr.models.Autoencoder}


def apart(u, v):
    return -(u - v).square().sum(-1)


def with_score(parent, all_too):
    """A subclass whose score is a distance."""
    methods = {"score": lambda self, u, v: apart(u, v)}
    if all_too:
        methods["score_all"] = lambda self, u, items: apart(u[:, None], items)
    return type("Distance", (parent,), methods)


@pytest.mark.parametrize("all_too", [False, True])
@pytest.mark.parametrize("parent", PARENTS)
def test_ranking_is_by_the_score_of_the_subclass(interactions, parent, all_too):
    rec = gr.Recommender(with_score(PARENTS[parent], all_too)).fit(interactions, epochs=2, loss="bpr", seed=0, progress=False)
    assert not rec.model.dot_product
    encoding = rec.model.eval().encode()
    u, v = encoding.users.full().detach(), encoding.items.full().detach()
    want = apart(u[:, None], v).numpy()
    for row in range(5):
        got = rec.recommend(interactions.user_ids[row], k=3, filter_seen=False)
        scores = got["score"].to_numpy()
        np.testing.assert_allclose(scores, np.sort(want[row])[::-1][:3], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("parent", "declared"), [("MF", {}), ("GCMC", {}), ("Autoencoder", {})])
def test_models_of_the_library_still_rank_by_dot_products(interactions, parent, declared):
    assert gr.models.MF(interactions).dot_product
    assert PARENTS[parent](interactions, **declared).dot_product


def test_a_range_of_ratings_is_no_dot_product(interactions):
    assert not gr.models.MF(interactions, rating_range=(1, 5)).dot_product
    assert not gr.models.Autoencoder(interactions, rating_range=(1, 5)).dot_product
    assert not gr.models.GCMC(interactions, decoder="bilinear").dot_product


@pytest.mark.parametrize("at_once", [1, 40, 1 << 24])
def test_pairs_in_groups(monkeypatch, interactions, at_once):
    monkeypatch.setattr(scoring, "_PAIRED", at_once)
    model = with_score(Fresh, all_too=False)(interactions)
    u, v = torch.randn(7, 4), torch.randn(5, 4)
    torch.testing.assert_close(model.score_all(u, v), apart(u[:, None], v))
    assert model.score_all(u[:0], v).shape == (0, 5)
    assert model.score_all(u, v[:0]).shape == (7, 0)


def test_a_score_of_another_shape_is_named(interactions):
    class Wide(Fresh):
        def score(self, u, v):
            return u * v

    with pytest.raises(
        gr.errors.InputError, match=r"Wide\.score\(\) must return a score for each of 35 pairs .* got \(35, 4\)"
    ):
        Wide(interactions).score_all(torch.randn(7, 4), torch.randn(5, 4))


class Mixed:
    """A score that comes along with a class that is no model."""

    def score(self, u, v):
        return apart(u, v)


@pytest.mark.parametrize("parent", PARENTS)
def test_a_score_from_a_mixin_is_the_models_own(interactions, parent):
    rec = gr.Recommender(type("Late", (Mixed, PARENTS[parent]), {}))
    rec.fit(interactions, epochs=1, loss="bpr", seed=0, progress=False)
    assert not rec.model.dot_product
    people, things = interactions.user_ids[:3], interactions.item_ids[:3]
    encoding = rec.model.eval().encode()
    want = apart(encoding.users.full()[:3], encoding.items.full()[:3]).detach().numpy()
    np.testing.assert_allclose(rec.score(people, things), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["lightgcn", "simgcl", "xsimgcl", "ncl", "sgl", "nescl"])
def test_reasons_are_parts_of_the_models_own_score(interactions, name):
    own = type("Own", (gr.models.MODELS[name],), {"score": lambda self, u, v: -2 * (u * v).sum(-1)})
    assert own.explaining is gr.models.Model.explaining
    assert gr.models.MODELS[name].explaining is not gr.models.Model.explaining


def test_scores_of_pairs_and_of_all_pairs_are_defined_together():
    with pytest.raises(gr.errors.InputError, match="Half defines score_all and inherits score, which would be another one"):
        type("Half", (gr.models.MF,), {"score_all": lambda self, u, items: -(u @ items.T)})


def test_a_loss_of_vectors_says_that_it_does_not_see_the_score(interactions):
    with pytest.warns(UserWarning, match="loss='directau' is one of the vectors .* ranks by a score of its own"):
        gr.Recommender(with_score(Fresh, False)).fit(interactions, epochs=1, loss="directau", progress=False)


@pytest.mark.parametrize(("parent", "term"), [(gr.models.HOPRec, "order_2"), (gr.models.UltraGCN, "item_constraint")])
def test_further_losses_of_a_subclass_are_of_its_score(interactions, parent, term):
    """A constant beside the distance is in no difference of two scores, and in the scores themselves."""
    shifted = type("Shifted", (parent,), {"score": lambda self, u, v: apart(u, v) + 3.0})
    losses = []
    for kind in (with_score(parent, False), shifted):
        rec = gr.Recommender(kind, dim=4).fit(
            interactions, epochs=1, batch_size=10_000, n_negatives=3, l2=0.0, seed=0, progress=False
        )
        losses.append(float(rec.history[term].iloc[0]))
    assert np.isclose(*losses, rtol=1e-5) == (parent is gr.models.HOPRec)
