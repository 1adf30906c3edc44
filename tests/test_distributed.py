"""Several processes train what one trains: the same losses, choices and embeddings, whoever holds which columns."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.distributed.group import joined
from graphrec.errors import InputError

EPOCHS = 6
# dim=10 on 4 processes: slices of 2 and 3 columns.
CASES = {
    "mf": ("mf", {"dim": 10}, {"batch_size": 128}),  # row-wise Adagrad, whose sums are of whole rows
    "mf, adam": ("mf", {"dim": 10}, {"batch_size": 128, "optimizer": "adam", "lr": 1e-2, "l2": 1e-3}),
    "lightgcn": ("lightgcn", {"dim": 10}, {"batch_size": 128, "lr": 1e-2, "l2": 1e-3}),
    "lightgcn, row sums of a dense gradient": (
        "lightgcn",
        {"dim": 10, "layers": 1},
        {"batch_size": 128, "optimizer": "row_adagrad", "lr": 1e-2, "n_negatives": 3, "negatives": "hardest"},
    ),
    "cosine softmax": (
        "lightgcn",
        {"dim": 10, "layers": 2, "similarity": "cosine"},
        {"batch_size": 128, "loss": "softmax", "loss_options": {"temperature": 0.2}, "n_negatives": 4, "l2": 1e-3},
    ),
    "cosine, negatives of the batch": (
        "lightgcn",
        {"dim": 10, "layers": 1, "similarity": "cosine"},
        {"batch_size": 64, "loss": "bsl", "loss_options": {"temperature": 0.12, "power": 0.84}, "negatives": "in-batch"},
    ),
    "lightgcn-fast": (
        "lightgcn",
        {"dim": 10, "layers": 1, "init": "svd", "similarity": "cosine", "popularity": 0.12},
        {"batch_size": 32, "loss": "shared_softmax", "loss_options": {"temperature": 0.12}, "n_negatives": 30}
        | {"negatives": "popularity", "lr": 0.02, "schedule": {"name": "cosine", "warmup": 4}},
    ),
    "ratings": ("mf", {"dim": 10}, {"batch_size": 128, "loss": "mse", "lr": 1e-2}),
    "stopped early": ("mf", {"dim": 10}, {"batch_size": 64, "optimizer": "adam", "lr": 0.1, "patience": 1}),
}
VALIDATED = {"mf", "lightgcn-fast", "stopped early"}


def split(rated=False):
    g = np.random.default_rng(3)
    seen = g.random((60, 45)) < 0.2
    users, items = np.nonzero(seen)
    ratings = g.integers(1, 6, len(users)).astype(np.float32)
    table = gr.Interactions.from_indices(users, items, n_users=60, n_items=45, ratings=ratings if rated else None)
    return gr.split.random(table, test=0.1, valid=0.1, seed=0)


def fitted(name, together=False, **more):
    model, hyper, options = CASES[name]
    parts = split(rated=options.get("loss") == "mse")
    how = {"epochs": EPOCHS, "seed": 5, "progress": False, "device": "cpu", **options, **more}
    valid = parts.valid if name in VALIDATED else None
    return gr.Recommender(model, **hyper).fit(parts.train, valid=valid, distributed=together, **how)


def outcome(recommender):
    losses = torch.tensor(recommender.history["loss"].to_numpy())
    state = {name: tensor.clone() for name, tensor in recommender.model.state_dict().items()}
    return {"state": state, "losses": losses, "best": recommender.best_epoch}


def assert_equal(one, other):
    assert other["best"] == one["best"]
    torch.testing.assert_close(other["losses"], one["losses"], atol=1e-5, rtol=0)
    for name, tensor in one["state"].items():
        torch.testing.assert_close(other["state"][name], tensor, atol=1e-5, rtol=0)


# ---- real processes, which do everything in one go because they take seconds to start ----------------------------


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def be_process(rank, world, port):
    torch.set_num_threads(1)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})


def work(rank, world, port, folder):
    be_process(rank, world, port)
    done = {name: outcome(fitted(name, together=True)) for name in CASES}
    for name in ("mf", "lightgcn"):
        fitted(name, together=True, epochs=2, checkpoint=folder / f"{name} kept by {world}")
        there = folder / f"{name} kept by {world // 2}"  # by one process, or by another number of them
        joined().from_writer(lambda there=there: str(shutil.copytree(there, f"{there}, copied")))
        done[there.name] = outcome(fitted(name, together=True, checkpoint=Path(f"{there}, copied"), resume=True))
    torch.save(done, folder / f"{rank} of {world}.pt")


def together(world, folder):
    torch.multiprocessing.spawn(work, (world, free_port(), folder), nprocs=world)
    return [torch.load(folder / f"{rank} of {world}.pt") for rank in range(world)]


@pytest.fixture(scope="module")
def one():
    return {name: outcome(fitted(name)) for name in CASES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("together")


@pytest.fixture(scope="module")
def two(folder):
    for name in ("mf", "lightgcn"):
        fitted(name, epochs=2, checkpoint=folder / f"{name} kept by 1")
    return together(2, folder)


@pytest.fixture(scope="module")
def four(folder, two):
    return together(4, folder)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("world", ["two", "four"])
def test_losses_choices_and_embeddings_are_those_of_one_process(one, world, name, request):
    for process in request.getfixturevalue(world):
        assert_equal(one[name], process[name])


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_a_checkpoint_resumes_with_another_number_of_processes(one, folder, two, four, model):
    assert_equal(one[model], two[1][f"{model} kept by 1"])
    assert_equal(one[model], four[3][f"{model} kept by 2"])
    assert_equal(one[model], outcome(fitted(model, checkpoint=folder / f"{model} kept by 4", resume=True)))
