"""What was fitted can be fitted anew, from a record of its options; what that record does not hold is refused."""

import functools
import json
import warnings
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import MODELS
from graphrec.recommender.refitting import refitted
from graphrec.recommender.written_options import brought_back, written
from graphrec.training.callbacks import Callback
from graphrec.training.choose import choose
from graphrec.training.credit import Credit

HOW = {"epochs": 2, "seed": 0, "progress": False}


@pytest.fixture(scope="module")
def split():
    g = np.random.default_rng(5)
    u, i = np.nonzero(g.random((30, 25)) < 0.3)
    rows = pd.DataFrame({"user_id": u, "item_id": i + 500, "time": g.permutation(len(u))})
    return gr.split.chronological(gr.Interactions.from_frame(rows, time="time"), test=0.2, valid=0.2)


@pytest.fixture(scope="module")
def fitted(split):
    return [gr.Recommender("ials", dim=4).fit(split.train, valid=split.valid, **HOW), gr.Recommender("ease").fit(split.train)]


def factors(rec):
    return rec.model.items.detach().numpy()


@pytest.mark.parametrize("way", ["here", "loaded", "blend loaded"])
def test_ials_in_a_blend_is_fitted_anew(split, fitted, tmp_path, way):
    if way == "loaded":
        for place, member in enumerate(fitted):
            member.save(tmp_path / str(place))
        fitted = [gr.load(tmp_path / str(place)) for place in range(2)]
    if way == "blend loaded":
        gr.Blend(fitted, weights=[1, 1]).fit(split.train).save(tmp_path / "blend")
        fitted = gr.load(tmp_path / "blend").members
    blend = gr.Blend(fitted, weights=[1, 1]).fit(split.train, valid=split.valid, refit=True)
    alone = gr.Recommender("ials", dim=4).fit(split.train, valid=split.valid, refit=True, **HOW)
    np.testing.assert_array_equal(factors(blend.members[0]), factors(alone))
    assert blend.members[0].options["loss"] == alone.options["loss"]
    again = refitted(blend, blend.train)  # what was fitted anew can be, once more
    np.testing.assert_array_equal(factors(again.members[0]), factors(alone))
    blend.update(split.test)


def test_tune_fits_ials_anew(split):
    found = gr.tune("ials", {"dim": [2, 4]}, split.train, split.valid, "20s", refit=True, progress=False)
    row = found.table[found.table.model == "refit"].iloc[0]
    assert (row.status, len(found.train)) == ("ok", len(split.train) + len(split.valid))


@pytest.mark.parametrize("name", [name for name, kind in MODELS.items() if kind.needs_training])
def test_every_models_own_options_come_back(split, name):
    own = MODELS[name].defaults_for(split.train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = choose(own, {}, split.train)
    back, lost = brought_back(json.loads(json.dumps(written(chosen))), own)
    assert not lost
    assert back["loss"] is chosen.loss or back["loss"] == chosen.loss
    assert written(choose(back, {}, split.train)) == written(chosen)


class Far:
    """An objective that holds something."""

    takes_steps = True

    def __init__(self, by):
        self.by = by

    def sampler(self, train, generator):
        return [None]

    def __call__(self, model, batch):
        with torch.no_grad():
            model.items.add_(self.by)
        return {"loss": model.items.square().mean()}


class Moved(gr.models.MF):
    defaults: ClassVar[dict] = {"loss": Far(1.0), "epochs": 1}


def test_an_objective_of_ones_own_model_is_its_own_or_refused(split, tmp_path):
    own = gr.Recommender(Moved, dim=3).fit(split.train, valid=split.valid, progress=False)
    own.save(tmp_path / "run")
    want = factors(own).copy()
    for rec in (own, gr.load(tmp_path / "run", model=Moved)):
        np.testing.assert_allclose(factors(refitted(rec, split.train)), want, atol=1e-6)
        rec.update(split.valid)
    other = gr.Recommender(Moved, dim=3).fit(split.train, valid=split.valid, loss=Far(2.0), progress=False)
    with pytest.raises(InputError, match=r"its loss came as an object, of which only the name was kept"):
        refitted(other, split.train)
    with pytest.raises(InputError, match="give loss="):
        other.update(split.test)


def shouted(pos, neg, by=1.0):
    return by * (neg - pos[:, None]).exp().mean()


class OnlyFirst:
    def draw(self, users, k, seed):
        return torch.zeros(len(users), k, dtype=torch.int64)


def halved(optimizer):
    return torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("loss", shouted),
        ("loss", functools.partial(shouted, by=2.0)),
        ("negatives", OnlyFirst()),
        ("schedule", halved),
        ("credit", Credit(torch.zeros(25, 1, dtype=torch.int64), (0.5,))),
    ],
    ids=["loss", "partial loss", "negatives", "schedule", "credit"],
)
def test_objects_of_the_callers_own_are_refused_before_anything_is_fitted(split, fitted, tmp_path, option, value):
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, **{option: value}, **HOW)
    rec.save(tmp_path / "run")
    for member in (rec, gr.load(tmp_path / "run")):
        blend = gr.Blend([fitted[0], member], weights=[1, 1]).fit(split.train)
        with pytest.raises(InputError, match=f"mf cannot be fitted anew: its {option} came as an object"):
            gr.Blend([fitted[0], blend], weights=[1, 1]).fit(split.train, valid=split.valid, refit=True)
        with pytest.raises(InputError, match="mf cannot be fitted anew"):
            refitted(blend, split.train, callbacks=[Never()])


def test_what_was_trained_in_several_stages_says_what_to_do(split, fitted):
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, **HOW)
    rec.fit(split.train, valid=split.valid, warm_start=True, **HOW)
    with pytest.raises(InputError, match=r"several stages.*: leave refit out, or give one that was trained in one go"):
        gr.Blend([fitted[0], rec], weights=[1, 1]).fit(split.train, valid=split.valid, refit=True)


class Never(Callback):
    def on_epoch_end(self, *args, **kwargs):
        raise AssertionError("ials was trained though mf cannot be")


def test_a_loss_of_the_library_comes_back_from_its_name(split, tmp_path):
    rec = gr.Recommender("mf", dim=4).fit(split.train, valid=split.valid, loss=gr.losses.hinge, **HOW)
    rec.save(tmp_path / "run")
    again = refitted(gr.load(tmp_path / "run"), split.train)
    assert again.options["loss"] == rec.options["loss"]
