"""Split: what it refuses, what it drops, and how validation goes back into training."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphrec as gr
from graphrec.data.parts import Split
from graphrec.errors import InputError


def pairs(*rows, n_users=6, n_items=6):
    users, items = zip(*rows, strict=True)
    return gr.Interactions.from_indices(users, items, n_users=n_users, n_items=n_items, duplicates="keep")


TRAIN = pairs((0, 0), (0, 1), (1, 1), (2, 2), (3, 3))


def test_parts_by_keyword_only():
    with pytest.raises(TypeError):
        Split(TRAIN)
    assert Split(train=TRAIN).test is None


def test_repr_shows_the_sizes():
    split = Split(train=TRAIN, test=pairs((0, 2), (1, 0)))
    assert repr(split) == "Split(train 5, test 2 pairs of 6 users and 6 items)"


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"test": pairs((0, 2), (1, 1))}, r"1 of 2 rows of test have a pair that is also in train, first user 1 with item 1"),
        ({"valid": pairs((0, 0), (3, 3))}, r"2 of 2 rows of valid have a pair that is also in train, first user 0 with item 0"),
        (
            {"valid": pairs((4, 4)), "test": pairs((5, 5), (4, 4))},
            "1 of 2 rows of test have a pair that is also in valid, first user 4",
        ),
        ({"test": TRAIN}, "5 of 5 rows of test .* train"),
    ],
)
def test_overlap_is_refused_by_name(parts, message):
    with pytest.raises(InputError, match=message):
        Split(train=TRAIN, **parts)


def test_overlap_kept_or_dropped():
    parts = {"train": TRAIN, "valid": pairs((0, 0), (4, 4)), "test": pairs((1, 1), (4, 4), (0, 0), (5, 5), (5, 5))}
    kept = Split(**parts, overlap="keep")
    assert (len(kept.valid), len(kept.test)) == (2, 5)
    dropped = Split(**parts, overlap="drop")
    assert dropped.valid.keys.tolist() == pairs((4, 4)).keys.tolist()
    assert dropped.test.users.tolist() == [5, 5], "in neither train nor valid; a repeat within test stays"
    assert len(parts["test"]) == 5, "the caller's table is as it was"
    with pytest.raises(InputError, match="overlap='drop' leaves no row of test"):
        Split(train=TRAIN, test=TRAIN, overlap="drop")


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.integers(0, 5)), min_size=4, max_size=40))
@settings(deadline=None)
def test_overlap_against_sets(rows):
    tables = {part: [row[1:] for row in rows if row[0] == part] for part in "abc"}
    if not all(tables.values()):
        return
    train, valid, test = (tables[part] for part in "abc")
    parts = {"train": pairs(*train), "valid": pairs(*valid), "test": pairs(*test)}
    valid_left = [pair for pair in valid if pair not in set(train)]
    test_left = [pair for pair in test if pair not in set(train) | set(valid_left)]
    if len(valid_left) == len(valid) and len(test_left) == len(test):
        Split(**parts)
        return
    with pytest.raises(InputError, match="have a pair that is also in"):
        Split(**parts)
    if valid_left and test_left:
        split = Split(**parts, overlap="drop")
        assert list(zip(split.valid.users, split.valid.items, strict=True)) == valid_left
        assert list(zip(split.test.users, split.test.items, strict=True)) == test_left


def test_cold_policies():
    parts = {"train": TRAIN, "valid": pairs((0, 2), (4, 0)), "test": pairs((1, 0), (4, 5), (1, 5), (5, 4), (5, 0))}
    assert len(Split(**parts).test) == 5
    dropped = Split(**parts, cold="drop")
    assert dropped.valid.users.tolist() == [0]
    assert dropped.test.keys.tolist() == pairs((1, 0)).keys.tolist()
    with pytest.raises(InputError, match="valid has 1 user, first 4, with nothing in train"):
        Split(**parts, cold="error")
    with pytest.raises(InputError, match="test has 2 users, first 4 and 2 items, first 5, with nothing in train"):
        Split(train=parts["train"], test=parts["test"], cold="error")
    with pytest.raises(InputError, match="cold='drop' leaves no row of test"):
        Split(train=TRAIN, test=pairs((4, 5)), cold="drop")


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (pairs((0, 5), n_users=7), "test and train do not share one id space: test counts 7 users and train 6"),
        (pairs((0, 5), n_items=8), "test counts 8 items and train 6"),
        (replace(pairs((0, 5)), item_ids=np.array([0, 1, 2, 9, 4, 5])), "item 3 is 9 in test and 3 in train"),
        (replace(pairs((0, 5)), user_ids=np.array(list("abcdef"))), "user 0 is a in test and 0 in train"),
        (pairs((0, 5)).to_frame(), "test must be Interactions, not DataFrame"),
        (TRAIN.select(np.zeros(5, bool)), "test has no row"),
    ],
)
def test_parts_that_cannot_be_used(test, message):
    with pytest.raises(InputError, match=message):
        Split(train=TRAIN, test=test)


def test_valid_goes_back_into_train(interactions):
    rows = np.arange(len(interactions))
    split = Split(
        train=interactions.select(rows % 4 < 2),
        valid=interactions.select(rows % 4 == 2),
        test=interactions.select(rows % 4 == 3),
    )
    whole = split.without_valid()
    assert whole.valid is None
    assert whole.test is split.test
    order = np.r_[rows[rows % 4 < 2], rows[rows % 4 == 2]]
    for column in ("users", "items", "ratings", "times"):
        assert np.array_equal(getattr(whole.train, column), getattr(interactions, column)[order])
    assert split.train_and_valid is split.train_and_valid, "made once"
    assert whole.without_valid() is whole
    assert whole.train_and_valid is whole.train


def test_columns_are_not_lost_in_silence(interactions):
    even = np.arange(len(interactions)) % 2 == 0
    split = Split(train=interactions.select(even), valid=replace(interactions.select(~even), times=None))
    with pytest.raises(InputError, match="train and valid cannot be joined: only one of them has times"):
        _ = split.train_and_valid


def test_policies_outlive_the_join():
    split = Split(train=TRAIN, valid=pairs((0, 2)), test=pairs((0, 2), (1, 1)), overlap="keep")
    assert len(split.without_valid().test) == 2


def test_frozen_and_copyable():
    split = Split(train=TRAIN, test=pairs((0, 2)))
    with pytest.raises(AttributeError):
        split.test = TRAIN
    for twin in (pickle.loads(pickle.dumps(split)), copy.deepcopy(split)):
        assert np.array_equal(twin.test.keys, split.test.keys)
