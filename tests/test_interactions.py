"""Interactions: ids kept, bad tables refused by name, transformations against plain pandas."""

import numpy as np
import pandas as pd
import pytest

import graphrec as gr


def test_round_trip_keeps_the_callers_ids(random_frame):
    inter = gr.Interactions.from_frame(random_frame, rating="rating", time="time")
    pd.testing.assert_frame_equal(inter.to_frame(), random_frame, check_dtype=False)
    ids = random_frame["user_id"].unique()
    assert (inter.user_ids[inter.user_index(ids)] == ids).all()


def test_string_ids(checkerboard):
    inter = gr.Interactions.from_frame(checkerboard)
    assert (inter.n_users, inter.n_items, len(inter)) == (24, 20, len(checkerboard))
    assert inter.to_frame().equals(checkerboard.astype(inter.to_frame().dtypes.to_dict()))


def test_arrays_are_frozen(interactions):
    with pytest.raises(ValueError, match="read-only"):
        interactions.users[0] = 3


def test_csr_holds_ratings_or_ones(interactions, random_frame):
    dense = random_frame.pivot(index="user_id", columns="item_id", values="rating").fillna(0).to_numpy()
    assert np.array_equal(interactions.to_csr().toarray(), dense)
    assert np.array_equal(interactions.to_csr("ones").toarray(), dense > 0)


def test_structure_merges_repeated_pairs():
    inter = gr.Interactions.from_indices([0, 0, 2, 0], [1, 1, 0, 0], n_users=3, duplicates="keep")
    indptr, indices = inter.structure
    assert len(inter) == 4
    assert indptr.tolist() == [0, 2, 2, 3]
    assert indices.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("policy", "rating", "time"),
    [("first", 4.0, 1), ("last", 1.0, 9), ("mean", 3.0, 9), ("sum", 9.0, 9), ("max", 4.0, 9)],
)
def test_duplicate_policies_go_by_time(policy, rating, time):
    table = pd.DataFrame({"user_id": [1, 1, 1, 2], "item_id": [7, 7, 7, 7], "rating": [4.0, 1, 4, 2], "time": [1, 9, 5, 1]})
    kept = gr.Interactions.from_frame(table, rating="rating", time="time", duplicates=policy).to_frame()
    assert len(kept) == 2
    assert kept.loc[kept["user_id"] == 1, ["rating", "time"]].to_numpy().tolist() == [[rating, time]]


def test_binarize_keeps_the_id_space(interactions, random_frame):
    positive = interactions.binarize(min_rating=4)
    assert len(positive) == (random_frame["rating"] >= 4).sum()
    assert positive.ratings is None
    assert positive.shares_ids_with(interactions)


@pytest.mark.parametrize("k", [2, 4, 6])
def test_k_core_against_repeated_pandas_filtering(random_frame, k):
    frame, before = random_frame, -1
    while len(frame) != before:
        before = len(frame)
        frame = frame[frame.groupby("user_id")["item_id"].transform("size") >= k]
        frame = frame[frame.groupby("item_id")["user_id"].transform("size") >= k]
    core = gr.Interactions.from_frame(random_frame).k_core(k)
    assert set(map(tuple, core.to_frame().to_numpy())) == set(map(tuple, frame[["user_id", "item_id"]].to_numpy()))
    assert (core.n_users, core.n_items) == (frame["user_id"].nunique(), frame["item_id"].nunique())


def test_subset_users(interactions, random_frame):
    few = interactions.subset_users([100, 105])
    assert few.n_users == 2
    assert len(few) == random_frame["user_id"].isin([100, 105]).sum()


def test_dates_become_seconds():
    table = pd.DataFrame(
        {"user_id": [1, 2], "item_id": [1, 2], "when": pd.to_datetime(["1970-01-02T00:00", "1970-01-03T01:00"])}
    )
    assert gr.Interactions.from_frame(table, time="when").times.tolist() == [86_400, 2 * 86_400 + 3_600]


def table(**changes):
    base = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 1], "rating": [1.0, 2.0, 3.0], "time": [1, 2, 3]})
    return base.assign(**changes)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (table().drop(columns="item_id"), "column 'item_id' is not in the table"),
        (table(user_id=[1, None, 2]), "'user_id' has 1 missing values, first at row 1"),
        (table(rating=[1.0, np.inf, 2]), "'rating' has 1 ratings that are not finite numbers, first at row 1: .*inf"),
        (table(rating=["1", "x", "y"]), "'rating' has 2 ratings .* first at row 1: 'x'"),
        (table(time=["a", "b", "c"]), "'time' has 3 times .* first at row 0"),
        (table(user_id=["a", 1, 2]), "'user_id' mixes kinds of ids"),
        (table(item_id=[1, 1, 1]), "1 rows repeat an earlier .* first at row 1: user 1, item 1"),
        (table().iloc[:0], "the table is empty"),
    ],
)
def test_bad_tables_name_column_and_row(frame, message):
    with pytest.raises(ValueError, match=message):
        gr.Interactions.from_frame(frame, rating="rating", time="time")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gr.Interactions.from_indices([0, -1], [0, 1]), "users has 1 negative indices, first at row 1: -1"),
        (lambda: gr.Interactions.from_indices([0.0, 1.0], [0, 1]), "users must be integers"),
        (lambda: gr.Interactions.from_indices([0, 1], [0, 5], n_items=3), "items has the index 5 at row 1"),
        (lambda: gr.Interactions.from_indices([0, 1], [0]), "users has 2, items has 1"),
        (lambda: gr.Interactions.from_indices([0], [0]).binarize(3), "needs ratings"),
        (lambda: gr.Interactions.from_indices([0], [0], [2.0]).binarize(3), "the highest rating is 2"),
        (lambda: gr.Interactions.from_indices([0], [0]).k_core(2), "2-core is empty"),
        (lambda: gr.Interactions.from_indices([0], [0]).user_index([4]), "unknown user id 4"),
        (lambda: gr.Interactions.from_indices([0], [0]).drop_duplicates("lasst"), "did you mean 'last'"),
    ],
)
def test_bad_calls(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_least_rating_must_be_a_number(interactions):
    for odd in ("4", True, [4]):
        with pytest.raises(gr.errors.InputError, match="min_rating must be a number"):
            interactions.binarize(min_rating=odd)


def test_names_of_other_libraries_are_known(interactions):
    with pytest.raises(gr.errors.InputError, match="'learning_rate'; here it is called 'lr'"):
        gr.Recommender("mf").fit(interactions, learning_rate=0.1)
    with pytest.raises(gr.errors.InputError, match="'n_factors'; here it is called 'dim'"):
        gr.Recommender("mf", n_factors=8)


def test_a_table_is_no_split(interactions, tmp_path):
    with pytest.raises(gr.errors.InputError, match="takes a Split, not Interactions"):
        gr.write_lightgcn(interactions, tmp_path / "d")
