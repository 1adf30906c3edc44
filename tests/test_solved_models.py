"""ChebyCF, BSPM, P3α, PureSVD, UserKNN, iALS and EASE's low rank against dense transcriptions of their formulas."""

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

import graphrec as gr
from graphrec.errors import InputError
from graphrec.models import BSPM, EASE, IALS, ChebyCF, P3alpha, PureSVD, RP3beta, UserKNN
from graphrec.models.parts import gram, symmetric_inverse
from graphrec.models.parts.equal_twins import level_rows
from graphrec.models.parts.truncated_svd import row_space

FILTERS = {
    "chebycf": lambda t: ChebyCF(t, rank=6),
    "bspm": lambda t: BSPM(t, rank=6),
    "p3alpha": P3alpha,
    "puresvd": lambda t: PureSVD(t, rank=6, item_power=0.3),
    "ease-rank": lambda t: EASE(t, l2=3.0, rank=6),
    "ease-neighbours": lambda t: EASE(t, l2=3.0, neighbours=6),
    "userknn": lambda t: UserKNN(t, neighbours=5),
}
LINEAR = [name for name in FILTERS if name != "userknn"]


@pytest.fixture(scope="module")
def inter():
    """70 users and 25 items, among them a user and an item without a row."""
    g = np.random.default_rng(3)
    seen = g.random((70, 25)) < 0.2 * np.linspace(0.3, 2.0, 25)
    seen[17], seen[:, 11] = False, False
    return gr.Interactions.from_indices(*np.nonzero(seen), n_users=70, n_items=25)


def dense(inter):
    r = inter.to_csr("ones").toarray().astype(np.float64)
    return r, np.maximum(r.sum(1), 1), np.maximum(r.sum(0), 1)


def scores(model, solve=True):
    if solve:
        model.solve()
    ready = model.scoring()
    return ready.scores(ready.users(torch.arange(model.n_users)), slice(None)).detach().numpy().copy()


def graph(inter):
    r, du, di = dense(inter)
    normal = r / np.sqrt(du)[:, None] / np.sqrt(di)
    return r, di, normal.T @ normal, np.linalg.svd(normal)[2].T


def series_of_the_recipe(laplacian, phi, degree):
    """Σ c_k T_k(L̃), with the two grids written out term by term."""
    x = [round(np.cos((degree - j) * np.pi / degree), 3) for j in range(degree + 1)]
    h = [round(0.5 + 0.5 * (-v) ** phi if v < 0 else 0.5 - 0.5 * v**phi, 3) for v in x]
    t = [np.cos((degree + 1.5 - i) * np.pi / (degree + 1)) for i in range(1, degree + 2)]
    chebyshev = [np.eye(len(laplacian)), laplacian]
    for _ in range(2, degree + 1):
        chebyshev.append(2 * laplacian @ chebyshev[-1] - chebyshev[-2])
    total = np.zeros_like(laplacian)
    for k in range(degree + 1):
        c = 2 / (degree + 1) * sum(h[i] * np.cos(k * np.arccos(t[i])) for i in range(degree + 1))
        total += (c / 2 if k == 0 else c) * chebyshev[k]
    return total


@pytest.mark.parametrize(
    ("phi", "degree", "beta", "rank"), [(1.5, 8, 0.4, 6), (10.0, 8, 0.0, 25), (2.0, 3, 0.7, 0), (1.5, 1, 0.0, 4)]
)
def test_chebycf_is_its_recipe(inter, phi, degree, beta, rank):
    r, di, p, v = graph(inter)
    low = series_of_the_recipe(np.eye(25) - 2 * p, phi, degree) + 0.2 * v[:, :rank] @ v[:, :rank].T
    want = r @ np.diag(di**-beta) @ low @ np.diag(di**beta)
    got = scores(ChebyCF(inter, phi=phi, degree=degree, beta=beta, rank=rank))
    assert np.allclose(got, want, atol=2e-5)


def test_exact_interpolation_meets_the_plateau_at_its_nodes(inter):
    model = ChebyCF(inter, degree=9, phi=3.0, interpolation="exact")
    nodes = np.cos((np.arange(10) + 0.5) * np.pi / 10)
    assert np.allclose(np.polynomial.chebyshev.chebval(nodes, model._series()), 0.5 - 0.5 * np.sign(nodes) * abs(nodes) ** 3)


def test_a_lower_degree_below_the_cut_changes_nothing(inter, monkeypatch):
    from graphrec.models.filters import chebycf

    model = ChebyCF(inter, rank=20)
    fewer = scores(model)
    assert len(model.series) < 7
    monkeypatch.setattr(chebycf, "as_good_below", lambda polynomial, cut: polynomial)
    plain = ChebyCF(inter, rank=20)
    assert np.allclose(fewer, scores(plain), atol=1e-5)
    assert len(plain.series) >= 7


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"ideal": 0.3, "solver": "euler", "time": 1.2, "final": "mean"},
        {"ideal": 0.0, "time": 2.2, "steps": 2},
        {"time": 0.0},
    ],
)
def test_bspm_is_its_equation_step_by_step(inter, how):
    r, di, p, v = graph(inter)
    o = {"ideal": 0.2, "solver": "rk4", "time": 2.5, "steps": 1, "final": "sharpened", **how}
    blurred = r @ p
    y = blurred + o["ideal"] * r @ np.diag(di**-0.5) @ v[:, :6] @ v[:, :6].T @ np.diag(di**0.5)
    h = o["time"] / o["steps"]
    for _ in range(o["steps"]):
        k1 = -y @ p
        if o["solver"] == "euler":
            y = y + h * k1
            continue
        k2 = -(y + h / 2 * k1) @ p
        k3 = -(y + h / 2 * k2) @ p
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + -(y + h * k3) @ p)
    want = (y + blurred) / 2 if o["final"] == "mean" else y
    assert np.allclose(scores(BSPM(inter, rank=6, **how)), want, atol=2e-5)


def test_p3alpha_is_rp3beta_without_beta(inter):
    assert (scores(P3alpha(inter, alpha=0.9)) == scores(RP3beta(inter, alpha=0.9, beta=0.0))).all()


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_puresvd_is_a_projection(inter, power):
    r, _, di = dense(inter)
    v = np.linalg.svd(r / di**power)[2][:6].T
    model = PureSVD(inter, rank=6, item_power=power)
    assert np.allclose(scores(model), r / di**power @ v @ v.T * di**power, atol=1e-4)
    assert np.allclose(model.filter(model.histories, None).numpy(), scores(model), atol=1e-5)


@pytest.mark.parametrize("how", [{}, {"weighting": "none", "power": 1.0, "shrink": 0.0}, {"weighting": "degree", "power": 0.5}])
def test_userknn_is_its_loops(inter, how):
    r, _, di = dense(inter)
    o = {"weighting": "idf", "power": 2.0, "shrink": 5.0, **how}
    w = {"none": np.ones(25), "idf": np.log(70 / di) ** 2, "degree": 1 / di}[o["weighting"]]
    w = w / ((r @ w).sum() / r.sum())
    want = np.zeros_like(r)
    for u in range(70):
        s = np.array([(r[u] * r[v]) @ w / max(np.sqrt((r[u] @ w) * (r[v] @ w)) + o["shrink"], 1e-12) for v in range(70)])
        least = np.sort(s)[-5]
        for v in range(70):
            if s[v] >= least * (1 - 1e-6) and s[v] > 0:
                want[u] += s[v] ** o["power"] * r[v]
    assert np.allclose(scores(UserKNN(inter, neighbours=5, **how)), want, atol=1e-4)


@pytest.mark.parametrize("lapack", [2**31, 0])
def test_ease_of_full_rank_is_ease_and_both_inversions_are_in_place(inter, monkeypatch, lapack):
    for name, value in (("_LAPACK", lapack), ("_BLOCK", 4), ("_PANEL", 7)):  # several blocks, the last one smaller
        monkeypatch.setattr(symmetric_inverse, name, value)
    monkeypatch.setattr(gram, "_ROWS", 4)
    want = scores(EASE(inter, l2=3.0))
    r, _, _ = dense(inter)
    p = np.linalg.inv(r.T @ r + 3 * np.eye(25))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    assert np.allclose(want, r @ b, atol=1e-5)
    assert np.allclose(scores(EASE(inter, l2=3.0, rank=25, budget=1)), want, atol=1e-4)


@pytest.mark.parametrize("lapack", [2**31, 0])
def test_a_matrix_is_inverted_in_its_own_memory(monkeypatch, lapack):
    for name, value in (("_LAPACK", lapack), ("_BLOCK", 16), ("_PANEL", 50)):
        monkeypatch.setattr(symmetric_inverse, name, value)
    x = torch.randn(150, 130, generator=torch.Generator().manual_seed(0))
    matrix = x.T @ x + 5 * torch.eye(130)
    want, half = torch.linalg.inv(matrix.double()), matrix.triu()
    got = symmetric_inverse.invert_in_place(half)
    assert got.data_ptr() == half.data_ptr()
    assert (got == got.T).all()
    assert torch.allclose(got.double(), want, rtol=1e-4, atol=1e-6)
    with pytest.raises(InputError, match="raise l2"):
        symmetric_inverse.invert_in_place(torch.eye(130) - 0.1)


@pytest.mark.parametrize(
    ("seen", "form"), [(np.ones((9, 6)), {}), (np.ones((9, 6)), {"neighbours": 5}), (np.eye(6), {"rank": 6})]
)
def test_an_l2_that_single_precision_cannot_tell_from_nothing_is_refused(seen, form):
    with pytest.raises(InputError, match="raise l2"):
        EASE(gr.Interactions.from_indices(*np.nonzero(seen)), l2=1e-12, **form).solve()


@pytest.mark.parametrize("neighbours", [6, 25])
def test_ease_of_neighbours_solves_each_column_over_its_nearest(inter, monkeypatch, neighbours):
    monkeypatch.setattr(gram, "_NUMBERS", 300 if neighbours == 6 else 3000)  # some items at a time
    r, _, di = dense(inter)
    g, b = r.T @ r, np.zeros((25, 25))
    cosine = g / np.sqrt(np.outer(di, di)) - 2 * np.eye(25)
    for j in range(25):
        near = [i for i in np.argsort(-cosine[j], kind="stable")[:neighbours] if cosine[j, i] > 0]
        b[near, j] = np.linalg.solve(g[np.ix_(near, near)] + 3 * np.eye(len(near)), g[near, j])
    model = EASE(inter, l2=3.0, neighbours=neighbours, budget=1)
    assert np.allclose(scores(model), r @ b, atol=1e-5)
    assert np.allclose(model.similarity().toarray(), b, atol=1e-5)


@pytest.mark.parametrize("name", FILTERS)
def test_a_new_person_is_served_like_a_known_one_with_the_same_items(inter, name):
    model = FILTERS[name](inter)
    want = scores(model)[[5, 30]]
    ready = model.scoring()
    new = ready.people(inter.to_csr("ones")[[5, 30]] * 4.0)
    assert np.allclose(ready.scores(new, slice(None)).numpy(), want, atol=1e-5)
    with pytest.raises(InputError, match="column for each of 25 items, got 24"):
        model.fold_in(sparse.csr_matrix((1, 24)))


@pytest.mark.parametrize("name", LINEAR)
def test_what_single_items_say_adds_up(inter, name):
    model = FILTERS[name](inter)
    want = scores(model)[8]
    mine = torch.tensor(inter.to_csr("ones")[8].indices, dtype=torch.int64)
    assert np.allclose(model.likeness()(mine).sum(0).numpy(), want, atol=1e-4)


@pytest.mark.parametrize("name", FILTERS)
def test_a_saved_state_is_the_model_and_an_unsolved_one_says_so(inter, name):
    model, again = FILTERS[name](inter), FILTERS[name](inter)
    with pytest.raises(InputError, match="call solve"):
        scores(again, solve=False)
    want = scores(model)
    again.load_state_dict({key: value.clone() for key, value in model.state_dict().items()})
    assert (scores(again, solve=False) == want).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda t: ChebyCF(t, interpolation="exakt"), "did you mean 'exact'"),
        (lambda t: ChebyCF(t, degree=0), "degree must be at least 1"),
        (lambda t: BSPM(t, solver="rk45"), "did you mean 'rk4'"),
        (lambda t: BSPM(t, final="first"), "unknown final 'first'"),
        (lambda t: BSPM(t, steps=0), "steps must be at least 1"),
        (lambda t: PureSVD(t, rank=0), "rank must be at least 1"),
        (lambda t: UserKNN(t, weighting="tfidf"), "unknown weighting 'tfidf'"),
        (lambda t: EASE(t, budget=1), "give neighbours"),
        (lambda t: EASE(t, rank=3, neighbours=3), "not both"),
        (lambda t: EASE(t, neighbours=0), "neighbours must be at least 1"),
        (lambda t: IALS(t, unobserved=0), "unobserved must be above 0"),
        (lambda t: IALS(t, block=0), "block must be at least 1"),
    ],
)
def test_impossible_options_are_named(inter, make, words):
    with pytest.raises(InputError, match=words):
        make(inter)


# ---- iALS ---------------------------------------------------------------------------------------------------


def fitted(inter, epochs=3, **hyper):
    return gr.Recommender("ials", **{"dim": 4, "l2": 0.05, **hyper}).fit(inter, epochs=epochs, seed=1, progress=False)


def test_an_epoch_of_ials_solves_each_row_for_the_other_side(inter):
    r, _, _ = dense(inter)
    rec = fitted(inter, unobserved=0.2, frequency=0.5)
    p, q = (rec.model.state_dict()[name].numpy().astype(np.float64) for name in ("users", "items"))
    for u in np.flatnonzero(r.sum(1)):
        penalty = 0.05 * (r[u].sum() + 0.2 * 25) ** 0.5
        mine = q[r[u] > 0]
        want = np.linalg.solve(mine.T @ mine + 0.2 * q.T @ q + penalty * np.eye(4), mine.sum(0))
        assert np.allclose(p[u], want, atol=1e-4)
    assert not p[17].any()
    of = [0.05 * (r.sum(1 - side) + 0.2 * r.shape[1 - side]) ** 0.5 for side in (0, 1)]
    s = p @ q.T
    left = ((1 - s) ** 2 * r).sum() + 0.2 * (s**2).sum()
    penalty = of[0] @ (p**2).sum(1) + of[1] @ (q**2).sum(1)
    row = rec.history.iloc[-1]
    assert row["l2"] == pytest.approx(penalty / r.sum(), rel=1e-4)
    assert row["loss"] == pytest.approx((left + penalty) / r.sum(), rel=1e-4)
    assert "lr" not in rec.history


@pytest.mark.parametrize("block", [None, 3, 1])
def test_ials_goes_down_and_blocks_go_to_the_same_place(inter, block):
    history = fitted(inter, epochs=60, block=block).history["loss"]
    assert (history.diff().dropna() < 1e-6).all()
    assert history.iloc[-1] == pytest.approx(fitted(inter, epochs=60).history["loss"].iloc[-1], rel=0.03)


def test_ials_serves_new_people_as_known_ones(inter):
    model = fitted(inter).model
    assert torch.allclose(model.fold_in(inter.to_csr("ones")[[5, 17, 30]]), model.users.detach()[[5, 17, 30]], atol=1e-4)


@pytest.mark.parametrize("option", [{"lr": 0.1}, {"optimizer": "sgd"}, {"schedule": "cosine"}, {"batch_size": 9}])
def test_ials_refuses_what_its_steps_do_not_read(inter, option):
    with pytest.raises(InputError, match=next(iter(option))):
        gr.Recommender("ials").fit(inter, **option)


def test_ials_can_be_stopped_by_validation(inter):
    split = gr.split.random(inter, test=0.1, valid=0.2, seed=1)
    rec = gr.Recommender("ials", dim=8).fit(split.train, valid=split.valid, patience=1, epochs=200, progress=False)
    assert len(rec.history) < 200
    assert rec.best_epoch == rec.history["ndcg@20"].idxmax() + 1


# ---- more vectors asked for than there are ------------------------------------------------------

FEW_RANKS = {
    "puresvd": {},
    "gfcf": {"alpha": 0.7},
    "bspm": {"ideal": 0.7, "final": "mean"},
    "chebycf": {"alpha": 0.7, "beta": 0.3},
    "ease": {"l2": 0.5},
}


def by_formula(name, r):
    """Each model's matrix of items by items, from the singular vectors that the table has."""
    du, di = np.maximum(r.sum(1), 1), np.maximum(r.sum(0), 1)
    a = r if name in ("puresvd", "ease") else r / np.sqrt(du)[:, None] / np.sqrt(di)
    p, v = a.T @ a, np.linalg.svd(a)[2][: np.linalg.matrix_rank(a)].T
    ideal, root = v @ v.T, np.sqrt(di)
    if name == "puresvd":
        return ideal
    if name == "gfcf":
        return p + 0.7 * ideal / root[:, None] * root
    if name == "bspm":
        z = 2.5 * p
        sharper = np.eye(len(p)) - z + z @ z / 2 - z @ z @ z / 6 + z @ z @ z @ z / 24
        return ((p + 0.7 * ideal / root[:, None] * root) @ sharper + p) / 2
    if name == "chebycf":
        low = series_of_the_recipe(np.eye(len(p)) - 2 * p, 1.5, 8) + 0.7 * ideal
        return low / (di**0.3)[:, None] * di**0.3
    inverse = np.linalg.inv(p + 0.5 * np.eye(len(p)))
    return np.eye(len(p)) - inverse / np.diag(inverse)


SMALL = ([0, 0, 0, 1, 1, 2, 2, 3], [0, 1, 2, 0, 1, 2, 3, 3])


@pytest.mark.filterwarnings("ignore:rank=.* leaves nothing out")
@pytest.mark.parametrize("name", FEW_RANKS)
@pytest.mark.parametrize("rank", [3, 4, 50])
def test_a_rank_beyond_the_tables_adds_nothing(name, rank):
    rec = gr.Recommender(name, rank=rank, **FEW_RANKS[name]).fit(gr.Interactions.from_indices(*SMALL))
    r = np.zeros((4, 4))
    r[SMALL] = 1
    want = by_formula(name, r)
    got = np.array([rec.score([user] * 4, np.arange(4)) for user in range(4)])
    assert np.allclose(got, r @ want, atol=2e-5)
    assert np.allclose(rec.score_new([[0]] * 4, np.arange(4)), want[0], atol=2e-5)
    assert np.array_equal(got[:, 0], got[:, 1])  # met by the same people
    if name == "puresvd":
        assert np.allclose(got[0], [1, 1, 1, 0], atol=1e-5)


@pytest.mark.parametrize("name", FEW_RANKS)
def test_the_numbering_of_people_tells_new_people_nothing(name):
    g = np.random.default_rng(1)
    kinds = np.arange(1, 10) >> np.arange(4)[:, None] & 1  # of four ranks, no two items alike
    users, items = np.nonzero(np.tile(kinds, (3, 1)))
    told = []
    for order in (np.arange(12), g.permutation(12), g.permutation(12)):
        rec = gr.Recommender(name, rank=8, **FEW_RANKS[name]).fit(gr.Interactions.from_indices(order[users], items, n_items=9))
        new = rec.recommend_new([[0], [4, 8]], k=9, filter_seen=False)
        told.append(new.sort_values(["user_id", "item_id"])["score"].to_numpy())
    assert np.allclose(told[0], told[1:], atol=1e-5)


def test_a_krylov_space_beyond_the_rank_holds_no_more_either():
    g = np.random.default_rng(0)
    rows = (g.random((20, 300)) < 0.1)[g.integers(0, 20, 400)]
    matrix = sparse.csr_matrix(rows.astype(np.float32))
    s, v = row_space(matrix, 30, effort=2)  # 64 of 300 dimensions, so not in full
    want_s, want_vt = np.linalg.svd(rows.astype(np.float64))[1:]
    assert (s > 0).sum() == 20 == np.linalg.matrix_rank(rows)
    assert np.allclose(s[:20], want_s[:20], rtol=1e-4)
    assert np.allclose((v @ v.T).numpy(), want_vt[:20].T @ want_vt[:20], atol=1e-4)


def test_rows_of_twins_are_their_mean():
    table = gr.Interactions.from_indices([0, 0, 0, 1, 1, 2], [0, 2, 5, 1, 3, 4], n_items=7).to_csr("ones")
    rows = torch.arange(14.0).reshape(2, 7).T.contiguous()
    got = level_rows(rows.clone(), table)[:, 0].tolist()
    assert got == pytest.approx([7 / 3, 2, 7 / 3, 2, 4, 7 / 3, 6])
    assert got[0] == got[2] == got[5]


@pytest.mark.parametrize("rank", [25, 1000])
@pytest.mark.parametrize("name", ["chebycf", "bspm", "gfcf", "puresvd"])
def test_a_rank_that_leaves_nothing_out_is_said_once_when_it_is_fitted(inter, name, rank):
    with pytest.warns(UserWarning, match=rf"^rank={rank} of {name} leaves nothing out .* whose rank is 25 at most: ") as said:
        gr.Recommender(name, rank=rank).fit(inter)
    assert len(said) == 1
    assert said[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.Recommender(name, rank=24).fit(inter)


def test_a_default_rank_that_leaves_nothing_out_is_said_too_unless_no_filter_has_it(inter):
    with pytest.warns(UserWarning, match=r"^rank=512 of chebycf .*: its ideal filter lets everything pass and selects nothing"):
        gr.Recommender("chebycf").fit(inter)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, without in (("chebycf", "alpha"), ("bspm", "ideal"), ("gfcf", "alpha")):
            gr.Recommender(name, **{without: 0}).fit(inter)
