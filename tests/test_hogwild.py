"""Hogwild: one thread is ordinary training, several learn too, and what cannot be sparse is refused."""

import pytest
import torch

import graphrec as gr
from graphrec.models import MF, LightGCN
from graphrec.training.hogwild import fit_hogwild
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

HOW = {"epochs": 3, "batch_size": 16, "lr": 2.0, "l2": 1e-3, "optimizer": "sgd", "progress": False, "seed": 3}


def sparse_mf(inter, **options):
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return MF(inter, dim=6, bias=True, sparse=True, **options)


# Compiled by name of the loss, and through autograd.
LOSSES = pytest.mark.parametrize("loss", ["bce", lambda pos, neg: gr.losses.bce(pos, neg)], ids=["compiled", "autograd"])


@LOSSES
@pytest.mark.parametrize("options", [{}, {"n_negatives": 3, "pairs": "interaction"}, {"batch_size": 10**6}])
def test_one_thread_is_ordinary_training(interactions, loss, options):
    how = {**HOW, "loss": loss, **options}
    alone, ordinary = sparse_mf(interactions), sparse_mf(interactions)
    table = fit_hogwild(alone, interactions, FitOptions(**how), threads=1)
    history = Trainer(ordinary, FitOptions(**how)).fit(interactions).history
    for name, tensor in ordinary.state_dict().items():
        assert torch.allclose(tensor, alone.state_dict()[name], atol=1e-6), name
    assert table["loss"].tolist() == pytest.approx([row["loss"] for row in history], abs=1e-6)


@LOSSES
def test_two_threads_share_one_model_and_learn(checkerboard, loss):
    inter = gr.Interactions.from_frame(checkerboard)
    model = sparse_mf(inter)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = fit_hogwild(model, inter, FitOptions(**{**HOW, "loss": loss, "epochs": 40}), threads=2)["loss"]
    assert losses.iloc[-1] < 0.5 * losses.iloc[0]
    assert not model.training
    for name in ("users", "items", "user_bias", "item_bias"):
        changed = (model.state_dict()[name] != start[name]).any(1)
        assert changed.all(), f"{name}: steps of a thread were lost"


def test_divergence_is_reported(interactions):
    with pytest.raises(FloatingPointError, match=r"epoch .* smaller lr than 1e\+30"):
        fit_hogwild(sparse_mf(interactions), interactions, FitOptions(**{**HOW, "lr": 1e30}), threads=1)


def test_a_last_step_that_diverges_is_reported(interactions):
    with pytest.raises(FloatingPointError, match=r"parameters became .* in epoch 1: .* smaller lr than 1e\+38"):
        once = {**HOW, "lr": 1e38, "epochs": 1, "batch_size": 10**6}
        fit_hogwild(sparse_mf(interactions), interactions, FitOptions(**once), threads=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"optimizer": "adam"}, "plain SGD only, got optimizer 'adam'"),
        ({"parameter_groups": {"bias": {"optimizer": "adagrad"}}}, "plain SGD only, got optimizer 'adagrad'"),
        ({"parameter_groups": {"bias": {"momentum": 0.9}}}, "momentum touch every row"),
        ({"weight_decay": 0.1}, "weight_decay and momentum"),
        ({"schedule": "cosine"}, "no learning-rate schedule"),
    ],
)
def test_dense_steps_are_refused(interactions, options, message):
    with pytest.raises(gr.errors.InputError, match=message):
        fit_hogwild(sparse_mf(interactions), interactions, FitOptions(**{**HOW, **options}), threads=2)


@pytest.mark.parametrize("model", [lambda inter: MF(inter, dim=4, dropout=0.1), lambda inter: LightGCN(inter, dim=4)])
def test_models_with_dense_gradients_are_refused(interactions, model):
    with pytest.raises(gr.errors.InputError, match=r"needs sparse gradients and .* gives dense ones"):
        fit_hogwild(model(interactions), interactions, FitOptions(**HOW), threads=2)


def test_factor_models_need_no_sparse_gradients(interactions):
    plain, sparse = (MF(interactions, dim=4, sparse=s) for s in (False, True))
    sparse.load_state_dict(plain.state_dict())
    for model in (plain, sparse):
        fit_hogwild(model, interactions, FitOptions(**HOW), threads=1)
    assert torch.equal(plain.users, sparse.users)


@pytest.mark.parametrize("threads", [0, True, 1.5])
def test_the_number_of_threads_is_checked(interactions, threads):
    with pytest.raises(gr.errors.InputError, match="threads must be a whole number"):
        fit_hogwild(sparse_mf(interactions), interactions, FitOptions(**HOW), threads=threads)
