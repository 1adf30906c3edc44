"""Side information: rows in the order of the interactions, kinds of columns, gaps and mistakes."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import graphrec as gr
from graphrec.data.features import Features


@pytest.fixture
def inter():
    """Items 10, 20, 30, 40 and users a, b."""
    table = pd.DataFrame({"user_id": list("aabb"), "item_id": [30, 10, 20, 40]})
    return gr.Interactions.from_frame(table)


@pytest.fixture
def films():
    """In another order, and with one film that nobody has met."""
    return pd.DataFrame(
        {
            "item_id": [40, 99, 20, 10, 30],
            "genres": ["Drama", "Western", "Comedy|Drama", "Action", "Drama|Action"],
            "colour": [True, True, False, True, False],
            "year": [2000, 1900, 1990, 1980, 2010],
        }
    )


def test_frame_is_aligned_one_hot_and_standardised(films, inter):
    f = Features.from_frame(films, inter)
    assert f.ids.tolist() == [10, 20, 30, 40]
    assert f.columns == ("genres=Action", "genres=Comedy", "genres=Drama", "colour=False", "colour=True", "year")
    year = np.array([1980, 1990, 2010, 2000.0])
    want = np.array([[1, 0, 0, 0, 1], [0, 1, 1, 1, 0], [1, 0, 1, 1, 0], [0, 0, 1, 0, 1]])
    assert np.array_equal(f.matrix.toarray()[:, :5], want)
    assert np.allclose(f.matrix.toarray()[:, 5], (year - year.mean()) / year.std())
    assert f.matrix.dtype == np.float32
    assert isinstance(f.matrix, sparse.csr_matrix)
    assert repr(f) == "Features(4 items × 6 columns)"


def test_first_label_is_the_first_named_not_the_first_sorted(films, inter):
    first = Features.from_frame(films, inter).first_label("genres")
    assert first.names.tolist() == ["Action", "Comedy", "Drama"]
    assert first.names[first.codes].tolist() == ["Action", "Comedy", "Drama", "Drama"]


def test_columns_are_chosen_and_read_as_said(films, inter):
    assert Features.from_frame(films, inter, columns=["year"]).columns == ("year",)
    said = Features.from_frame(films, inter, columns={"year": "category", "genres": "category"})
    assert said.columns[:4] == ("year=1980", "year=1990", "year=2000", "year=2010")
    assert "genres=Comedy|Drama" in said.columns
    comma = films.assign(genres=films["genres"].str.replace("|", ", "))
    assert "genres=Comedy" in Features.from_frame(comma, inter, columns=["genres"], separator=",").columns


def test_users_are_the_other_side(inter):
    people = pd.DataFrame({"id": ["b", "a"], "age": [20, 40]})
    f = Features.from_frame(people, inter, side="user", id="id")
    assert (f.side, f.ids.tolist(), f.matrix.toarray().tolist()) == ("user", ["a", "b"], [[1], [-1]])


def test_repeated_labels_count_once(films, inter):
    films.loc[0, "genres"] = "Drama| Drama |"
    assert Features.from_frame(films, inter, columns=["genres"]).matrix.max() == 1


def test_a_constant_number_is_zero(films, inter):
    assert Features.from_frame(films.assign(year=5), inter, columns=["year"]).matrix.nnz == 0


def test_missing_item_is_refused_by_name_or_zero(films, inter):
    some = films[~films["item_id"].isin([20, 40])]
    with pytest.raises(ValueError, match=r"2 items have no row of metadata, first item 20; add them, or say missing='zeros'"):
        Features.from_frame(some, inter)
    f = Features.from_frame(some, inter, missing="zeros")
    assert f.matrix.toarray()[[1, 3]].any() == False  # noqa: E712
    assert f.matrix.toarray()[0].tolist() == [1, 0, 0, 1, -1]
    assert f.first_label("genres").codes.tolist() == [0, -1, 1, -1]


@pytest.mark.parametrize(
    ("column", "value"), [("genres", None), ("genres", ""), ("genres", "|"), ("year", np.nan), ("colour", None)]
)
def test_missing_value_is_refused_by_name_or_zero(films, inter, column, value):
    films[column] = films[column].astype(float if column == "year" else object)
    films.loc[2, column] = value
    with pytest.raises(ValueError, match=f"column '{column}' has no value for 1 items, first item 20"):
        Features.from_frame(films, inter, columns=[column])
    f = Features.from_frame(films, inter, columns=[column], missing="zeros")
    assert not f.matrix.toarray()[1].any()
    assert f.matrix.toarray()[[0, 2, 3]].any(axis=1).sum() >= 2


def test_matrix_is_aligned_and_kept_as_it_is(inter):
    rows = np.array([[4.0, 0], [0, 9], [2, 2], [0, 1], [3, 0]])
    ids = [40, 99, 20, 10, 30]
    want = [[0, 1], [2, 2], [3, 0], [4, 0]]
    for matrix in (rows, sparse.csr_matrix(rows), sparse.coo_array(rows), rows.astype(int)):
        f = Features.from_matrix(matrix, ids, inter)
        assert f.matrix.toarray().tolist() == want
        assert f.columns == ("0", "1")
        assert f.matrix.dtype == np.float32
    part = Features.from_matrix(rows[:3], ids[:3], inter, columns=["x", "y"], missing="zeros")
    assert part.matrix.toarray().tolist() == [[0, 0], [2, 2], [0, 0], [4, 0]]
    assert part.columns == ("x", "y")
    with pytest.raises(ValueError, match="2 items have no row of metadata, first item 10"):
        Features.from_matrix(rows[:3], ids[:3], inter)


def test_features_are_frozen(films, inter):
    f = Features.from_frame(films, inter)
    with pytest.raises(ValueError, match="read-only"):
        f.matrix.data[0] = 7


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"side": "film"}, "side must be 'item' or 'user', got 'film'"),
        ({}, {"id": "movie"}, "column 'movie' is not in the table"),
        ({}, {"columns": ["genre"]}, r"column 'genre' is not in the table \(columns: item_id, genres"),
        ({}, {"columns": []}, "no column of features beside 'item_id'"),
        ({}, {"columns": {"genres": "label"}}, "unknown kind of column 'label'; did you mean 'labels'"),
        ({}, {"columns": {"genres": "numeric"}}, "'genres' is not a finite number for item 10: Action"),
        ({}, {"missing": "zero"}, "unknown missing policy 'zero'; did you mean 'zeros'"),
        ({"item_id": [40, 40, 20, 10, 30]}, {}, "'item_id' names 1 items more than once, first 40"),
        ({"item_id": ["40", "99", "20", "10", "30"]}, {}, r"names no item of the interactions: its ids look like \['40'\]"),
        ({"year": [1, 2, np.inf, 3, 4]}, {}, "'year' is not a finite number for item 20: inf"),
        ({"year": pd.to_datetime(["2020-01-01"] * 5)}, {}, "'year' holds dates; make it a number first"),
    ],
)
def test_mistakes_in_a_frame_are_named(films, inter, change, options, message):
    with pytest.raises(ValueError, match=message):
        Features.from_frame(films.assign(**change), inter, **options)


def test_titles_are_refused_unless_asked_for():
    inter = gr.Interactions.from_indices(np.zeros(30, int), np.arange(30))
    films = pd.DataFrame({"item_id": range(30), "title": [f"film {i}" for i in range(30)]})
    with pytest.raises(ValueError, match="'title' has 30 different values in 30 rows and describes nothing"):
        Features.from_frame(films, inter)
    assert len(Features.from_frame(films, inter, columns=["title"]).columns) == 30


@pytest.mark.parametrize(
    ("matrix", "ids", "options", "message"),
    [
        (np.ones((3, 2)), [10, 20, 30, 40], {}, "3 rows and there are 4 ids"),
        (np.ones((4, 2)), [10, 20, 30, 40], {"columns": ["x"]}, "2 columns and there are 1 names"),
        (np.full((4, 2), np.nan), [10, 20, 30, 40], {}, "numbers that are not finite"),
        (np.ones((4, 2)), [10, 20, 30, 30], {}, "names 1 items more than once, first 30"),
    ],
)
def test_mistakes_in_a_matrix_are_named(inter, matrix, ids, options, message):
    with pytest.raises(ValueError, match=message):
        Features.from_matrix(matrix, ids, inter, **options)


def test_first_label_of_what_is_not_categorical(films, inter):
    f = Features.from_frame(films, inter)
    with pytest.raises(ValueError, match="unknown categorical column 'genre'; did you mean 'genres'"):
        f.first_label("genre")
    with pytest.raises(ValueError, match="no categorical column"):
        Features.from_frame(films, inter, columns=["year"]).first_label("year")


@given(st.data())
def test_any_table_equals_a_loop_over_its_rows(data):
    """Labels, order and first labels against dictionaries."""
    n = data.draw(st.integers(1, 8))
    ids = data.draw(st.permutations(range(n + 3)))
    label = st.lists(st.sampled_from(["a", "b", "c d", "E"]), min_size=1, max_size=3)
    labels = data.draw(st.lists(label, min_size=len(ids), max_size=len(ids)))
    inter = gr.Interactions.from_indices([0] * n, range(n))
    frame = pd.DataFrame({"item_id": ids, "tags": ["|".join(names) for names in labels]})
    f = Features.from_frame(frame, inter, columns={"tags": "labels"})
    of = dict(zip(ids, labels, strict=True))
    for item in range(n):
        on = {name.removeprefix("tags=") for name, value in zip(f.columns, f.matrix.toarray()[item], strict=True) if value}
        assert on == set(of[item])
        first = f.first_label("tags")
        assert first.names[first.codes[item]] == of[item][0]


def test_movielens_genres(movielens):
    f = Features.from_frame(movielens.items, movielens.interactions, columns=["genres"], missing="zeros")
    inter = movielens.interactions
    star_wars = int(inter.item_index([50])[0])
    on = {
        name.removeprefix("genres=") for name, value in zip(f.columns, f.matrix[[star_wars]].toarray()[0], strict=True) if value
    }
    assert on == {"Action", "Adventure", "Romance", "Sci-Fi", "War"}
    first = f.first_label("genres")
    assert first.names[first.codes[star_wars]] == "Action"
