"""The picture of a recommendation's paths: its bands are the contributions, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import PathPatch

import graphrec as gr
from graphrec.errors import InputError
from graphrec.report.paths import _ways, by_own_item
from graphrec.report.style import COLOURS

TRAINED = {"epochs": 2, "lr": 0.05, "seed": 0, "progress": False}
HOSTILE = "<script>alert(1)</script> -- $x_1$"


@pytest.fixture
def rec(interactions):
    return gr.Recommender("lightgcn", dim=8, layers=3).fit(interactions.binarize(), **TRAINED)


def first(rec):
    user = rec.train.to_frame()["user_id"].iloc[0]
    return user, rec.recommend([user], k=1)["item_id"].iloc[0]


def heights(figure, x):
    """Heights of the bands that end at a place, by colour."""
    found = {}
    for patch in figure.axes[0].patches:
        if isinstance(patch, PathPatch):
            corners = patch.get_path().vertices
            if corners[3, 0] == pytest.approx(x):
                colour = to_hex(patch.get_facecolor()).upper()
                found[colour] = found.get(colour, 0.0) + corners[3, 1] - corners[4, 1]
    return found


@pytest.mark.parametrize(
    ("name", "hyper"),
    [("lightgcn", {"dim": 8, "layers": 3}), ("lightgcn", {"dim": 8, "layers": 1}), ("ease", {"l2": 3.0}), ("mf", {"dim": 8})],
)
def test_bands_are_the_contributions(interactions, name, hyper):
    rec = gr.Recommender(name, **hyper).fit(interactions.binarize(), **(TRAINED if name != "ease" else {}))
    user, item = first(rec)
    why = rec.explain(user, item)
    about = why[why["item_id"].notna()]
    parts = about["contribution"].to_numpy()
    for n_items, n_people in ((1, 1), (3, 2), (100, 100)):
        figure = gr.plot_paths(rec, user, item, n_items=n_items, n_people=n_people)
        wide = heights(figure, 1.0)
        up, down = wide.get(COLOURS[0].upper(), 0.0), wide.get(COLOURS[1].upper(), 0.0)
        assert up / (up + down) == pytest.approx(parts[parts > 0].sum() / np.abs(parts).sum(), abs=1e-6)
        assert sum(heights(figure, 0.27).values()) == pytest.approx(up + down)
        assert sum(heights(figure, 0.64).values()) == pytest.approx(up + down)
        texts = [text.get_text() for text in figure.axes[0].texts]
        assert f"user {user}" in texts
        assert any(text.startswith(f"score {why['contribution'].sum():.3g}") for text in texts)
        if name == "ease" and n_items == 100:
            assert f"{about['n_paths'].iloc[0]} other people have both" in texts


def test_a_part_is_shared_by_those_who_have_both(rec):
    user, item = first(rec)
    why = rec.explain(user, item)
    about = why[why["item_id"].notna()]
    ways = pd.DataFrame(_ways(rec.train, user, item, about), columns=["own", "over", "label", "value"])
    assert ways["value"].sum() == pytest.approx(about["contribution"].sum())
    have = rec.train.to_frame().groupby("item_id")["user_id"].agg(set)
    lengths = rec.train.to_frame()["user_id"].value_counts()
    row = about[(about["kind"] == "through other people") & (about["n_paths"] > 1)].iloc[0]
    mine = ways[(ways["own"] == row["item_id"]) & (ways["over"].map(lambda key: key[0] == "person"))]
    both = have[row["item_id"]] & have[item] - {user}
    assert set(mine["label"]) == {f"user {one}" for one in both}
    weights = pd.Series({f"user {one}": 1 / lengths[one] for one in both})
    want = row["contribution"] * weights / weights.sum()
    assert mine.set_index("label")["value"].to_dict() == pytest.approx(want.to_dict())


def test_parts_of_an_item_are_one_reason(rec):
    user, item = first(rec)
    why = rec.explain(user, item)
    table = by_own_item(why)
    assert table["item_id"].is_unique
    assert table["contribution"].is_monotonic_decreasing
    assert table["contribution"].sum() == pytest.approx(why.loc[why["item_id"].notna(), "contribution"].sum())
    top = rec.recommend([user], k=1, explain=2)
    assert table["item_id"].tolist()[:2] == [top["reason_1"][0], top["reason_2"][0]]


def test_it_is_in_the_page_and_hostile_titles_stay_texts(rec, tmp_path):
    user, _ = first(rec)
    items = pd.DataFrame({"item_id": rec.train.item_ids, "title": HOSTILE})
    text = rec.report(user, tmp_path / "page.html", items).read_text()
    assert text.count("<svg") == 2  # curves and paths
    assert "The ways of the first one" in text
    assert "<script" not in text
    assert "src=" not in text


def test_what_cannot_be_drawn_says_so(rec, interactions, tmp_path):
    user, item = first(rec)
    with pytest.raises(InputError, match="n_items"):
        gr.plot_paths(rec, user, item, n_items=0)
    with pytest.raises(InputError, match="unknown"):
        gr.plot_paths(rec, "nobody", item)
    popular = gr.Recommender("itempop").fit(interactions.binarize())
    with pytest.raises(InputError, match="no path to draw"):
        gr.plot_paths(popular, user, item)
    assert "The ways of" not in popular.report(user, tmp_path / "page.html").read_text()
