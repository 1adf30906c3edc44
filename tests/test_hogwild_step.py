"""hogwild=True: on one thread the steps of batches of one pair; on several it learns as much; elsewhere it is refused."""

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError

HOW = {"epochs": 3, "progress": False, "seed": 5}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions.binarize(), test=0.2, valid=0.1, seed=2)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("loss", ["bpr", "bce", "hinge"])
@pytest.mark.parametrize(("optimizer", "lr"), [("row_adagrad", 0.1), ("sgd", 0.05)])
@pytest.mark.usefixtures("one_thread")
def test_one_thread_takes_the_steps_of_batches_of_one(interactions, optimizer, lr, loss, bias):
    how = {**HOW, "loss": loss, "optimizer": optimizer, "lr": lr, "l2": 0.02}
    a, b = (
        gr.Recommender("mf", dim=19, bias=bias).fit(interactions.binarize(), **how, **more)
        for more in ({"batch_size": 1}, {"hogwild": True, "batch_size": 100})
    )
    for name, p in a.model.named_parameters():
        np.testing.assert_allclose(b.model.get_parameter(name).detach(), p.detach(), rtol=2e-4, atol=2e-6, err_msg=name)
    n, steps = len(interactions), b.history["loss"]
    assert steps.iloc[-1] == pytest.approx(a.history["loss"].iloc[-1], rel=0.05 if n % 100 else 1e-4)


def test_several_threads_learn_as_much(split):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        found = gr.Recommender("mf", dim=16).fit(split.train, valid=split.valid, hogwild=True, batch_size=64, **HOW)
    finally:
        torch.set_num_threads(before)
    usual = gr.Recommender("mf", dim=16).fit(split.train, valid=split.valid, batch_size=1, **HOW)
    assert found.history["loss"].iloc[-1] == pytest.approx(usual.history["loss"].iloc[-1], abs=0.03)
    assert found.best_epoch is not None


@pytest.mark.usefixtures("one_thread")
def test_it_resumes_where_it_stopped(split, tmp_path):
    whole = gr.Recommender("mf", dim=8).fit(split.train, hogwild=True, **{**HOW, "epochs": 4})
    first = gr.Recommender("mf", dim=8).fit(split.train, hogwild=True, checkpoint=tmp_path, **{**HOW, "epochs": 2})
    rest = gr.Recommender("mf", dim=8).fit(split.train, hogwild=True, checkpoint=tmp_path, resume=True, **{**HOW, "epochs": 4})
    assert torch.equal(whole.model.users, rest.model.users)
    assert not torch.equal(first.model.users, rest.model.users)


@pytest.mark.parametrize(("model", "options", "told"), [
    ("lightgcn", {}, "this is LightGCN"),
    ("mf", {"optimizer": "adam"}, "optimizer='adam'"),
    ("mf", {"loss": "softmax"}, "loss='softmax'"),
    ("mf", {"n_negatives": 2}, "a pair and one negative a step; n_negatives=2"),
    ("mf", {"negatives": "in-batch"}, "negatives='in-batch'"),
])  # fmt: skip
def test_what_cannot_go_pair_by_pair_is_refused(split, model, options, told):
    with pytest.raises(InputError, match=f"hogwild=True .*{told}"):
        gr.Recommender(model, dim=8).fit(split.train, hogwild=True, **options, **HOW)


@pytest.mark.parametrize("options", [{"lr": 0.1}, {"loss": "hinge"}, {}])
def test_the_optimiser_stays_the_models_own_and_the_device_the_cpu(split, monkeypatch, options):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    found = gr.Recommender("mf", dim=8).fit(split.train, hogwild=True, **options, **HOW)
    assert {name: found.options[name] for name in ("optimizer", "lr", "device", "batch_size")} == {
        "optimizer": "row_adagrad",
        "lr": options.get("lr", 0.05),
        "device": "cpu",
        "batch_size": 2**18,
    }


def test_a_drawn_positive_is_no_step(interactions):
    table = interactions.binarize()
    found = gr.Recommender("mf", dim=8).fit(table, hogwild=True, negatives="approximate", **HOW)
    assert np.isfinite(found.history["loss"]).all()


def test_solved_models_have_no_hogwild(split):
    with pytest.raises(InputError, match="fit has no option 'hogwild'"):
        gr.Recommender("itempop").fit(split.train, hogwild=True)
