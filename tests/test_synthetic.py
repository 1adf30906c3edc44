"""The embedded data set: the same everywhere, readable, and with the structure it claims."""

import hashlib

import numpy as np
import pytest

from graphrec.data import synthetic as module
from graphrec.data.split import chronological, leave_one_out
from graphrec.data.synthetic import synthetic
from graphrec.errors import InputError


@pytest.fixture(scope="module")
def made():
    return synthetic(seed=11)


def fingerprint(interactions):
    parts = (interactions.users, interactions.items, interactions.ratings, interactions.times)
    return hashlib.sha256(b"".join(np.ascontiguousarray(part).astype("<i8").tobytes() for part in parts)).hexdigest()


def test_shapes_and_ids(made):
    interactions, items, users = made
    assert (interactions.n_users, interactions.n_items) == (1200, 900)
    assert items["item_id"].tolist() == interactions.item_ids.tolist() == list(range(1, 901))
    assert users["user_id"].tolist() == interactions.user_ids.tolist() == list(range(1, 1201))
    assert list(items.columns) == ["item_id", "title", "genres", "year"]
    assert list(users.columns) == ["user_id", "age_group"]
    assert set(users["age_group"]) == set(module.AGE_GROUPS)
    assert items["year"].between(1960, 2021).all()
    assert len(np.unique(interactions.keys)) == len(interactions), "nobody sees a film twice"


def test_the_default_data_set_is_pinned():
    """A change of the data changes every figure of the demo; it is then meant, and stands in the changelog."""
    interactions, items, users = synthetic()
    words = hashlib.sha256("\n".join([*items["title"], *items["genres"], *users["age_group"]]).encode()).hexdigest()
    assert (len(interactions), fingerprint(interactions)[:16], words[:16]) == (17272, "5cef919ec8e901e5", "b99867c875ecb571")


def test_seeds_and_the_global_state(made):
    np.random.seed(0)  # noqa: NPY002
    again, items, _ = synthetic(seed=11)
    assert fingerprint(again) == fingerprint(made[0])
    assert items.equals(made[1])
    assert fingerprint(synthetic(seed=12)[0]) != fingerprint(made[0])


def test_blocks_do_not_change_the_data(made, monkeypatch):
    monkeypatch.setattr(module, "_BLOCK", 77)
    assert fingerprint(synthetic(seed=11)[0]) == fingerprint(made[0])


@pytest.mark.parametrize("n_items", [100, 900, 12_000])
def test_titles_are_unique_and_readable(n_items):
    items = synthetic(50, n_items, seed=1)[1]
    assert items["title"].is_unique
    assert items["title"].str.fullmatch(r"[A-Z][A-Za-z' ]+( \d)?").all()


def test_a_noun_belongs_to_one_shelf_and_tells_the_genre(made):
    nouns = [noun for shelf in module.NOUNS for noun in shelf]
    assert len(nouns) == len(set(nouns)) == 192
    genre_of = {noun: module.GENRES[g] for g, shelf in zip(module.GENRE_OF, module.NOUNS, strict=True) for noun in shelf}
    for title, genres in made[1][["title", "genres"]].itertuples(index=False):
        said = [genre_of[word] for word in title.split() if word in genre_of]
        assert genres.split("|")[0] in said


def test_activity_and_popularity_are_skewed(made):
    interactions = made[0]
    activity = np.bincount(interactions.users, minlength=1200)
    popularity = np.sort(np.bincount(interactions.items, minlength=900))[::-1]
    assert activity.min() == module.MIN_ROWS
    assert np.median(activity) < 0.75 * activity.mean()
    assert activity.max() == 900 // 8
    # P(at least n rows) = (n / 5)^-1.4: half of the people have fewer than 9.
    assert abs((activity >= 10).mean() - 2**-module.ACTIVITY_EXPONENT) < 0.05
    assert popularity[:90].sum() > 0.25 * len(interactions), "a tenth of the films gets a quarter of the rows"


def test_ratings_have_their_shares_and_follow_people_and_films(made):
    interactions = made[0]
    shares = np.bincount(interactions.ratings.astype(int), minlength=6)[1:] / len(interactions)
    assert np.allclose(shares, module.RATING_SHARES, atol=1e-3)
    rows = interactions.to_frame()
    half = np.random.default_rng(0).random(len(rows)) < 0.5
    means = rows[half].groupby("item_id")["rating"].mean()
    other = rows[~half].groupby("item_id")["rating"].mean()
    enough = (rows[half]["item_id"].value_counts() >= 8) & (rows[~half]["item_id"].value_counts() >= 8)
    known = enough.index[enough]
    assert np.corrcoef(means[known], other[known])[0, 1] > 0.4, "one half of the raters tells about the other"


def test_age_plays_a_part(made):
    interactions, items, users = made
    rows = interactions.to_frame().merge(items, on="item_id").merge(users, on="user_id")
    table = rows.groupby(["age_group", rows["genres"].str.split("|").str[0]]).size().unstack(fill_value=0).to_numpy(float)
    expected = table.sum(1, keepdims=True) * table.sum(0) / table.sum()
    shuffled = rows.assign(age_group=np.random.default_rng(0).permutation(rows["age_group"]))
    by_chance = shuffled.groupby(["age_group", rows["genres"].str.split("|").str[0]]).size().unstack().to_numpy(float)
    assert ((table - expected) ** 2 / expected).sum() > 5 * ((by_chance - expected) ** 2 / expected).sum()


def test_two_hops_tell_more_than_popularity():
    """People who share films with me have seen my held-out film more often than its popularity explains."""
    split = leave_one_out(synthetic(seed=11)[0])
    seen = split.train.to_csr("ones").toarray()
    paths = (seen @ seen.T) @ seen  # person → film → person → film
    by_popularity = np.broadcast_to(seen.sum(axis=0), seen.shape)
    hits = {}
    for name, score in (("paths", paths), ("popularity", by_popularity)):
        masked = np.where(seen > 0, -np.inf, score)
        top = np.argsort(-masked, axis=1, kind="stable")[split.test.users, :20]
        hits[name] = (top == split.test.items[:, None]).any(axis=1).mean()
    assert hits["paths"] > 1.3 * hits["popularity"]
    assert hits["popularity"] > 2 * 20 / 900, "popularity is a baseline worth beating"


def test_times_lie_in_the_log_and_split_cleanly(made):
    interactions = made[0]
    day = (interactions.times - module.FIRST_DAY) / 86_400
    assert day.min() >= 0
    assert day.max() <= module.DAYS
    assert (np.diff(interactions.users) >= 0).all()
    split = chronological(interactions, test=0.2, valid=0.1)
    assert abs(len(split.test) / len(interactions) - 0.2) < 0.001
    assert len(np.unique(split.test.users)) > 1000


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"n_users": 0}, "n_users must be a whole number from 1 on, got 0"),
        ({"n_items": 99}, "n_items must be a whole number from 100 on, got 99"),
        ({"seed": -1}, "seed must be a whole number from 0 on, got -1"),
        ({"seed": 1.5}, "seed must be a whole number"),
    ],
)
def test_bad_numbers_are_named(how, message):
    with pytest.raises(InputError, match=message):
        synthetic(**how)


def test_the_least_there_can_be():
    interactions, items, users = synthetic(1, 100)
    assert (len(users), len(items)) == (1, 100)
    assert 5 <= len(interactions) <= 12
