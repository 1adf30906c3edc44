"""Trainings that touch the rows of a batch only: what they compute, when they are taken, and what looks into them."""

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.models import GMF, MF, MLP, NeuMF
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowAdagrad, RowAdam, RowSGD
from graphrec.training.trainer import Trainer

HOW = {"epochs": 6, "batch_size": 16, "lr": 0.01, "progress": False, "device": "cpu"}
MODELS = {
    "mf": lambda inter: MF(inter, dim=6),
    "biased mf": lambda inter: MF(inter, dim=6, bias=True),
    "mf with dropout": lambda inter: MF(inter, dim=6, dropout=0.3),
    "gmf": lambda inter: GMF(inter, dim=6, init_std=0.3),
    "mlp": lambda inter: MLP(inter, dim=6, hidden=[4], init_std=0.3),
    "neumf": lambda inter: NeuMF(inter, dim=4, hidden=[4], init_std=0.3),
}


def trainer(inter, kind="mf", dense=False, callbacks=(), **options):
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = MODELS[kind](inter) if isinstance(kind, str) else kind(inter, dim=6)
    if dense:
        model.row_tables = lambda: None
    return Trainer(model, FitOptions(**{**HOW, **options}), callbacks=callbacks)


def weights(training):
    return {name: p.detach() for name, p in training.model.named_parameters()}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "bce", "n_negatives": 2},
        {"loss": "bpr", "shared_negatives": True, "n_negatives": 5, "schedule": "cosine"},
        {"loss": "shared_softmax", "n_negatives": 5},
        {"loss": "mse", "parameter_groups": {"users": {"betas": (0.8, 0.99)}}},
        {"loss": "bce", "optimizer": "sgd", "lr": 1.0},
    ],
    ids=["bce", "shared negatives", "whole users", "ratings and groups", "sgd"],
)
def test_they_end_where_dense_ones_do(interactions, kind, options):
    by_rows, dense = trainer(interactions, kind, **options), trainer(interactions, kind, dense=True, **options)
    assert all(type(optimizer) in (RowAdam, RowSGD) for optimizer in by_rows.optimizers.all)
    assert all(type(optimizer) in (torch.optim.Adam, torch.optim.SGD) for optimizer in dense.optimizers.all)
    start = {name: p.clone() for name, p in weights(dense).items()}
    history = [t.fit(interactions).history for t in (by_rows, dense)]
    for ours, theirs in zip(*history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)
        assert ours["l2"] == pytest.approx(theirs["l2"], rel=1e-4)
    for name, p in weights(by_rows).items():
        if options["loss"] in ("bpr", "shared_softmax") and name.endswith(("user_bias", "out.bias")):
            continue  # such a loss does not depend on it: its gradient is rounding errors, which Adam divides by their own size
        moved = (weights(dense)[name] - start[name]).abs().max()
        assert moved > 1e-3, name
        assert ((p - weights(dense)[name]).abs().max() / moved).item() < 5e-3, name


@pytest.mark.parametrize(
    ("kind", "options", "compiled"),
    [
        ("mf", {}, True),
        ("biased mf", {"loss": "hinge", "loss_options": {"margin": 0.3}, "n_negatives": 3}, True),
        ("mf", {"optimizer": "row_adagrad", "negatives": "popularity"}, True),
        ("mf with dropout", {}, False),
        ("mf", {"loss": "softmax", "n_negatives": 3}, False),
        ("mf", {"negatives": "in-batch"}, False),
        ("mf", {"negatives": "hardest", "n_negatives": 3}, False),
        ("mf", {"shared_negatives": True}, False),
        ("mf", {"optimizer": "adamw"}, False),
        ("mf", {"weight_decay": 0.1}, False),
        ("biased mf", {"parameter_groups": {"bias": {"lr": 0.1}}}, False),
        ("gmf", {}, False),
    ],
)
def test_a_step_is_compiled_where_the_model_says_what_its_score_is(interactions, kind, options, compiled):
    assert (trainer(interactions, kind, **options).compiled is not None) == compiled


class Pulled(MF):
    """Reads whole tables in training."""

    def auxiliary(self, step):
        return {"pull": self.users.square().mean()}


class Doubled(MF):
    """Scores otherwise, by the same rows."""

    def score(self, u, v):
        return 2 * super().score(u, v)


class Sure(Pulled):
    """Declares what its methods would make one doubt."""

    def row_tables(self):
        return MF.row_tables(self)


def test_what_a_model_declares_falls_when_a_method_it_speaks_of_is_defined_anew(interactions):
    pulled, doubled, sure = (kind(interactions, dim=4) for kind in (Pulled, Doubled, Sure))
    assert pulled.row_tables() is None
    assert pulled.factors() is None
    assert doubled.row_tables() is not None
    assert doubled.factors() is None
    assert sure.row_tables() is not None
    assert sure.factors() is None
    assert MF(interactions, dim=4).factors() is not None


@pytest.mark.parametrize("kind", [Pulled, Doubled])
def test_a_model_of_ones_own_is_trained_by_what_it_defines(interactions, kind):
    ours, dense = trainer(interactions, kind), trainer(interactions, kind, dense=True)
    ours.fit(interactions)
    dense.fit(interactions)
    for name, p in weights(ours).items():
        assert torch.allclose(p, weights(dense)[name], atol=1e-4), name
    plain = trainer(interactions, MF)
    plain.fit(interactions)
    assert not torch.allclose(plain.model.users, ours.model.users, atol=1e-3)


def test_a_callback_that_looks_within_an_epoch_sees_what_dense_adam_has(interactions):
    class Look:
        def __init__(self):
            self.seen = []

        def on_step_end(self, state):
            if state.step % 5 == 0:
                self.seen.append(state.model.users.detach().clone())

    looks = Look(), Look()
    trainer(interactions, callbacks=[looks[0]], batch_size=4).fit(interactions)
    trainer(interactions, callbacks=[looks[1]], batch_size=4, dense=True).fit(interactions)
    assert len(looks[0].seen) > 50
    for ours, theirs in zip(looks[0].seen, looks[1].seen, strict=True):
        assert torch.allclose(ours, theirs, atol=2e-4)


@pytest.mark.parametrize("name", ["mf", "gmf"])
@pytest.mark.parametrize("optimizer", ["adam", "row_adagrad"])
def test_they_are_resumed_bit_for_bit(interactions, tmp_path, name, optimizer):
    split = gr.split.random(interactions, test=0.2, valid=0.1, seed=0)
    hyper = {"dim": 4, "bias": True} if name == "mf" else {"dim": 4}
    how = {**HOW, "optimizer": optimizer, "loss": "bpr", "seed": 2}

    def fit(**more):
        return gr.Recommender(name, **hyper).fit(split.train, **{**how, **more})

    whole = fit()
    fit(epochs=2, checkpoint=tmp_path)
    resumed = fit(checkpoint=tmp_path, resume=True)
    for key, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[key]), key
    assert whole.history["loss"].tolist() == resumed.history["loss"].tolist()


def test_row_wise_adagrad_is_for_every_model_and_learns(interactions):
    training = trainer(interactions, "neumf", loss="bce", optimizer="row_adagrad", lr=0.1, epochs=20)
    assert [type(optimizer) for optimizer in training.optimizers.all] == [RowAdagrad]
    losses = [row["loss"] for row in training.fit(interactions).history]
    assert losses[-1] < 0.8 * losses[0]
    graph = gr.Recommender("lightgcn", dim=4).fit(interactions, optimizer="row_adagrad", lr=0.1, epochs=20, progress=False)
    assert graph.history["loss"].iloc[-1] < 0.8 * graph.history["loss"].iloc[0]


def test_row_wise_adagrad_has_no_weight_decay(interactions):
    with pytest.raises(gr.errors.InputError, match="row_adagrad has no weight decay; use l2"):
        trainer(interactions, optimizer="row_adagrad", weight_decay=0.1)


def test_a_loss_that_is_no_number_is_told_of(interactions):
    with pytest.raises(FloatingPointError, match=r"epoch 1.*smaller lr"):
        trainer(interactions, optimizer="sgd", lr=1e30).fit(interactions)


def test_looking_up_rows_leaves_no_mark_on_the_model(interactions):
    training = trainer(interactions, "neumf", loss="bce")
    training.fit(interactions)
    assert not training.model.sparse_gradients
    assert np.isfinite(training.model.encode().users.full().detach().numpy()).all()
