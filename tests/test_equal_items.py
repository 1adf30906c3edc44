"""Things that the same people have met, and people who are asked for alone or together: one order, always."""

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.data.twins import twin_columns
from graphrec.models import MODELS
from graphrec.ranking.ranker import Ranker

# Solved models, and iALS, know an item by its people alone; others start from random rows, which tell twins apart.
BY_PEOPLE = [
    "bspm",
    "chebycf",
    "ease",
    "gfcf",
    "ials",
    "itemknn",
    "itempop",
    "p3alpha",
    "puresvd",
    "rp3beta",
    "turbocf",
    "userknn",
]
EASES = {
    "ease-rank": ("ease", {"rank": 16}),
    "ease-neighbours": ("ease", {"neighbours": 20}),
    "ease-few": ("ease", {"neighbours": 3}),
}
N_USERS, N_KINDS = 90, 24


@pytest.fixture(scope="module")
def twins():
    """The kind of each item, those of one kind met by the same people, in an order of their own."""
    g = np.random.default_rng(7)
    kinds = np.repeat(np.arange(N_KINDS), g.integers(1, 6, N_KINDS))
    g.shuffle(kinds)
    users, items = np.nonzero((g.random((N_USERS, N_KINDS)) < 0.2)[:, kinds])
    ratings = np.where((users + kinds[items]) % 3, 5.0, 2.0)
    return gr.Interactions.from_indices(users, items, ratings, n_users=N_USERS, n_items=len(kinds)), kinds


@pytest.fixture(scope="module")
def fitted(twins, device):
    made = {}

    def of(name, **hyper):
        if (name, *hyper.items()) not in made:
            how = {"epochs": 2, "seed": 1, "progress": False} if MODELS[name].needs_training else {}
            made[name, *hyper.items()] = gr.Recommender(name, **hyper).fit(twins[0], device=device, **how)
        return made[name, *hyper.items()]

    return of


def one_by_one(ask, asked):
    return pd.concat([ask([one]) for one in asked], ignore_index=True)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_list_does_not_depend_on_who_else_is_asked(fitted, twins, name):
    rec, people = fitted(name), np.unique(twins[0].users)
    together = rec.recommend(people, k=15)
    for some in (1, 7, 33):
        parts = [rec.recommend(people[lo : lo + some], k=15) for lo in range(0, len(people), some)]
        apart = pd.concat(parts, ignore_index=True)
        assert apart["item_id"].tolist() == together["item_id"].tolist()
        assert np.allclose(apart["score"], together["score"], rtol=1e-5, atol=1e-7)
    try:
        torch.set_num_threads(3)
        again = rec.recommend(people, k=15)
    finally:
        torch.set_num_threads(1)
    assert again["item_id"].tolist() == together["item_id"].tolist()


@pytest.mark.parametrize("name", ["puresvd", "gfcf", "bspm", "lightgcn", "mf"])
def test_scores_of_lists_pairs_and_blocks_are_the_same_number(fitted, twins, name):
    rec, people = fitted(name), np.unique(twins[0].users)
    lists = rec.recommend(people, k=15)
    assert (one_by_one(lambda ids: rec.recommend(ids, k=15), people)["score"] == lists["score"]).all()
    assert (rec.score(lists["user_id"], lists["item_id"]) == lists["score"]).all()
    assert (rec.score(lists["user_id"][:1], lists["item_id"][:1]) == lists["score"][:1]).all()


@pytest.mark.parametrize("name", [*BY_PEOPLE, "ease-rank", "ease-neighbours", "ease-few"])
def test_items_that_the_same_people_have_met_stand_in_the_order_of_their_positions(fitted, twins, name):
    # Of what they have not met: an item that says nothing for itself leaves out another addend for each of its kind.
    kind, hyper = EASES.get(name, (name, {}))
    rec = fitted(kind, **hyper)
    kinds = twins[1]
    lists = rec.recommend(np.unique(twins[0].users), k=len(kinds))
    for _, mine in lists.groupby(["user_id", kinds[lists["item_id"]]]):
        assert mine["item_id"].is_monotonic_increasing
        assert mine["score"].nunique() == 1


@pytest.mark.parametrize("name", ["puresvd", "gfcf", "ials", "itemknn", "ease"])
def test_new_people_and_likeness_keep_that_order_too(fitted, twins, name):
    rec, kinds = fitted(name), twins[1]
    histories = [[0, 5], [1], [2, 3, 4], [7]]
    new = rec.recommend_new(histories, k=30)
    assert one_by_one(lambda h: rec.recommend_new(h, k=30), histories)["item_id"].tolist() == new["item_id"].tolist()
    met = [{kinds[item] for item in history} for history in histories]
    for (person, kind), mine in new.groupby(["user_id", kinds[new["item_id"]]]):
        assert kind in met[person] or mine["item_id"].is_monotonic_increasing
    things = np.arange(len(kinds))
    alike = rec.similar_items(things, k=20)
    assert one_by_one(lambda ids: rec.similar_items(ids, k=20), things)["similar_id"].tolist() == alike["similar_id"].tolist()


def test_whole_ranks_and_lists_are_of_the_same_order(fitted, twins):
    """The place of every item of a person, counted, is its place in the whole list."""
    rec, kinds = fitted("puresvd"), twins[1]
    g = np.random.default_rng(1)
    users, items = np.nonzero(g.random((N_USERS, len(kinds))) < 0.3)
    test = gr.Interactions.from_indices(users, items, n_users=N_USERS, n_items=len(kinds))
    ranker = Ranker(rec.model)
    ranks, best = ranker.ranks_of(test, k=len(kinds))
    places = np.argsort(best, axis=1)
    indptr, columns = test.structure
    rows = np.repeat(np.arange(N_USERS), np.diff(indptr))
    assert (ranks.above + ranks.ties_before).tolist() == places[rows, columns].tolist()
    same = (kinds[columns][:, None] == kinds[None]).sum(1) - 1
    assert (ranks.ties >= same).all()


def test_ties_beyond_what_a_product_was_asked_for_are_found(device):
    """A hundred equal items behind a few better ones: the list must not stop at those that the product happened to find."""
    g = np.random.default_rng(3)
    met = g.integers(0, 400, 80)
    table = gr.Interactions.from_indices(np.arange(40).repeat(2), met, n_users=40, n_items=400, duplicates="last")
    model = gr.models.MF(table, dim=24)
    with torch.no_grad():
        model.items[:] = model.items[g.permutation(400) % 4]
    scores = (model.users.double() @ model.items.double().T).float().detach().numpy()
    order = np.argsort(-scores, axis=1, kind="stable")
    ranker = Ranker(model.to(device))
    assert np.array_equal(ranker.top_k(np.arange(40), 30)[0], order[:, :30])
    some = np.sort(g.permutation(400)[:300])
    allowed = np.isin(np.arange(400), some)
    assert np.array_equal(ranker.top_k(np.arange(40), 30, some)[0], [row[allowed[row]][:30] for row in order])


def test_a_blend_gives_equal_items_equal_scores(fitted, twins):
    table, kinds = twins
    rec = gr.Blend([fitted("puresvd"), fitted("gfcf"), fitted("ials")], weights=[1.0, 1.0, 1.0]).fit(table, refit=False)
    people = np.unique(table.users)
    lists = rec.recommend(people, k=15)
    assert one_by_one(lambda ids: rec.recommend(ids, k=15), people)["item_id"].tolist() == lists["item_id"].tolist()
    whole = rec.recommend(people, k=len(kinds))
    assert (whole.groupby(["user_id", kinds[whole["item_id"]]])["score"].nunique() == 1).all()


def test_twin_columns():
    table = gr.Interactions.from_indices([0, 0, 0, 0, 1, 1, 2, 2], [0, 1, 3, 4, 0, 3, 4, 5], n_items=8)
    twins, firsts = twin_columns(table.to_csr("ones"))
    assert (twins.tolist(), firsts.tolist()) == ([3], [0])
    weighed = table.to_csr("ones")
    weighed.data[0] = 2.0
    assert twin_columns(weighed)[0].tolist() == []
