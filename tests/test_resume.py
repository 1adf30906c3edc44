"""A resumed training is the unbroken one: its end, its callbacks, its state; any other training, and any damage, is refused."""

import copy
import dataclasses
import os
import shutil

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import MF, MODELS
from graphrec.tensor_files import read_tensors, write_tensors
from graphrec.training.callbacks import StopAfter
from graphrec.training.options import FitOptions
from graphrec.training.trainer import Trainer

HOW = {"batch_size": 64, "lr": 0.05, "seed": 1, "progress": False}
FILE = "checkpoint.safetensors"


@pytest.fixture
def split(interactions):
    return gr.split.random(interactions, test=0.2, valid=0.1, seed=2)


def fit(split, name="mf", callbacks=(), checkpoint=None, resume=False, valid=None, hyper=None, **options):
    rec = gr.Recommender(name, **(hyper or {"dim": 8}))
    how = {"callbacks": callbacks, "checkpoint": checkpoint, "resume": resume, "valid": valid}
    return rec.fit(split.train, **how, **{**HOW, **options})


def same(a, b):
    left, right = a.model.state_dict(), b.model.state_dict()
    timeless = [frame.history.drop(columns=["seconds", "eval_seconds"], errors="ignore") for frame in (a, b)]
    return all(torch.equal(left[name], right[name]) for name in left) and timeless[0].equals(timeless[1])


class Count:
    def __init__(self):
        self.n = 0

    def on_epoch_end(self, state):
        self.n += 1

    def state_dict(self):
        return {"n": self.n}

    def load_state_dict(self, state):
        self.n = state["n"]


# ---- as if it had not stopped --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"schedule": "cosine"},
        {"schedule": {"name": "plateau", "patience": 0}, "eval_every": 2},
        {
            "optimizer": "adagrad",
            "parameter_groups": {"bias": {"optimizer": "sgd", "lr": 0.1}},
            "hyper": {"dim": 4, "bias": True},
        },
        {"negatives": "popularity", "n_negatives": 3, "loss": "softmax", "log_q": True},
        {"name": "multvae", "hyper": {}},
        {"name": "ngcf", "hyper": {"dim": 8, "layers": [8], "node_dropout": 0.2, "message_dropout": 0.2}},
    ],
    ids=str,
)
def test_a_training_killed_after_any_epoch_ends_as_the_unbroken_one(split, tmp_path, options):
    """The state of every epoch is kept aside, as a kill at that moment would leave it."""

    class Keep:
        def on_epoch_begin(self, state):
            if state.epoch:
                shutil.copytree(tmp_path / "c", tmp_path / f"after{state.epoch}")

    how = {"valid": split.valid, "epochs": 5, **options}
    whole = fit(split, callbacks=[Keep()], checkpoint=tmp_path / "c", **how)
    for epoch in range(1, 5):
        rest = fit(split, checkpoint=tmp_path / f"after{epoch}", resume=True, **how)
        assert same(whole, rest)
        assert rest.best_epoch == whole.best_epoch


@pytest.mark.parametrize("by", ["patience", "callback"])
def test_a_training_that_had_stopped_stays_stopped(split, tmp_path, by):
    how = {"valid": split.valid, "epochs": 60, "checkpoint": tmp_path}
    how |= {"patience": 2, "lr": 0.1} if by == "patience" else {}
    first = fit(split, callbacks=[StopAfter(4)] if by == "callback" else [], **how)
    again = fit(split, resume=True, **how)
    assert len(first.history) == len(again.history) < 60
    assert same(first, again)
    assert first.best_epoch == again.best_epoch


def test_the_state_is_saved_when_the_callbacks_of_the_epoch_have_run(split, tmp_path):
    fit(split, epochs=2, checkpoint=tmp_path, callbacks=[Count()])
    count = Count()
    fit(split, epochs=5, checkpoint=tmp_path, resume=True, callbacks=[count])
    assert count.n == 5


def test_a_state_that_json_does_not_know_is_named(split, tmp_path):
    class Odd(Count):
        def state_dict(self):
            return {"n": torch.zeros(2)}

    with pytest.raises(gr.errors.InputError, match=r"state_dict\(\) of 1.Odd must hold numbers"):
        fit(split, epochs=1, checkpoint=tmp_path, callbacks=[Odd()])


@pytest.mark.parametrize("moment", ["on_step_end", "on_evaluation", "on_epoch_end"])
def test_an_interrupt_leaves_a_line_for_every_finished_epoch_and_can_be_resumed(split, tmp_path, moment):
    class Stop:
        pass

    def stop(self, state):
        if len(state.history) >= 2 and (moment != "on_step_end" or state.step % 3 == 0):
            raise KeyboardInterrupt

    setattr(Stop, moment, stop)
    how = {"valid": split.valid, "epochs": 6, "checkpoint": tmp_path, "lr": 0.3}
    whole = fit(split, **{**how, "checkpoint": None})
    with pytest.warns(UserWarning, match="interrupted in epoch"):
        rec = fit(split, callbacks=[Stop()], **how)
    assert rec.history["epoch"].tolist() == list(range(1, len(rec.history) + 1))
    assert rec.best_epoch == 1 + int(rec.history["ndcg@20"].argmax())
    assert same(whole, fit(split, resume=True, **how))


def test_an_interrupt_after_the_best_look_counts_that_epoch(split):
    class Stop:
        def on_evaluation(self, state):
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted in epoch 2"):
        rec = fit(split, valid=split.valid, epochs=3, callbacks=[Stop()])
    assert len(rec.history) == rec.best_epoch == 1
    assert same(rec, fit(split, valid=split.valid, epochs=1))


def test_other_threads_are_said(split, tmp_path):
    fit(split, epochs=1, checkpoint=tmp_path)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(before + 1)
        with pytest.warns(UserWarning, match=f"was trained on {before} threads and goes on with {before + 1}"):
            fit(split, epochs=2, checkpoint=tmp_path, resume=True)
    finally:
        torch.set_num_threads(before)


# ---- another training ----------------------------------------------------------------------------------------


def shuffled(table):
    return table.select(np.random.default_rng(0).permutation(len(table)))


def change(table, column):
    values = getattr(table, column).copy()
    values[3] += 1
    return dataclasses.replace(table, **{column: values})


def bpr_one(pos, neg):
    return torch.nn.functional.softplus(neg - pos[:, None]).mean()


def bpr_two(pos, neg):
    return bpr_one(pos, neg)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"loss": "mse"}, {"loss": "mse", "train": shuffled}, "same rows of train in another order, and this one goes by"),
        ({}, {"train": lambda t: t.select(np.arange(len(t) - 1))}, "another training table"),
        ({}, {"train": lambda t: change(t, "ratings")}, "another training table"),
        ({}, {"train": lambda t: change(t, "times")}, "another training table"),
        ({}, {"train": lambda t: dataclasses.replace(t, ratings=None)}, "another training table"),
        ({}, {"train": lambda t: dataclasses.replace(t, item_ids=t.item_ids + 1)}, "another training table"),
        ({}, {"valid": True}, "another validation part"),
        ({"valid": True}, {}, "another validation part"),
        ({"hyper": {"dim": 8}}, {"hyper": {"dim": 9}}, "dim=8, and now dim=9"),
        ({"hyper": {"dim": 8}}, {"hyper": {"dim": 8, "init_std": 0.2}}, "init_std=None, and now init_std=0.2"),
        ({"name": "lightgcn"}, {"name": "mf"}, "model='lightgcn', and now model='mf'"),
        ({}, {"loss": "bce"}, "loss='bpr', and now loss='bce'"),
        ({"loss": bpr_one}, {"loss": bpr_two}, "loss='.*bpr_one#.*', and now loss='.*bpr_two#"),
        ({}, {"lr": 0.04}, r"lr=0\.05, and now lr=0\.04"),
        ({}, {"negatives": "approximate"}, "negatives="),
        ({"loss": "softmax", "loss_options": {"temperature": 0.5}}, {"loss": "softmax"}, "loss_options="),
        ({}, {"schedule": "cosine"}, "schedule=None"),
        ({"schedule": {"name": "cosine", "warmup": 1}}, {"schedule": {"name": "cosine", "warmup": 2}}, "schedule="),
        ({}, {"seed": 2}, "seed=1, and now seed=2"),
    ],
)
def test_another_training_is_refused_by_what_differs(split, tmp_path, first, second, message):
    def run(train=lambda t: t, valid=False, **options):
        return fit(
            gr.Split(train=train(split.train)), checkpoint=tmp_path, valid=split.valid if valid else None, epochs=2, **options
        )

    run(**first)
    with pytest.raises(gr.errors.InputError, match=message):
        run(resume=True, **second)
    run(resume=True, **first)


@pytest.mark.parametrize("name", sorted(name for name, kind in MODELS.items() if kind.needs_training))
def test_the_order_of_the_rows_is_no_other_training(split, tmp_path, name):
    """What is drawn depends on the set of pairs: the same ones in another order go on, bit for bit."""
    table = dataclasses.replace(split.train, ratings=None).select(np.arange(0, len(split.train), 3))
    how = {"seed": 1, "progress": False}
    if MODELS[name].defaults.get("loss") in ("mse", "masked_mse"):
        how["loss"] = "multinomial" if name == "autoencoder" else "bpr"
    whole = gr.Recommender(name).fit(table, epochs=2, **how)
    gr.Recommender(name).fit(table, epochs=1, checkpoint=tmp_path, **how)
    again = gr.Recommender(name).fit(shuffled(table), epochs=2, checkpoint=tmp_path, resume=True, **how)
    assert same(whole, again)


def test_held_out_pairs_in_another_order_are_the_same_but_for_errors_of_ratings(split, tmp_path):
    fit(split, epochs=1, valid=split.valid, checkpoint=tmp_path / "a")
    resumed = fit(split, epochs=2, valid=shuffled(split.valid), checkpoint=tmp_path / "a", resume=True)
    assert same(resumed, fit(split, epochs=2, valid=split.valid))
    fit(split, epochs=1, valid=split.valid, loss="mse", checkpoint=tmp_path / "b")
    with pytest.raises(gr.errors.InputError, match="same rows of valid in another order"):
        fit(split, epochs=2, valid=shuffled(split.valid), loss="mse", checkpoint=tmp_path / "b", resume=True)


def test_another_stage_is_refused_and_draws_other_batches(split, tmp_path):
    def trained(stage, **how):
        seen = []

        class Watch:
            def on_step_end(self, state):
                seen.append(state.loss)

        torch.manual_seed(0)
        options = FitOptions(**HOW, epochs=1)
        Trainer(MF(split.train, dim=4), options, None, [Watch()], stage=stage).fit(split.train, None, tmp_path, **how)
        return seen

    first, second = trained(0), trained(1)
    assert first == trained(0)
    assert second == trained(1)
    assert first != second
    with pytest.raises(gr.errors.InputError, match="holds stage 2 of a training, and this is stage 1"):
        trained(0, resume=True)


def begun(split, how):
    """A recommender whose training goes on from earlier weights: those of a stage before, or of another recommender."""
    table = split.train_and_valid if how.get("leaky") else split.train
    first = {**HOW, "epochs": how.get("epochs", 1), "valid": split.test if how.get("chosen") else None}
    if how.get("start"):
        gmf = gr.Recommender("gmf", dim=4).fit(table, **first)
        mlp = gr.Recommender("mlp", dim=4, hidden=[4]).fit(split.train, epochs=1, **HOW)
        return gr.Recommender("neumf", dim=4, hidden=[4], gmf=gmf, mlp=mlp), {}
    return gr.Recommender("mf", dim=4).fit(table, **first), {"warm_start": True}


@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("other", [{"leaky": True}, {"chosen": True}, {"epochs": 2}], ids=str)
def test_a_training_that_began_with_other_weights_is_refused(split, tmp_path, start, other):
    """Or their weights would be taken for those of a recommender that has not learnt, or was not chosen on, the same."""
    how = {**HOW, "checkpoint": tmp_path}
    rec, stage = begun(split, {**other, "start": start})
    rec.fit(split.train, epochs=1, **how, **stage)
    rec, stage = begun(split, {"start": start})
    with pytest.raises(InputError, match=r"began with other weights than this one.*or another checkpoint folder"):
        rec.fit(split.train, epochs=2, resume=True, **how, **stage)


@pytest.mark.parametrize("start", [False, True])
def test_a_later_stage_goes_on_where_the_same_script_was_killed(split, tmp_path, start):
    how = {**HOW, "checkpoint": tmp_path / "c"}
    rec, stage = begun(split, {"chosen": True, "start": start})
    if stage:
        rec.save(tmp_path / "before")
    whole = copy.copy(rec).fit(split.train, epochs=3, **HOW, **stage)
    rec.fit(split.train, epochs=1, **how, **stage)
    for epochs, again in (
        (2, begun(split, {"chosen": True, "start": start})[0]),
        (3, gr.load(tmp_path / "before") if stage else rec),
    ):
        again.fit(split.train, epochs=epochs, resume=True, **how, **stage)
    assert same(whole, again)


def test_a_later_stage_does_not_go_on_from_a_stage_that_was_cut_short(split, tmp_path):
    class Interrupt:
        def on_epoch_end(self, state):
            raise KeyboardInterrupt

    rec = gr.Recommender("mf", dim=4)
    with pytest.warns(UserWarning, match="interrupted"):
        rec.fit(split.train, epochs=3, callbacks=[Interrupt()], **HOW)
    rec.fit(split.train, epochs=1, warm_start=True, checkpoint=tmp_path, **HOW)
    again = gr.Recommender("mf", dim=4).fit(split.train, epochs=3, **HOW)
    with pytest.raises(InputError, match="began with other weights than this one"):
        again.fit(split.train, epochs=2, warm_start=True, checkpoint=tmp_path, resume=True, **HOW)


def test_a_later_stage_says_that_weights_given_to_it_have_no_part_in_it(split, tmp_path):
    rec = gr.Recommender("mf", dim=4).fit(split.train, epochs=1, **HOW)
    changed = copy.deepcopy(rec)
    with torch.no_grad():
        changed.model.users.add_(0.5)
    rec.fit(split.train, epochs=1, warm_start=True, checkpoint=tmp_path, **HOW)
    with pytest.warns(UserWarning, match="began with other weights .* it goes on from its own"):
        changed.fit(split.train, epochs=2, warm_start=True, checkpoint=tmp_path, resume=True, **HOW)


def test_a_warm_start_draws_other_batches(split):
    class Watch(MF):
        def auxiliary(self, step):
            drawn.append(step.batch.users.tolist())
            return {}

    stages = []
    rec = gr.Recommender(Watch, dim=4)
    for warm in (False, True, True, False):
        drawn = []
        rec.fit(split.train, epochs=1, warm_start=warm, **HOW)
        stages.append(drawn)
    assert stages[0] == stages[3]
    assert all(stages[a] != stages[b] for a, b in ((0, 1), (0, 2), (1, 2)))


# ---- damage ------------------------------------------------------------------------------------------------


def test_a_flipped_byte_anywhere_is_refused(split, tmp_path):
    fit(split, valid=split.valid, epochs=2, checkpoint=tmp_path)
    good, g = (tmp_path / FILE).read_bytes(), np.random.default_rng(0)
    header = 8 + int.from_bytes(good[:8], "little")
    for place in [*range(16), *g.integers(0, header, 100), *g.integers(header, len(good), 60)]:
        bad = bytearray(good)
        bad[place] ^= 1 << int(g.integers(8))
        (tmp_path / FILE).write_bytes(bad)
        with pytest.raises(gr.errors.InputError, match="damaged"):
            fit(split, valid=split.valid, epochs=3, checkpoint=tmp_path, resume=True)


def forged(change_tensors=None, change_meta=None):
    def forge(path):
        tensors, meta = read_tensors(path)
        if change_tensors:
            change_tensors(tensors)
        if change_meta:
            change_meta(meta)
        write_tensors(path, tensors, meta)

    return forge


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (forged(lambda t: t["model.users"].fill_(float("nan"))), "a value in users that is not finite"),
        (forged(lambda t: t.update({"model.users": t["model.users"][:-1]})), "another model or another data set"),
        (forged(lambda t: t.update({"model.users": t["model.users"].double()})), "another model or another data set"),
        (forged(lambda t: t.pop("model.users")), "another model or another data set"),
        (
            forged(lambda t: t.update({"optimizer.0.0.exp_avg": t["optimizer.0.0.exp_avg"][:-1]})),
            "exp_avg of parameter 0 has shape",
        ),
        (forged(None, lambda m: m.update(format=1)), "another version of graphrec"),
        (lambda path: path.write_bytes(path.read_bytes()[:100]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
    ],
)
def test_a_state_that_cannot_be_this_trainings_is_refused(split, tmp_path, forge, message):
    fit(split, epochs=1, checkpoint=tmp_path)
    forge(tmp_path / FILE)
    with pytest.raises(gr.errors.InputError, match=message):
        fit(split, epochs=2, checkpoint=tmp_path, resume=True)


def test_a_checkpoint_that_is_a_file_is_refused_before_training(split, tmp_path):
    (tmp_path / "c").write_text("")

    class Never:
        def on_epoch_begin(self, state):
            raise AssertionError("training began")

    for folder in (tmp_path / "c", tmp_path / "c" / "inner"):
        with pytest.raises(gr.errors.InputError, match="checkpoint must be a folder"):
            fit(split, epochs=1, checkpoint=folder, callbacks=[Never()])


def test_a_full_disk_is_an_error_that_names_the_file(split, tmp_path, monkeypatch):
    fit(split, epochs=1, checkpoint=tmp_path)
    good = (tmp_path / FILE).read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device.*{FILE}"):
        fit(split, epochs=3, checkpoint=tmp_path, resume=True)
    assert (tmp_path / FILE).read_bytes() == good
    assert os.listdir(tmp_path) == [FILE]


def test_another_function_of_the_same_name_is_another_loss(split, tmp_path):
    def make(sign):
        if sign > 0:

            def own(pos, neg):
                return torch.nn.functional.softplus(neg - pos[:, None]).mean()

        else:

            def own(pos, neg):
                return torch.relu(1 + neg - pos[:, None]).mean()

        return own

    how = {"checkpoint": tmp_path, "progress": False, "seed": 1}
    gr.Recommender("mf", dim=4).fit(split.train, loss=make(1), epochs=1, **how)
    with pytest.raises(gr.errors.InputError, match="loss"):
        gr.Recommender("mf", dim=4).fit(split.train, loss=make(-1), epochs=2, resume=True, **how)
    gr.Recommender("mf", dim=4).fit(split.train, loss=make(1), epochs=2, resume=True, **how)
    with pytest.raises(gr.errors.InputError, match="2 epochs behind it, and epochs=1"):
        gr.Recommender("mf", dim=4).fit(split.train, loss=make(1), epochs=1, resume=True, **how)


class Scaled:
    def __init__(self, scale):
        self.scale = scale

    def __call__(self, pos, neg):
        return torch.nn.functional.softplus((neg - pos[:, None]) / self.scale).mean()


class ScaledByBuffer(torch.nn.Module):
    def __init__(self, scale):
        super().__init__()
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, pos, neg):
        return torch.nn.functional.softplus((neg - pos[:, None]) / self.scale).mean()


def closed_over(scale):
    return lambda pos, neg: torch.nn.functional.softplus((neg - pos[:, None]) / scale).mean()


def by_default(scale):
    def loss(pos, neg, scale=scale):
        return torch.nn.functional.softplus((neg - pos[:, None]) / scale).mean()

    return loss


@pytest.mark.parametrize("make", [Scaled, ScaledByBuffer, closed_over, by_default])
def test_a_loss_that_holds_another_number_is_another_loss(split, tmp_path, make):
    how = {"checkpoint": tmp_path, "progress": False, "seed": 1}
    gr.Recommender("mf", dim=4).fit(split.train, loss=make(1.0), epochs=1, **how)
    with pytest.raises(InputError, match="loss"):
        gr.Recommender("mf", dim=4).fit(split.train, loss=make(0.05), epochs=2, resume=True, **how)
    gr.Recommender("mf", dim=4).fit(split.train, loss=make(1.0), epochs=2, resume=True, **how)


def test_a_sparse_buffer_is_named_when_it_cannot_be_kept(split, tmp_path):
    class Sparse(MF):
        def __init__(self, train, *, dim=4):
            super().__init__(train, dim=dim)
            self.register_buffer("hop", torch.eye(3).to_sparse_csr())

    with pytest.raises(InputError, match="hop is a sparse tensor, which is not written to files"):
        gr.Recommender(Sparse).fit(split.train, epochs=1, checkpoint=tmp_path, progress=False)


def test_two_trainings_do_not_share_a_checkpoint_folder(split, tmp_path):
    class Meanwhile:
        def on_epoch_end(self, state):
            with pytest.raises(InputError, match=r"another training is writing its checkpoint into .*name another folder"):
                fit(split, checkpoint=tmp_path, epochs=1, seed=2)

    whole = fit(split, epochs=3)
    kept = fit(split, checkpoint=tmp_path, epochs=2, callbacks=[Meanwhile()])
    assert kept.history["epoch"].tolist() == [1, 2]
    assert same(whole, fit(split, checkpoint=tmp_path, resume=True, epochs=3))
