"""What was chosen on the pairs that it is measured by says so, however the choice came to it."""

import copy
import pickle
import warnings

import pandas as pd
import pytest

import graphrec as gr

HOW = {"epochs": 2, "batch_size": 64, "seed": 0, "progress": False, "device": "cpu"}
TOLD = "these pairs were the validation part on which"


@pytest.fixture(scope="module")
def split():
    return gr.split.stratified(gr.load_dataset("synthetic").interactions.binarize(), test=0.2, valid=0.2, seed=3)


@pytest.fixture(scope="module")
def peeker(split):
    """A model whose epoch was chosen on the test part."""
    return gr.Recommender("mf", dim=8).fit(split.train, valid=split.test, **HOW)


@pytest.fixture(scope="module")
def knn(split):
    return gr.Recommender("itemknn").fit(split.train, device="cpu")


def check_says(recommender, split, tmp_path):
    """It says how many pairs, and so do its copies and what was saved of it."""
    recommender.save(tmp_path / "run")
    again = gr.load(tmp_path / "run")
    again.save(tmp_path / "twice")
    ways = (recommender, again, gr.load(tmp_path / "twice"), copy.deepcopy(recommender), pickle.loads(pickle.dumps(again)))
    for one in ways:
        with pytest.warns(UserWarning, match=f"{len(split.test):,} of {TOLD}"):
            gr.evaluate(one, gr.Split(train=split.train, test=split.test), k=5)


def check_silent(recommender, split):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.evaluate(recommender, split, k=5)


@pytest.mark.parametrize("refit", [False, True])
def test_a_blend_knows_what_its_members_were_chosen_on(split, peeker, knn, refit, tmp_path):
    blend = gr.Blend([peeker, knn]).fit(split.train, valid=split.valid, refit=refit, device="cpu")
    check_says(blend, split, tmp_path)
    assert len(blend.chosen_on) == len(split.test) + len(split.valid)
    with pytest.warns(UserWarning, match=f"{TOLD} the model, or one that it stands on, was selected"):
        gr.evaluate(blend, split, k=5)
    with pytest.warns(UserWarning, match=TOLD):
        gr.evaluate(blend.members[0], split, k=5)


@pytest.mark.parametrize("refit", [False, True])
def test_so_does_one_with_given_weights_and_one_of_blends(split, peeker, knn, refit, tmp_path):
    valid = split.valid if refit else None
    given = gr.Blend([knn, peeker], weights=[0.5, 0.5]).fit(split.train, valid=valid, refit=refit, device="cpu")
    check_says(given, split, tmp_path / "given")
    inner = gr.Blend([gr.Recommender("itempop").fit(split.train), knn]).fit(split.train, valid=split.test, device="cpu")
    outer = gr.Blend([inner, knn], weights=[0.5, 0.5]).fit(split.train, valid=valid, refit=refit, device="cpu")
    check_says(outer, split, tmp_path / "outer")
    check_says(gr.Blend([outer], weights=[1]).fit(outer.train, device="cpu"), split, tmp_path / "outermost")


def test_it_is_known_after_an_update_and_a_later_stage(split, peeker, knn, tmp_path):
    newcomer = gr.Interactions.from_frame(pd.DataFrame({"user_id": [10**6], "item_id": split.train.item_ids[:1]}))
    blend = gr.Blend([peeker, knn], weights=[0.5, 0.5]).fit(split.train, device="cpu")
    tuned = gr.tune("ease", {"l2": [1, 100]}, split.train, split.test, 20, progress=False, device="cpu")
    for place, one in enumerate((copy.deepcopy(peeker), blend, tuned)):
        one.update(newcomer, **({} if one is tuned else {"epochs": 1, "progress": False}))
        one.save(tmp_path / str(place))
        for again in (one, gr.load(tmp_path / str(place))):
            assert again.valid is None
            assert again.chosen_on.n_users == split.train.n_users + 1
            assert len(again.chosen_on) == len(split.test)
    later = copy.deepcopy(peeker).fit(split.train, valid=split.valid, warm_start=True, **HOW)
    later.save(tmp_path / "later")
    assert len(gr.load(tmp_path / "later").chosen_on) == len(later.chosen_on) == len(split.test) + len(split.valid)
    assert later.fit(split.train, valid=split.valid, **HOW).chosen_on is later.valid  # begun anew


def test_what_a_network_starts_from_is_known_from_the_disk_too(split, tmp_path):
    gmf = gr.Recommender("gmf", dim=8).fit(split.train, valid=split.test, **HOW)
    mlp = gr.Recommender("mlp", dim=8, hidden=(8,)).fit(split.train, **HOW)
    rec = gr.Recommender("neumf", dim=8, hidden=(8,), gmf=gmf, mlp=mlp).fit(split.train, valid=split.valid, **HOW)
    check_says(rec, split, tmp_path)


@pytest.mark.parametrize("refit", [False, True])
def test_settings_of_a_solved_model_are_chosen(split, refit, tmp_path):
    tuned = gr.tune("ease", {"l2": [1, 100, 1000]}, split.train, split.test, 20, refit=refit, progress=False, device="cpu")
    assert tuned.selected
    if refit:
        assert len(tuned.chosen_on) == len(split.test)
    else:
        check_says(tuned, split, tmp_path)
        blend = gr.Blend([tuned, gr.Recommender("itempop").fit(split.train)]).fit(split.train, valid=split.valid)
        check_says(blend, split, tmp_path / "blend")


def test_whoever_was_chosen_elsewhere_is_silent(split, knn):
    honest = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, **HOW)
    for blend in (gr.Blend([honest, knn]), gr.Blend([honest, knn], weights=[1, 1])):
        for refit in (False, True):
            check_silent(blend.fit(split.train, valid=split.valid, refit=refit, device="cpu"), split)
    assert knn.chosen_on is None
    assert gr.Recommender("mf").chosen_on is None
    assert gr.Blend([knn], weights=[1]).fit(split.train).chosen_on is None
