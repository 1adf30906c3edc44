"""Reasons add up to the score, and are what they say."""

import copy
import pickle

import numpy as np
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError

TRAINED = {"epochs": 2, "lr": 0.05, "seed": 0, "progress": False}
LINEAR = {
    "lightgcn": {"dim": 8, "layers": 3},
    "lightgcn-1": {"dim": 8, "layers": 1},
    "lightgcn-loops": {"dim": 8, "layers": 2, "normalisation": "sym+self"},
    "lightgcn-row": {"dim": 8, "layers": 3, "normalisation": "row"},
    "lightgcn-dot": {"dim": 8, "layers": 2, "similarity": "cosine", "ranking": "dot"},
    "simgcl": {"dim": 8, "layers": 2},
    "lightgcn-cosine": {"dim": 8, "layers": 2, "similarity": "cosine", "popularity": 0.2},
    "ease": {"l2": 3.0},
    "ease-neighbours": {"l2": 3.0, "neighbours": 9},
    "itemknn": {"neighbours": 7},
    "rp3beta": {},
    "gfcf": {"rank": 8},
    "turbocf": {},
    "slim": {"l1": 0.1, "l2": 1.0, "candidates": 20},
    "itempop": {},
}


def fitted(name, inter, **hyper):
    rec = gr.Recommender(name.split("-")[0], **(hyper or LINEAR.get(name, {})))
    how = {option: value for option, value in TRAINED.items() if name != "ials" or option != "lr"}  # it follows no gradient
    return rec.fit(inter, **(how if rec.kind.needs_training else {}))


def pair(rec):
    user = rec.train.to_frame()["user_id"].iloc[0]
    return user, rec.recommend([user], k=1)["item_id"].iloc[0]


@pytest.mark.parametrize("name", [*LINEAR, "puresvd", "chebycf", "bspm", "p3alpha", "userknn", "ials", "mf", "multvae"])
def test_parts_add_up_to_the_score(interactions, name):
    rec = fitted(name, interactions)
    user, item = pair(rec)
    for again in (rec, copy.deepcopy(rec), pickle.loads(pickle.dumps(rec))):
        why = again.explain(user, item)
        assert why["contribution"].sum() == pytest.approx(float(rec.score([user], [item])[0]), rel=1e-4, abs=1e-5)
        assert why["contribution"].is_monotonic_decreasing
    rows = rec.train.to_frame()
    own = set(rows.loc[rows["user_id"] == user, "item_id"])
    assert set(why["item_id"].dropna()) == (set() if name == "itempop" else own)


def test_lightgcn_paths_against_the_dense_matrix(interactions):
    rec = fitted("lightgcn", interactions)
    user, item = pair(rec)
    a = gr.BipartiteGraph(interactions).adjacency("sym").to_dense().double()
    e = rec.model.embedding.detach().double()
    hops = [torch.linalg.matrix_power(a, k) @ e for k in range(4)]
    u, j = int(interactions.user_index([user])[0]), interactions.n_users + int(interactions.item_index([item])[0])
    v = sum(hops)[j] / 4
    why = rec.explain(user, item).set_index(["kind", "item_id"])["contribution"]
    for own in set(why["your item"].index):
        i = interactions.n_users + int(interactions.item_index([own])[0])
        assert why["your item"][own] == pytest.approx(float(a[u, i] * e[i] @ v / 4), abs=1e-6)
        longer = float(a[u, i] * (hops[1] + hops[2])[i] @ v / 4)
        assert why["through other people"][own] == pytest.approx(longer, abs=1e-6)
    assert float(why["own embedding"].iloc[0]) == pytest.approx(float(e[u] @ v / 4), abs=1e-6)


def test_leaving_one_out_is_what_it_says(interactions):
    rec = fitted("multvae", interactions)
    user, item = pair(rec)
    row, j = int(interactions.user_index([user])[0]), int(interactions.item_index([item])[0])
    whole = interactions.to_csr()[row]
    why = rec.explain(user, item)
    lost = why[why["kind"] == "score lost without it"]
    scoring = rec.model.scoring()

    def score(history):
        with torch.no_grad():
            return float(scoring.pairs(scoring.people(history), torch.tensor([[j]]))[0, 0])

    for own, contribution in zip(lost["item_id"], lost["contribution"], strict=True):
        without = whole.copy()
        without[0, int(interactions.item_index([own])[0])] = 0
        without.eliminate_zeros()
        assert contribution == pytest.approx(score(whole) - score(without), abs=1e-5)
    assert len(lost) == whole.nnz
    assert (why["kind"] == "remainder").sum() == 1


@pytest.mark.parametrize(("name", "how"), [("userknn", {}), ("mf", {"epochs": 1, "progress": False})])
def test_ratings_that_a_model_does_not_read_change_no_reasons(interactions, name, how):
    rows = interactions.to_frame()[["user_id", "item_id"]]
    rated = gr.Interactions.from_frame(rows.assign(rating=1.0 + np.arange(len(rows)) % 5), rating="rating")
    (one, of_one), (other, of_other) = (
        (rec, pair(rec)) for rec in (gr.Recommender(name).fit(t, seed=0, **how) for t in (rated, rated.binarize()))
    )
    assert of_one == of_other
    assert one.explain(*of_one)["contribution"].tolist() == pytest.approx(other.explain(*of_other)["contribution"].tolist())


def test_paths_are_people_with_both(interactions):
    rec = fitted("itemknn", interactions)
    user, item = pair(rec)
    have = interactions.to_frame().groupby("item_id")["user_id"].agg(set)
    why = rec.explain(user, item)
    assert why["n_paths"].tolist() == [len(have[own] & have[item] - {user}) for own in why["item_id"]]


def test_recommendations_with_reasons(interactions):
    rec = fitted("lightgcn", interactions)
    users = interactions.to_frame()["user_id"].unique()[:3].tolist()
    plain, given = rec.recommend(users, k=4), rec.recommend(users, k=4, explain=2)
    assert plain.equals(given[plain.columns])
    for row in given.itertuples():
        why = rec.explain(row.user_id, row.item_id).dropna(subset="item_id").groupby("item_id")["contribution"].sum()
        best = why[why > 0].sort_values(ascending=False).index[:2].tolist()
        assert [one for one in (row.reason_1, row.reason_2) if isinstance(one, int | np.integer | str)] == best
    with pytest.raises(InputError, match="number of reasons"):
        rec.recommend(users, explain=-1)


def test_what_cannot_be_explained_says_so(interactions):
    rec = fitted("random", interactions)
    user, item = pair(rec)
    with pytest.raises(InputError, match="no reasons"):
        rec.explain(user, item)
    with pytest.raises(InputError):
        rec.explain("nobody", item)


def test_reasons_follow_changed_weights(interactions):
    rec = fitted("lightgcn", interactions)
    user, item = pair(rec)
    before = rec.explain(user, item)["contribution"].sum()
    with torch.no_grad():
        rec.model.embedding.mul_(2)
    assert rec.explain(user, item)["contribution"].sum() == pytest.approx(4 * before, rel=1e-4)
