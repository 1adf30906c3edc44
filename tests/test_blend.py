"""A blend is a recommender like any other, and never worse on validation than its members."""

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import Encoding, Model, Table
from graphrec.models.hybrids.levelled import add_levelled

FIT = {"epochs": 3, "batch_size": 64, "seed": 3, "progress": False}


@pytest.fixture(scope="module")
def split():
    g = np.random.default_rng(5)
    taste = g.random((80, 3)) @ g.random((3, 60)) + 0.5 * g.random((80, 60))
    u, i = np.nonzero(taste > np.quantile(taste, 0.8, axis=1, keepdims=True))
    rows = pd.DataFrame({"user_id": [f"u{n}" for n in u], "item_id": i + 500, "time": g.permutation(len(u))})
    return gr.split.chronological(gr.Interactions.from_frame(rows, time="time"), test=0.2, valid=0.2)


@pytest.fixture(scope="module")
def members(split, device):
    near = gr.Recommender("rp3beta").fit(split.train, valid=split.valid, device=device)
    return [near, gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, device=device, **FIT)]


@pytest.fixture(scope="module")
def blend(members, split, device):
    return gr.Blend(members, weights=[0.6, 0.4]).fit(split.train, valid=split.valid, device=device)


def scores_of(rec):
    n = rec.train.n_items
    return np.stack([rec.score([user] * n, rec.train.item_ids) for user in rec.train.user_ids])


def check_scores(blend, weights, members):
    want, n = 0, blend.train.n_items
    for weight, member in zip(weights, members, strict=True):
        s = scores_of(member).astype(np.float64)
        mean, high = s.mean(1, keepdims=True), np.sort(s, axis=1)[:, -(n // 4) :].mean(1, keepdims=True)
        want = want + weight * (s - mean) / (high - mean)
    np.testing.assert_allclose(scores_of(blend), want, atol=2e-5)


def test_scores_are_the_weighted_sum_of_levelled_ones(blend, members):
    check_scores(blend, [0.6, 0.4], members)


def test_the_compiled_levels_are_those_of_torch():
    g = torch.Generator().manual_seed(0)
    scores = torch.randn(9, 40, generator=g)
    scores[3] = 2.0
    scores[5, 7] = torch.nan
    out = torch.zeros(9, 40)
    add_levelled(scores, 5, 0.5, out)
    mean = scores.mean(1, keepdim=True)
    reach = scores.topk(5, 1).values.mean(1, keepdim=True) - mean
    want = 0.5 * (scores - mean) / torch.where(reach == 0, torch.inf, reach)
    torch.testing.assert_close(out, want, equal_nan=True)
    assert out[5].isnan().all()
    assert not out[3].any()


def test_paired_scores_are_those_of_the_ranking(blend, split):
    lists = blend.recommend(split.train.user_ids[:20], k=8)
    np.testing.assert_allclose(blend.score(lists.user_id, lists.item_id), lists.score, rtol=1e-5)


def test_never_worse_on_validation_than_its_members(members, split, device):
    popular = gr.Recommender("itempop").fit(split.train, valid=split.valid, device=device)
    noise = gr.Recommender("random").fit(split.train, valid=split.valid, device=device)
    for some in (members, [popular, noise], [*members, popular, noise]):
        blend = gr.Blend(some).fit(split.train, valid=split.valid, device=device, metric="ndcg@10")
        model = blend.model
        measure = gr.recommender.blend.Evaluator(["ndcg@10"], split.train)
        figures = [measure(one.model, split.valid)["ndcg@10"] for one in some]
        assert measure(model, split.valid)["ndcg@10"] >= max(figures) - 1e-12
        assert sum(blend.weights) == pytest.approx(1)
        assert blend.selected


def test_who_adds_nothing_gets_nothing(split):
    class Silent(Model):
        def __init__(self, train):
            super().__init__(train)
            self.nothing = torch.nn.Parameter(torch.zeros(1))

        def encode(self):
            users, items = torch.zeros(self.n_users, 1), torch.zeros(self.n_items, 1)
            return Encoding(Table(users + 0 * self.nothing), Table(items + 0 * self.nothing))

    ease = gr.Recommender("ease").fit(split.train)
    silent = gr.Recommender(Silent).fit(split.train, epochs=1, progress=False)
    assert gr.Blend([ease, silent]).fit(split.train, valid=split.valid).weights == pytest.approx([1, 0])
    assert gr.Blend([silent, ease]).fit(split.train, valid=split.valid).weights == pytest.approx([0, 1])
    assert sorted(gr.Blend([ease, ease]).fit(split.train, valid=split.valid).weights) == [0, 1]


def test_what_is_done_to_a_member_later_is_not_in_the_blend(split, tmp_path):
    member = gr.Recommender("mf", dim=4).fit(split.train, epochs=1, seed=0, progress=False)
    blend = gr.Blend([member, gr.Recommender("itempop").fit(split.train)], weights=[0.5, 0.5]).fit(split.train)
    before = blend.recommend(split.train.user_ids[0], k=5)
    member.fit(split.train, epochs=9, seed=5, lr=0.05, progress=False)
    blend.save(tmp_path / "run")
    for again in (blend, gr.load(tmp_path / "run"), copy.deepcopy(blend), pickle.loads(pickle.dumps(blend))):
        assert again.recommend(split.train.user_ids[0], k=5)["item_id"].equals(before["item_id"])
        assert again.members[0].options["epochs"] == 1


def test_a_blend_elsewhere_leaves_its_members_and_other_blends_where_they_are(split, device):
    members = [gr.Recommender(name).fit(split.train, device="cpu") for name in ("itemknn", "ease")]
    here = gr.Blend(members, weights=[0.5, 0.5]).fit(split.train, device="cpu")
    users = split.train.user_ids
    before = [one.recommend(users, k=5) for one in (here, *members)]
    there = gr.Blend(members, weights=[0.5, 0.5]).fit(split.train, device=device)
    members[0].to(device)
    for one, answer in zip((here, *members), before, strict=True):
        assert one.recommend(users, k=5)["item_id"].equals(answer["item_id"])
    assert there.recommend(users, k=5)["item_id"].equals(before[0]["item_id"])
    assert {there.fit_device, here.fit_device} == {"cpu", str(there.model.weights.device)}


def test_members_that_are_handed_out_are_copies(split, tmp_path):
    member = gr.Recommender("mf", dim=4).fit(split.train, epochs=1, seed=0, progress=False)
    blend = gr.Blend([member, gr.Recommender("itempop").fit(split.train)], weights=[0.5, 0.5]).fit(split.train)
    before = blend.recommend(split.train.user_ids[0], k=5)
    blend.members[0].fit(split.train, epochs=9, seed=5, lr=0.05, optimizer="adam", progress=False)
    blend.save(tmp_path / "run")
    assert gr.load(tmp_path / "run").recommend(split.train.user_ids[0], k=5)["item_id"].equals(before["item_id"])


def test_members_that_were_fitted_on_something_else_are_told(split, device):
    members = [gr.Recommender("itemknn").fit(split.train), gr.Recommender("itemknn").fit(split.test)]
    with pytest.warns(UserWarning, match=r"member 1 of the blend \(itemknn\) was not fitted on train: \d+ of its pairs"):
        gr.Blend(members, weights=[0.5, 0.5]).fit(split.train, device=device)


def test_a_corner_gives_its_members_scores(members, split, device):
    corner = gr.Blend(members, weights=[0, 3]).fit(split.train, device=device)
    np.testing.assert_allclose(scores_of(corner), scores_of(members[1]), atol=1e-6)
    assert corner.valid is None


def test_it_survives_the_disk_and_copies(blend, split, tmp_path, device):
    want = blend.recommend(split.train.user_ids, k=5)
    blend.save(tmp_path / "run")
    again = gr.load(tmp_path / "run", device=device)
    assert isinstance(again, gr.Blend)
    assert again.weights == pytest.approx([0.6, 0.4])
    assert [member.name for member in again.members] == ["rp3beta", "mf"]
    assert len(list((tmp_path / "run").glob("members.1.model-*"))) == 1
    for other in (again, pickle.loads(pickle.dumps(blend)), copy.deepcopy(blend)):
        pd.testing.assert_frame_equal(other.recommend(split.train.user_ids, k=5), want, rtol=1e-5)
        assert gr.evaluate(other, split, k=5).mean == pytest.approx(gr.evaluate(blend, split, k=5).mean)
    again.save(tmp_path / "twice")
    pd.testing.assert_frame_equal(gr.load(tmp_path / "twice").recommend(split.train.user_ids, k=5), want, rtol=1e-4)


def test_a_blend_of_a_blend(blend, members, split, tmp_path, device):
    outer = gr.Blend([blend, members[1]], weights=[1, 1]).fit(split.train, valid=split.valid, device=device)
    outer.save(tmp_path / "run")
    want = outer.recommend(split.train.user_ids, k=5)
    pd.testing.assert_frame_equal(gr.load(tmp_path / "run").recommend(split.train.user_ids, k=5), want, rtol=1e-4)


def test_refit_fits_the_members_anew_and_keeps_the_weights(members, split, tmp_path, device):
    plain = gr.Blend(members).fit(split.train, valid=split.valid, device=device)
    before = scores_of(members[1])
    both = gr.Blend(members).fit(split.train, valid=split.valid, refit=True, device=device)
    assert both.weights == plain.weights
    assert len(both.train) == len(split.train) + len(split.valid)
    assert all(len(member.train) == len(both.train) for member in both.members)
    np.testing.assert_array_equal(scores_of(members[1]), before)
    mf = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, refit=True, device=device, **FIT)
    np.testing.assert_allclose(scores_of(both.members[1]), scores_of(mf), rtol=1e-5, atol=1e-6)
    both.save(tmp_path / "run")
    want = both.recommend(split.train.user_ids, k=5)
    pd.testing.assert_frame_equal(gr.load(tmp_path / "run").recommend(split.train.user_ids, k=5), want, rtol=1e-4)


def test_similar_items_blend_what_the_members_say(blend, members, split, device):
    lists = blend.similar_items(split.train.item_ids[:3], k=4)
    assert (lists.item_id != lists.similar_id).all()
    assert len(lists) == 12
    mute = gr.Blend([members[0]], weights=[1]).fit(split.train, device=device)
    mute.model.members[0].likeness = lambda: gr.models.Scorer.likeness(mute.model.members[0])
    try:
        with pytest.raises(InputError, match="none of its members"):
            mute.model.likeness()
    finally:
        del mute.model.members[0].likeness


def test_eight_threads_get_what_one_gets(blend, split):
    users = list(split.train.user_ids)
    want = blend.recommend(users, k=5)
    with ThreadPoolExecutor(8) as pool:
        for got in pool.map(lambda _: blend.recommend(users, k=5), range(8)):
            pd.testing.assert_frame_equal(got, want)


def test_new_people_are_taken_in_where_the_members_can(split, members, device):
    both = [members[0], gr.Recommender("gfcf", rank=4).fit(split.train, device=device)]
    blend = gr.Blend(both, weights=[1, 1]).fit(split.train, device=device)
    history = split.train.to_csr("ones")[:5]
    people, _ = blend.ranker.top_k_of(history, 6)
    known, _ = blend.ranker.top_k(np.arange(5), 6)
    np.testing.assert_array_equal(people, known)


def test_a_member_that_lost_its_fit_is_named(split):
    members = [gr.Recommender("itemknn").fit(split.train), gr.Recommender("rp3beta").fit(split.train)]
    blend = gr.Blend(members)
    members[1].set_params(alpha=0.5)
    with pytest.raises(InputError, match=r"member 1 of the blend \(rp3beta\) is not fitted yet"):
        blend.fit(split.train, valid=split.valid)


def test_mistakes_are_named(members, split, device):
    with pytest.raises(InputError, match=r"member 1.*not fitted"):
        gr.Blend([members[0], gr.Recommender("mf")])
    with pytest.raises(InputError, match="list of fitted"):
        gr.Blend(members[0])
    with pytest.raises(InputError, match="pass valid"):
        gr.Blend(members).fit(split.train)
    with pytest.raises(InputError, match="2 numbers"):
        gr.Blend(members, weights=[1]).fit(split.train)
    with pytest.raises(InputError, match="epochs"):
        gr.Blend(members).fit(split.train, valid=split.valid, epochs=3)
    knows = gr.Recommender("itempop").fit(split.train, valid=split.valid, refit=True, device=device)
    with pytest.raises(InputError, match=r"trained on .* pairs of valid"):
        gr.Blend([members[0], knows]).fit(split.train, valid=split.valid)
    other = gr.Interactions.from_frame(pd.DataFrame({"user_id": [1, 2], "item_id": [3, 4]}))
    with pytest.raises(InputError, match="another id space"):
        gr.Blend(members, weights=[1, 1]).fit(other)


@pytest.mark.parametrize("model", ["blend", gr.models.Blend])
def test_a_recommender_by_name_is_no_blend(members, model):
    for options in ({}, {"members": members}):
        with pytest.raises(InputError, match=r"a blend is made by graphrec\.Blend\(\[a, b\]\)"):
            gr.Recommender(model, **options)
    with pytest.raises(InputError, match=r"graphrec\.Blend"):
        gr.Recommender("mf").set_params(model=model)


def test_a_member_that_breaks_is_named_by_its_user(blend, members, split):
    sick = copy.deepcopy(blend)
    with torch.no_grad():
        sick.model.members[1].users[2] = torch.nan
    with pytest.raises(FloatingPointError, match=str(split.train.user_ids[2])):
        sick.recommend(split.train.user_ids, k=3)


def test_a_member_that_breaks_is_named(members, split, device):
    members = [gr.Recommender("itempop").fit(split.train, device=device), copy.deepcopy(members[1])]
    with torch.no_grad():
        members[1].model.items[2] = torch.nan
    told = r"^member 1 of the blend \(MF\) gives scores that are not finite numbers for .* first user u0\.$"
    with pytest.raises(FloatingPointError, match=told):
        gr.Blend(members).fit(split.train, valid=split.valid, device=device)
    blend = gr.Blend(members, weights=[1, 1]).fit(split.train, device=device)
    for ask in (lambda: gr.evaluate(blend, split), lambda: blend.recommend("u0", k=3), lambda: blend.score("u0", [500])):
        with pytest.raises(FloatingPointError, match=r"^member 1 of the blend \(MF\) gives scores"):
            ask()
    with pytest.raises(FloatingPointError, match=r"^member 1 of the blend .* first person 0\.$"):
        blend.recommend_new([[500, 501]], k=3)
    gr.Blend(members, weights=[1, 0]).fit(split.train, device=device).recommend("u0", k=3)  # who is not asked breaks nothing


def test_tomorrow_is_taken_in_by_every_member(members, split, device, tmp_path):
    blend = gr.Blend(members, weights=[0.6, 0.4]).fit(split.train, valid=split.valid, device=device)
    more = gr.Interactions.from_frame(
        pd.DataFrame({"user_id": ["new", "new", "u3"], "item_id": [500, 999, 999], "time": [10**6, 10**6 + 1, 10**6 + 2]}),
        time="time",
    )
    before, first = [member._state for member in members], blend._state
    with pytest.raises(InputError, match="epochs"):
        blend.update(more, epochs=0)
    assert blend._state is first
    assert blend.update(more, epochs=2) is blend
    assert [member._state for member in members] == before  # those that were given stay as they were
    assert blend.weights == pytest.approx([0.6, 0.4])
    assert len(blend.members[1].history) == len(members[1].history) + 2
    check_scores(blend, [0.6, 0.4], blend.members)
    answer = blend.recommend(["new", "u3"], k=5)
    assert not {500, 999} & set(answer["item_id"][answer["user_id"] == "new"])
    seen = split.valid.to_frame()
    assert not set(answer["item_id"][answer["user_id"] == "u3"]) & set(seen["item_id"][seen["user_id"] == "u3"])
    blend.save(tmp_path / "run")
    loaded = gr.load(tmp_path / "run")
    pd.testing.assert_frame_equal(loaded.recommend(["new", "u3"], k=5), answer, rtol=1e-4)
    again = loaded._state
    assert loaded.update(more)._state is again  # nothing new
    solved = gr.Blend(members[:1], weights=[1.0]).fit(split.train)
    with pytest.raises(InputError, match="epochs"):
        solved.update(more, epochs=2)


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (["ndcg@5"], "a metric is a name such as 'ndcg@20', not"),
        ("rmse", "a blend's weights are chosen by a metric of a list, such as 'ndcg@20', not by 'rmse'"),
        ("auc", "chosen by a metric of a list"),
        ("", "unknown metric ''"),
    ],
)
def test_weights_are_chosen_by_one_metric_of_a_list(members, split, metric, told):
    with pytest.raises(InputError, match=told):
        gr.Blend(members).fit(split.train, valid=split.valid, metric=metric)
    _, _, text = gr.Blend.fit.__doc__.partition("metric : str, optional\n")
    assert "one name with the length of a list" in text
    assert "rmse" not in text


@pytest.mark.parametrize("weights", [["3", 1], [True, False], ["a", "b"], [None, 1], {0: 1, 1: 1}, {1, 3}, 5, 0.5])
def test_weights_are_numbers(members, split, weights):
    with pytest.raises(InputError, match=r"weights must be \d numbers of at least 0"):
        gr.Blend(members[:2], weights=weights).fit(split.train)


@pytest.mark.parametrize("weights", [(3, 1), np.array([3, 1]), pd.Series([3.0, 1.0], index=[1, 0])])
def test_weights_have_the_order_of_the_members(members, split, weights):
    assert gr.Blend(members, weights=weights).fit(split.train).weights == pytest.approx([0.75, 0.25])


class Mine(gr.models.MF):
    """Of somebody else."""


class Yours(gr.models.MF):
    """Of another one."""


def test_members_of_classes_of_ones_own_are_loaded_with_these(split, tmp_path):
    one, two = (gr.Recommender(kind, dim=4).fit(split.train, epochs=1, progress=False) for kind in (Mine, Yours))
    blend = gr.Blend([one, gr.Recommender("itemknn").fit(split.train)], weights=[1, 1]).fit(split.train)
    blend.save(tmp_path / "one")
    want = blend.recommend(split.train.user_ids[:3], k=4)
    pd.testing.assert_frame_equal(gr.load(tmp_path / "one", Mine).recommend(split.train.user_ids[:3], k=4), want)
    gr.Blend([one, two], weights=[1, 2]).fit(split.train).save(tmp_path / "both")
    both = gr.load(tmp_path / "both", [Yours, Mine])
    assert [member.kind for member in both.members] == [Mine, Yours]
    for given in (None, [], [gr.models.MF, gr.models.GMF]):
        with pytest.raises(InputError, match="pass the class"):
            gr.load(tmp_path / "both", given)
    for given in (Mine, [Mine], [Yours, gr.models.MF]):  # a class stands for no other, though its weights would fit
        with pytest.raises(InputError, match=r"holds .*:(Mine|Yours), .*pass the class, beside"):
            gr.load(tmp_path / "both", given)
    one.save(tmp_path / "alone")
    with pytest.raises(InputError, match=r"pass the class, beside .*:Yours"):
        gr.load(tmp_path / "alone", Yours)
    Moved = type("Mine", (gr.models.MF,), {"__module__": "elsewhere"})
    assert gr.load(tmp_path / "alone", Moved).kind is Moved


def test_a_class_that_a_run_does_not_need_is_refused(split, tmp_path):
    gr.Recommender(gr.models.MF, dim=4).fit(split.train, epochs=1, progress=False).save(tmp_path / "run")
    assert gr.load(tmp_path / "run", gr.models.MF).kind is gr.models.MF
    for given in (Mine, [Mine, Yours]):
        with pytest.raises(InputError, match=r"holds mf, of graphrec.* and no .*:Mine.*: leave model out"):
            gr.load(tmp_path / "run", given)
