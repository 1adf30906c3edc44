"""A search takes whatever table a fit takes, and its result knows all of validation, however few people were looked at."""

import pickle
import re
import warnings

import numpy as np
import pytest

import graphrec as gr
from graphrec.errors import InputError
from graphrec.recommender.refitting import refitted
from graphrec.search import finish, trial

QUIET = {"progress": False, "device": "cpu"}


@pytest.fixture
def few_looked_at(monkeypatch):
    monkeypatch.setattr(trial, "_PEOPLE", 20)


def fail(*_, **__):
    raise RuntimeError("no refit")


def table(g, users=90, items=40, n=900):
    pairs = np.unique(g.integers(0, users, n) * items + g.integers(0, items, n))
    return gr.Interactions.from_indices(pairs // items, pairs % items, n_users=users, n_items=items)


@pytest.fixture
def split():
    return gr.split.stratified(table(np.random.default_rng(1)), test=0.2, valid=0.2, seed=0)


def check_recommends_no_validation(recommender, split):
    lists = recommender.recommend(split.train.user_ids[np.unique(split.valid.users)], k=20)
    given = split.valid.to_frame()[["user_id", "item_id"]].merge(lists, on=["user_id", "item_id"])
    assert len(given) == 0
    assert len(recommender.valid) == len(split.valid)


@pytest.mark.parametrize("model", ["ease", "mf"])
def test_a_tuned_model_recommends_nobody_what_is_in_their_validation(split, few_looked_at, model, tmp_path):
    space = {"ease": {"l2": [10, 100]}, "mf": {"dim": [4, 8], "epochs": [3]}}[model]
    for refit in (False, True):
        tuned = gr.tune(model, space, split.train, split.valid, 20, refit=refit, **QUIET)
        tuned.save(tmp_path / str(refit))
        for one in (tuned, gr.load(tmp_path / str(refit)), pickle.loads(pickle.dumps(tuned))):
            check_recommends_no_validation(one, split)
    assert len(tuned.train) == len(split.train) + len(split.valid)


def blend_of_all(run):
    pool, task = [one for _, one in run.kept], run.task
    blend = gr.Blend([one.recommender for one in pool], weights=[1] * len(pool)).fit(task.train, valid=task.looked_at)
    return blend, pool, 1.0


@pytest.mark.parametrize("blends", [False, True])
def test_nor_does_the_result_of_a_search_that_was_not_fitted_anew(split, few_looked_at, blends, monkeypatch, tmp_path):
    monkeypatch.setattr(finish, "refitted", fail)
    if blends:
        monkeypatch.setattr(finish, "blended", blend_of_all)
    models = ["ease", "itempop", "rp3beta"] if blends else ["ease"]
    found = gr.search(split.train, split.valid, 4, models=models, out=tmp_path / "run", **QUIET)
    assert found.table.set_index("model").loc["refit"]["status"] == "failed"
    assert isinstance(found, gr.Blend) == blends
    for one in (found, gr.load(tmp_path / "run"), *(found.members if blends else ())):
        check_recommends_no_validation(one, split)
        assert one.selected
    monkeypatch.setattr(finish, "refitted", refitted)
    again = gr.search(split.train, split.valid, 8, models=models, out=tmp_path / "run", **QUIET)
    assert len(again.train) == len(split.train) + len(split.valid)
    check_recommends_no_validation(again, split)


@pytest.fixture
def tiny():
    of = gr.Interactions.from_indices
    return of([0, 1], [0, 1]), of([0], [1], n_users=2, n_items=2)


def repeated():
    g = np.random.default_rng(4)
    split = gr.split.stratified(table(g), test=0.2, valid=0.2, seed=0)
    rows = np.concatenate([np.arange(len(split.train)), g.integers(0, len(split.train), 400)])
    return split.train.select(rows), split.valid


def newcomers():
    split = gr.split.stratified(table(np.random.default_rng(5)), test=0.2, valid=0.2, seed=0)
    new = np.isin(split.valid.users, np.arange(30))
    return split.train.select(split.train.users >= 30), split.valid.select(new)


@pytest.mark.parametrize("tables", ["tiny", "repeated", "newcomers"])
def test_a_table_that_can_be_fitted_can_be_searched(request, tables):
    train, valid = request.getfixturevalue("tiny") if tables == "tiny" else globals()[tables]()
    gr.Recommender("ease").fit(train, valid=valid)
    found = gr.search(train, valid, 6, models=["itempop", "ease", "mf"], **QUIET)
    assert {"itempop", "ease", "mf"} <= set(found.table["model"][found.table["status"] == "ok"])
    assert len(found.train) == len(train) + len(valid)
    tuned = gr.tune("mf", {"dim": [2, 4], "epochs": [2]}, train, valid, 8, **QUIET)
    assert len(tuned.valid) == len(valid)


@pytest.mark.parametrize("which", ["fit", "blend", "search", "tune"])
def test_choosing_on_people_of_whom_nothing_is_known_is_told(which):
    train, valid = newcomers()
    member = gr.Recommender("ease").fit(train)
    calls = {
        "fit": lambda: gr.Recommender("mf").fit(train, valid=valid, epochs=1, **QUIET),
        "blend": lambda: gr.Blend([member, gr.Recommender("itempop").fit(train)]).fit(train, valid=valid),
        "search": lambda: gr.search(train, valid, 3, models=["itempop", "ease"], **QUIET),
        "tune": lambda: gr.tune("ease", {"l2": [1.0, 9.0]}, train, valid, 3, **QUIET),
    }
    n = len(np.unique(valid.users))
    told = rf"^{n} of {n} validation users have nothing in train; what is chosen on them says little\.$"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        calls[which]()
    mine = [one for one in caught if re.search(told, str(one.message))]
    assert [one.filename for one in mine] == [__file__]


def test_an_empty_metric_is_refused(split):
    for call in (
        lambda: gr.search(split.train, split.valid, 5, metric="", **QUIET),
        lambda: gr.tune("ease", {"l2": [1]}, split.train, split.valid, 5, metric="", **QUIET),
        lambda: gr.Recommender("mf").fit(split.train, valid=split.valid, metric="", epochs=1, **QUIET),
        lambda: gr.Blend([gr.Recommender("ease").fit(split.train)]).fit(split.train, valid=split.valid, metric=""),
    ):
        with pytest.raises(InputError, match="metric"):
            call()
