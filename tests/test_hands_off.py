"""What a caller does to a recommender from outside: its state, its saved run and its answers stay one thing."""

import numpy as np
import pandas as pd
import pytest
import torch

import graphrec as gr
from graphrec.data.features import Features
from graphrec.errors import InputError


@pytest.fixture
def table():
    users, items = np.nonzero(np.random.default_rng(0).random((30, 25)) < 0.25)
    return gr.Interactions.from_indices(users, items, n_users=30, n_items=25)


def fitted(table, name="mf", **hyper):
    return gr.Recommender(name, **hyper).fit(table, **({"epochs": 1, "progress": False} if name == "mf" else {}))


def test_options_that_are_handed_out_are_copies(table):
    rec = fitted(table, dim=4)
    before = dict(rec.options)
    rec.options["lr"] = 5
    rec.options["loss_options"]["temperature"] = 1
    assert dict(rec.options) == before


def test_parameters_and_buffers_that_are_replaced_are_seen(table):
    rec = fitted(table, dim=4)
    rec.recommend(1, k=3)
    rec.model.items = torch.nn.Parameter(-rec.model.items.detach())
    turned = rec.recommend(1, k=3)
    assert turned["score"].tolist() == rec.score(turned["user_id"], turned["item_id"]).tolist()
    users, items = rec.model.users.detach(), rec.model.items.detach()
    assert np.allclose(turned["score"], (users[1] @ items[turned["item_id"].to_numpy()].T), atol=1e-6)
    ease, other = fitted(table, "ease"), fitted(table, "ease", l2=1.0)
    ease.recommend(1, k=3)
    ease.model.l2 = 1.0
    ease.model.solve()
    pd.testing.assert_frame_equal(ease.recommend(1, k=5), other.recommend(1, k=5))


def test_a_model_that_could_not_be_loaded_replaces_no_run(table, tmp_path):
    rec = fitted(table, dim=4)
    rec.save(tmp_path / "run")
    good = rec.recommend(1, k=3)
    with torch.no_grad():
        rec.model.items[3] = torch.inf
    with pytest.raises(InputError, match="mf cannot be saved: items has numbers that are not finite"):
        rec.save(tmp_path / "run")
    pd.testing.assert_frame_equal(gr.load(tmp_path / "run").recommend(1, k=3), good)


def test_ids_that_no_file_can_hold_are_refused_when_the_table_is_made():
    frame = pd.DataFrame({"user_id": [1, 1, 2, 3], "item_id": pd.Series(["x", "b\ud800", "a", "b\ud800"], dtype=object)})
    with pytest.raises(InputError, match=r"'item_id' has 2 ids with half a character .* first at row 1"):
        gr.Interactions.from_frame(frame)
    whole = gr.Interactions.from_frame(pd.DataFrame({"user_id": [1, 1, 2, 3], "item_id": ["x", "b", "a", "b"]}))
    with pytest.raises(InputError, match=r"'item_id' has 2 ids with half a character .* first at row 1"):
        gr.Interactions.from_frame(frame, ids=whole, unknown="drop")
    codes = pd.Categorical.from_codes([0, 1, 0, 1], pd.Index(["x", "b\ud800"], dtype=object))
    with pytest.raises(InputError, match=r"'item_id' has 2 ids with half a character .* first at row 1"):
        gr.Interactions.from_frame(frame.assign(item_id=codes))


def test_half_a_character_is_no_id_in_a_question_and_no_label():
    liked = gr.Interactions.from_frame(pd.DataFrame({"user_id": ["u", "u", "v"], "item_id": ["x", "b", "x"]}))
    rec = gr.Recommender("itempop").fit(liked)
    for ask in (
        lambda: rec.recommend(["u", "\ud800"], k=1, cold="popular"),
        lambda: rec.recommend("\ud800", k=1),
        lambda: rec.recommend_new([["x", "\ud800"]], k=1),
    ):
        with pytest.raises(InputError, match=r"'\\ud800' is no (user|item) id: it has half a character") as told:
            ask()
        str(told.value).encode()  # it can be printed
    described = pd.DataFrame({"item_id": ["x", "b"], "genre": pd.Series(["jazz", "\ud800"], dtype=object)})
    with pytest.raises(InputError, match=r"column 'genre' has half a character \(a surrogate\) for 1 items, first item b"):
        Features.from_frame(described, liked)


@pytest.mark.parametrize(
    ("name", "option", "value", "message"),
    [
        ("ngcf", "l2_on", "propagate", "l2_on .*did you mean 'propagated'"),
        ("ngcf", "l2_on", True, "l2_on must be a text, got True"),
        ("ngcf", "l2_on", np.array([1, 2]), "l2_on must be a text"),
        ("gcmc", "dim", -1, "dim must be at least 1, got -1"),
    ],
)
def test_options_of_models_that_mean_nothing_are_refused(table, name, option, value, message):
    with pytest.raises(InputError, match=message):
        fitted(table, name, **{option: value})
