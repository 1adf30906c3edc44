"""Splits: against loops over users, and the promises that hold for every table."""

import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import graphrec as gr
from graphrec.data import split as ways
from graphrec.data.ordering import allocate, shuffled, stable_argsort
from graphrec.errors import InputError

BY_USER = {
    "chronological": lambda inter, **how: ways.chronological(inter, **{"test": 0.3, "valid": 0.2, **how}),
    "stratified": lambda inter, **how: ways.stratified(inter, **{"test": 0.3, "valid": 0.2, **how}),
    "n_per_user": lambda inter, **how: ways.n_per_user(inter, **{"test": 2, "valid": 1, **how}),
    "leave_one_out": lambda inter, **how: ways.leave_one_out(inter, **{"valid": True, **how}),
}
WAYS = BY_USER | {
    "random": lambda inter, **how: ways.random(inter, **{"test": 0.3, "valid": 0.2, **how}),
    "global_time": lambda inter, **how: ways.global_time(inter, **{"test": 0.3, "valid": 0.2, **how}),
}
SEEDED = [name for name in WAYS if name not in ("chronological", "global_time")]


@st.composite
def tables(draw, repeats=False):
    """Up to 80 rows with many equal times; the rating of a row is its number, so that rows can be followed."""
    cells = st.tuples(st.integers(0, 7), st.integers(0, 19), st.integers(-4, 4))
    rows = draw(st.lists(cells, min_size=10, max_size=80, unique_by=None if repeats else lambda row: row[:2]))
    users, items, times = np.array(rows).T
    return gr.Interactions.from_indices(
        users, items, ratings=np.arange(len(rows)), times=times, n_users=9, n_items=20, duplicates="keep"
    )


def numbers(part):
    """Which rows of the table a part holds."""
    return [] if part is None else part.ratings.astype(int).tolist()


def try_to(make):
    """The split; a table for which a part would be empty is not an example."""
    try:
        return make()
    except InputError as error:
        assume("leaves the" not in str(error) and "cannot cut" not in str(error))
        raise


@pytest.mark.parametrize("name", WAYS)
@given(inter=tables())
@settings(max_examples=40, deadline=None)
def test_parts_are_disjoint_and_cover_the_table(name, inter):
    split = try_to(lambda: WAYS[name](inter))
    parts = [numbers(split.train), numbers(split.valid), numbers(split.test)]
    assert all(part and part == sorted(part) for part in parts), "no part is empty, and rows stay in their order"
    assert sorted([*parts[0], *parts[1], *parts[2]]) == list(range(len(inter)))
    for part in (split.train, split.valid, split.test):
        rows = numbers(part)
        assert part.shares_ids_with(inter)
        assert np.array_equal(part.keys, inter.keys[rows])
        assert np.array_equal(part.times, inter.times[rows])


@pytest.mark.parametrize("name", BY_USER)
@given(inter=tables(repeats=True))
@settings(max_examples=40, deadline=None)
def test_everybody_keeps_a_row_in_train(name, inter):
    split = try_to(lambda: BY_USER[name](inter, overlap="keep"))
    assert set(split.train.users) == set(inter.users)


@pytest.mark.parametrize("name", ["chronological", "n_per_user", "leave_one_out"])
@given(inter=tables(repeats=True))
@settings(max_examples=60, deadline=None)
def test_by_user_it_is_the_last_rows_by_time(name, inter):
    split = try_to(lambda: BY_USER[name](inter, overlap="keep"))
    for user in range(inter.n_users):
        mine = np.flatnonzero(inter.users == user).tolist()
        by_time = sorted(mine, key=lambda row: int(inter.times[row]))  # stable: equal times keep their order
        train, valid, test = (
            [row for row in numbers(part) if row in set(mine)] for part in (split.train, split.valid, split.test)
        )
        cuts = len(train), len(train) + len(valid)
        assert sorted(by_time[: cuts[0]]) == train
        assert sorted(by_time[cuts[0] : cuts[1]]) == valid
        assert sorted(by_time[cuts[1] :]) == test
        if name != "chronological":
            n_test, n_valid = (2, 1) if name == "n_per_user" else (1, 1)
            enough = len(mine) > n_test + n_valid
            assert (len(test), len(valid)) == ((n_test, n_valid) if enough else (0, 0))


@pytest.mark.parametrize("way", [ways.chronological, ways.stratified])
@given(inter=tables(), test=st.floats(0.05, 0.6), valid=st.floats(0, 0.35))
@settings(max_examples=60, deadline=None)
def test_shares_hold_for_each_user_and_in_all(way, inter, test, valid):
    split = try_to(lambda: way(inter, test=test, valid=valid))
    assert (split.valid is None) == (valid == 0)
    degree = np.bincount(inter.users, minlength=9)
    n_test = np.bincount(split.test.users, minlength=9)
    expected = np.minimum(test * degree, np.maximum(degree - 1, 0))
    assert (np.abs(n_test - expected) < 1 + 1e-6).all()
    assert abs(n_test.sum() - expected.sum()) <= 0.5 + 1e-6
    assert (n_test >= 1)[(test * degree >= 1 + 1e-6) & (degree > 1)].all(), "whoever has enough rows is in test"
    if valid:
        n_valid = np.bincount(split.valid.users, minlength=9)
        expected = np.minimum(valid * degree, np.maximum(degree - 1, 0) - n_test)
        assert (np.abs(n_valid - expected) < 1 + 1e-6).all()
        assert abs(n_valid.sum() - expected.sum()) <= 0.5 + 1e-6


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40), st.floats(0, 0.99))
def test_allocation_is_exact_carrying(degree, share):
    degree = np.array(degree)
    limit = np.maximum(degree - 1, 0)
    got = allocate(share, degree, limit)
    unit = Fraction(round(share * 2**30), 2**30)
    carried, want = Fraction(1, 2), []
    for d, most in zip(degree.tolist(), limit.tolist(), strict=True):
        carried += min(unit * d, most)
        want.append(int(carried))
        carried -= want[-1]
    assert got.tolist() == want
    assert (got <= limit).all()


def test_a_fifth_of_two_rows_each_is_taken_from_two_people_in_five():
    inter = gr.Interactions.from_indices(np.repeat(np.arange(500), 2), np.arange(1000) % 7, times=np.arange(1000))
    split = ways.chronological(inter, test=0.2)
    assert len(split.test) == 200
    assert np.bincount(split.test.users).max() == 1


@given(inter=tables(), test=st.floats(0.05, 0.6), valid=st.floats(0, 0.35))
@settings(max_examples=80, deadline=None)
def test_global_time_cuts_between_times_and_as_near_as_they_allow(inter, test, valid):
    split = try_to(lambda: ways.global_time(inter, test=test, valid=valid))
    left = inter.times
    for part, share in ((split.test, test), (split.valid, valid)):
        if not share:
            assert part is None
            continue
        possible = [(left >= time).sum() for time in np.unique(left)[1:]]
        assert part.times.min() > left[left < part.times.min()].max(), "equal times are on one side"
        assert (left >= part.times.min()).sum() == len(part)
        assert abs(len(part) - share * len(inter)) == min(abs(size - share * len(inter)) for size in possible)
        left = left[left < part.times.min()]
    assert sorted(left) == sorted(split.train.times)


@given(inter=tables(), seed=st.integers(0, 2**63))
@settings(max_examples=40, deadline=None)
def test_random_has_exactly_the_share_or_the_number(inter, seed):
    split = ways.random(inter, test=0.25, valid=3, seed=seed)
    assert len(split.test) == round(0.25 * len(inter))
    assert len(split.valid) == 3


@given(inter=tables(repeats=True), folds=st.integers(2, 10))
@settings(max_examples=40, deadline=None)
def test_folds_hold_every_row_once(inter, folds):
    splits = list(ways.k_fold(inter, folds=folds, seed=1, overlap="keep"))
    assert len(splits) == folds
    assert sorted(row for split in splits for row in numbers(split.test)) == list(range(len(inter)))
    assert {len(split.test) - len(inter) // folds for split in splits} <= {0, 1}
    for split in splits:
        assert split.valid is None
        assert sorted(numbers(split.train) + numbers(split.test)) == list(range(len(inter)))


@pytest.mark.parametrize("name", SEEDED)
def test_a_seed_fixes_the_split_whatever_the_global_state(interactions, name):
    np.random.seed(1)  # noqa: NPY002
    first = WAYS[name](interactions, seed=5)
    np.random.seed(2)  # noqa: NPY002
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    again = WAYS[name](interactions, seed=5)
    assert np.array_equal(np.random.get_state()[1], state), "global state is left alone"  # noqa: NPY002
    from_generator = WAYS[name](interactions, seed=np.random.default_rng(5))
    other = WAYS[name](interactions, seed=6)
    for part in ("train", "valid", "test"):
        assert np.array_equal(getattr(first, part).keys, getattr(again, part).keys)
        assert np.array_equal(getattr(first, part).keys, getattr(from_generator, part).keys)
    assert not np.array_equal(first.test.keys, other.test.keys)


@pytest.mark.parametrize("name", ["random", "stratified", "n_per_user", "leave_one_out"])
def test_random_rows_are_uniform(name):
    """One user of 20 rows and the rest like it: each position is held out equally often."""
    inter = gr.Interactions.from_indices(np.repeat(np.arange(2000), 20), np.tile(np.arange(20), 2000))
    how = {"test": 0.1} if name in ("random", "stratified") else {"test": 2} if name == "n_per_user" else {}
    split = getattr(ways, name)(inter, seed=3, **how)
    count = np.bincount(split.test.items, minlength=20)
    expected = len(split.test) / 20
    chi2 = ((count - expected) ** 2 / expected).sum()
    assert chi2 < 45, "19 degrees of freedom: 43.8 is passed once in a thousand times"


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50))
def test_stable_argsort_of_any_integers(values):
    array = np.array(values, np.int64)
    assert np.array_equal(stable_argsort(array), np.argsort(array, kind="stable"))
    few = array % 5
    assert np.array_equal(stable_argsort(few), np.argsort(few, kind="stable"))


def test_shuffled_is_a_permutation():
    assert sorted(shuffled(1000, 0)) == list(range(1000))
    assert shuffled(0, 0).tolist() == []


def test_movielens_shares(movielens):
    split = ways.chronological(movielens.interactions, test=0.2, valid=0.1)
    assert (len(split.train), len(split.valid), len(split.test)) == (70_000, 10_000, 20_000)
    latest = movielens.interactions.to_frame().groupby("user_id")["time"].max()
    held_out = ways.leave_one_out(movielens.interactions).test.to_frame().set_index("user_id")["time"]
    assert len(held_out) == 943
    assert (held_out == latest[held_out.index]).all()


# ---- repeated pairs and unknown people ------------------------------------------------------


@pytest.fixture
def log():
    """Two people who come back: user 0 meets item 0 at the beginning and at the end."""
    return gr.Interactions.from_indices(
        [0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 2, 0, 3, 2, 1, 0], times=[1, 2, 3, 4, 1, 2, 3, 4], duplicates="keep"
    )


def test_repeated_pairs_need_a_policy(log):
    with pytest.raises(InputError, match=r"1 of 2 rows of test have a pair that is also in train.*drop_duplicates"):
        ways.leave_one_out(log)
    assert len(ways.leave_one_out(log, overlap="keep").test) == 2
    dropped = ways.leave_one_out(log, overlap="drop")
    assert (len(dropped.train), dropped.test.users.tolist()) == (6, [1])
    assert len(ways.leave_one_out(log.drop_duplicates("last")).test) == 2


def test_cold_policies_reach_the_split():
    inter = gr.Interactions.from_indices([0, 1, 2, 0, 1, 3], [0, 1, 2, 1, 0, 0], times=[1, 2, 3, 4, 5, 6])
    assert len(ways.global_time(inter, test=0.5, valid=0).test) == 3
    assert ways.global_time(inter, test=0.5, valid=0, cold="drop").test.users.tolist() == [0, 1]
    with pytest.raises(InputError, match="test has 1 user, first 3, with nothing in train"):
        ways.global_time(inter, test=0.5, valid=0, cold="error")


# ---- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("way", [ways.chronological, ways.global_time, ways.leave_one_out, ways.n_per_user])
def test_no_times_is_named(checkerboard, way):
    inter = gr.Interactions.from_frame(checkerboard)
    with pytest.raises(InputError, match=f"{way.__name__} needs times, and this table has no time column"):
        way(inter)


def test_without_times_a_seed_is_enough(checkerboard):
    inter = gr.Interactions.from_frame(checkerboard)
    assert len(ways.leave_one_out(inter, seed=0).test) == 24
    assert len(ways.n_per_user(inter, test=3, seed=0).test) == 72


@pytest.mark.parametrize("way", [ways.chronological, ways.stratified, ways.global_time, ways.random])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"test": -0.1}, "test must be a share"),
        ({"test": "many"}, "test must be a share.*'many'"),
        ({"test": 0.2, "valid": True}, "valid must be a share"),
        ({"test": 0.2, "valid": float("nan")}, "valid must be a share"),
        ({"test": 0.7, "valid": 0.3}, r"test=0\.7 and valid=0\.3 together.*nothing in train"),
        ({"test": 0, "valid": 0}, "test and valid are both 0"),
        ({"test": 1e-9, "valid": 0}, "leaves the test part empty"),
        ({"test": 0.2, "overlap": "kep"}, "unknown overlap policy 'kep'; did you mean 'keep'"),
        ({"test": 0.2, "cold": "dropp"}, "unknown cold policy 'dropp'; did you mean 'drop'"),
    ],
)
def test_bad_options_are_named(interactions, way, how, message):
    if way is ways.global_time and how["test"] == 1e-9:
        assert len(way(interactions, **how).test) == 1, "one moment is the least a cut by time can take"
        return
    with pytest.raises(InputError, match=message):
        way(interactions, **how)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda inter: ways.chronological(inter, test=5), "test must be a share.*got 5; n_per_user"),
        (lambda inter: ways.random(inter, test=len(inter)), "nothing in train"),
        (lambda inter: ways.n_per_user(inter, test=0.2), "test must be a whole number of rows per user, got 0.2"),
        (lambda inter: ways.n_per_user(inter, test=500), "test=500 leaves the test part empty: no user has enough rows"),
        (lambda inter: ways.random(inter, seed=-1), "seed must be a whole number"),
        (lambda inter: ways.stratified(inter, seed=None), "seed must be a whole number"),
        (lambda inter: ways.k_fold(inter, folds=1), "folds must be a whole number from 2"),
        (lambda inter: ways.k_fold(inter, folds=10**6), "folds must be a whole number from 2"),
        (lambda inter: ways.k_fold(inter, folds=2.5), "folds must be a whole number from 2"),
        (lambda inter: ways.k_fold(inter, k=5), "unknown option of k_fold 'k'; here it is called 'folds'"),
        (lambda inter: ways.k_fold(inter, n_splits=5), "here it is called 'folds'"),
        (lambda inter: ways.k_fold(inter, sead=5), "unknown option of k_fold 'sead'; did you mean 'seed'"),
        (lambda inter: ways.random(inter, test_size=0.2), "unknown option of random 'test_size'; here it is called 'test'"),
        (lambda inter: ways.n_per_user(inter, tests=2), "unknown option of n_per_user 'tests'; did you mean 'test'"),
        (lambda inter: ways.leave_one_out(inter, valid="yes"), "valid must be True or False, got 'yes'"),
    ],
)
def test_bad_numbers_are_named(interactions, make, message):
    with pytest.raises(InputError, match=message):
        make(interactions)


def test_one_moment_cannot_be_cut():
    inter = gr.Interactions.from_indices([0, 1, 2], [0, 1, 2], times=[9, 9, 9])
    with pytest.raises(InputError, match="cannot cut off a test part: the 3 rows left to cut have one and the same time"):
        ways.global_time(inter)


def test_a_cut_in_time_holds_out_a_row_where_the_share_is_less_than_one():
    table = gr.Interactions.from_indices([0, 0, 1, 1], [0, 1, 2, 3], times=[1, 2, 3, 4])
    assert len(ways.global_time(table, test=0.05, valid=0).test) == 1


def test_times_that_order_nothing_are_told():
    table = gr.Interactions.from_indices([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2], times=[7] * 6)
    for way in (ways.chronological, ways.leave_one_out):
        with pytest.warns(UserWarning, match="all 6 times are the same, so that the order of the rows decides") as told:
            way(table)
        assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(gr.errors.InputError, match="global_time"):
            ways.global_time(table)
