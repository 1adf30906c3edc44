"""The order that is made up for a data set without times holds back what shall be new."""

import numpy as np
import pandas as pd

from benchmarks.update import in_made_up_order, sides


def made_up():
    g = np.random.default_rng(0)
    pairs = np.unique(np.column_stack([g.integers(0, 200, 6000), g.integers(0, 100, 6000)]), axis=0)
    return pd.DataFrame(pairs, columns=["user_id", "item_id"])


def test_a_twentieth_of_people_and_things_comes_after_the_cut():
    rows = made_up()
    order = in_made_up_order(rows, 0.7)
    assert sorted(map(tuple, order.to_numpy().tolist())) == sorted(map(tuple, rows.to_numpy().tolist()))
    first = order.iloc[: int(0.7 * len(rows))]
    assert rows["user_id"].nunique() - first["user_id"].nunique() == 10
    assert rows["item_id"].nunique() - first["item_id"].nunique() == 5


def test_both_sides_are_ranked_for_the_same_people():
    update, anew = sides("made up", in_made_up_order(made_up()), 0.8, "itemknn", {}, {})
    assert (update["side"], anew["side"]) == ("update", "training anew")
    assert update["people"] == anew["people"] > 100
    assert update["of them new"] == anew["of them new"] > 0
    assert update["less training anew"] == "+0.0000 ± 0.0000"  # a solved model is solved again
