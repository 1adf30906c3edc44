"""Several processes that each have some rows train what one trains, where dimensions are mixed and columns do not go."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from test_distributed import TRAINING, assert_equal, be_process, free_port, outcome, ranked, run_by_hand, split

import graphrec as gr
from graphrec.distributed.exchange import Exchange
from graphrec.distributed.group import joined
from graphrec.distributed.own_rows import OwnRows
from graphrec.distributed.rows import SharedRows
from graphrec.errors import InputError
from graphrec.graph.propagate import propagate
from graphrec.training.loss_watch import LossWatch
from graphrec.training.options import FitOptions
from graphrec.training.row_trainer import RowTrainer

# 60 users, 45 items, 105 nodes: on 4 processes the last ones have fewer.
NGCF = {"dim": 8, "layers": (8, 5)}
CASES = {
    "ngcf": ("ngcf", NGCF, {"batch_size": 128}),  # with its dropout of messages
    "ngcf, parts of the graph dropped": ("ngcf", {**NGCF, "node_dropout": 0.2}, {"batch_size": 128, "lr": 3e-3, "l2": 1e-3}),
    "ngcf as in the paper": (
        "ngcf",
        {**NGCF, "form": "paper", "node_dropout": 0.1, "dropout_kind": "node"},
        {"batch_size": 128, "l2": 1e-2, "n_negatives": 3, "negatives": "hardest"},
    ),
    "neumf, dropout": (
        "neumf",
        {"dim": 6, "hidden": (8, 4), "dropout": 0.3},
        {"batch_size": 24, "n_negatives": 1, "lr": 1e-2, "l2": 1e-3},  # of which the batches name few
    ),
    "a last batch of one pair": ("gmf", {"dim": 6}, {"batch_size": 92, "lr": 1e-2, "optimizer": "row_adagrad"}),
    "ratings in a range": (
        "mf",
        {"dim": 6, "bias": True, "rating_range": (1, 5)},
        {"batch_size": 128, "optimizer": "adam", "loss": "mse", "lr": 1e-2, "schedule": "cosine"},
    ),
    "trained again on all pairs": (
        "mlp",
        {"dim": 6, "hidden": (6,)},
        {"batch_size": 128, "optimizer": "sgd", "lr": 0.1, "loss": "hinge", "refit": True},
    ),
}
VALIDATED = {"ngcf", "neumf, dropout", "ratings in a range", "trained again on all pairs"}
KEPT = ("ngcf", "a last batch of one pair")
STEPS = {
    "NeuMF": ({"loss": "bce", "n_negatives": 4}, {"dim": 6, "hidden": (8, 4)}),
    "NGCF": ({"loss": "bpr", "l2": 1e-3}, NGCF),
}
STAGE = {"epochs": 2, "batch_size": 64, "progress": False, "seed": 5, "device": "cpu"}


def fitted(name, together=False, **more):
    model, hyper, options = CASES[name]
    parts = split(rated=options.get("loss") == "mse")
    how = {"epochs": 3, "seed": 5, "progress": False, "device": "cpu", **options, **more}
    valid = parts.valid if name in VALIDATED else None
    return gr.Recommender(model, **hyper).fit(parts.train, valid=valid, distributed=together, **how)


def cut(seed):
    """A model of which this process has its rows."""
    torch.manual_seed(seed)
    shared = SharedRows(gr.models.NGCF(split().train, **NGCF), joined())
    shared.cut()
    return shared


def step(name, options, hyper):
    """What one step sends, and what the formula of :mod:`graphrec.distributed.rows` is about."""
    torch.manual_seed(0)
    train, group = split().train, joined()
    shared = SharedRows(getattr(gr.models, name)(train, **hyper), group)
    shared.cut()
    trainer = RowTrainer(shared, FitOptions(device="cpu", progress=False, batch_size=90, **options))
    (batch, *_), before = trainer.objective.sampler(train, trainer.generator), group.bytes
    trainer._step(batch, LossWatch(trainer.device, 1, 1e-3))
    dense = sum(p.numel() for p in trainer._dense)
    return {"sent": group.bytes - before, "batch": batch, "p": dense, "bounds": (shared.user_bounds, shared.item_bounds)}


def work(rank, world, port, folder):
    be_process(rank, world, port)
    done = {name: outcome(fitted(name, together=True)) for name in CASES}
    twice = fitted("ngcf", together=True)
    done["two stages"] = outcome(twice.fit(split().train, distributed=True, warm_start=True, **STAGE))
    for name in KEPT:
        fitted(name, together=True, epochs=2, checkpoint=folder / f"{name} kept by {world}")
        there = folder / f"{name} kept by {world // 2}"  # by one process, or by another number of them
        joined().from_writer(lambda there=there: str(shutil.copytree(there, f"{there}, copied")))
        done[there.name] = outcome(fitted(name, together=True, checkpoint=Path(f"{there}, copied"), resume=True))
    recommender = fitted("ngcf", together=True, epochs=1)
    done["ranked"] = ranked(recommender.share_ranking())
    done["steps"] = {name: step(name, *how) for name, how in STEPS.items()}
    shared = cut(seed=world)
    if world == 4:
        dcp.load(shared.sharded(), checkpoint_id=folder / "sharded by 2")
    dcp.save(shared.sharded(), checkpoint_id=folder / f"sharded by {world}")
    shared.join()
    done["sharded"] = shared.model.state_dict()
    torch.save(done, folder / f"{rank} of {world}.pt")


def together(world, folder):
    torch.multiprocessing.spawn(work, (world, free_port(), folder), nprocs=world)
    return [torch.load(folder / f"{rank} of {world}.pt", weights_only=False) for rank in range(world)]


@pytest.fixture(scope="module")
def one():
    return {name: outcome(fitted(name)) for name in CASES}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows")


@pytest.fixture(scope="module")
def two(folder):
    for name in KEPT:
        fitted(name, epochs=2, checkpoint=folder / f"{name} kept by 1")
    return together(2, folder)


@pytest.fixture(scope="module")
def four(folder, two):
    return together(4, folder)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("world", ["two", "four"])
def test_losses_choices_and_weights_are_those_of_one_process(one, world, name, request):
    for process in request.getfixturevalue(world):
        assert_equal(one[name], process[name])


def test_a_further_stage_goes_on_from_whole_tables(two):
    alone = fitted("ngcf").fit(split().train, warm_start=True, **STAGE)
    assert_equal(outcome(alone), two[1]["two stages"])


@pytest.mark.parametrize("name", KEPT)
def test_a_checkpoint_resumes_with_another_number_of_processes(one, folder, two, four, name):
    assert_equal(one[name], two[1][f"{name} kept by 1"])
    assert_equal(one[name], four[3][f"{name} kept by 2"])
    alone = fitted(name, checkpoint=folder / f"{name} kept by 4", resume=True)
    assert_equal(one[name], outcome(alone))


def test_lists_found_together_are_those_of_one_process(two, four):
    expected = ranked(fitted("ngcf", epochs=1))
    for process in (*two, *four):
        for what, found in process["ranked"].items():
            pd.testing.assert_frame_equal(found, expected[what], check_exact=False, rtol=1e-4)


def test_tables_saved_as_shards_are_loaded_by_more_processes_and_by_one(folder, two, four):
    torch.manual_seed(2)
    expected = gr.models.NGCF(split().train, **NGCF).state_dict()
    alone = gr.models.NGCF(split().train, **NGCF)
    dcp.load(alone.state_dict(), checkpoint_id=folder / "sharded by 4")
    for found in (two[0]["sharded"], four[3]["sharded"], alone.state_dict()):
        assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("world", ["two", "four"])
def test_a_step_sends_what_the_formula_says(world, name, request):
    processes = [process["steps"][name] for process in request.getfixturevalue(world)]
    w, batch, p = len(processes), processes[0]["batch"], processes[0]["p"]
    b, k = batch.negatives.shape
    size, fetched, most = -(-b // w), [], 0
    for r in range(w):
        mine = batch.part(slice(r * size, (r + 1) * size))
        needed = (mine.users, torch.cat([mine.items, mine.negatives.reshape(-1)]))
        own = [(bounds[r], bounds[r + 1]) for bounds in processes[0]["bounds"]]
        fetched.append(
            sum(sum(not low <= i < high for i in set(n.tolist())) for n, (low, high) in zip(needed, own, strict=True))
        )
        drawn = (batch.users, torch.cat([batch.items, batch.negatives.reshape(-1)]))
        most = max(most, sum(sum(low <= i < high for i in set(n.tolist())) for n, (low, high) in zip(drawn, own, strict=True)))
    d = 12 if name == "NeuMF" else 8 + 8 + 5
    every = 16 * (w - 1) + 4 * (w - 1) * size * (2 + k) + 8 * p * (w - 1) // w
    if name == "NGCF":
        every += 4 * (w - 1) * -(-105 // w) * (8 + 8 + 8) + (w - 1) * (8 + most * (8 + 4 * 8))
    assert sum(one["sent"] for one in processes) == sum(q * (8 + 8 * d) for q in fetched) + w * every


# ---- in a group of one -----------------------------------------------------------------------------------------------


@pytest.fixture
def alone():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield joined()
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("ngcf", {"negatives": "in-batch"}, "negatives='in-batch' lets every pair of a batch look at all others.*NGCF"),
        ("neumf", {"shared_negatives": True}, "shared_negatives=True lets every pair"),
        (
            "neumf",
            {"loss": "shared_softmax"},
            "loss='shared_softmax' cannot be trained by several processes that have some rows",
        ),
        ("ngcf", {"loss": "directau"}, "loss='directau' cannot be trained.*bpr"),
        (
            "ngcf",
            {"fanout": 3},
            "fanout draws neighbours in a table that is whole, and each process has some rows of NGCF only",
        ),
    ],
)
def test_what_looks_beyond_single_pairs_is_refused(alone, model, options, said):
    with pytest.raises(InputError, match=said):
        gr.Recommender(model).fit(split().train, epochs=1, distributed=True, **options)


@pytest.mark.parametrize(("rank", "size"), [("5", "2"), ("2", "2"), ("0", "x"), ("-1", "2"), ("", "1")])
def test_an_environment_that_torchrun_would_not_make_is_refused(monkeypatch, rank, size):
    for name, value in {"RANK": rank, "WORLD_SIZE": size, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29999"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"RANK={rank} and WORLD_SIZE={size} in the environment must be whole numbers"):
        joined()


def test_a_model_with_an_encoding_of_its_own_is_not_taken_for_its_parent():
    class Scaled(gr.models.NGCF):
        def encode(self):
            return super().encode()

    assert gr.models.NGCF(split().train, **NGCF).owned_rows() is not None
    assert Scaled(split().train, **NGCF).owned_rows() is None


def test_more_processes_than_parts_of_a_table_are_refused(alone, monkeypatch):
    monkeypatch.setattr(alone, "size", 44)  # of 45 items each would have 2, and the last none
    with pytest.raises(InputError, match=r"(users|items) has \d+ rows, which 44 processes cannot share"):
        SharedRows(gr.models.NeuMF(split().train, dim=4), alone)


def test_a_group_of_one_is_one_process_and_says_how_the_model_is_shared(alone, one, capsys):
    assert_equal(one["ngcf"], outcome(fitted("ngcf", together=True, progress=True)))
    assert "1 process has NGCF to itself, cut by rows" in capsys.readouterr().err


def test_every_row_is_fetched_once_and_gradients_of_repeated_ones_add_up(alone):
    table = torch.arange(8.0).view(4, 2).requires_grad_()
    exchange = Exchange(alone, (torch.tensor([3, 0, 3]), [0, 4]))
    assert exchange.asked[0].tolist() == [0, 3]
    (rows,) = exchange.fetched(table[exchange.asked[0]])
    assert rows.tolist() == [[6, 7], [0, 1], [6, 7]]
    rows.sum().backward()
    assert table.grad.tolist() == [[1, 1], [0, 0], [0, 0], [2, 2]]


class Third:
    """The second of three processes; what the others have is known beforehand."""

    rank, size = 1, 3

    def __init__(self, *told):
        self.told = list(told)

    def stacked_alike(self, mine):
        whole = self.told.pop(0)
        assert torch.equal(whole.view(3, -1)[1], mine.reshape(-1))
        return whole


@pytest.mark.parametrize("normalisation", ["sym", "ngcf"])
@pytest.mark.parametrize("backend", ["numba", "torch-reduce", "torch-csr", "edge-index"])
def test_own_rows_of_a_product_and_of_its_gradient_are_those_of_the_whole(normalisation, backend):
    whole = gr.BipartiteGraph(split().train).adjacency(normalisation)
    g = torch.Generator().manual_seed(1)
    x, weight = torch.randn(2, 105, 4, generator=g)
    x.requires_grad_()
    expected = propagate(whole, x)
    (expected * weight).sum().backward()
    mine = x.detach()[35:70].clone().requires_grad_()
    own = propagate(OwnRows(whole, [0, 35, 70, 105], Third(x.detach(), weight)), mine, backend)
    (own * weight[35:70]).sum().backward()
    torch.testing.assert_close(own, expected[35:70])
    torch.testing.assert_close(mine.grad, x.grad[35:70])


# ---- processes that die ----------------------------------------------------------------------------------------------


def test_a_process_that_dies_ends_the_others_with_a_sentence_and_the_training_goes_on_from_its_checkpoint(one, tmp_path):
    training = TRAINING.replace("from test_distributed import fitted", "from test_distributed_rows import fitted")
    training = training.replace('"lightgcn"', '"ngcf as in the paper"').replace("== 12", "== 6")
    codes, told = run_by_hand(tmp_path, "1", training)
    assert codes == [1, 9]
    assert "process 0 of 2 cannot go on, because another one has ended or has not answered in time" in told[0]
    codes, told = run_by_hand(tmp_path, "nobody", training)
    assert codes == [0, 0], told
    assert_equal(one["ngcf as in the paper"], torch.load(tmp_path / "outcome.pt"))
