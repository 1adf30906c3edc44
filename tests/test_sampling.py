"""Samplers: never a positive, the right frequencies, the same draws for the same seed whatever the threads."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphrec as gr
from graphrec.sampling import NegativeSampler, PairSampler, UserSampler
from graphrec.sampling.negatives import draw_seed

KINDS = ["uniform", "popularity", "hardest"]


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@st.composite
def graphs(draw):
    """Random tables of up to 12 × 9 in which no user has every item."""
    n_users, n_items = draw(st.integers(1, 12)), draw(st.integers(2, 9))
    seen = np.array(draw(st.lists(st.booleans(), min_size=n_users * n_items, max_size=n_users * n_items)))
    seen = seen.reshape(n_users, n_items)
    seen[:, 0] = True
    seen[np.arange(n_users), draw(st.integers(1, n_items - 1))] = False
    users, items = np.nonzero(seen)
    return gr.Interactions.from_indices(users, items, n_users=n_users, n_items=n_items)


@settings(max_examples=60, deadline=None)
@given(graphs(), st.sampled_from(KINDS), st.integers(1, 5), st.integers(0, 2**31))
def test_a_negative_is_never_a_positive(inter, kind, k, seed):
    users = np.arange(inter.n_users).repeat(3)
    drawn = NegativeSampler(inter, kind).draw(users, k, draw_seed(generator(seed)))
    assert drawn.shape == (len(users), k)
    assert ((drawn >= 0) & (drawn < inter.n_items)).all()
    assert not inter.has_keys(users[:, None] * inter.n_items + drawn).any()


def test_uniform_negatives_are_uniform_over_what_is_left(interactions):
    user, n = 3, 200_000
    drawn = NegativeSampler(interactions).draw(np.full(n, user), 1, draw_seed(generator()))
    counts = np.bincount(drawn.ravel(), minlength=interactions.n_items)
    left = np.flatnonzero(~interactions.has_keys(user * interactions.n_items + np.arange(interactions.n_items)))
    expected = n / len(left)
    chi2 = ((counts[left] - expected) ** 2 / expected).sum()
    # 5 standard deviations of a chi-square on both sides: neither skewed nor suspiciously even.
    assert abs(chi2 - (len(left) - 1)) < 5 * np.sqrt(2 * (len(left) - 1))


def test_popularity_negatives_follow_the_degree(interactions):
    sampler, n = NegativeSampler(interactions, "popularity"), 400_000
    degree = np.bincount(interactions.structure[1], minlength=interactions.n_items)
    assert np.allclose(sampler.log_q.exp().numpy(), degree / degree.sum(), atol=1e-6)
    shared = sampler.draw_shared(n, generator()).numpy()
    assert np.allclose(np.bincount(shared, minlength=45) / n, degree / degree.sum(), atol=0.002)
    user = 3
    drawn = sampler.draw(np.full(n, user), 1, draw_seed(generator())).ravel()
    left = np.where(interactions.has_keys(user * 45 + np.arange(45)), 0, degree)
    assert np.allclose(np.bincount(drawn, minlength=45) / n, left / left.sum(), atol=0.002)


def test_popularity_falls_back_when_only_unpopular_items_are_left():
    inter = gr.Interactions.from_indices([0, 0, 1], [0, 1, 0], n_items=4)
    drawn = NegativeSampler(inter, "popularity").draw(np.zeros(200, np.int64), 1, draw_seed(generator()))
    assert set(drawn.ravel()) == {2, 3}


@pytest.mark.parametrize("kind", ["uniform", "popularity", "approximate"])
def test_draws_do_not_depend_on_threads(interactions, kind):
    users, seed = np.arange(300_000) % interactions.n_users, draw_seed(generator())
    sampler, before = NegativeSampler(interactions, kind), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = sampler.draw(users, 2, seed)
        torch.set_num_threads(3)
        assert np.array_equal(one, sampler.draw(users, 2, seed))
    finally:
        torch.set_num_threads(before)


def collect(sampler):
    batches = list(sampler)
    return np.concatenate([b.users for b in batches]), np.concatenate([b.items for b in batches]), batches


def test_user_uniform_epochs(interactions):
    sampler = PairSampler(interactions, 50, pairs="user", generator=generator())
    counts, pairs = np.zeros(interactions.n_users), np.zeros((60, 45))
    for _ in range(300):
        users, items, batches = collect(sampler)
        assert len(users) == len(interactions)
        assert len(batches) == len(sampler)
        assert interactions.has_keys(users * 45 + items).all()
        counts += np.bincount(users, minlength=60)
        np.add.at(pairs, (users, items), 1)
    expected = counts.sum() / 60
    assert np.abs(counts / expected - 1).max() < 5 / np.sqrt(expected)
    own = pairs[7][pairs[7] > 0]
    assert np.abs(own / own.mean() - 1).max() < 5 / np.sqrt(own.mean())


def test_interaction_uniform_epochs_visit_every_pair_once(interactions):
    users, items, batches = collect(PairSampler(interactions, 64, pairs="interaction", generator=generator()))
    assert np.array_equal(np.sort(users * 45 + items), interactions.distinct_keys)
    assert [len(b.users) for b in batches[:-1]] == [64] * (len(batches) - 1)


def test_ratings_go_with_their_pairs(interactions):
    dense = interactions.to_csr().toarray()
    for batch in PairSampler(interactions, 64, negatives=None, with_ratings=True, generator=generator()):
        assert np.array_equal(dense[batch.users.numpy(), batch.items.numpy()], batch.ratings.numpy())
        assert batch.negatives is None


def test_user_batches_hold_all_items_of_each_user(interactions):
    sampler = UserSampler(interactions, 7, negatives="popularity", n_negatives=11, generator=generator())
    dense = interactions.to_csr().toarray()
    visited = []
    for batch in sampler:
        got = np.zeros((len(batch.users), 45))
        got[batch.owner.numpy(), batch.items.numpy()] = batch.ratings.numpy()
        assert np.array_equal(got, dense[batch.users.numpy()])
        assert batch.negatives.shape == (11,)
        visited += batch.users.tolist()
    assert sorted(visited) == list(range(60))
    assert len(sampler) == 9


@pytest.mark.parametrize(
    "make",
    [
        lambda x, g: PairSampler(x, 50, generator=g, n_negatives=2),
        lambda x, g: PairSampler(x, 50, generator=g, pairs="interaction"),
        lambda x, g: UserSampler(x, 9, generator=g, negatives="uniform", n_negatives=3),
    ],
)
def test_the_generators_state_is_all_the_state(interactions, make):
    g = generator(4)
    sampler = make(interactions, g)
    list(sampler)
    state = g.get_state()
    torch.manual_seed(1)
    second = list(sampler)
    torch.manual_seed(2)
    g.set_state(state)
    again = list(make(interactions, g))
    for a, b in zip(second, again, strict=True):
        assert all(x is y or torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_large_epochs_are_drawn_in_parts(interactions, monkeypatch):
    monkeypatch.setattr("graphrec.sampling.samplers._DRAWS_AT_ONCE", 100)
    users, items, batches = collect(PairSampler(interactions, 30, pairs="interaction", generator=generator()))
    assert np.array_equal(np.sort(users * 45 + items), interactions.distinct_keys)
    assert all(len(b.users) == 30 for b in batches[:-1])


def full_user():
    return gr.Interactions.from_indices([0, 0, 0, 1], [0, 1, 2, 1])


def test_saturated_users_are_an_error_or_left_out():
    with pytest.raises(ValueError, match=r"1 user has met every item, first user 0.*saturated='skip'"):
        PairSampler(full_user(), 4, generator=generator())
    for pairs in ("user", "interaction"):
        users, _, _ = collect(PairSampler(full_user(), 4, pairs=pairs, saturated="skip", generator=generator()))
        assert set(users) == {1}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: PairSampler(x, 0, generator=generator()), "batch_size must be at least 1, got 0"),
        (lambda x: PairSampler(x, 5, n_negatives=0, generator=generator()), "n_negatives must be at least 1, got 0"),
        (lambda x: PairSampler(x, 5, negatives="unifrom", generator=generator()), "did you mean 'uniform'"),
        (lambda x: PairSampler(x, 5, pairs="items", generator=generator()), "unknown value of pairs 'items'"),
        (lambda x: UserSampler(x, 5, negatives="hardest", generator=generator()), "unknown kind of shared negatives"),
        (
            lambda x: PairSampler(full_user().subset_users([0]), 5, saturated="skip", generator=generator()),
            "no user to train on",
        ),
    ],
)
def test_bad_options(interactions, call, message):
    with pytest.raises(ValueError, match=message):
        call(interactions)


def test_the_last_batch_is_kept_and_only_own_negatives_look_at_the_model(interactions):
    table, g = interactions.binarize(), torch.Generator()
    sampler = PairSampler(table, 100, generator=g, pairs="interaction")
    assert sum(len(batch.users) for batch in sampler) == sampler.n_pairs
    assert sampler.n_pairs % 100 != 0
    short = PairSampler(table, 100, generator=g, pairs="interaction", drop_last=True)
    assert [len(batch.users) for batch in short] == [100] * (sampler.n_pairs // 100)

    class Own:
        def draw(self, users, k, seed):
            return np.zeros((len(users), k), np.int64)

    own = PairSampler(table, 100, generator=g, negatives=Own())
    assert [one.can_run_ahead for one in (sampler, own)] == [True, False]
