"""No figure, weight or choice comes from pairs that a model has learnt, in whatever stage it learnt them."""

import copy
import dataclasses
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.recommender.tables import in_ids_of

HOW = {"epochs": 2, "progress": False}


@pytest.fixture
def split(interactions):
    return gr.split.stratified(interactions.binarize(), test=0.25, valid=0.1, seed=3)


def everything(split):
    frames = [part.to_frame() for part in (split.train, split.valid, split.test)]
    return gr.Interactions.from_frame(pd.concat(frames), time="time", ids=split.train)


def later_stage(split, table):
    return gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, **HOW).fit(table, warm_start=True, **HOW)


def test_a_later_stage_that_saw_the_test_part_is_refused(split, tmp_path):
    rec = later_stage(split, everything(split))
    rec.save(tmp_path / "run")
    for one in (rec, gr.load(tmp_path / "run")):
        with pytest.raises(InputError, match="test pairs are in train"):
            gr.evaluate(one, split, k=5)


def test_a_later_stage_on_the_training_part_is_evaluated_as_ever(split):
    rec = later_stage(split, split.train)
    assert gr.evaluate(rec, split, k=5).n_users > 0


def test_a_member_that_saw_validation_in_a_later_stage_is_refused(split):
    leaky = later_stage(split, split.valid)
    honest = gr.Recommender("itemknn").fit(split.train)
    with pytest.raises(InputError, match=r"member 0 of the blend \(mf\) was trained on"):
        gr.Blend([leaky, honest]).fit(split.train, valid=split.valid)


def test_selecting_on_what_an_earlier_stage_learnt_is_said(split):
    rec = later_stage(split, split.valid)
    with pytest.warns(UserWarning, match="pairs of valid were shown to the model in an earlier stage"):
        rec.fit(split.train, valid=split.valid, warm_start=True, **HOW)


def test_errors_on_training_pairs_are_said_to_be_too_small(interactions):
    split = gr.split.stratified(interactions, test=0.25, valid=0.1, seed=3)
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, loss="mse", **HOW)
    with pytest.warns(UserWarning, match=f"{len(split.train):,} of these {len(split.train):,} pairs were trained on"):
        gr.evaluate_ratings(rec, split.train)
    with pytest.warns(UserWarning, match="were the validation part on which the model was selected"):
        gr.evaluate_ratings(rec, split.valid)


def test_an_update_with_validation_pairs_says_so(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, **HOW)
    with pytest.warns(UserWarning, match=f"{len(split.valid)} pairs of the update were the validation part"):
        rec.update(split.valid, progress=False)


@pytest.mark.parametrize("name", ["mf", "ease"])
def test_validation_pairs_are_not_counted_as_trained_on_by_an_update(name, split, tmp_path):
    """They stay out of it, unless the update has them."""

    def now(keys):
        return {(split.train.user_ids[k // split.train.n_items], split.train.item_ids[k % split.train.n_items]) for k in keys}

    def known(rec):
        return set(rec.trained_on.to_frame()[["user_id", "item_id"]].itertuples(index=False, name=None))

    how = HOW if name == "mf" else {}
    rec = gr.Recommender(name, **({"dim": 8} if how else {})).fit(split.train, valid=split.valid, **how)
    more = split.test.to_frame().head(20)
    some = split.valid.to_frame().head(3)
    rec.update(gr.Interactions.from_frame(more, time="time"), **how)
    want = now(split.train.keys) | set(more[["user_id", "item_id"]].itertuples(index=False, name=None))
    rec.save(tmp_path / "run")
    for one in (rec, gr.load(tmp_path / "run"), pickle.loads(pickle.dumps(rec))):
        assert known(one) == want
        one.update(gr.Interactions.from_frame(some, time="time"), **how)
        assert known(one) == want | set(some[["user_id", "item_id"]].itertuples(index=False, name=None))


def test_validation_pairs_of_earlier_stages_are_not_counted_as_trained_on(split, tmp_path):
    rec = later_stage(split, split.test)
    rec.save(tmp_path / "run")
    newcomer = gr.Interactions.from_frame(
        pd.DataFrame({"user_id": [10**6], "item_id": split.train.item_ids[:1], "time": [1]}), time="time"
    )
    for one in (rec, gr.load(tmp_path / "run")):
        assert set(one.trained_on.keys) == {*split.train.keys, *split.test.keys}
        assert len(one.update(newcomer, **HOW).trained_on) == len(split.train) + len(split.test) + 1


def test_drawn_negatives_do_not_depend_on_the_order_of_rows(split):
    rec = gr.Recommender("itemknn").fit(split.train)
    shuffled = split.test.select(np.random.default_rng(0).permutation(len(split.test)))
    a, b = (gr.evaluate(rec, test, k=3, negatives=10, seed=1) for test in (split.test, shuffled))
    assert a.mean == b.mean


@pytest.mark.parametrize(("call", "told"), [
    (lambda rec, split: gr.evaluate(rec, split, k=7, metrics=["auc"]), r"k=7 does nothing beside metrics=\['auc'\]"),
    (lambda rec, split: gr.evaluate(rec, split, metrics=[None]), "a metric is a name such as 'ndcg@20', not None"),
    (lambda rec, split: gr.evaluate("mf", split), "evaluate takes a fitted Recommender, not str"),
    (lambda rec, split: gr.compare([gr.evaluate(rec, split, k=3)] * 2), "compare takes reports by names of models"),
    (lambda rec, split: gr.compare({"a": gr.evaluate(rec, split, k=3)}, metrics="ndcg@3"), "metrics must be a list of names"),
    (lambda rec, split: gr.Blend([rec], weights=[1]).fit(split.train, metric="recall@5"), "metric is what weights"),
    (lambda rec, split: gr.Blend([rec] * 2, weights=[1e308] * 2).fit(split.train), "weights must be 2 numbers"),
    (lambda rec, split: rec.save(""), "path must be a path, got ''"),
    (lambda rec, split: gr.load(None), "path must be a path, got None"),
    (lambda rec, split: gr.load("run", model="mf"), "load: model must be a class"),
    (lambda rec, split: gr.Recommender("mf").fit(split.train, checkpoint=3, **HOW), "checkpoint must be a path, got 3"),
    (lambda rec, split: gr.Recommender("mf").fit(split.train, callbacks=print, **HOW), "callbacks must be a list of objects"),
])  # fmt: skip
def test_what_means_nothing_gets_a_sentence(split, tmp_path, monkeypatch, call, told):
    monkeypatch.chdir(tmp_path)
    rec = gr.Recommender("itempop").fit(split.train)
    rec.save("run")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=told):
        call(rec, split)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
@pytest.mark.parametrize("name", ["mf", "lightgcn", "ngcf"])
def test_torch_switched_otherwise_around_a_fit_changes_nothing(split, name, around):
    usual = gr.Recommender(name).fit(split.train, valid=split.valid, **HOW)
    with around():
        odd = gr.Recommender(name).fit(split.train, valid=split.valid, **HOW)
        figures = gr.evaluate(odd, split, k=5).mean
    assert figures == gr.evaluate(usual, split, k=5).mean


@pytest.mark.parametrize("around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16)])
@pytest.mark.parametrize("name", ["lightgcn", "neumf"])
def test_torch_switched_otherwise_around_an_update_changes_nothing(split, name, around):
    usual = gr.Recommender(name).fit(split.train, **HOW)
    odd = copy.deepcopy(usual)
    usual.update(split.valid)
    with around():
        odd.update(split.valid)
    assert odd.recommend(split.train.user_ids, k=3).equals(usual.recommend(split.train.user_ids, k=3))


def test_another_default_device_around_a_load_changes_nothing(split, tmp_path):
    gr.Recommender("ngcf", dim=4, layers=[4]).fit(split.train, **HOW).save(tmp_path / "run")
    with torch.device("meta"):
        loaded = gr.load(tmp_path / "run")
    users = split.train.user_ids
    assert loaded.recommend(users, k=3).equals(gr.load(tmp_path / "run").recommend(users, k=3))


def test_a_hogwild_training_that_diverges_is_told_to_learn_more_slowly(split):
    with pytest.raises(FloatingPointError, match=r"training diverged\. A smaller lr than 1e"):
        gr.Recommender("mf").fit(split.train, hogwild=True, optimizer="sgd", lr=1e30, **HOW)


@pytest.mark.parametrize(("option", "value"), [("weight_decay", 0.1), ("shared_negatives", True)])
def test_what_hogwild_does_not_read_is_named(split, option, value):
    with pytest.raises(InputError, match=f"hogwild=True reads no {option}"):
        gr.Recommender("mf").fit(split.train, hogwild=True, optimizer="sgd", **{option: value}, **HOW)


def test_an_update_that_forgets_times_says_so(split):
    bare = split.test.select(np.arange(3)).to_frame().drop(columns="time")
    with pytest.warns(UserWarning, match="the table for update has no times"):
        gr.Recommender("itempop").fit(split.train).update(gr.Interactions.from_frame(bare))


def test_rates_go_by_the_size_of_the_table(split):
    from graphrec.models import GMF, LightGCN, LightGCNPP

    assert LightGCN.defaults_for(split.train)["lr"] == 5e-3
    assert LightGCNPP.defaults_for(split.train) == LightGCNPP.defaults
    many = gr.Interactions.from_indices(np.arange(450_000) // 1000, np.arange(450_000) % 1000)
    assert LightGCN.defaults_for(many)["lr"] == GMF.defaults_for(many)["lr"] == 1e-3
    assert GMF.defaults_for(split.train)["lr"] == 1e-2


def test_figures_of_all_lists_are_compared_by_their_difference(split):
    reports = {
        name: gr.evaluate(gr.Recommender(name).fit(split.train), split, k=5, beyond=True) for name in ("itemknn", "itempop")
    }
    table = gr.compare(reports, baseline="itempop").set_index("metric")
    for metric in ("coverage@5", "gini@5"):
        want = reports["itemknn"].overall[metric] - reports["itempop"].overall[metric]
        assert table.loc[metric, "difference"] == pytest.approx(want)
        assert want != 0


def test_a_figure_on_some_validation_pairs_is_said_to_be_selected_on(split):
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, **HOW)
    mixed = gr.Interactions.from_frame(
        pd.concat([split.valid.to_frame().head(3), split.test.to_frame()]), time="time", ids=split.train
    )
    with pytest.warns(UserWarning, match="3 of these pairs were the validation part on which the model was selected"):
        gr.evaluate(rec, mixed, k=5)


@pytest.mark.parametrize("beyond", ["everything", 3])
def test_what_is_measured_beyond_accuracy_is_checked(split, beyond):
    rec = gr.Recommender("itempop").fit(split.train)
    with pytest.raises(InputError, match="beyond takes True, False, 'embeddings' or Features"):
        gr.evaluate(rec, split, k=5, beyond=beyond)


def test_lengths_that_metrics_have_may_be_named_again(split):
    rec = gr.Recommender("itempop").fit(split.train)
    assert gr.evaluate(rec, split, k=5, metrics=["ndcg@5"]).metrics == ["ndcg@5"]


def test_a_blend_of_which_a_member_saw_the_test_part_is_refused(split, tmp_path):
    leaky, honest = (gr.Recommender("ease").fit(table) for table in (everything(split), split.train))
    blend = gr.Blend([leaky, honest], weights=[1, 1]).fit(split.train)
    outer = gr.Blend([blend], weights=[1]).fit(split.train)
    blend.save(tmp_path / "run")
    leaky.fit(split.train)  # what becomes of the member later changes nothing in the blend
    for one in (blend, outer, gr.load(tmp_path / "run"), pickle.loads(pickle.dumps(outer))):
        with pytest.raises(InputError, match=f"{len(split.test):,} test pairs are in train"):
            gr.evaluate(one, split, k=5)
    blend.fit(split.train, valid=split.valid, refit=True)  # all members anew, without the test part
    assert gr.evaluate(blend, split, k=5).n_users > 0


def test_a_member_with_other_ids_is_refused(split):
    other = gr.Interactions.from_indices(
        split.train.users, split.train.items, n_users=split.train.n_users, n_items=split.train.n_items
    )
    other = dataclasses.replace(other, item_ids=other.item_ids + 10_000)
    with pytest.raises(InputError, match=r"member 0 of the blend \(ease\) was fitted in another id space"):
        gr.Blend([gr.Recommender("ease").fit(other)], weights=[1]).fit(split.train)


def test_a_model_that_starts_from_one_that_saw_the_test_part_is_refused(split, tmp_path):
    leaky, honest = (gr.Recommender("gmf", dim=8).fit(table, **HOW) for table in (everything(split), split.train))
    mlp = gr.Recommender("mlp", dim=8, hidden=(8,)).fit(split.train, **HOW)
    rec = gr.Recommender("neumf", dim=8, hidden=(8,), gmf=leaky, mlp=mlp).fit(split.train, **HOW)
    rec.save(tmp_path / "run")
    for one in (rec, gr.load(tmp_path / "run")):
        with pytest.raises(InputError, match="test pairs are in train"):
            gr.evaluate(one, split, k=5)
    newcomer = gr.Interactions.from_frame(pd.DataFrame({"user_id": [10**6], "item_id": split.train.item_ids[:1]}))
    assert len(rec.update(newcomer, epochs=1, progress=False).trained_on) == len(everything(split)) + 1
    assert (
        gr.evaluate(
            gr.Recommender("neumf", dim=8, hidden=(8,), gmf=honest, mlp=mlp).fit(split.train, **HOW), split, k=5
        ).n_users
        > 0
    )


# ---- what is taken back -------------------------------------------------------------------------------------------------


def by_update(split, part):
    return gr.Recommender("mf", dim=8).fit(split.train, **HOW).update(part, **HOW)


def by_refit(split, part):
    return gr.Recommender("mf", dim=8).fit(split.train, valid=part, refit=True, **HOW)


def by_warm_start(split, part):
    return gr.Recommender("mf", dim=8).fit(split.train, **HOW).fit(part, warm_start=True, **HOW)


def by_its_start(split, part):
    start = gr.Recommender("gmf", dim=8).fit(part, **HOW)
    mlp = gr.Recommender("mlp", dim=8, hidden=(8,)).fit(split.train, **HOW)
    return gr.Recommender("neumf", dim=8, hidden=(8,), gmf=start, mlp=mlp).fit(split.train, **HOW)


@pytest.mark.filterwarnings("ignore:.*(learnt from are in seen now|the validation part of the latest fit|was not fitted on)")
@pytest.mark.parametrize("learn", [by_update, by_refit, by_warm_start, by_its_start])
def test_what_weights_have_learnt_is_known_whatever_is_only_seen_later(split, learn, tmp_path):
    leaky, honest = learn(split, split.test), gr.Recommender("itemknn").fit(split.train)
    leaky.save(tmp_path / "before")
    more = gr.Interactions.from_frame(pd.DataFrame({"user_id": [10**6], "item_id": split.train.item_ids[:1]}))
    loaded = gr.load(tmp_path / "before").update(more, seen=split.test, **HOW)
    leaky.update(None, seen=split.test, **HOW)
    leaky.save(tmp_path / "run")
    others = [leaky, gr.load(tmp_path / "run"), pickle.loads(pickle.dumps(leaky)), copy.deepcopy(leaky)]
    others.append(copy.copy(leaky).fit(split.train, warm_start=True, **HOW))
    others.append(gr.load(tmp_path / "run").fit(split.train, valid=split.valid, warm_start=True, **HOW))
    others.append(copy.copy(leaky).update(split.valid, **HOW))
    others.append(gr.Blend([leaky, honest], weights=[1, 1]).fit(split.train))
    others.append(gr.Blend([learn(split, split.test), honest], weights=[1, 1]).fit(split.train).update(None, seen=split.test))
    for one in others:
        with pytest.raises(InputError, match=f"{len(split.test):,} test pairs are in train"):
            gr.evaluate(one, split, k=5)
    assert loaded.trained_on.has_keys(in_ids_of(loaded.train, split.test).keys).all()


@pytest.mark.filterwarnings("ignore:.*learnt from are in seen now")
@pytest.mark.parametrize("name", ["itemknn", "mf"])
def test_what_is_solved_or_trained_anew_has_nothing_left_of_it(split, name):
    how = HOW if name == "mf" else {}
    rec = gr.Recommender(name).fit(split.train, **how).update(split.test, **how).update(None, seen=split.test, **how)
    rec = rec.fit(split.train, **how) if name == "mf" else rec
    honest = gr.Recommender(name).fit(split.train, **how)
    assert gr.evaluate(rec, split, k=5).mean == gr.evaluate(honest, split, k=5).mean


@pytest.mark.filterwarnings("ignore:.*(learnt from are in seen now|shown to the model in an earlier stage)")
def test_a_member_that_learnt_validation_is_refused_whatever_came_after(split):
    taken_back = by_update(split, split.valid).update(None, seen=split.valid, **HOW)
    validated = later_stage(split, split.valid).fit(split.train, valid=split.valid, warm_start=True, **HOW)
    honest = gr.Recommender("itemknn").fit(split.train)
    for leaky in (taken_back, validated):
        with pytest.raises(InputError, match=rf"\(mf\) was trained on {len(split.valid):,} pairs of valid"):
            gr.Blend([leaky, honest]).fit(split.train, valid=split.valid)
