"""People never seen: fold-in of every model, and the questions that use it."""

import copy
import threading

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import MODELS

HYPER = {"lightgcn": {"dim": 8}, "ngcf": {"dim": 8, "layers": [8]}, "mf": {"dim": 8}, "autoencoder": {"vectors": "users"}}
ROWS = {"embeddingnet": {"hidden": [16, 8]}}


def fitted(name, table, **hyper):
    kind = MODELS[name]
    options = {"epochs": 3, "batch_size": 64, "progress": False} if kind.needs_training else {}
    if name == "ials":  # solves whole sides
        del options["batch_size"]
    return gr.Recommender(name, **{**HYPER.get(name, {}), **ROWS.get(name, {}), **hyper}).fit(table, seed=0, **options)


@pytest.fixture(scope="module")
def board():
    """24 people, 20 things; even people like even things, odd like odd; each misses two of theirs."""
    rows = [(f"u{u}", f"i{i}", 4.0 + i % 3 / 2) for u in range(24) for i in range(u % 2, 20, 2) if (i // 2 + u // 2) % 5]
    return gr.Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id", "rating"]), rating="rating")


@pytest.mark.filterwarnings("ignore:the table has ratings")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_takes_in_new_people_and_stays_as_it_is(board, name):
    rec = fitted(name, board)
    before = {key: value.clone() for key, value in rec.model.state_dict().items()}
    rec.model.zero_grad()
    drawn, known = torch.get_rng_state(), rec.recommend(["u0"], k=3, filter_seen=False)
    histories = [["i0", "i2", "i4", "i0"], ["i1"], [f"i{i}" for i in range(1, 12, 2)]]
    together = rec.recommend_new(histories, k=4)
    assert together["user_id"].tolist() == [person for person in range(3) for _ in range(4)]
    assert np.isfinite(together["score"]).all()
    for person, history in enumerate(histories):
        mine = together[together["user_id"] == person]
        assert not set(mine["item_id"]) & set(history)
        alone = rec.recommend_new({"x": history}, k=4)  # nobody's answer depends on who else is asked about
        assert np.allclose(alone["score"], mine["score"], rtol=1e-3, atol=1e-4)
    top = [together[together["user_id"] == person].iloc[0] for person in range(3)]
    scores = rec.score_new(histories, [row["item_id"] for row in top])
    assert np.allclose(scores, [row["score"] for row in top], rtol=1e-3, atol=1e-4)
    assert all(torch.equal(value, before[key]) for key, value in rec.model.state_dict().items())
    assert all(p.grad is None for p in rec.model.parameters())
    assert torch.equal(drawn, torch.get_rng_state())
    assert rec.recommend(["u0"], k=3, filter_seen=False).equals(known)


@pytest.mark.parametrize("name", ["mf", "lightgcn", "ngcf", "neumf", "gmf", "ease", "itemknn", "multvae"])
def test_new_people_get_things_of_their_kind(board, name):
    rec = gr.Recommender(name, **HYPER.get(name, {}))
    options = {"epochs": 40, "batch_size": 64, "progress": False} if MODELS[name].needs_training else {}
    rec.fit(board.binarize(), seed=0, **options, **({"lr": 0.02} if name in ("lightgcn", "ngcf", "neumf", "gmf") else {}))
    top = rec.recommend_new({"even": ["i0", "i2", "i4", "i6"], "odd": ["i1", "i5", "i7", "i9"]}, k=4)
    right = [int(item[1:]) % 2 == (person == "odd") for person, item in zip(top["user_id"], top["item_id"], strict=True)]
    assert np.mean(right) >= 7 / 8


@pytest.mark.parametrize("normalisation", ["sym", "row", "sym+self", "ngcf", "sym,self", "none"])
@pytest.mark.parametrize("similarity", ["dot", "cosine"])
def test_lightgcn_listens_exactly(board, normalisation, similarity):
    """Who is put in again with the same items and the same ego row has the row that propagation gives."""
    torch.manual_seed(0)
    model = gr.models.LightGCN(board, dim=40, layers=3, normalisation=normalisation, similarity=similarity)
    model.embedding.data[: model.n_users] = 0.0  # the guess is then exact: zero
    want = model.encode().users.full()
    assert torch.allclose(model.fold_in(board.to_csr("ones")), want, atol=1e-5)


@pytest.mark.parametrize("form", ["official", "paper"])
def test_ngcf_passes_exactly(board, form):
    model = gr.models.NGCF(board, dim=8, layers=[8, 6], form=form).eval()
    model.embedding.data[: model.n_users] = 0.0
    assert torch.allclose(model.fold_in(board.to_csr("ones")), model.encode().users.full(), atol=1e-5)


def test_mf_of_ratings_finds_the_rows_that_made_them(board):
    torch.manual_seed(1)
    model = gr.models.MF(board, dim=3, bias=True, init_std=1.0)
    model.item_bias.data.normal_()
    model.user_bias.data.normal_()
    row = model.encode().users.rows(torch.tensor([4]))
    stars = model.score_all(row, model.encode().items.full()).detach().numpy()
    found = model.fold_in(sparse.csr_matrix(stars))
    error = (model.score_all(found, model.encode().items.full()).detach().numpy() - stars) ** 2
    assert error.mean() < 0.1 * stars.var()


def test_threads_give_what_one_gives(board):
    rec = fitted("neumf", board.binarize())
    want, got = rec.recommend_new([["i0", "i4"]], k=5), []
    copied = copy.deepcopy(rec)
    threads = [threading.Thread(target=lambda: got.append(copied.recommend_new([["i0", "i4"]], k=5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert all(one.equals(want) for one in got)


def test_what_is_asked_is_checked(board, tmp_path):
    rec = fitted("ease", board.binarize())
    for histories, words in (
        ([["i0", "nothing"]], "person 0: unknown item id nothing"),
        ({"ann": []}, "person ann is empty"),
        (["i0", "i2"], "one list a person"),
        ("i0", "one list a person"),
        ([[3]], "texts"),
    ):
        with pytest.raises(InputError, match=words):
            rec.recommend_new(histories)
    with pytest.raises(InputError, match="pairs"):
        rec.score_new([["i0"]], ["i2", "i4"])
    with pytest.raises(InputError):
        rec.recommend_new([["i0"]], k=21)
    assert not len(rec.recommend_new([], k=3))
    assert rec.recommend_new([["i0"]], k=3, candidates=["i0", "i2", "i9"], exclude=["i9"])["item_id"].tolist() == ["i2"]
    assert "i0" in set(rec.recommend_new([["i0"]], k=20, filter_seen=False)["item_id"])
    rec.save(tmp_path / "run")
    again = gr.load(tmp_path / "run").recommend_new([["i0", "i4"]], k=5)
    pd.testing.assert_frame_equal(again, rec.recommend_new([["i0", "i4"]], k=5), rtol=1e-5)
    pop = fitted("itempop", board.binarize()).recommend_new([[]], k=3)
    assert len(pop) == 3
    with pytest.raises(InputError, match="vectors of items"):
        fitted("autoencoder", board, vectors="items").recommend_new([["i0"]])
