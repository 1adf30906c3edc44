"""Ratings, times and gaps of a table: what fits is kept exactly, what does not is named, all columns in one message."""

import warnings
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest

import graphrec as gr
from graphrec.errors import InputError


def read(n=2, **columns):
    frame = pd.DataFrame({"user_id": range(n), "item_id": range(n), **columns})
    roles = {name: name for name in ("rating", "time") if name in columns}
    return gr.Interactions.from_frame(frame, **roles)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ([1.0, 1e39], r"'rating' has 1 ratings that do not fit into a float32, first at row 1: 1e\+39"),
        ([1e-60, 1.0], "do not fit into a float32, first at row 0"),
        ([1.0, -np.inf], "not finite numbers, first at row 1"),
        ([1.0, np.nan], "'rating' has 1 missing values, first at row 1"),
        (["5", "five"], "not finite numbers, first at row 1: 'five'"),
        ([1 + 2j, 1], "'rating' holds complex128, which are no ratings"),
        (pd.to_datetime(["2020-01-01", "2021-01-01"]), "'rating' holds datetime64.*, which are no ratings"),
        (pd.to_timedelta([1, 2]), "'rating' holds timedelta64.*, which are no ratings"),
    ],
)
def test_ratings_that_do_not_fit_are_refused_without_a_warning(ratings, message):
    with warnings.catch_warnings(), pytest.raises(InputError, match=message):
        warnings.simplefilter("error")
        read(rating=ratings)


@pytest.mark.parametrize("ratings", [[1, 2], ["1", "2.0"], pd.array([1, 2], dtype="Int64"), pd.Categorical([1.0, 2.0])])
def test_ratings_in_any_type_of_pandas(ratings):
    assert read(rating=ratings).ratings.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ([5, 6], [5, 6]),
        ([5.0, 6.0], [5, 6]),
        (["5", "6"], [5, 6]),
        (["9223372036854775807", "-9223372036854775808"], [2**63 - 1, -(2**63)]),
        (pd.array([5, 6], dtype="Int64"), [5, 6]),
        (["1970-01-02", "1970-01-02T00:00:01"], [86_400, 86_401]),
        (["1970-01-01T02:00:00+02:00", "1969-12-31T23:59:59.9Z"], [0, -1]),
        ([date(1970, 1, 2), datetime(1970, 1, 1)], [86_400, 0]),
        (pd.to_datetime(["1970-01-01T02:00", "1970-01-01T03:00"]).tz_localize("Europe/Helsinki"), [0, 3600]),
        (["1970-01-01T02:00+0200", "1970-01-01T10:00-01"], [0, 39_600]),
        ([datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(1970, 1, 1, tzinfo=UTC)], [0, 0]),
        ([datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 1, tzinfo=UTC)], [0, 3600]),
    ],
)
def test_times_are_whole_numbers_or_seconds_in_utc(times, seconds):
    assert read(time=times).times.tolist() == seconds


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1, 1e30], "'time' has 1 times that do not fit into 64 bits"),
        ([1, -1e19], "do not fit into 64 bits"),
        (np.array([1, 2**63], np.uint64), "do not fit into 64 bits, first at row 1: 9223372036854775808"),
        (["1", "9223372036854775808"], "do not fit into 64 bits"),
        ([1, 2**70], "do not fit into 64 bits"),
        ([1.5, 2.0], "'time' has 1 times with a fraction .*, first at row 0: 1.5"),
        ([1.0, np.inf], "neither numbers nor dates, first at row 1"),
        ([1.0, np.nan], "'time' has 1 missing values"),
        (["2020-01-01", "soon"], "neither numbers nor dates, first at row 1: 'soon'"),
        (["2020-01-01", "5"], "'time' has dates, first at row 0, and numbers, first at row 1"),
        (
            ["2020-01-01 10:00", "2020-01-01T10:00Z"],
            "with a zone, first at row 1, and 1 without one, first at row 0: 2020-01-01 10:00",
        ),
        ([datetime(1970, 1, 1, tzinfo=UTC), date(1970, 1, 2)], "first at row 0, and 1 without one, first at row 1: 1970-01-02"),
        (["2020-01-01T10:00-01", "2020-01-02"], "with a zone, first at row 0, and 1 without one, first at row 1"),
        ([True, False], "'time' holds booleans"),
        (pd.to_timedelta([1, 2]), "'time' holds timedelta64.*, which are no times"),
    ],
)
def test_times_that_do_not_fit_are_refused_without_a_warning(times, message):
    with warnings.catch_warnings(), pytest.raises(InputError, match=message):
        warnings.simplefilter("error")
        read(time=times)


def test_texts_without_a_zone_are_announced_unless_they_are_days():
    with pytest.warns(UserWarning, match="column 'time' has times without a zone, which are taken for UTC") as told:
        assert read(time=["1970-01-01 00:00:05", "1970-01-02"]).times.tolist() == [5, 86_400]
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(time=["1970-01-01", "1970-01-02"])
        read(time=["1970-01-01T00:00:00Z", "1970-01-02T00:00:00+02:00"])
        read(time=pd.to_datetime(["1970-01-01 05:00", "1970-01-02 00:00"]))


@pytest.mark.parametrize("kind", [list, pd.to_datetime])
def test_fractions_of_a_second_are_not_left_out_in_silence(kind):
    within = ["1970-01-01T00:00:05.9Z", "1970-01-01T00:00:05.5Z"]
    with pytest.warns(UserWarning, match="column 'time' has times with fractions of a second, which are left out") as told:
        assert read(time=kind(within)).times.tolist() == [5, 5]
    assert [one.filename for one in told] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(time=kind(["1970-01-01T00:00:05.000Z", "2262-04-12T00:00:00.000Z"]))


def test_every_column_at_fault_is_named_at_once():
    frame = pd.DataFrame({"user_id": [1.5, 2], "item_id": [None, "a"], "rating": ["x", 1], "time": [1, 1e30]})
    with pytest.raises(InputError, match=r"4 columns are at fault: .*'user_id'.*'item_id'.*'rating'.*'time'"):
        gr.Interactions.from_frame(frame, rating="rating", time="time")
    gaps = pd.DataFrame({"user_id": ["a", None], "item_id": [None, "b"], "rating": [1, None]})
    with pytest.raises(InputError) as error:
        gr.Interactions.from_frame(gaps, rating="rating")
    assert str(error.value) == (
        "3 columns are at fault: column 'user_id' has 1 missing values, first at row 1; column 'item_id' has 1 missing values, "
        "first at row 0; column 'rating' has 1 missing values, first at row 1; missing='drop' leaves such rows out."
    )
    with pytest.raises(InputError, match="columns 'who', 'when' are not in the table"):
        gr.Interactions.from_frame(frame, user="who", time="when")
    with pytest.raises(InputError, match="'a' is in the table more than once"):
        gr.Interactions.from_frame(pd.DataFrame([[1, 2, 3]], columns=["a", "a", "b"]), user="a", item="b")
    with pytest.raises(InputError, match="user and item are one and the same column"):
        gr.Interactions.from_frame(frame, user="time", item="time")
    with pytest.raises(InputError, match="must be a pandas DataFrame, not dict"):
        gr.Interactions.from_frame({})


def test_rows_with_gaps_are_dropped_by_name_and_counted():
    frame = pd.DataFrame(
        {"user_id": [1, None, 3, 4], "item_id": ["a", "b", "", "d"], "rating": [1, 2, 3, None], "time": [2**53 + 1, 1, 1, 1]}
    )
    with pytest.raises(InputError, match="'user_id' has 1 missing values"):
        gr.Interactions.from_frame(frame)
    with pytest.raises(InputError, match="did you mean 'drop'"):
        gr.Interactions.from_frame(frame, missing="drpo")
    with pytest.warns(UserWarning, match=r"3 of 4 rows were dropped .* \(user_id 1, item_id 1, rating 1\)"):
        inter = gr.Interactions.from_frame(frame, rating="rating", time="time", missing="drop")
    assert inter.to_frame().to_numpy().tolist() == [[1, "a", 1.0, 2**53 + 1]]
    assert inter.user_ids.dtype == np.int64
    with pytest.raises(InputError, match="missing='drop' leaves no row"):
        gr.Interactions.from_frame(frame.iloc[1:2], missing="drop")


def test_rows_are_named_by_their_first_position_after_some_were_dropped():
    frame = pd.DataFrame({"user_id": ["a", None, "b"], "item_id": [1, 2, 3], "rating": [1, 2, np.inf]})
    with pytest.warns(UserWarning, match="1 of 3 rows"), pytest.raises(InputError, match="first at row 2"):
        gr.Interactions.from_frame(frame, rating="rating", missing="drop")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: gr.Interactions.from_indices([2**31], [0]), "index 2147483648 at row 0, beyond the largest possible"),
        (lambda: gr.Interactions.from_indices([0], [0], n_users=2.0), "n_users must be a whole number from 1"),
        (lambda: gr.Interactions.from_indices([0], [0], n_items=True), "n_items must be a whole number from 1"),
        (lambda: gr.Interactions.from_indices([[0], [0, 1]], [0]), "users is not an array"),
        (lambda: gr.Interactions.from_indices([0], [0], [[1.0]]), "ratings must be a one-dimensional array"),
        (lambda: gr.Interactions.from_indices([0], [0], duplicates="lasst"), "did you mean 'last'"),
        (lambda: gr.Interactions.from_indices([0], [0]).k_core(1.5), "k must be a whole number"),
    ],
)
def test_bad_indices_and_sizes(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_sizes_of_numpy_are_sizes():
    inter = gr.Interactions.from_indices([0], [0], n_users=np.int64(3), n_items=np.uint8(2))
    assert (inter.n_users, inter.n_items) == (3, 2)
    assert len(inter.k_core(np.int64(1))) == 1


def test_empty_tables_say_so():
    none = gr.Interactions.from_indices([0], [0], [1.0], [1]).select(np.zeros(0, int))
    for split in (gr.split.chronological, gr.split.random, gr.split.stratified, gr.split.global_time, gr.split.leave_one_out):
        with pytest.raises(InputError, match="no row"):
            split(none)
    with pytest.raises(InputError, match="no row"):
        none.binarize()
    with pytest.raises(InputError, match="train has no row"):
        gr.Split(train=none)
    with pytest.raises(InputError, match="takes Interactions, not Split"):
        gr.split.random(gr.Split(train=gr.Interactions.from_indices([0], [0])))
