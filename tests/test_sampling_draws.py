"""Samplers: exactness against a plain numpy version, frequencies, and the same draws whatever runs beside them."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.sampling import (
    NegativeSampler,
    PairSampler,
    SeenItems,
    UserSampler,
    draw_negatives,
    draw_seed,
    kernels,
    reference_negatives,
    samplers,
)
from graphrec.sampling.popularity import ItemPopularity
from graphrec.sampling.reference import _below, splitmix64


def table(seen: np.ndarray, **columns) -> Interactions:
    """The table of a boolean matrix users × items."""
    users, items = np.nonzero(seen)
    return Interactions.from_indices(users, items, n_users=seen.shape[0], n_items=seen.shape[1], **columns)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pairs_of(batches) -> tuple[np.ndarray, np.ndarray]:
    batches = list(batches)
    return torch.cat([b.users for b in batches]).numpy(), torch.cat([b.items for b in batches]).numpy()


def assert_frequencies(draws: np.ndarray, probability: np.ndarray) -> None:
    """The χ² statistic lies between its .0005 and .9995 quantiles: neither uneven nor too even to be random."""
    found = np.bincount(draws.ravel(), minlength=len(probability))
    possible = probability > 0
    assert not found[~possible].any()
    expected = probability[possible] * draws.size
    assert expected.min() > 5
    statistic = ((found[possible] - expected) ** 2 / expected).sum()
    low, high = stats.chi2.ppf([0.0005, 0.9995], possible.sum() - 1)
    assert low < statistic < high


@st.composite
def graphs(draw) -> np.ndarray:
    """Random boolean matrices without a full row; some rows lack one item only, some are empty."""
    n_users, n_items = draw(st.integers(1, 12)), draw(st.integers(2, 70))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    density = random.choice([0.0, 0.1, 0.5, 0.95, 1.0], (n_users, 1))
    seen = random.random((n_users, n_items)) < density
    seen[np.arange(n_users), random.integers(0, n_items, n_users)] = False
    assume(seen.any())
    return seen


@pytest.fixture(scope="module")
def skewed() -> np.ndarray:
    """200 × 120: popularity falls with the item's number; user 0 lacks five items, user 1 the 20 rarest."""
    random = np.random.default_rng(5)
    seen = random.random((200, 120)) < 0.5 / (1 + np.arange(120) / 10)
    seen[:, -4:] = False  # nobody has met these
    seen[0], seen[1] = True, True
    seen[0, [3, 40, 41, 90, 119]] = False
    seen[1, 100:] = False
    return seen


# ---- negatives ------------------------------------------------------------------------------------


def test_random_numbers_are_splitmix64():
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
    assert splitmix64(1234567, np.arange(1, 6)).tolist() == published


@settings(max_examples=40, deadline=None)
@given(graphs(), st.integers(1, 700), st.integers(0, 2**64 - 1), st.integers(0, 2**40))
def test_draws_equal_the_plain_version(seen, k, seed, first):
    train = table(seen)
    users = np.random.default_rng(k).integers(0, train.n_users, 9)
    drawn = draw_negatives(SeenItems(train), users, k, seed, first=first)
    assert drawn.dtype == np.int64
    assert (drawn == reference_negatives(train, users, k, seed, first)).all()


def test_no_bias_towards_some_items():
    """Of 3 · 2^29 items, every third would come up 2/3 as often as the others if 2^32 were just scaled down."""
    n_items, seen = 3 * 2**29, np.array([5, 6, 2**30], np.int32)
    out, words = np.empty((50_000, 1), np.int64), np.full(16, 2**64 - 1, np.uint64)
    structure = np.array([0, 3]), seen, np.uint64(60), words
    assert kernels.draw_unseen(0, len(out), 0, np.zeros(len(out), int), 1, np.uint64(8), n_items, *structure, out) == -1
    assert_frequencies(out % 3, np.full(3, 1 / 3))
    assert (out[:, 0] == _below(splitmix64(8, np.arange(len(out))), np.full(len(out), n_items))).all()
    items = out.reshape(-1)
    kernels.draw_items(0, len(out), 0, np.uint64(9), n_items, np.zeros(0, np.uint64), items)
    assert_frequencies(items % 3, np.full(3, 1 / 3))


@pytest.mark.parametrize("k", [1, 7])
@pytest.mark.parametrize("first", [0, 12_345])
def test_no_bias_where_the_filter_clears_every_draw(k, first):
    """Nobody has met anything: a third of the draws below 3 · 2^29 must be made again all the same."""
    n_items, rows = 3 * 2**29, 3_000
    out = np.empty((rows, k), np.int64)
    nothing = np.zeros(2, np.int64), np.zeros(0, np.int32), np.uint64(60), np.zeros(16, np.uint64)
    assert kernels.draw_unseen(0, rows, first, np.zeros(rows, int), k, np.uint64(8), n_items, *nothing, out) == -1
    bits = splitmix64(8, first * k + np.arange(rows * k))
    assert (out.reshape(-1) == _below(bits, np.full(rows * k, n_items))).all()


@settings(max_examples=40, deadline=None)
@given(graphs(), st.sampled_from(["uniform", "hardest", "popularity"]), st.integers(1, 9), st.integers(0, 2**63))
def test_never_a_positive(seen, kind, k, seed):
    train = table(seen)
    users = np.repeat(np.arange(train.n_users), 20)
    drawn = NegativeSampler(train, kind).draw(users, k, seed)
    assert drawn.min() >= 0
    assert drawn.max() < train.n_items
    assert not seen[users[:, None], drawn].any()


@pytest.mark.parametrize("user", [0, 1, 7])
def test_uniform_over_the_unseen(skewed, user):
    drawn = draw_negatives(SeenItems(table(skewed)), np.full(40_000, user), 3, 11)
    unseen = ~skewed[user]
    assert_frequencies(drawn, unseen / unseen.sum())
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 4 / np.sqrt(len(drawn))


@pytest.mark.parametrize("power", [1.0, 0.75, 0.0])
@pytest.mark.parametrize("user", [0, 1, 7])
def test_popularity_over_the_unseen(skewed, user, power):
    """User 1 has met nearly all that is popular: rejection gives up and the exact rest of the way is taken."""
    degree = skewed.sum(0).astype(float)
    weight = np.where(degree > 0, degree**power, 0) * ~skewed[user]
    drawn = NegativeSampler(table(skewed), "popularity", power).draw(np.full(40_000, user), 3, 12)
    assert_frequencies(drawn, weight / weight.sum())


def test_popularity_without_a_popular_item_left_is_uniform():
    seen = np.zeros((3, 50), bool)
    seen[:2, :40] = True
    seen[2, 7] = True
    drawn = NegativeSampler(table(seen), "popularity").draw(np.zeros(5_000, int), 2, 3)
    assert_frequencies(drawn, np.r_[np.zeros(40), np.full(10, 0.1)])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60).filter(any), st.sampled_from([0.0, 0.5, 1.0, 3.0]))
def test_alias_table_holds_the_probabilities(degrees, power):
    users = np.concatenate([np.arange(d) for d in degrees])
    train = Interactions.from_indices(users, np.repeat(np.arange(len(degrees)), degrees), n_items=len(degrees))
    popularity = ItemPopularity(train, power)
    own = (popularity.buckets >> np.uint64(32)).astype(float) / 2**32
    alias = (popularity.buckets & np.uint64(2**32 - 1)).astype(int)
    held = own + np.bincount(alias, 1 - own, minlength=len(degrees))
    weight = np.array([d**power if d else 0.0 for d in degrees])
    np.testing.assert_allclose(held / len(degrees), weight / weight.sum(), atol=1e-9)
    assert not held[np.array(degrees) == 0].any()


def test_approximate_draws_from_all_items(skewed):
    drawn = NegativeSampler(table(skewed), "approximate").draw(np.zeros(40_000, int), 3, 4)
    assert_frequencies(drawn, np.full(120, 1 / 120))


def test_int32_output_and_users(skewed):
    seen, users = SeenItems(table(skewed)), np.arange(200)
    out = np.empty((200, 4), np.int32)
    assert draw_negatives(seen, users.astype(np.int32), 4, 9, out=out) is out
    assert (out == draw_negatives(seen, users, 4, 9)).all()


@pytest.mark.parametrize("kind", ["uniform", "popularity", "approximate"])
def test_parts_and_threads_do_not_matter(skewed, kind):
    sampler = NegativeSampler(table(skewed), kind)
    users = np.arange(60_000) % 200
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = sampler.draw(users, 5, 21)
        torch.set_num_threads(3)
        three = sampler.draw(users, 5, 21)
    finally:
        torch.set_num_threads(threads)
    assert (one == three).all()
    parts = [sampler.draw(users[lo : lo + 7_001], 5, 21, first=lo) for lo in range(0, len(users), 7_001)]
    assert (one == np.concatenate(parts)).all()
    assert (one != sampler.draw(users, 5, 22)).mean() > 0.9


def test_draws_that_cannot_be_made():
    full = np.zeros((4, 6), bool)
    full[2] = True
    full[0, 0] = True
    seen = SeenItems(table(full))
    with pytest.raises(InputError, match=r"user 2 has met every item"):
        draw_negatives(seen, np.array([0, 2]), 3, 0)
    with pytest.raises(InputError, match=r"user 2 has met every item"):
        NegativeSampler(table(full), "popularity").draw(np.array([1, 2]), 1, 0)
    for wrong in (4, -1):
        with pytest.raises(InputError, match=rf"index {wrong} at row 1; there are 4 users"):
            draw_negatives(seen, np.array([0, wrong]), 1, 0)
    with pytest.raises(InputError, match=r"out must be .* of shape \(2, 3\), got float32 \(2, 3\)"):
        draw_negatives(seen, np.array([0, 1]), 3, 0, out=np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="k must be at least 1, got 0"):
        draw_negatives(seen, np.array([0, 1]), 0, 0)


@pytest.mark.parametrize("k", [1, 3, 600])
@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_users_that_are_not_there_are_refused_however_many_items_are_drawn(skewed, kind, k):
    sampler = NegativeSampler(table(skewed), kind)
    for wrong in (200, -1):
        with pytest.raises(InputError, match=rf"index {wrong} at row 0; there are 200 users"):
            sampler.draw(np.array([wrong, 5]), k, 0)
    assert sampler.draw(np.array([199, 0]), k, 0).shape == (2, k)


def test_a_user_without_an_unmet_item_is_told_in_the_first_row_too():
    full = np.array([[True, True, True], [True, False, False]])
    for kind in ("uniform", "popularity"):
        with pytest.raises(InputError, match="user 0 has met every item"):
            NegativeSampler(table(full), kind).draw(np.array([0]), 1, 0)


@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_more_draws_than_a_block_holds_are_unmet_too(skewed, kind):
    drawn = NegativeSampler(table(skewed), kind).draw(np.arange(200), 700, 3)
    assert not skewed[np.arange(200)[:, None], drawn].any()
    # Rows that a block holds in part, at every place of a block.
    assert (
        drawn == np.concatenate([NegativeSampler(table(skewed), kind).draw(np.array([u]), 700, 3, first=u) for u in range(200)])
    ).all()


@pytest.mark.parametrize("kind", ["uniform", "popularity", "approximate"])
def test_a_sequence_begins_at_its_first_row(skewed, kind):
    sampler, users = NegativeSampler(table(skewed), kind), np.arange(50)
    assert (sampler.draw(users, 4, 5) == sampler.draw(users, 4, 5, first=0)).all()
    assert (sampler.draw_any(30, 5) == sampler.draw_any(30, 5, first=0)).all()
    assert (sampler.draw_any(30, 5)[7:] == sampler.draw_any(23, 5, first=7)).all()
    seen = SeenItems(table(skewed))
    assert (seen.draw(users, 4, 5) == seen.draw(users, 4, 5, first=0)).all()
    assert (draw_negatives(seen, users, 4, 5) == draw_negatives(seen, users, 4, 5, first=0)).all()


@pytest.mark.parametrize("n_pairs", [1, 60, 64, 65, 3000, 100_000])
def test_the_filter_has_16_to_32_bits_a_pair_and_clears_most_others(n_pairs):
    n_items = 4000
    keys = np.random.default_rng(0).permutation(100 * n_items)[:n_pairs]
    seen = np.zeros((100, n_items), bool)
    seen.reshape(-1)[keys] = True
    filtered = SeenItems(table(seen))
    bits = 64 * len(filtered.words)
    assert bits == 1024 if n_pairs <= 64 else 16 * n_pairs <= bits < 32 * n_pairs
    g = np.random.default_rng(1)
    met = np.argwhere(seen)[g.integers(0, n_pairs, 300)]
    others = np.stack([g.integers(0, 100, 3000), g.integers(0, n_items, 3000)], axis=1)
    others = others[~seen[tuple(others.T)]]

    def passed(pairs):
        hashes = (np.uint64(kernels._pair_hash(u, i)) for u, i in pairs)
        return np.array([kernels._may_be_seen(h, filtered.shift, filtered.words) for h in hashes])

    assert passed(met).all(), "no pair is missed"
    # Two bits of a word, of which at most an eighth is set on average.
    assert passed(others).mean() < 0.04
    set_bits = np.unpackbits(filtered.words.view(np.uint8)).sum()
    assert set_bits <= 2 * n_pairs
    assert set_bits > 0.7 * 2 * n_pairs


def test_draws_on_the_edge_of_what_is_rejected():
    """Lemire's rule: with 2^32 mod n = r, a product whose lower half is below r is drawn again, and r itself is not."""
    for n in (3, 45, 121, 999_983, 3 * 2**29 + 1):
        least, inverse = 2**32 % n, pow(n, -1, 2**32)
        for lower in (least - 1, least, least + 1, n - 1, n):
            half = lower * inverse % 2**32  # whose product with n has this lower half
            got = kernels._below(np.uint64(half << 32), n)
            assert got == _below(np.array([half << 32], np.uint64), np.array([n]))[0]
            if lower >= least:
                assert got == half * n >> 32


# ---- pairs ------------------------------------------------------------------------------------------


def test_user_epoch_is_uniform_over_users_and_then_items(skewed):
    train = table(skewed)
    sampler = PairSampler(train, 1000, generator=generator(), negatives=None)
    epochs = [pairs_of(sampler) for _ in range(40)]
    users, items = (np.concatenate(column) for column in zip(*epochs, strict=True))
    assert len(epochs[0][0]) == len(train)
    assert skewed[users, items].all()
    has_item = skewed.any(1)
    assert_frequencies(users, has_item / has_item.sum())
    assert_frequencies(items[users == 1], skewed[1] / skewed[1].sum())


def test_interaction_epoch_visits_every_distinct_pair_once():
    train = Interactions.from_indices([0, 1, 0, 2, 1, 0], [1, 2, 1, 0, 0, 3], n_items=5, duplicates="keep")
    sampler = PairSampler(train, 2, pairs="interaction", generator=generator())
    orders = [list(zip(*pairs_of(sampler), strict=True)) for _ in range(6)]
    assert all(sorted(order) == [(0, 1), (0, 3), (1, 0), (1, 2), (2, 0)] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    assert (len(sampler), sampler.n_pairs, len(list(sampler))) == (3, 5, 3)


def test_every_order_of_pairs_is_equally_likely():
    train = Interactions.from_indices([0, 0, 0, 1], [0, 1, 2, 3], n_items=5)
    sampler = PairSampler(train, 4, pairs="interaction", negatives=None, generator=generator())
    first = np.array([next(iter(sampler)).items[0].item() for _ in range(2000)])
    assert_frequencies(first, np.full(4, 0.25))


def test_ratings_stay_with_their_rows():
    users, items = np.array([0, 1, 0, 2, 1, 0]), np.array([1, 2, 1, 0, 0, 3])
    train = Interactions.from_indices(users, items, ratings=np.arange(6) / 2, duplicates="keep")
    batches = list(PairSampler(train, 4, pairs="interaction", negatives=None, with_ratings=True, generator=generator()))
    ratings = torch.cat([b.ratings for b in batches])
    assert ratings.dtype == torch.float32
    rows = zip(*pairs_of(batches), ratings.tolist(), strict=True)
    assert sorted(rows) == sorted(zip(users, items, np.arange(6) / 2, strict=True))


@pytest.mark.parametrize("pairs", ["user", "interaction"])
@pytest.mark.parametrize("kind", ["uniform", "hardest", "popularity"])
def test_batches_hold_exact_negatives(skewed, pairs, kind):
    sampler = PairSampler(table(skewed), 256, pairs=pairs, negatives=kind, n_negatives=3, generator=generator())
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-sampler.n_pairs // 256)
    assert {len(b.users) for b in batches[:-1]} == {256}
    for b in batches:
        assert b.users.dtype == b.items.dtype == b.negatives.dtype == torch.int64
        assert b.negatives.shape == (len(b.users), 3)
        assert skewed[b.users, b.items].all()
        assert not skewed[b.users[:, None], b.negatives].any()
        assert b.ratings is None
        assert b.log_q is None


def test_drop_last_leaves_out_the_smaller_batch(skewed):
    sampler = PairSampler(table(skewed), 256, drop_last=True, generator=generator())
    assert [len(b.users) for b in sampler] == [256] * len(sampler)
    assert len(sampler) == sampler.n_pairs // 256


@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_shared_negatives_come_with_their_probability(skewed, kind):
    sampler = PairSampler(table(skewed), 32, negatives=kind, n_negatives=50, shared=True, generator=generator())
    batches = [b for _ in range(8) for b in sampler]
    assert {tuple(b.negatives.shape) for b in batches} == {(50,)}
    degree = skewed.sum(0)
    q = degree / degree.sum() if kind == "popularity" else np.full(120, 1 / 120)
    assert_frequencies(torch.cat([b.negatives for b in batches]).numpy(), q)
    np.testing.assert_allclose(sampler.log_q.exp(), q, rtol=1e-5)
    assert all(torch.equal(b.log_q, sampler.log_q[b.negatives]) for b in batches)


def test_log_q_without_negatives_is_how_often_an_item_comes_up(skewed):
    train = table(skewed)
    by_pair = PairSampler(train, 64, pairs="interaction", negatives="in-batch", generator=generator())
    np.testing.assert_allclose(by_pair.log_q.exp(), skewed.sum(0) / skewed.sum(), rtol=1e-5)
    by_user = PairSampler(train, 64, negatives=None, generator=generator())
    active = skewed[skewed.any(1)]
    np.testing.assert_allclose(by_user.log_q.exp(), (active / active.sum(1, keepdims=True)).mean(0), rtol=1e-5)
    assert next(iter(by_user)).negatives is None


# ---- randomness -------------------------------------------------------------------------------------


def epoch_of(sampler) -> list:
    return [t for batch in sampler for t in batch if t is not None]


def same(a: list, b: list) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


MAKERS = {
    "user": lambda train, g: PairSampler(train, 100, n_negatives=2, generator=g),
    "interaction": lambda train, g: PairSampler(train, 100, pairs="interaction", negatives="popularity", generator=g),
    "shared": lambda train, g: PairSampler(train, 100, shared=True, n_negatives=9, generator=g),
    "users": lambda train, g: UserSampler(train, 30, negatives="popularity", n_negatives=9, generator=g),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_generator_alone_decides(skewed, make, monkeypatch):
    train = table(skewed)
    expected = epoch_of(make(train, generator(3)))
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    monkeypatch.setattr(samplers, "_DRAWS_AT_ONCE", 450)
    torch.manual_seed(99)
    assert same(expected, epoch_of(make(train, generator(3))))
    assert not same(expected, epoch_of(make(train, generator(4))))
    torch.manual_seed(99)
    untouched = torch.get_rng_state()
    epoch_of(make(train, generator(3)))
    assert torch.equal(untouched, torch.get_rng_state())
    torch.set_rng_state(before[0])
    assert (before[1] == np.random.get_state()[1]).all()  # noqa: NPY002


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_resume_at_an_epoch_boundary(skewed, make):
    train, g = table(skewed), generator(8)
    sampler = make(train, g)
    first = epoch_of(sampler)
    state = g.get_state()
    second = epoch_of(sampler)
    later = generator(123)
    later.set_state(state)
    assert same(second, epoch_of(make(train, later)))
    assert not same(first, second)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_an_epoch_takes_its_randomness_when_it_starts(skewed, make):
    train, g = table(skewed), generator(8)
    sampler = make(train, g)
    iterator = iter(sampler)
    after_start = g.get_state()
    for _ in iterator:
        pass
    assert torch.equal(after_start, g.get_state())


def test_threads_do_not_change_an_epoch():
    seen = np.random.default_rng(1).random((3000, 200)) < 0.3
    train, threads, epochs = table(seen), torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            epochs.append(epoch_of(PairSampler(train, 5000, generator=generator(2))))
    finally:
        torch.set_num_threads(threads)
    assert same(*epochs)


def test_draw_seed_is_the_generators():
    a, b = draw_seed(generator(1)), draw_seed(generator(1))
    assert a == b != draw_seed(generator(2))
    assert isinstance(a, np.uint64)


# ---- users ------------------------------------------------------------------------------------------


def test_user_batches_hold_all_items_of_every_user_once():
    seen = np.random.default_rng(2).random((50, 30)) < 0.2
    seen[[3, 17]] = False
    ratings = np.random.default_rng(3).integers(1, 6, seen.sum())
    sampler = UserSampler(table(seen, ratings=ratings), 7, generator=generator())
    batches = list(sampler)
    assert len(batches) == len(sampler) == 7
    users = torch.cat([b.users for b in batches])
    assert sorted(users.tolist()) == np.flatnonzero(seen.any(1)).tolist()
    assert users.tolist() != sorted(users.tolist())
    rated = np.zeros(seen.shape)
    rated[seen] = ratings
    for b in batches:
        assert b.negatives is None
        assert b.log_q is None
        for r, user in enumerate(b.users.tolist()):
            mine = slice(b.indptr[r], b.indptr[r + 1])
            assert b.items[mine].tolist() == np.flatnonzero(seen[user]).tolist()
            assert b.ratings[mine].tolist() == rated[user][seen[user]].tolist()
            assert set(b.owner[mine].tolist()) == {r}
        assert len(b.owner) == len(b.items) == b.indptr[-1]


@pytest.mark.parametrize("kind", ["uniform", "popularity"])
def test_user_batches_share_negatives(skewed, kind):
    sampler = UserSampler(table(skewed), 60, negatives=kind, n_negatives=500, popularity_power=0.5, generator=generator())
    batches = [b for _ in range(10) for b in sampler]
    root = np.sqrt(skewed.sum(0))
    q = root / root.sum() if kind == "popularity" else np.full(120, 1 / 120)
    assert_frequencies(torch.cat([b.negatives for b in batches]).numpy(), q)
    np.testing.assert_allclose(batches[0].log_q, np.log(q[batches[0].negatives]), rtol=1e-5)


def test_batches_move_to_a_device(skewed):
    meta = torch.device("meta")
    for sampler in (make(table(skewed), generator()) for make in MAKERS.values()):
        moved = next(iter(sampler)).to(meta)
        assert {t.device for t in moved if t is not None} == {meta}


# ---- bad input --------------------------------------------------------------------------------------


@pytest.fixture
def with_saturated() -> Interactions:
    """Five users and three items; "b" and "d" have met every item, "e" one."""
    rows = [(u, i) for u, items in {"a": "x", "b": "xyz", "c": "yz", "d": "xyz", "e": "y"}.items() for i in items]
    return Interactions.from_frame(pd.DataFrame(rows, columns=["user_id", "item_id"]))


@pytest.mark.parametrize("kind", ["uniform", "hardest", "popularity"])
def test_saturated_users_are_an_error(with_saturated, kind):
    with pytest.raises(InputError, match=r"2 users have met every item, first user b: .*saturated='skip'"):
        PairSampler(with_saturated, 4, negatives=kind, generator=generator())


@pytest.mark.parametrize("pairs", ["user", "interaction"])
def test_saturated_users_are_skipped(with_saturated, pairs):
    sampler = PairSampler(with_saturated, 4, pairs=pairs, saturated="skip", generator=generator())
    assert sampler.n_pairs == 4
    users = np.concatenate([pairs_of(sampler)[0] for _ in range(20)])
    assert set(users) == {0, 2, 4}


@pytest.mark.parametrize("options", [{"negatives": None}, {"negatives": "approximate"}, {"shared": True}])
def test_saturated_users_stay_where_nothing_is_rejected(with_saturated, options):
    assert PairSampler(with_saturated, 4, generator=generator(), **options).n_pairs == 10


def test_nothing_left_to_train_on():
    full = table(np.ones((2, 3), bool))
    with pytest.raises(InputError, match="no user to train on"):
        PairSampler(full, 4, saturated="skip", generator=generator())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "unifrom"}, "unknown kind of negatives 'unifrom'; did you mean 'uniform'"),
        ({"pairs": "users"}, "unknown value of pairs 'users'; did you mean 'user'"),
        ({"saturated": "skipp"}, "unknown value of saturated 'skipp'; did you mean 'skip'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, got 2.5"),
        ({"n_negatives": 0}, "n_negatives must be at least 1, got 0"),
        (
            {"negatives": "popularity", "popularity_power": -1.0},
            "popularity_power must be a finite number of at least 0, got -1.0",
        ),
        ({"negatives": "popularity", "popularity_power": 1e9}, "popularity_power=1000000000.0 is too large"),
        ({"with_ratings": True, "pairs": "interaction"}, "needs ratings, and the training table has none"),
        ({"batch_size": 10**6, "drop_last": True}, "drop_last leaves no batch"),
    ],
)
def test_options_that_cannot_work(skewed, options, message):
    with pytest.raises(InputError, match=message):
        PairSampler(table(skewed), **{"batch_size": 8, "generator": generator(), **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"negatives": "popular"}, "unknown kind of shared negatives 'popular'; did you mean 'popularity'"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"n_negatives": 0}, "n_negatives must be at least 1, got 0"),
    ],
)
def test_user_sampler_options_that_cannot_work(skewed, options, message):
    with pytest.raises(InputError, match=message):
        UserSampler(table(skewed), **{"batch_size": 8, "generator": generator(), **options})
