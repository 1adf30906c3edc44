"""Models in closed form against dense transcriptions of their formulas, and what they share."""

import numpy as np
import pytest
import torch
from scipy import sparse

import graphrec as gr
from graphrec.errors import InputError
from graphrec.evaluation.full_ranking import full_ranking
from graphrec.models.baselines.itempop import ItemPop
from graphrec.models.baselines.random_ import Random
from graphrec.models.filters.ease import EASE
from graphrec.models.filters.gfcf import GFCF
from graphrec.models.filters.slim import SLIM
from graphrec.models.filters.turbocf import TurboCF
from graphrec.models.neighbours.itemknn import ItemKNN
from graphrec.models.neighbours.rp3beta import RP3beta
from graphrec.models.parts import cooccurrence
from graphrec.models.parts.truncated_svd import truncated_svd
from graphrec.ranking.ranker import Ranker

MODELS = {
    "itempop": ItemPop,
    "random": Random,
    "itemknn": lambda inter: ItemKNN(inter, neighbours=7),
    "rp3beta": RP3beta,
    "rp3beta-7": lambda inter: RP3beta(inter, neighbours=7),
    "turbocf": TurboCF,
    "turbocf-2": lambda inter: TurboCF(inter, order=2, power=1.0),
    "gfcf": lambda inter: GFCF(inter, rank=8),
    "ease": lambda inter: EASE(inter, l2=3.0),
    "slim": lambda inter: SLIM(inter, l1=0.1, l2=1.0, candidates=20),
}
OF_ITEM_SETS = [name for name in MODELS if name not in ("itempop", "random")]


@pytest.fixture
def inter():
    """40 users and 25 items, among them a user and an item without a row, and one row twice."""
    g = np.random.default_rng(3)
    seen = g.random((40, 25)) < 0.2 * np.linspace(0.3, 2.0, 25)
    seen[17], seen[:, 11] = False, False
    users, items = np.nonzero(seen)
    return gr.Interactions.from_indices(
        [*users, users[0]], [*items, items[0]], np.ones(len(users) + 1), n_users=40, n_items=25, duplicates="keep"
    )


def solved(name, inter):
    model = MODELS[name](inter)
    model.solve()
    return model


def scores(model):
    ready = model.scoring()
    return ready.scores(ready.users(torch.arange(model.n_users)), slice(None)).numpy().copy()


def dense(inter):
    """R, and the degrees of users and items with ones for zeros, in double precision."""
    r = inter.to_csr("ones").toarray().astype(np.float64)
    return r, np.maximum(r.sum(1), 1), np.maximum(r.sum(0), 1)


# ---- formulas -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("alpha", "beta"), [(0.7, 0.3), (1.0, 0.6), (0.0, 0.0)])
def test_rp3beta_is_three_steps_of_a_walk(inter, alpha, beta):
    r, du, di = dense(inter)
    model = RP3beta(inter, alpha=alpha, beta=beta)
    model.solve()
    user_item, item_user = (r / du[:, None]) ** alpha * r, (r.T / di[:, None]) ** alpha * r.T
    step = item_user @ user_item / di**beta
    np.fill_diagonal(step, 0)  # back to where one is: no news
    want = user_item @ step
    # The published walk begins with the user's own factor, which does not change his ranking.
    assert np.allclose(scores(model) / du[:, None] ** alpha, want, atol=1e-5)


def test_gfcf_is_the_linear_filter_and_the_ideal_one(inter):
    r, du, di = dense(inter)
    model = GFCF(inter, alpha=0.4, rank=6)
    model.solve()
    normal = r / np.sqrt(du)[:, None] / np.sqrt(di)
    v = np.linalg.svd(normal)[2][:6].T
    ideal = np.diag(di**-0.5) @ v @ v.T @ np.diag(di**0.5)
    assert np.allclose(scores(model), r @ (normal.T @ normal + 0.4 * ideal), atol=1e-5)


@pytest.mark.parametrize(("order", "power"), [(1, 0.7), (2, 1.0), (2, 1.3), (3, 0.7)])
def test_turbocf_is_its_polynomial(inter, order, power):
    r, du, di = dense(inter)
    model = TurboCF(inter, alpha=0.6, power=power, order=order)
    model.solve()
    normal = r * du[:, None] ** -0.6 * di**-0.4
    p = (normal.T @ normal) ** power
    want = {1: p, 2: 2 * p - p @ p, 3: p + 0.01 * (-p @ p @ p + 10 * p @ p - 29 * p)}[order]
    assert np.allclose(scores(model), r @ want, atol=1e-4, rtol=1e-4)


def test_ease_is_a_ridge_regression_of_each_item_on_the_others(inter):
    r, _, _ = dense(inter)
    model = EASE(inter, l2=3.0)
    model.solve()
    for j in range(25):
        others = np.delete(r, j, axis=1)
        want = np.linalg.solve(others.T @ others + 3.0 * np.eye(24), others.T @ r[:, j])
        assert np.allclose(np.delete(model.weights[:, j].numpy(), j), want, atol=1e-5)
        assert model.weights[j, j] == 0
    assert np.allclose(scores(model), r @ model.weights.numpy().astype(float), atol=1e-5)


def knn_by_loops(r, weight, k, measure):
    """For each item the sum over its k nearest that the user has; equal similarities go to the lower index."""
    n = r.shape[1]
    c = (r * weight[:, None]).T @ r
    s = np.array([[measure(c, i, j) if c[i, j] and i != j else 0.0 for j in range(n)] for i in range(n)])
    near = np.zeros_like(s)
    for j in range(n):
        for i in sorted(range(n), key=lambda i: (-np.float32(s[i, j]), i))[:k]:
            near[i, j] = s[i, j]
    return r @ near


MEASURES = {
    "cosine": lambda c, i, j: c[i, j] / (np.sqrt(c[i, i] * c[j, j]) + 0.5),
    "asymmetric": lambda c, i, j: c[i, j] / (c[i, i] ** 0.3 * c[j, j] ** 0.7 + 0.5),
    "jaccard": lambda c, i, j: c[i, j] / (c[i, i] + c[j, j] - c[i, j] + 0.5),
    "dice": lambda c, i, j: 2 * c[i, j] / (c[i, i] + c[j, j] + 0.5),
}


@pytest.mark.parametrize("weighting", ["none", "idf", "degree"])
@pytest.mark.parametrize("similarity", MEASURES)
@pytest.mark.parametrize("k", [3, 100])
def test_itemknn_is_its_loops(inter, similarity, weighting, k):
    r, du, _ = dense(inter)
    weight = {"none": np.ones(40), "idf": np.log(25 / du) ** 2, "degree": 1 / du}[weighting]
    weight = weight / ((weight @ r).sum() / r.sum())
    model = ItemKNN(inter, neighbours=k, similarity=similarity, shrink=0.5, weighting=weighting, asymmetry=0.3)
    model.solve()
    want = knn_by_loops(r, weight, k, MEASURES[similarity])
    got = scores(model)
    if weighting == "none":  # equal in exact arithmetic is equal in the model; otherwise rounding may decide
        assert np.allclose(got, want, atol=1e-5)
    assert np.abs(got - want).mean() < 1e-3


def test_itemknn_idf_is_the_cosine_of_tfidf_vectors(inter):
    r, du, _ = dense(inter)
    model = ItemKNN(inter, neighbours=25, weighting="idf", shrink=0)
    model.solve()
    x = r * np.log(25 / du)[:, None]
    x /= np.maximum(np.linalg.norm(x, axis=0), 1e-9)
    want = x.T @ x
    np.fill_diagonal(want, 0)
    assert np.allclose(model.similarity().toarray(), want, atol=1e-5)
    assert torch.allclose(model.likeness()(torch.tensor([4, 2])), torch.tensor(want[[4, 2]], dtype=torch.float32), atol=1e-5)


def test_slim_satisfies_the_conditions_of_its_minimum(inter):
    r, _, _ = dense(inter)
    model = SLIM(inter, l1=0.3, l2=1.5, candidates=24, sweeps=5000, tolerance=0)
    model.solve()
    w = model.similarity().toarray().astype(np.float64)
    assert (w >= 0).all()
    assert (np.diag(w) == 0).all()
    assert (w > 0).sum() > 25
    gradient = r.T @ (r @ w - r) + 1.5 * w + 0.3
    gradient[np.diag_indices(25)] = 0
    assert np.abs(gradient[w > 0]).max() < 1e-4
    assert gradient[w == 0].min() > -1e-4


def test_slim_weighs_only_the_nearest(inter):
    model = SLIM(inter, l1=0.0, l2=1.0, candidates=3)
    model.solve()
    nearest = ItemKNN(inter, neighbours=3, shrink=0, weighting="none")
    nearest.solve()
    assert ((model.similarity() != 0) > (nearest.similarity() != 0)).nnz == 0


def test_itempop_counts_users(inter):
    r, _, _ = dense(inter)
    got = scores(solved("itempop", inter))
    assert (got == r.sum(0)).all()
    model = solved("itempop", inter)
    assert torch.equal(model.fold_in(sparse.csr_matrix((2, 25))), torch.ones(2, 1))
    similar = model.likeness()(torch.tensor([7]))[0]
    assert similar[7] == 0
    assert torch.equal(similar == 0, model.counts[:, 0] == model.counts[7, 0])


def test_random_depends_on_the_seed_alone_and_favours_nobody(inter):
    a, b = (scores(solved("random", inter)) for _ in range(2))
    other = Random(inter, seed=1)
    other.solve()
    assert (a == b).all()
    assert not np.allclose(a, scores(other))
    large = gr.Interactions.from_indices([0], [0], n_users=4000, n_items=30)
    model = Random(large)
    model.solve()
    first = np.bincount(scores(model).argmax(1), minlength=30)
    # Uniform but for the common item vectors: far from all mass on a few.
    assert first.min() > 0
    assert first.max() < 10 * 4000 / 30


# ---- what they share ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_rows_chunks_and_pairs_agree_with_the_whole(inter, name):
    model = solved(name, inter)
    ready, want = model.scoring(), torch.from_numpy(scores(model))
    users, items = torch.tensor([3, 39, 3]), torch.tensor([[5, 11, 0], [24, 7, 7], [0, 0, 1]])
    rows = ready.users(users)
    for part in (slice(0, 25), slice(4, 19), slice(24, 25), slice(3, 3), [7, 2, 11], [0, 5, 2]):
        some = part if isinstance(part, slice) else torch.tensor(part)
        assert torch.allclose(ready.scores(rows, some), want[users][:, part], atol=1e-5)
    assert torch.allclose(ready.pairs(rows, items), want[users[:, None], items], atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", OF_ITEM_SETS)
def test_lists_from_rows_that_stay_in_the_cache_are_those_from_blocks(inter, name, weighted):
    if weighted:
        weights = np.random.default_rng(0).random(len(inter)).astype(np.float32)
        inter = gr.Interactions.from_indices(
            inter.users, inter.items, n_users=40, n_items=25, weights=weights, duplicates="keep"
        )
    model = solved(name, inter)
    users, histories = np.array([5, 0, 17, 39, 5]), model.matrix()[:30]
    for seen in (None, inter):
        ranker = Ranker(model, seen)
        for k in (3, 30):
            quick, blocks = ranker.top_k(users, k), ranker.top_k(users, k, items=np.arange(25))
            assert np.array_equal(quick[0], blocks[0])
            assert np.array_equal(quick[1], blocks[1])
    for leave_out in (False, True):
        quick = ranker.top_k_of(histories, 30, leave_out=leave_out)
        blocks = ranker.top_k_of(histories, 30, np.arange(25), leave_out=leave_out)
        assert np.array_equal(quick[0], blocks[0])
        assert np.array_equal(quick[1], blocks[1])


@pytest.mark.parametrize(("n_items", "kind"), [(65_536, torch.int16), (65_537, torch.int32)])
def test_columns_take_16_bits_where_these_are_enough(n_items, kind):
    users, items = [0, 0, 0, 1, 1, 2, 2], [0, 33_000, 65_535, 33_000, 65_535, 0, 65_535]
    model = RP3beta(gr.Interactions.from_indices(users, items, n_items=n_items))
    model.solve()
    assert model.indices.dtype == kind
    want = scores(model)
    rows, columns = np.nonzero(want)
    assert set(columns) == {0, 33_000, 65_535}
    assert len(rows) == 9
    assert np.allclose(model._filter_on_device(model.histories, None).numpy(), want, atol=1e-6)
    assert np.array_equal(model.similarity()[33_000].indices, model._columns()[model.indptr[33_000] : model.indptr[33_001]])
    model.check_state()
    wide = {
        name: torch.from_numpy(model._columns().astype(np.int32)) if name == "indices" else value
        for name, value in model.state_dict().items()
    }
    again = RP3beta(gr.Interactions.from_indices(users, items, n_items=n_items))
    again.load_state_dict(wide)
    assert np.array_equal(scores(again), want)
    again.load_state_dict(model.state_dict())
    assert np.array_equal(scores(again), want)


def test_a_filter_of_ones_own_is_asked_itself(inter):
    class Reversed(RP3beta):
        def filter(self, histories, index):
            return -super().filter(histories, index)

    model = Reversed(inter)
    model.solve()
    best, values = Ranker(model).top_k(np.arange(40), 25)
    assert np.array_equal(values, np.sort(scores(model), axis=1)[:, ::-1])
    assert np.array_equal(np.take_along_axis(scores(model), best.astype(np.int64), 1), values)


def test_a_similarity_that_is_no_number_is_told(inter):
    model = solved("rp3beta", inter)
    model.values[int(model.indptr[3])] = np.nan
    known = np.flatnonzero(model.matrix()[:, 3].toarray())
    with pytest.raises(FloatingPointError, match=f"for {len(known)} of those asked, first user {known[0]}"):
        Ranker(model).top_k(np.arange(40), 5)


@pytest.mark.parametrize("name", MODELS)
def test_a_saved_state_is_the_model(inter, name):
    model, again = solved(name, inter), MODELS[name](inter)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    again.load_state_dict(state)
    assert (scores(model) == scores(again)).all()


@pytest.mark.parametrize("name", MODELS)
def test_threads_do_not_change_a_bit(inter, name):
    threads = torch.get_num_threads()
    try:
        results = []
        for count in (1, 3):
            torch.set_num_threads(count)
            results.append(scores(solved(name, inter)))
    finally:
        torch.set_num_threads(threads)
    assert np.allclose(*results, atol=1e-6)


@pytest.mark.parametrize("name", OF_ITEM_SETS)
def test_a_new_person_is_served_like_a_known_one_with_the_same_items(inter, name):
    model = solved(name, inter)
    new = inter.to_csr("ones")[[5, 17, 30]] * 4.0  # only the pattern counts
    assert np.allclose(model.fold_in(new).numpy(), scores(model)[[5, 17, 30]], atol=1e-5)
    with pytest.raises(InputError, match="column for each of 25 items, got 24"):
        model.fold_in(new[:, :24])


@pytest.mark.parametrize("name", OF_ITEM_SETS)
def test_what_single_items_say_adds_up(inter, name):
    model = solved(name, inter)
    mine = torch.tensor(inter.to_csr("ones")[8].indices, dtype=torch.int64)
    alone = model.fold_in(sparse.csr_matrix(np.eye(25)[mine.numpy()]))
    assert np.allclose(alone.sum(0).numpy(), scores(model)[8], atol=1e-4)
    similar = model.likeness()(mine)
    assert similar.shape == (len(mine), 25)
    if name != "itemknn":
        assert torch.allclose(similar, alone)


@pytest.mark.parametrize("name", OF_ITEM_SETS)
def test_rows_that_are_still_held_are_not_overwritten(inter, name):
    model = solved(name, inter)
    ready = model.scoring()
    first = ready.users(torch.tensor([1, 2]))
    kept = ready.scores(first, slice(None)).clone()
    ready.scores(ready.users(torch.tensor([3, 4])), slice(None))
    assert torch.equal(ready.scores(first, slice(None)), kept)


@pytest.mark.parametrize("name", OF_ITEM_SETS)
def test_an_unsolved_model_says_so(inter, name):
    with pytest.raises(InputError, match="call solve"):
        MODELS[name](inter).scoring().users(torch.tensor([0]))


def test_neighbours_are_the_strongest_with_ties_to_the_lower_index():
    # Item 0 shares one user each with items 4, 2, 3, 1: all equal.
    inter = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 3, 3], [0, 4, 0, 2, 0, 3, 0, 1])
    model = RP3beta(inter, alpha=0, beta=0, neighbours=2)
    model.solve()
    assert model.similarity()[0].toarray().nonzero()[1].tolist() == [1, 2]


def test_too_many_similarities_are_refused_before_they_are_made(inter, monkeypatch):
    monkeypatch.setattr(cooccurrence, "MAX_ENTRIES", 100)
    with pytest.raises(InputError, match="keep fewer with the option neighbours"):
        RP3beta(inter).solve()
    RP3beta(inter, neighbours=4).solve()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: RP3beta(t, alpha=-1), "alpha must be at least 0"),
        (lambda t: RP3beta(t, neighbours=0), "neighbours must be at least 1"),
        (lambda t: ItemKNN(t, similarity="cosin"), "did you mean 'cosine'"),
        (lambda t: ItemKNN(t, weighting="bm25"), "unknown weighting 'bm25'"),
        (lambda t: ItemKNN(t, asymmetry=1.5), "asymmetry must lie between 0 and 1"),
        (lambda t: TurboCF(t, order=4), "order must be 1, 2 or 3"),
        (lambda t: TurboCF(t, order=2), "order=2 needs a power of at least 1, got 0.7"),
        (lambda t: TurboCF(t, power=0), "power must be above 0"),
        (lambda t: GFCF(t, rank=0), "rank must be at least 1"),
        (lambda t: EASE(t, l2=0), "l2 must be above 0"),
        (lambda t: EASE(t, budget=1000), "25 × 25 items"),
        (lambda t: SLIM(t, candidates=0), "candidates must be at least 1"),
        (lambda t: Random(t, dim=0), "dim must be at least 1"),
    ],
)
def test_impossible_options_are_named(inter, make, words):
    with pytest.raises(InputError, match=words):
        make(inter)


# ---- the decomposition --------------------------------------------------------------------------


@pytest.mark.parametrize("rank", [1, 3, 8, 16, 32, 64])
def test_few_leading_vectors_are_found_as_well(rank):
    g = np.random.default_rng(3)  # popular and rare items, as a table of interactions has them
    chance = 0.5 / (1 + np.arange(900)) ** 0.7
    matrix = sparse.csr_matrix((g.random((1000, 900)) < chance).astype(np.float32))
    exact = np.linalg.svd(matrix.toarray(), full_matrices=False)
    _, s, v = truncated_svd(matrix, rank)
    assert np.allclose(s, exact[1][:rank], rtol=2e-3)
    assert np.linalg.norm(v.numpy().T @ exact[2][:rank].T) ** 2 > 0.99 * rank


@pytest.mark.parametrize("distinct", [300, 20])
def test_truncated_svd_finds_the_leading_vectors(distinct):
    g = np.random.default_rng(0)
    rows = sparse.random(distinct, 220, 0.1, random_state=g, dtype=np.float32).toarray() * np.linspace(
        3, 0.1, 220, dtype=np.float32
    )
    matrix = sparse.csr_matrix(rows[g.integers(0, distinct, 400)])  # 20 distinct rows: the span is exhausted early
    u, s, v = truncated_svd(matrix, 5, block=2, effort=10)
    want_u, want_s, want_vt = np.linalg.svd(matrix.toarray().astype(np.float64), full_matrices=False)
    assert np.allclose(s, want_s[:5], rtol=1e-4)
    assert np.allclose(np.abs(np.sum(v.numpy() * want_vt[:5].T, 0)), 1, atol=1e-3)
    assert np.allclose((u * s @ v.T).numpy(), want_u[:, :5] * want_s[:5] @ want_vt[:5], atol=1e-2)


# ---- real data ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gowalla(data_root):
    """All of train.txt and test.txt, as the papers use them."""
    folder = data_root / "gowalla"
    if not folder.is_dir():
        pytest.skip("gowalla is not in the data folder")
    split = gr.read_lightgcn(folder)
    pairs = [part for part in (split.train, split.valid) if part is not None]
    users, items = (np.concatenate([getattr(part, side) for part in pairs]) for side in ("users", "items"))
    train = gr.Interactions.from_indices(users, items, n_users=split.train.n_users, n_items=split.train.n_items)
    assert len(train) == 810_128
    return train, split.test


def figures(model, train, test):
    model.solve()
    mean = full_ranking(Ranker(model, train), test, k=20).mean
    return [mean["recall@20"], mean["ndcg@20"]]


def test_rp3beta_on_gowalla(gowalla):
    assert figures(RP3beta(gowalla[0], alpha=0.7, beta=0.3), *gowalla) == pytest.approx([0.1848, 0.1513], abs=1e-4)


@pytest.mark.slow
def test_graph_filters_on_gowalla_reach_their_papers_figures(gowalla):
    assert figures(GFCF(gowalla[0]), *gowalla) == pytest.approx([0.1849, 0.1518], abs=1e-4)
    # The paper prints .1835; the values of α and s in its authors' code give this.
    assert figures(TurboCF(gowalla[0]), *gowalla) == pytest.approx([0.1830, 0.1513], abs=1e-4)


@pytest.mark.parametrize("lapack", [2**31, 0])
def test_ease_in_single_precision_ranks_movielens_as_in_double(movielens, monkeypatch, lapack):
    from graphrec.models.parts import symmetric_inverse

    monkeypatch.setattr(symmetric_inverse, "_LAPACK", lapack)
    table = gr.split.random(movielens.interactions.binarize(), test=0.2, seed=0).train
    r = table.to_csr("ones").toarray().astype(np.float64)
    p = np.linalg.inv(r.T @ r + 500 * np.eye(table.n_items))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    want = r @ b
    model = EASE(table)
    model.solve()
    assert model.weights.dtype == torch.float32
    ranker = Ranker(model, table)
    got = ranker.pairs(np.arange(100), np.tile(np.arange(table.n_items), (100, 1)))
    assert np.abs(got - want[:100]).max() < 1e-4 * np.abs(want).max()
    want[r > 0] = -np.inf
    lists, scores = ranker.top_k(np.arange(table.n_users), 20)
    best = np.argsort(-want, axis=1, kind="stable")[:, :20]
    assert np.allclose(scores, np.take_along_axis(want, best, 1), rtol=1e-4)
    level = np.isclose(np.take_along_axis(want, lists, 1), np.take_along_axis(want, best, 1), rtol=1e-5)
    assert ((lists == best) | level).all()
    assert (lists == best).mean() > 0.999


@pytest.mark.parametrize("name", ["rp3beta", "p3alpha"])
def test_walks_of_exponent_zero_take_every_step_alike(name):
    users, items = [0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3]
    plain = gr.Interactions.from_indices(users, items)
    frame = plain.to_frame().assign(w=[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    weighted = gr.Interactions.from_frame(frame, weight="w")
    hyper = {"alpha": 0, "beta": 0} if name == "rp3beta" else {"alpha": 0}
    want, got = (gr.Recommender(name, **hyper).fit(table).model.similarity().toarray() for table in (plain, weighted))
    assert want[0, 1] == 2
    if name == "rp3beta":
        assert (got > 0).tolist() == (want > 0).tolist()


def test_exponents_beyond_float32_are_refused(inter):
    with pytest.raises(InputError, match=r"alpha=0\.7 and beta=100 make similarities that are too small for float32"):
        gr.Recommender("rp3beta", beta=100).fit(inter)
