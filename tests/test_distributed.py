"""Several processes train what one trains: the same losses, choices and embeddings, whoever holds which columns."""

import copy
import os
import pickle
import shutil
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.distributed as dist
from click.testing import CliRunner
from torch.distributed import HashStore, PrefixStore

import graphrec as gr
from graphrec.cli import main
from graphrec.distributed import pulse
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.group import joined
from graphrec.errors import InputError
from graphrec.models.parts.columns import Columns

EPOCHS = 5
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
    "hops side by side": ("lrgccf", {"dim": 10, "layers": 2}, {"batch_size": 128, "lr": 1e-2, "l2": 1e-3}),
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
    "simgcl": ("simgcl", {"dim": 10, "layers": 2}, {"batch_size": 128, "lr": 1e-2}),
    "xsimgcl": ("xsimgcl", {"dim": 10, "layers": 2}, {"batch_size": 128, "lr": 1e-2, "l2": 1e-3}),
    "sgl": ("sgl", {"dim": 10, "layers": 2, "augmentation": "walk"}, {"batch_size": 128, "lr": 1e-2}),
    "dropped numbers": ("lightgcn", {"dim": 10, "layers": 1, "dropout": 0.3}, {"batch_size": 128, "lr": 1e-2}),
    "trained again on all pairs": ("mf", {"dim": 10}, {"batch_size": 128, "refit": True}),
    "ratings": ("mf", {"dim": 10}, {"batch_size": 128, "loss": "mse", "lr": 1e-2}),
    **(
        {"drawn neighbours": ("lightgcn", {"dim": 10, "layers": 2}, {"batch_size": 128, "lr": 1e-2, "fanout": [3, 2]})}
        if find_spec("torch_sparse")
        else {}
    ),
    "stopped early": ("mf", {"dim": 10}, {"batch_size": 64, "optimizer": "adam", "lr": 0.1, "patience": 1}),
}
VALIDATED = {"mf", "lightgcn-fast", "xsimgcl", "hops side by side", "trained again on all pairs", "stopped early"}


FILTERS = {
    "ease": {},
    "ease, thin": {"rank": 8},
    "puresvd": {"rank": 8},
    "gfcf": {"rank": 8},
    "turbocf": {},
    "chebycf": {"rank": 8},
    "bspm": {"rank": 8},
    "itemknn": {"neighbours": 7},
    "rp3beta": {},
    "p3alpha": {"neighbours": 7},
    "slim": {"candidates": 9},
    "userknn": {"neighbours": 5},
    "itempop": {},
}
STAGE = {"epochs": 2, "batch_size": 64, "progress": False, "seed": 5, "device": "cpu"}


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


def to_rank():
    """Scores by blocks of items."""
    return {"lightgcn": fitted("lightgcn", epochs=1)}


def solved(name, together=False):
    """A filter that several processes solve and then ask together, or one alone: what it has found, and its lists."""
    parts = split()
    recommender = gr.Recommender(name.partition(",")[0], **FILTERS[name])
    recommender.fit(parts.train, valid=parts.valid, refit=True, distributed=together, device="cpu")
    state = {key: tensor.clone() for key, tensor in recommender.model.state_dict().items()}
    return state, ranked(recommender.share_ranking() if together else recommender)


def ranked(recommender):
    """Everything that is ranked together, and what is said where a score is no number."""
    parts, frames = split(), {}
    users, items = recommender.train.user_ids, recommender.train.item_ids
    frames["all"] = recommender.recommend(users, k=45, cold="skip")
    frames["few"] = recommender.recommend(users, k=2, cold="skip", candidates=items[[40, 3, 17]])
    frames["new"] = recommender.recommend_new([[3, 8], [44]], k=7)
    frames["report"] = gr.evaluate(recommender, parts, k=5, metrics=["ndcg@5", "mrr", "auc"]).per_user
    if recommender.name == "lightgcn":
        with torch.no_grad():
            recommender.model.embedding[60 + 2] = torch.nan  # of one process's items alone
        with pytest.raises(FloatingPointError) as error:
            recommender.recommend(users[:9], k=3, cold="skip")
        frames["said"] = str(error.value)
    return frames


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
    twice = fitted("lightgcn", together=True)
    done["two stages"] = outcome(twice.fit(split().train, distributed=True, warm_start=True, **STAGE))
    for name in ("mf", "lightgcn"):
        fitted(name, together=True, epochs=2, checkpoint=folder / f"{name} kept by {world}")
        there = folder / f"{name} kept by {world // 2}"  # by one process, or by another number of them
        joined().from_writer(lambda there=there: str(shutil.copytree(there, f"{there}, copied")))
        done[there.name] = outcome(fitted(name, together=True, checkpoint=Path(f"{there}, copied"), resume=True))
    done["solved"] = {name: solved(name, together=True) for name in FILTERS}
    done["ranked"] = {name: ranked(recommender.share_ranking()) for name, recommender in to_rank().items()}
    torch.save(done, folder / f"{rank} of {world}.pt")


def together(world, folder):
    torch.multiprocessing.spawn(work, (world, free_port(), folder), nprocs=world)
    return [torch.load(folder / f"{rank} of {world}.pt", weights_only=False) for rank in range(world)]


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


def test_a_further_stage_goes_on_from_whole_tables(two):
    alone = fitted("lightgcn").fit(split().train, warm_start=True, **STAGE)
    assert_equal(outcome(alone), two[1]["two stages"])


@pytest.mark.parametrize("model", ["mf", "lightgcn"])
def test_a_checkpoint_resumes_with_another_number_of_processes(one, folder, two, four, model):
    assert_equal(one[model], two[1][f"{model} kept by 1"])
    assert_equal(one[model], four[3][f"{model} kept by 2"])
    assert_equal(one[model], outcome(fitted(model, checkpoint=folder / f"{model} kept by 4", resume=True)))


@pytest.mark.parametrize("world", ["two", "four"])
def test_lists_found_together_are_those_of_one_process(world, request):
    expected = ranked(to_rank()["lightgcn"])
    for process in request.getfixturevalue(world):
        for what, found in process["ranked"]["lightgcn"].items():
            if what == "said":
                assert found == expected[what]
                continue
            pd.testing.assert_frame_equal(found, expected[what], check_exact=False, rtol=1e-5)


@pytest.mark.parametrize("world", ["two", "four"])
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_solved_and_asked_together_is_that_of_one_process(world, name, request):
    state, lists = solved(name)
    for process in request.getfixturevalue(world):
        found, theirs = process["solved"][name]
        for key, tensor in state.items():
            assert torch.equal(found[key], tensor), key
        for what, frame in lists.items():
            pd.testing.assert_frame_equal(theirs[what], frame, check_exact=False, rtol=1e-6, atol=1e-7)


# ---- what is refused, in a group of one ------------------------------------------------------------------------------


@pytest.fixture
def alone():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield joined()
    dist.destroy_process_group()


class Own:
    """Always the first item."""

    def draw(self, users, k, seed):
        return np.zeros((len(users), k), np.int64)


@pytest.mark.parametrize(
    ("model", "hyper", "options", "said"),
    [
        ("autoencoder", {}, {}, "loss='masked_mse'|Autoencoder"),
        ("ncl", {}, {}, "NCL.*some columns.*sgl, simgcl, xsimgcl.*some rows: ngcf, neumf"),
        ("nescl", {}, {}, "NESCL"),
        ("lrgccf", {"transform": True}, {}, "LRGCCF.*some columns.*lightgcn.*some rows: ngcf, neumf"),
        ("mf", {"dropout": 0.5}, {}, "MF.*some rows.*mf without dropout"),
        ("mf", {}, {"loss": "multinomial"}, "loss='multinomial' cannot be trained by several processes.*bpr"),
        ("mf", {}, {"negatives": Own()}, "negatives=Own would be asked by every process for itself"),
        ("lightgcn", {}, {"loss": "directau"}, "loss='directau' cannot be trained by several processes"),
    ],
)
def test_what_cannot_be_shared_is_refused_with_what_can(alone, model, hyper, options, said):
    with pytest.raises(InputError, match=said):
        gr.Recommender(model, **hyper).fit(split().train, distributed=True, **{"epochs": 1, **options})


def test_a_model_that_defines_a_loss_of_its_own_is_not_taken_for_its_parent():
    class Pulled(gr.models.LightGCN):
        def auxiliary(self, step):
            return {"pull": step.rows.users.mean()}

    train = split().train
    assert gr.models.LightGCN(train, dim=4).column_tables() is not None
    assert Pulled(train, dim=4).column_tables() is None


def test_more_processes_than_columns_are_refused(alone, monkeypatch):
    monkeypatch.setattr(alone, "size", 11)
    monkeypatch.setattr(alone, "gathered", lambda mine: [mine] * 11)
    with pytest.raises(InputError, match="users has 10 columns, which 11 processes cannot share"):
        fitted("mf", together=True)


def test_processes_that_were_given_different_things_are_refused(alone, monkeypatch):
    other = torch.tensor([0, 0, 0, 0, 1, 0, 0])
    monkeypatch.setattr(alone, "gathered", lambda mine: [mine, mine + other[: len(mine)]] if mine.ndim == 1 else [mine])
    with pytest.raises(InputError, match="process 1 was given another options than process 0"):
        fitted("mf", together=True)


def test_one_gpu_is_not_given_to_two_processes(alone, monkeypatch):
    monkeypatch.setattr(alone, "size", 2)
    assert alone.device("cpu") == "cpu"
    assert alone.device("cuda") == "cuda:0"
    with pytest.raises(InputError, match="'cuda:1' is one GPU for all 2 processes"):
        alone.device("cuda:1")


def test_messages_of_gpus_go_by_nccl_and_each_process_has_the_gpu_of_its_number(monkeypatch):
    from graphrec.distributed import group

    asked, current = [], []
    monkeypatch.setattr(group.dist, "init_process_group", lambda backend, timeout: asked.append(backend))
    monkeypatch.setattr(group.atexit, "register", lambda call: None)
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    for name, value in {"RANK": "6", "LOCAL_RANK": "2", "WORLD_SIZE": "8", "MASTER_ADDR": "there", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    for gpus, real, nccl, expected in (
        (False, False, False, "gloo"),
        (True, False, True, "gloo"),  # a device that is made up for tests
        (True, True, False, "gloo"),  # a build without NCCL
        (True, True, True, "cpu:gloo,cuda:nccl"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpus=gpus: gpus)
        monkeypatch.setattr(group, "is_real_cuda", lambda device, real=real: real)
        monkeypatch.setattr(group.dist, "is_nccl_available", lambda nccl=nccl: nccl)
        group._begin()
        assert asked.pop() == expected
        assert current == ([2] if expected != "gloo" else [])


def test_a_group_of_one_is_one_process_and_its_recommender_an_ordinary_one(alone, one, tmp_path):
    recommender = fitted("mf", together=True)
    assert_equal(one["mf"], outcome(recommender))
    recommender.save(tmp_path / "run")
    assert gr.load(tmp_path / "run").recommend([3], k=5).equals(recommender.recommend([3], k=5))
    assert recommender.update(split().test, epochs=1, progress=False).model.users.shape == (60, 10)


def test_a_checkpoint_of_columns_is_refused_where_a_file_is_damaged_or_gone_and_leaves_nothing_behind(alone, tmp_path):
    fitted("lightgcn", together=True, epochs=2, checkpoint=tmp_path)
    files = sorted(tmp_path.glob("part-*"))
    assert len(files) == 3  # of the table and of Adam's two; the first epoch's are gone
    whole = files[0].read_bytes()
    files[0].write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    for together in (True, False):
        with pytest.raises(InputError, match=r"part-.* is damaged: it is not the file that was saved"):
            fitted("lightgcn", together=together, checkpoint=tmp_path, resume=True)
    files[0].unlink()
    with pytest.raises(InputError, match=r"part-.* does not exist"):
        fitted("lightgcn", together=True, checkpoint=tmp_path, resume=True)
    files[0].write_bytes(whole)
    fitted("lightgcn", checkpoint=tmp_path, resume=True)  # by one process, which writes one file
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_what_one_process_cannot_write_is_told_by_all(alone, monkeypatch, tmp_path):
    def full(*args):
        raise OSError(28, "No space left on device", "there")

    monkeypatch.setattr("graphrec.training.shared_checkpoint.write_part", full)
    with pytest.raises(OSError, match="No space left"):
        fitted("lightgcn", together=True, epochs=1, checkpoint=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_copy_of_a_model_in_training_keeps_to_its_processes_and_a_pickle_does_not(alone):
    model = gr.models.SimGCL(split().train, dim=4)
    shared = SharedColumns(model, alone)
    shared.cut()
    assert copy.deepcopy(model).columns is model.columns
    assert type(pickle.loads(pickle.dumps(model)).columns) is Columns
    shared.join()
    assert type(model.columns) is Columns


def test_without_torchrun_the_command_says_what_is_missing(monkeypatch, tmp_path):
    monkeypatch.delenv("RANK", raising=False)
    done = CliRunner().invoke(main, ["train", "mf", "--data", "ml-100k", "--out", str(tmp_path), "--distributed"])
    assert done.exit_code == 1
    assert "torchrun has started, and RANK is not in the environment: torchrun --nproc-per-node 2" in done.stderr
    assert not any(tmp_path.iterdir())
    assert "torchrun writes below" not in done.stderr
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    done = CliRunner().invoke(main, ["train", "mf", "--data", "ml-100k", "--out", str(tmp_path), "--distributed"])
    assert done.stderr.splitlines()[1].startswith("This is all there is to know: what torchrun writes below")


# ---- processes that die ----------------------------------------------------------------------------------------------

TRAINING = """
import os, sys
import torch
torch.set_num_threads(1)
import graphrec as gr
from test_distributed import fitted, outcome

steps = []
def bpr(pos, neg):
    steps.append(1)
    if os.environ["DIES"] == os.environ["RANK"] and len(steps) == 12:
        os._exit(9)
    return gr.losses.bpr(pos, neg)

kept = sys.argv[1]
recommender = fitted("lightgcn", together=True, loss=bpr, checkpoint=kept, resume=True)
if os.environ["RANK"] == "0":
    torch.save(outcome(recommender), kept + "/outcome.pt")
"""


def begun_by_hand(folder, dies, training):
    """Two processes without torchrun, which would end the one that is left before it finds out by itself."""
    port, started = str(free_port()), []
    for rank in "01":
        place = {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "DIES": dies}
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        command = [sys.executable, "-W", "ignore", "-c", training, str(folder)]
        env = {**os.environ, **place, "PYTHONPATH": path}
        started.append(subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True))
    return started


def run_by_hand(folder, dies, training=TRAINING):
    started = begun_by_hand(folder, dies, training)
    told = [process.communicate(timeout=300)[1] for process in started]
    return [process.returncode for process in started], told


def test_a_process_that_dies_ends_the_others_with_a_sentence_and_the_training_goes_on_from_its_checkpoint(one, tmp_path):
    codes, told = run_by_hand(tmp_path, dies="1")
    assert codes == [1, 9]
    assert "process 0 of 2 cannot go on, because another one has ended or has not answered in time" in told[0]
    assert (tmp_path / "checkpoint.safetensors").exists()
    codes, told = run_by_hand(tmp_path, dies="nobody")
    assert codes == [0, 0], told
    assert_equal(one["lightgcn"], torch.load(tmp_path / "outcome.pt"))


STOPPED = """
import os, signal, sys
import torch
torch.set_num_threads(1)
from graphrec.distributed import pulse
pulse._BEAT, pulse._SILENCE = 0.2, 3.0
from test_distributed import fitted

class Stops:
    def on_epoch_end(self, state):
        print("stopped", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGSTOP)

fitted("lightgcn", together=True, checkpoint=sys.argv[1], callbacks=[Stops()] if os.environ["RANK"] == "0" else [])
"""


def test_a_process_that_is_stopped_where_the_others_wait_for_it_is_not_waited_for(tmp_path):
    started = begun_by_hand(tmp_path, "nobody", STOPPED)
    try:
        told = started[1].communicate(timeout=120)[1]
    finally:
        started[0].kill()
        stopped = started[0].communicate()[1]
    assert "stopped" in stopped
    assert started[1].returncode == 1
    assert "process 1 of 2 cannot go on, because another one has ended or has not answered in time" in told


def test_a_pulse_lets_a_long_work_be_waited_for_and_a_silent_process_not(monkeypatch):
    monkeypatch.setattr(pulse, "_BEAT", 0.01)
    monkeypatch.setattr(pulse, "_SILENCE", 0.3)
    beats = HashStore()
    monkeypatch.setattr(pulse, "_store", lambda: PrefixStore("", beats))
    mine, theirs = pulse.Pulse(0, 2), pulse.Pulse(1, 2)

    class Work:
        def __init__(self, seconds):
            self.until = time.monotonic() + seconds

        def is_completed(self):
            return time.monotonic() > self.until

    mine.wait(Work(1.0))
    theirs.end()
    with pytest.raises(RuntimeError, match="process 1 has given no sign of life"):
        mine.wait(Work(60.0))
    mine.end()


COMMAND = """
import os, signal, sys, time
import torch
torch.set_num_threads(1)
from graphrec.cli import main
from graphrec.distributed import pulse
from graphrec.distributed.group import joined
pulse._BEAT, pulse._SILENCE = 0.2, 3.0
if os.environ["RANK"] == "0":
    joined()
    time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGSTOP)
begin = pulse.Pulse.__init__
pulse.Pulse.__init__ = lambda *arguments: (time.sleep(2.0), begin(*arguments)) and None  # process 0 is stopped by then
main(["train", "mf", "--data", "synthetic", "--out", sys.argv[1], "--distributed"])
"""


def test_a_command_that_has_told_that_another_process_hangs_ends_at_once(tmp_path):
    started = begun_by_hand(tmp_path / "run", "nobody", COMMAND)
    try:
        told = started[1].communicate(timeout=120)[1]
    finally:
        started[0].kill()
        started[0].communicate()
    assert "Error: process 1 of 2 cannot go on" in told
    assert started[1].returncode == 1


UNLIKE = """
import os, sys
import torch
torch.set_num_threads(1)
import graphrec as gr
from graphrec.distributed.group import joined
from test_distributed import fitted, split

rank, joined_group, told = os.environ["RANK"], joined(), []
def tell(call):
    try:
        call()
    except gr.errors.InputError as error:
        told.append(str(error))
recommender = gr.Recommender("mf", dim=4).fit(split().train, epochs=1, seed=int(rank), progress=False)
tell(lambda: recommender.share_ranking().recommend(split().train.user_ids[0], k=3))
tell(lambda: fitted("mf", together=True, checkpoint=sys.argv[1] + "/" + rank))
with open(sys.argv[1] + "/told" + rank, "w") as file:
    file.write("\\n".join(told))
"""


def test_unlike_models_and_folders_that_not_all_see_are_refused_by_all(tmp_path):
    codes, told = run_by_hand(tmp_path, "nobody", UNLIKE)
    assert codes == [0, 0], told
    for rank in "01":
        models, folders = (tmp_path / f"told{rank}").read_text().splitlines()
        assert "process 1 was given another model than process 0" in models
        assert "process 1 does not see the checkpoint folder of process 0" in folders
