"""The search index: what it finds, what it leaves out, and its file."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.recommender.search_graph import SearchGraph

QUICK = {"epochs": 3, "lr": 0.02, "batch_size": 512, "seed": 0, "progress": False}


@pytest.fixture(scope="module")
def wide():
    """300 people with up to 60 of 900 things: wide enough that a search is not a scan."""
    g = np.random.default_rng(3)
    counts = g.integers(1, 60, 300)
    users = np.repeat(np.arange(300), counts)
    items = np.concatenate([g.choice(900, n, replace=False) for n in counts])
    return gr.Interactions.from_indices(users, items, n_users=301, n_items=900)


@pytest.fixture(scope="module")
def rec(wide):
    return gr.Recommender("mf", dim=16).fit(wide, **QUICK)


@pytest.fixture(scope="module")
def index(rec):
    return rec.to_ann()


def test_recall_on_movielens_against_exact_search(movielens):
    split = gr.split.chronological(movielens.interactions.binarize(), test=0.2, valid=0.1)
    rec = gr.Recommender("mf", dim=64).fit(split.train, valid=split.valid, epochs=8, lr=5e-3, seed=0, progress=False)
    index = rec.to_ann()
    searched = np.diff(index.seen.structure[0]) < 300  # for the others nearly half of the catalogue is asked for
    users = index.seen.user_ids[searched & ~index.without]
    assert len(users) > 850
    assert gr.ann.recall(index, rec, k=20, users=users) >= 0.95
    assert gr.ann.recall(index, rec, k=20) >= 0.95


@pytest.mark.parametrize("filter_seen", [True, False])
def test_lists_are_those_of_the_recommender_where_the_search_finds_all(wide, rec, filter_seen):
    index = rec.to_ann(search=2000, effort=2000, connectivity=64)
    people = wide.user_ids[:300]
    assert gr.ann.recall(index, rec, k=10, users=people, filter_seen=filter_seen) == 1.0
    found, exact = index.recommend(people, 10, filter_seen), rec.recommend(people, 10, filter_seen)
    pd.testing.assert_frame_equal(found, exact, rtol=1e-4, atol=1e-6, check_dtype=False)


def test_recall_counts_what_is_missing(rec, index):
    few = rec.to_ann(connectivity=2, effort=1, search=1)
    assert gr.ann.recall(few, rec, k=20) < gr.ann.recall(index, rec, k=20) <= 1


def test_recall_by_hand():
    """Eight things of three values: of equal ones any will do, and each that is worse is missing."""
    table = gr.Interactions.from_indices([0, 0, 1], [0, 1, 0], n_items=8)
    rec = gr.Recommender("mf", dim=2).fit(table, **QUICK)
    with torch.no_grad():
        rec.model.users[:], rec.model.items[:] = torch.tensor([1.0, 0.0]), 0.0
        rec.model.items[:, 0] = torch.tensor([9.0, 9.0, 3.0, 3.0, 3.0, 1.0, 1.0, 1.0])
    index = rec.to_ann()
    lists = {0: [2, 4], 1: [1, 6]}  # 0 may have any two of 2, 3 and 4; 1 has missed one of them

    def given(users, k, filter_seen=True):
        best = np.array([lists[user] for user in users])
        return best, rec.model.items.detach().numpy()[best, 0]

    index.top_k = given
    assert gr.ann.recall(index, rec, k=2) == 0.75


def test_what_somebody_has_seen_is_left_out_and_nothing_is_lost_by_it(wide, index):
    indptr, columns = wide.structure
    best, scores = index.top_k(np.arange(300), 20)
    assert (best >= 0).all()
    for user, row in enumerate(best):
        assert not set(row) & set(columns[indptr[user] : indptr[user + 1]])
        assert len(set(row)) == 20
    assert (np.diff(scores, axis=1) <= 0).all()


def test_whoever_has_nearly_all_gets_what_is_left():
    seen = np.ones((3, 40), bool)
    seen[0, [5, 7]] = seen[1, :38] = False
    table = gr.Interactions.from_indices(*np.nonzero(seen))
    rec = gr.Recommender("mf", dim=4).fit(table, **QUICK, saturated="skip")
    best = rec.to_ann().recommend([0, 1, 2], k=10)
    assert set(best.loc[best["user_id"] == 0, "item_id"]) == {5, 7}
    assert (best["user_id"] == 1).sum() == 10
    assert 2 not in best["user_id"].tolist()


def test_people_without_history_unknown_ids_and_wrong_numbers_are_refused(index):
    with pytest.raises(InputError, match="user 300 has no training interaction"):
        index.recommend(300)
    with pytest.raises(InputError, match="999"):
        index.recommend(999)
    with pytest.raises(InputError, match="k must be"):
        index.recommend(0, k=0)
    with pytest.raises(InputError, match="vectors must be"):
        index.search(np.zeros((2, 3)))


def test_models_whose_score_is_no_inner_product_are_refused(wide, rec):
    for name, how in (("ease", {}), ("neumf", QUICK)):
        with pytest.raises(InputError, match=f"{name} cannot be searched"):
            gr.Recommender(name).fit(wide, **how).to_ann()
    with pytest.raises(InputError, match="connectivity must be"):
        rec.to_ann(connectivity=1)


@pytest.mark.parametrize(("name", "how"), [("lightgcn", {"similarity": "cosine", "popularity": 0.1}), ("puresvd", {"rank": 8})])
def test_cosines_and_solved_models_too(wide, name, how):
    rec = gr.Recommender(name, **how).fit(wide, **(QUICK if name == "lightgcn" else {}))
    assert gr.ann.recall(rec.to_ann(), rec, k=10) > 0.95


def test_the_graph_that_finds_more_is_kept(wide):
    for rec in (gr.Recommender("puresvd", rank=8).fit(wide), gr.Recommender("lightgcn", dim=16).fit(wide, **QUICK)):
        index = rec.to_ann(search=16)
        other = SearchGraph.of(index.items, not index.graph.lifted, 16, 128, 16, 1)
        asked = index.users[:300]
        assert index.graph.share_found(asked, index.items) >= other.share_found(asked, index.items) - 0.02


def test_a_file_gives_the_same_answers_without_the_recommender(checkerboard, tmp_path):
    rec = gr.Recommender("mf", dim=4).fit(gr.Interactions.from_frame(checkerboard), **QUICK)
    index = rec.to_ann(tmp_path / "items.ann")
    again = gr.ann.load(tmp_path / "items.ann")
    pd.testing.assert_frame_equal(again.recommend(["u3", "u4"], k=3), index.recommend(["u3", "u4"], k=3))
    assert repr(again) == repr(index)
    assert [path.name for path in tmp_path.iterdir()] == ["items.ann"]
    np.testing.assert_array_equal(again.search(again.users[:2], 3)[0], index.search(index.users[:2], 3)[0])


def test_files_that_are_none_or_damaged_are_refused(rec, tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        gr.ann.load(tmp_path / "nothing")
    rec.to_ann(tmp_path / "items.ann")
    body = bytearray((tmp_path / "items.ann").read_bytes())
    body[-100] ^= 1
    (tmp_path / "items.ann").write_bytes(body)
    with pytest.raises(InputError, match="damaged"):
        gr.ann.load(tmp_path / "items.ann")
    rec.save(tmp_path / "run")
    with pytest.raises(InputError, match="no index"):
        gr.ann.load(next((tmp_path / "run").glob("model-*")))


def test_an_index_stays_as_it_is_and_another_ones_recall_is_refused(wide, rec, index):
    fresh = gr.Recommender("mf", dim=16).fit(wide, **QUICK)
    made = fresh.to_ann()
    before = made.recommend(0, k=5)
    fresh.update(gr.Interactions.from_indices([0, 400], [1, 2]))
    pd.testing.assert_frame_equal(made.recommend(0, k=5), before)
    with pytest.raises(InputError, match="different ids"):
        gr.ann.recall(made, fresh)
    with torch.no_grad():
        fresh.model.items[3] = float("nan")
    with pytest.raises(FloatingPointError, match="item 3"):
        fresh.to_ann()


def test_the_same_on_eight_threads(index):
    asked = [np.arange(lo, lo + 30) for lo in range(0, 240, 30)]
    alone = [index.top_k(users, 10)[0] for users in asked]
    with ThreadPoolExecutor(8) as pool:
        for one, other in zip(alone, pool.map(lambda users: index.top_k(users, 10)[0], asked), strict=True):
            np.testing.assert_array_equal(one, other)


def test_without_usearch_there_is_a_sentence(rec, tmp_path, monkeypatch):
    rec.to_ann(tmp_path / "items.ann")
    monkeypatch.setitem(sys.modules, "usearch.index", None)
    for ask in (rec.to_ann, lambda: gr.ann.load(tmp_path / "items.ann")):
        with pytest.raises(InputError, match=r"pip install 'graphrec\[ann\]'"):
            ask()
