"""Training in stages, refitting under a schedule, and where factors start."""

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.models import MF, CollabFNet
from graphrec.training.callbacks import StopAfter

HOW = {"batch_size": 64, "lr": 0.05, "seed": 1, "progress": False, "l2": 0.0, "loss": "mse"}


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


def test_a_warm_start_goes_on_with_a_new_optimiser(split):
    rec = gr.Recommender("mf", dim=4, bias=True).fit(split.train, valid=split.valid, epochs=3, **HOW)
    before = rec.model.state_dict()["users"].clone()
    rec.fit(split.train, valid=split.valid, epochs=2, warm_start=True, **{**HOW, "lr": 1e-12})
    assert torch.allclose(rec.model.state_dict()["users"], before, atol=1e-9)
    assert rec.history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert rec.history["lr"].tolist() == [0.05] * 3 + [1e-12] * 2
    anew = gr.Recommender("mf", dim=4, bias=True).fit(split.train, valid=split.valid, epochs=3, **HOW)
    anew.fit(split.train, valid=split.valid, epochs=1, **HOW)
    assert anew.history["epoch"].tolist() == [1], "without warm_start fit starts anew"


def test_impossible_warm_starts_are_refused(split, random_frame):
    rec = gr.Recommender("mf", dim=4)
    with pytest.raises(gr.errors.InputError, match="not fitted yet"):
        rec.fit(split.train, warm_start=True, epochs=1, **HOW)
    rec.fit(split.train, epochs=1, **HOW)
    with pytest.raises(gr.errors.InputError, match="choose one"):
        rec.fit(split.train, valid=split.valid, refit=True, warm_start=True, epochs=1, **HOW)
    with pytest.raises(gr.errors.InputError, match="closed form and has no stages"):
        gr.Recommender("itempop").fit(split.train, warm_start=True)
    other = gr.Interactions.from_frame(random_frame.assign(item_id=random_frame["item_id"] + 1), rating="rating")
    with pytest.raises(gr.errors.InputError, match="needs the id space that the model has"):
        rec.fit(other, warm_start=True, epochs=1, **HOW)


def test_refit_keeps_the_schedule_of_the_whole_training(split):
    rates = []

    class Watch:
        def on_epoch_end(self, state):
            rates.append((state.epoch, state.optimizer.learning_rate))

    options = {**HOW, "lr": 0.1, "schedule": {"name": "cosine", "per": "epoch"}, "epochs": 10}
    rec = gr.Recommender("mf", dim=16, bias=True)
    rec.fit(split.train, valid=split.valid, refit=True, callbacks=[Watch()], **options)
    assert rec.best_epoch < 10, "or the test says nothing"
    first, second = rates[:10], rates[10:]
    assert [epoch for epoch, _ in second] == list(range(1, rec.best_epoch + 1))
    assert np.allclose([rate for _, rate in second], [rate for _, rate in first[: rec.best_epoch]])


def test_stop_after_ends_training_in_time(split):
    rec = gr.Recommender("mf", dim=4).fit(split.train, epochs=9, callbacks=[StopAfter(4)], **HOW)
    assert len(rec.history) == 4
    with pytest.raises(gr.errors.InputError, match="at least one epoch"):
        StopAfter(0)


def test_initial_factors_follow_their_name():
    inter = gr.Interactions.from_indices([0, 1], [0, 1], n_users=4000, n_items=500)
    torch.manual_seed(0)
    he = MF(inter, dim=50, init="he_normal")
    assert he.users.std().item() == pytest.approx((2 / 4000) ** 0.5, rel=0.02)
    assert he.items.std().item() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    assert he.items.abs().max().item() <= 2 * (2 / 500) ** 0.5 / 0.8796 + 1e-6
    uniform = MF(inter, dim=50, init="uniform", init_range=(0.1, 0.3))
    assert 0.1 <= uniform.items.min().item() < 0.11 < 0.29 < uniform.items.max().item() <= 0.3
    assert MF(inter, dim=50, init_std=0.3).users.std().item() == pytest.approx(0.3, rel=0.02)
    assert CollabFNet(inter, dim=50, init_range=None).users.std().item() == pytest.approx(1.0, rel=0.02)
    with pytest.raises(gr.errors.InputError, match="did you mean 'he_normal'"):
        MF(inter, init="he_norml")
    with pytest.raises(gr.errors.InputError, match="low < high"):
        MF(inter, init="uniform", init_range=(1, 0))
