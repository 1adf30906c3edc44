"""Tomorrow's interactions: an id space that grows, in one piece or not at all."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import MODELS
from graphrec.training.callbacks import StopAfter

HYPER = {
    "lightgcn": {"dim": 8},
    "ngcf": {"dim": 8, "layers": [8]},
    "mf": {"dim": 8, "bias": True},
    "embeddingnet": {"hidden": [16, 8]},
}
FIT = {"epochs": 2, "batch_size": 64, "progress": False}


def table(rows):
    return gr.Interactions.from_frame(rows, rating="rating", time="time")


@pytest.fixture(scope="module")
def rows():
    g = np.random.default_rng(5)
    u, i = np.nonzero((g.random((40, 30)) < 0.25) | (np.arange(40)[:, None] % 30 == np.arange(30)))
    order = g.permutation(len(u))
    return pd.DataFrame({"user_id": u, "item_id": i, "rating": g.integers(1, 6, len(u)).astype(float), "time": order})


@pytest.fixture(scope="module")
def old(rows):
    return table(rows[(rows["user_id"] >= 5) & (rows["item_id"] >= 4)])  # the first ids are missing: new ones sort before old


@pytest.fixture(scope="module")
def more(rows):
    return table(rows[(rows["user_id"] < 5) | (rows["item_id"] < 4)])


def fitted(name, old, **options):
    fit = {option: value for option, value in FIT.items() if name != "ials" or option != "batch_size"}  # it has no batches
    return gr.Recommender(name, **HYPER.get(name, {})).fit(old, **(fit if MODELS[name].needs_training else {}), **options)


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_new_people_and_things_are_served_ever_after(name, old, more, tmp_path):
    rec = fitted(name, old)
    before, users = rec.model, old.user_ids
    assert rec.update(more) is rec
    assert rec.model is not before
    assert rec.train.n_users == 40
    assert rec.train.n_items == 30
    assert rec.train.user_ids[: len(users)].tolist() == users.tolist()
    answer = rec.recommend([0, 39], k=5)
    assert len(answer) == 10
    seen = set(map(tuple, pd.concat([old.to_frame(), more.to_frame()])[["user_id", "item_id"]].to_numpy().tolist()))
    assert not seen & set(map(tuple, answer[["user_id", "item_id"]].to_numpy().tolist()))
    if MODELS[name].needs_training:
        assert rec.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    rec.save(tmp_path / "run")
    for copied in (gr.load(tmp_path / "run"), pickle.loads(pickle.dumps(rec))):
        pd.testing.assert_frame_equal(copied.recommend([0, 39], k=5), answer, rtol=1e-4)
    again = table(pd.DataFrame({"user_id": [99, 99, 0], "item_id": [0, 77, 77], "rating": [5.0, 4.0, 3.0], "time": [1, 2, 3]}))
    loaded = gr.load(tmp_path / "run").update(again)
    assert len(loaded.recommend([99], k=5)) == 5
    assert loaded.train.item_ids[-1] == 77


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", ["mf", "lightgcn", "ease"])
def test_only_known_only_new_and_nothing_new(name, old):
    rec = fitted(name, old)
    state = rec._state
    assert rec.update(old.select(np.arange(10)))._state is state
    user, item = (
        int(old.user_ids[0]),
        next(i for i in old.item_ids if not old.has_keys(np.array([old.item_index([int(i)])[0]])).any()),
    )
    rec.update(table(pd.DataFrame({"user_id": [user], "item_id": [int(item)], "rating": [5.0], "time": [99999]})))
    assert rec.train.shares_ids_with(old)
    assert len(rec.train) == len(old) + 1
    assert int(item) not in set(rec.recommend([user], k=26)["item_id"])
    rec.update(table(pd.DataFrame({"user_id": [900, 901], "item_id": [950, 951], "rating": [5.0, 4.0], "time": [7, 8]})))
    assert len(rec.recommend([900, 901], k=3)) == 6
    assert np.isfinite(rec.score([900], [951])).all()


@pytest.mark.filterwarnings("ignore:the table has ratings")
def test_validation_pairs_are_still_not_shown(old, more):
    split = gr.split.random(old, test=0.1, valid=0.2, seed=0)
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, **FIT).update(more, epochs=1)
    held = split.valid.to_frame()
    user = int(held["user_id"].iloc[0])
    assert not set(rec.recommend([user], k=30)["item_id"]) & set(held.loc[held["user_id"] == user, "item_id"])
    assert rec.valid is None
    assert not rec.selected


@pytest.mark.filterwarnings("ignore:the table has ratings")
def test_old_weights_are_where_training_goes_on(old, more):
    """At a rate of almost nothing the rows of the old are what they were, and those of the new are of their kind."""
    rec = gr.Recommender("lightgcn", dim=8).fit(old, **FIT)
    before, n = rec.model.embedding.detach().clone(), old.n_users
    rec.update(more, epochs=1, lr=1e-12)
    now = rec.model.embedding.detach()
    assert torch.allclose(now[:n], before[:n], atol=1e-6)
    assert torch.allclose(now[40 : 40 + old.n_items], before[n:], atol=1e-6)
    assert 0 < now[n:40].norm() < 2 * before[:n].norm()


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize(
    ("schedule", "stop", "left"),
    [
        ("cosine", 4, 0.1),  # which ends at nought
        ({"name": "cosine", "per": "epoch"}, 2, 0.5),
        ({"name": "cosine", "warmup": 1, "min_lr": 0.006}, 4, None),
        ({"name": "steps", "rates": [0.02, 0.01]}, 4, 0.5),
        (lambda optimizer: torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999), 4, None),
    ],
)
def test_an_update_goes_on_at_the_rate_that_the_schedule_had_come_to(schedule, stop, left, old, more, tmp_path):
    class Watch(StopAfter):
        def on_epoch_end(self, state):
            super().on_epoch_end(state)
            self.rate = state.optimizer.learning_rate

    watch, own = Watch(stop), {} if isinstance(schedule, dict) and "rates" in schedule else {"lr": 0.02, "optimizer": "adam"}
    how = {**FIT, **own, "epochs": 4, "schedule": schedule, "parameter_groups": {"items": {"lr": 0.01}}}
    gr.Recommender("mf", dim=8).fit(old, callbacks=[watch], **how).save(tmp_path / "run")
    left = watch.rate / 0.02 if left is None else left
    rec = gr.load(tmp_path / "run").update(more, epochs=1, progress=False)
    assert rec.history["lr"].iloc[-1] == pytest.approx(0.02 * left, rel=1e-6)
    assert rec.options["lr"] == pytest.approx(0.02 * left, rel=1e-6)
    assert rec.options["parameter_groups"]["items"]["lr"] == pytest.approx(0.01 * left, rel=1e-6)
    rec.save(tmp_path / "run")
    another = table(pd.DataFrame({"user_id": [99, 99], "item_id": [7, 77], "rating": [5.0, 4.0], "time": [1, 2]}))
    again = gr.load(tmp_path / "run").update(another, epochs=1, progress=False)
    assert again.history["lr"].iloc[-1] == rec.options["lr"], "not a tenth of a tenth"
    assert again.options["parameter_groups"] == rec.options["parameter_groups"]


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("given", [{"lr": 0.003}, {"schedule": "exponential"}])
def test_a_rate_or_a_schedule_for_an_update_holds_as_it_is(given, old, more):
    groups = {"items": {"lr": 0.01}}
    rec = gr.Recommender("mf", dim=8).fit(old, **FIT, optimizer="adam", lr=0.02, schedule="cosine", parameter_groups=groups)
    rec.update(more, epochs=2, **given)
    assert rec.history["lr"].iloc[-2] == given.get("lr", 0.02)
    assert rec.options["parameter_groups"] == groups


@pytest.mark.filterwarnings("ignore:the table has ratings")
def test_an_update_after_a_refit_goes_by_the_schedule_of_the_refit(old, more):
    rates = []

    class Watch:
        def on_epoch_end(self, state):
            rates.append(state.optimizer.learning_rate)

    split = gr.split.random(old, test=0.1, valid=0.2, seed=0)
    how = {**FIT, "epochs": 6, "optimizer": "adam", "lr": 0.2, "schedule": {"name": "cosine", "per": "epoch"}}
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, refit=True, callbacks=[Watch()], **how)
    assert rec.best_epoch < 5, "or the test says nothing"
    assert rec.update(more, epochs=1).options["lr"] == rates[-1] > 0.02


@pytest.mark.filterwarnings("ignore:the table has ratings")
def test_what_cannot_be_is_refused_and_leaves_all_as_it_was(old, more):
    rec, solved = fitted("mf", old), fitted("ease", old)
    text = gr.Interactions.from_frame(pd.DataFrame({"user_id": ["a"], "item_id": ["b"]}))
    state = rec._state
    for call, words in (
        (lambda: rec.update(text), "user ids of this data are integers"),
        (lambda: rec.update(more.to_frame()), "DataFrame"),
        (lambda: rec.update(more, epoch=2), "epochs"),
        (lambda: rec.update(more, patience=2), "validation"),
        (lambda: solved.update(more, epochs=2), "closed form"),
        (lambda: gr.Recommender("mf").update(more), "not fitted"),
        (lambda: fitted("mf", old, loss="mse").update(more.binarize()), "update has none"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    with pytest.raises(RuntimeError, match="stop"):
        rec.update(more, callbacks=[Failing()])
    assert rec._state is state
    own = gr.Recommender("mf", dim=4).fit(old, loss=lambda pos, neg: (neg - pos[:, None]).exp().mean(), **FIT)
    with pytest.raises(InputError, match="give loss="):
        own.update(more)
    own.update(more, loss="bpr")


class Failing:
    def on_epoch_end(self, *args, **kwargs):
        raise RuntimeError("stop")


@pytest.mark.parametrize("model", ["itemknn", "mf"])
def test_ids_that_lost_their_zeros_are_told(model):
    first = pd.DataFrame({"user_id": list("aabbcc"), "item_id": ["007", "010", "007", "999", "010", "999"]})
    later = pd.DataFrame({"user_id": ["a", "d", "b"], "item_id": ["999", "7", "12"]})
    rec = gr.Recommender(model).fit(
        gr.Interactions.from_frame(first), **({"epochs": 1, "progress": False} if model == "mf" else {})
    )
    with pytest.warns(UserWarning, match=r"1 new item ids are known ones but for zeros in front, first '7' for '007'"):
        rec.update(gr.Interactions.from_frame(later))
    assert rec.train.n_items == 5


def test_low_ratings_of_the_new_table_are_told_where_the_old_one_had_none(old, more):
    def rated(table, low):
        frame = table.to_frame()[["user_id", "item_id"]].assign(stars=[low, *[5.0] * (len(table) - 1)])
        return gr.Interactions.from_frame(frame, rating="stars")

    old = rated(old, 1.0).binarize()
    for members in (1, 2):
        rec = gr.Recommender("itemknn").fit(old)
        if members == 2:
            rec = gr.Blend([rec, gr.Recommender("itempop").fit(old)], [1, 1]).fit(old)
        with pytest.warns(UserWarning, match=r"^the table for update has ratings from 1 to 5 and itemknn does not read them"):
            rec.update(rated(more, 1.0))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.Recommender("itempop").fit(old).update(rated(more, 1.0).binarize(min_rating=4))


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", ["ease", "mf", "blend"])
def test_updates_of_several_threads_take_turns(name, old):
    if name == "blend":
        rec = gr.Blend([fitted("ease", old), fitted("itempop", old)], weights=[1, 1]).fit(old)
    else:
        rec = fitted(name, old)
    pairs = [table(pd.DataFrame({"user_id": [100 + n], "item_id": [200 + n], "rating": 5.0, "time": 900})) for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(rec.update, pairs))
    assert set(range(100, 106)) <= set(rec.train.user_ids.tolist())
    assert len(rec.train) == len(old) + 6
