"""One suite for every model in the table: what a model must do whatever it is."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.models import MODELS

HYPER = {
    "lightgcn": {"dim": 16, "layers": 2},
    "ngcf": {"dim": 16, "layers": [16]},
    "mf": {"dim": 16},
}
FIT = {"epochs": 3, "seed": 3, "progress": False}
TRAINED = sorted(name for name, kind in MODELS.items() if kind.needs_training)

WITHOUT_RATE = {"ials"}  # each step goes to the least of its objective


def recommender(name):
    return gr.Recommender(name, **HYPER.get(name, {}))


def fit(name, train, device, **options):
    rec = recommender(name)
    return rec.fit(train, device=device, **({**FIT, **options} if MODELS[name].needs_training else {}))


@pytest.fixture(scope="module")
def implicit():
    """40 people, 30 things in two camps; user 0 has everything of both, user 39 nothing at all."""
    g = np.random.default_rng(5)
    seen = (np.arange(40)[:, None] % 2 == np.arange(30) % 2) & (g.random((40, 30)) < 0.7)
    seen[np.arange(40), (np.arange(40) + 2 * g.integers(0, 15, 40)) % 30] = True
    seen[0], seen[39] = True, False
    users, items = np.nonzero(seen)
    ratings = np.where(users % 2 == items % 2, 5.0, 2.0)
    return gr.Interactions.from_indices(users, items, ratings, n_users=40, n_items=30)


@pytest.fixture(scope="module")
def fitted(implicit, device):
    return {name: fit(name, implicit, device, saturated="skip") for name in MODELS}


def refused(train, name, **hyper):
    """What is said where no such model is built."""
    try:
        MODELS[name](train, **gr.Recommender(name, **hyper).hyper)
    except gr.InputError as error:
        return str(error)


@pytest.mark.parametrize("name", MODELS)
def test_a_number_that_cannot_be_is_refused_by_the_name_of_its_option(implicit, name):
    options = gr.Recommender(name).get_params().keys() - {"model"}
    told = {(option, value): refused(implicit, name, **{option: value}) for option in options for value in (-1, 0, 1.0, 2.0)}
    assert not {case: words for case, words in told.items() if words and not re.search(rf"\b{case[0]}\b", words)}


@pytest.mark.parametrize("name", TRAINED)
def test_encoding_has_a_row_per_user_and_item(fitted, device, name):
    with torch.no_grad():
        z = fitted[name].model.encode()
        some = torch.tensor([3, 0, 3], device=device)
        assert len(z.items.full()) == 30
        assert len(z.users.rows(some)) == 3
        assert len(z.items.rows(some)) == 3


@pytest.mark.parametrize("name", sorted(MODELS))
def test_paired_scores_are_the_scores_of_all_pairs(fitted, device, name):
    with torch.no_grad():
        ready = fitted[name].model.scoring()
        rows = ready.users(torch.tensor([1, 5, 8, 39], device=device))
        every = ready.scores(rows, slice(None))
        assert torch.allclose(ready.scores(rows, slice(11, 20)), every[:, 11:20], rtol=1e-4, atol=1e-5)
        some = torch.tensor([0, 7, 29], device=device)
        assert torch.allclose(ready.scores(rows, some), every[:, some], rtol=1e-4, atol=1e-5)
        assert torch.allclose(ready.pairs(rows, some.expand(4, 3)), every[:, some], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_seen_items_are_never_recommended(fitted, implicit, name):
    top = fitted[name].recommend(list(range(1, 39)), k=5)
    both = top.merge(implicit.to_frame(), on=["user_id", "item_id"])
    assert both.empty
    assert top.groupby("user_id")["score"].apply(lambda s: s.is_monotonic_decreasing).all()
    assert top["rank"].tolist() == (top.groupby("user_id").cumcount() + 1).tolist()


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_saturated_user_gets_nothing_and_a_user_without_history_a_sentence(fitted, name):
    rec = fitted[name]
    assert rec.recommend([0], k=5).empty
    assert len(rec.recommend([0], k=5, filter_seen=False)) == 5
    if rec.kind.personalised:
        with pytest.raises(ValueError, match="user 39 has no training interaction"):
            rec.recommend([39], k=5)
    else:
        assert len(rec.recommend([39], k=5)) == 5
    with pytest.raises(ValueError, match="unknown user id 77"):
        rec.recommend([77], k=5)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_saved_model_gives_equal_scores(fitted, name, tmp_path):
    rec = fitted[name]
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    users, items = [1, 2, 3, 38], [0, 7, 8, 29]
    assert np.allclose(rec.score(users, items), again.score(users, items), rtol=1e-5, atol=1e-6)
    # A score is a sum of larger terms: where they cancel, what is left has their rounding, which is of the order of 1e-8.
    pd.testing.assert_frame_equal(rec.recommend(users, k=4), again.recommend(users, k=4), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_similar_items_leave_out_the_item_itself(fitted, name):
    similar = fitted[name].similar_items([4, 7], k=6)
    assert list(similar.columns) == ["item_id", "similar_id", "score", "rank"]
    assert len(similar) == 12
    assert (similar["item_id"] != similar["similar_id"]).all()


@pytest.mark.parametrize("name", TRAINED)
def test_training_lowers_the_loss(implicit, device, name):
    rate = {} if name in WITHOUT_RATE else {"lr": 5e-3}
    history = fit(name, implicit, device, epochs=25, saturated="skip", **rate).history
    assert history["loss"].iloc[-3:].mean() < history["loss"].iloc[:2].mean()


@pytest.mark.parametrize("name", TRAINED)
def test_same_seed_same_weights_whatever_the_global_state(implicit, device, name):
    states = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        np.random.seed(noise)  # noqa: NPY002 - the legacy global state is what must not matter
        before = torch.get_rng_state()
        states.append(fit(name, implicit, device, saturated="skip").model.state_dict())
        assert torch.equal(torch.get_rng_state(), before), "the caller's random state was touched"
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("name", TRAINED)
def test_resuming_is_bit_equal(implicit, device, name, tmp_path):
    whole = fit(name, implicit, device, epochs=4, saturated="skip")
    fit(name, implicit, device, epochs=2, checkpoint=tmp_path / "c", saturated="skip")
    second = recommender(name).fit(
        implicit, **{**FIT, "epochs": 4, "saturated": "skip", "device": device}, checkpoint=tmp_path / "c", resume=True
    )
    a, b = whole.model.state_dict(), second.model.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert len(second.history) == 4
