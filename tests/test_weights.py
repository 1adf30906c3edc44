"""Weights of interactions: read and kept, used by models that say so, announced by those that do not."""

import copy
import dataclasses
import json
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

import graphrec as gr
from graphrec.cli import main
from graphrec.errors import InputError
from graphrec.models import MODELS
from graphrec.recommender.tables import joined
from graphrec.sampling import PairSampler
from graphrec.training.fingerprint import of_table
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions

FIT = {"epochs": 2, "batch_size": 64, "seed": 0, "progress": False, "device": "cpu"}
SOLVED = [
    ("itempop", {}), ("ease", {"l2": 3.0}), ("ease", {"l2": 3.0, "rank": 10}), ("ease", {"l2": 3.0, "neighbours": 10}),
    ("slim", {"l2": 1.0}),
    ("itemknn", {}), ("itemknn", {"weighting": "idf", "similarity": "jaccard"}), ("userknn", {"shrink": 0.0}),
    ("p3alpha", {}), ("rp3beta", {"neighbours": 9}), ("puresvd", {"rank": 5, "item_power": 0.3}), ("gfcf", {"rank": 5}),
    ("turbocf", {}), ("chebycf", {}), ("bspm", {}),
]  # fmt: skip
TRAINED = [
    ("ials", {}, {"batch_size": None}), ("mf", {}, {"loss": "bpr"}), ("mf", {}, {"loss": "softmax", "pairs": "interaction"}),
    ("mf", {}, {"loss": "softmax", "negatives": "in-batch", "log_q": True}), ("mf", {}, {"loss": "mse"}),
    ("mf", {}, {"loss": "directau"}), ("mf", {}, {"loss": "shared_softmax"}), ("mf", {}, {"loss": "shared_bsl"}),
    ("lightgcn", {"layers": 1}, {"loss": "bpr"}), ("multvae", {}, {}),
]  # fmt: skip


@pytest.fixture
def frame(random_frame):
    """Weights from 0 to 5, as whole numbers."""
    return random_frame.assign(times=np.random.default_rng(1).integers(0, 6, len(random_frame)))


@pytest.fixture
def table(frame):
    return gr.Interactions.from_frame(frame, rating="rating", time="time", weight="times")


def how(**options):
    """FIT and more; an option of None is left out."""
    return {name: value for name, value in {**FIT, **options}.items() if value is not None}


def scores(rec):
    return rec.ranker.pairs(np.arange(rec.train.n_users), np.tile(np.arange(rec.train.n_items), (rec.train.n_users, 1)))


def fitted(name, hyper, table, **options):
    return gr.Recommender(name, **hyper).fit(
        table if options.get("loss") == "mse" else dataclasses.replace(table, ratings=None), **options
    )


# ---- the column ------------------------------------------------------------------------------------------------------


def test_it_is_read_through_every_door(frame, table, tmp_path):
    assert table.weights.dtype == np.float32
    assert table.weights.tolist() == frame["times"].tolist()
    assert table.to_frame()["weight"].tolist() == frame["times"].tolist()
    assert "ratings, times and weights" in repr(table)
    assert "with weights" in repr(gr.Interactions.from_indices([0], [0], weights=[2]))
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    for read, file in ((gr.read_csv, "t.csv"), (gr.read_parquet, "t.parquet")):
        pd.testing.assert_frame_equal(
            read(tmp_path / file, rating="rating", time="time", weight="times").to_frame(), table.to_frame()
        )
        stars = read(tmp_path / file, rating="rating", weight="rating", missing="drop")
        assert stars.ratings.tolist() == stars.weights.tolist()
    with pytest.raises(ValueError, match="read-only"):
        table.weights[0] = 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([1, -0.5, 2], r"'w' has 1 weights below 0, first at row 1: -0.5"),
        ([1, 2, np.inf], "weights that are not finite numbers, first at row 2"),
        ([1, np.nan, 2], r"1 missing values, first at row 1; missing='drop'"),
        (["1", "x", "2"], "weights that are not finite numbers, first at row 1: 'x'"),
        ([1, 2, 1e300], "do not fit into a float32, first at row 2"),
        ([0, 0, 0], "no weight above 0"),
    ],
)
def test_what_is_no_weight_is_refused_with_its_row(values, says):
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": [1, 2, 1], "w": values})
    with pytest.raises(InputError, match=says):
        gr.Interactions.from_frame(frame, weight="w")
    with pytest.raises(InputError, match="'v' is not in the table"):
        gr.Interactions.from_frame(frame, weight="v")


def test_in_a_file_the_line_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("user_id,item_id,w\n1,1,2\n1,2,-1\n")
    with pytest.raises(InputError, match=r"t\.csv: column 'w' has 1 weights below 0, first in line 3"):
        gr.read_csv(tmp_path / "t.csv", weight="w")


@pytest.mark.parametrize(("policy", "weight"), [("first", 3), ("last", 5), ("mean", 4), ("sum", 8), ("max", 5)])
def test_repeated_pairs_follow_the_policy(policy, weight):
    frame = pd.DataFrame({"user_id": [1, 1, 1], "item_id": [1, 2, 1], "w": [3, 1, 5]})
    table = gr.Interactions.from_frame(frame, weight="w", duplicates=policy)
    assert sorted(zip(table.items.tolist(), table.weights.tolist(), strict=True)) == [(0, weight), (1, 1)]


def test_kept_repeats_add_up():
    table = gr.Interactions.from_indices([0, 0, 0], [0, 1, 0], weights=[3, 2, 5], duplicates="keep")
    assert table.to_csr("weights").toarray().tolist() == [[8, 2]]
    assert table.to_csr("relative").toarray() == pytest.approx(np.array([[1.6, 0.4]]))
    assert table.to_csr().toarray().tolist() == [[1, 1]]


def test_it_goes_where_its_row_goes(table):
    def of(part):
        return set(zip(part.to_frame()["user_id"], part.to_frame()["item_id"], part.weights.tolist(), strict=True))

    whole = of(table)
    split = gr.split.chronological(table, test=0.2, valid=0.2)
    parts = [split.train, split.valid, split.test, table.binarize(3), table.k_core(3), split.train.compact()]
    assert all(of(part) < whole for part in parts)
    assert of(split.train_and_valid) == of(joined(split.train, split.valid)) == of(split.train) | of(split.valid)
    assert of(split.without_valid().train) == of(split.train_and_valid)
    for same in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table)):
        assert of(same) == whole
        assert not same.weights.flags.writeable
    none = dataclasses.replace(split.valid, weights=None)
    assert joined(split.train, none).weights is None
    parts = gr.Split(train=split.train, valid=none)
    with pytest.raises(InputError, match="only one of them has weights"):
        parts.without_valid()


def test_other_weights_are_another_table_to_a_checkpoint(table):
    none = dataclasses.replace(table, weights=None)
    other = dataclasses.replace(table, weights=table.weights * 2)
    assert len({of_table(one) for one in (table, none, other)}) == 3


# ---- what models make of it ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "hyper"), SOLVED)
def test_solved_equal_weights_are_as_none_and_whole_ones_as_repeated_rows(table, name, hyper):
    none, equal = (dataclasses.replace(table, weights=w) for w in (None, np.full(len(table), 0.3, np.float32)))
    plain = scores(fitted(name, hyper, none))
    np.testing.assert_array_equal(scores(fitted(name, hyper, equal)), plain)
    kept = table.select(table.weights > 0)
    weighted = scores(fitted(name, hyper, kept))
    rows = np.repeat(np.arange(len(kept)), kept.weights.astype(int))
    repeated = dataclasses.replace(kept.select(rows), weights=np.ones(len(rows), np.float32))
    np.testing.assert_allclose(scores(fitted(name, hyper, repeated)), weighted, rtol=1e-4, atol=1e-6)
    assert np.abs(weighted - plain).max() > 1e-3
    seconds = dataclasses.replace(kept, weights=kept.weights * 60)
    np.testing.assert_allclose(scores(fitted(name, hyper, seconds)), weighted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("name", "hyper"), [one for one in SOLVED if one[0] != "itempop"])
def test_a_pair_of_weight_zero_says_nothing(table, name, hyper):
    kept = table.select(table.weights > 0)
    rest = dataclasses.replace(kept, weights=kept.weights / kept.pair_weights.mean())
    with_zeros, without = scores(fitted(name, hyper, table)), scores(fitted(name, hyper, rest))
    if name in ("p3alpha", "gfcf"):  # no strength of theirs is in units of a weight, whose mean is another without the zeros
        np.testing.assert_allclose(with_zeros / with_zeros.sum(), without / without.sum(), rtol=1e-3, atol=1e-7)
    assert np.isfinite(with_zeros).all()


def test_item_filters_against_their_formulas(table):
    x = table.to_csr("relative").toarray().astype(np.float64)
    assert x[x > 0].mean() != 1  # zeros count in the mean
    inverse = np.linalg.inv(x.T @ x + 3 * np.eye(x.shape[1]))
    b = -inverse / np.diag(inverse)
    np.fill_diagonal(b, 0)
    np.testing.assert_allclose(scores(fitted("ease", {"l2": 3.0}, table)), x @ b, rtol=1e-3, atol=1e-4)
    gram, length = x.T @ x, np.sqrt(np.maximum((x**2).sum(0), 1e-12))
    cosine = gram / np.outer(length, length)
    np.fill_diagonal(cosine, 0)
    knn = fitted("itemknn", {"weighting": "none", "shrink": 0.0, "neighbours": 100}, table)
    np.testing.assert_allclose(scores(knn), x @ cosine, rtol=1e-4, atol=1e-5)
    # A walk that takes each of w parallel edges alike, and does not end where it came through; its first step is a factor
    # of the user.
    of_users, of_items = (np.maximum(x.sum(axis, keepdims=True), 1e-12) for axis in (1, 0))
    steps = (x / of_items).T ** 0.5 @ (x / of_users) ** 0.5 / of_items**0.3
    np.fill_diagonal(steps, 0)
    np.testing.assert_allclose(
        scores(fitted("rp3beta", {"alpha": 0.5, "beta": 0.3}, table)), x**0.5 @ steps, rtol=1e-4, atol=1e-5
    )
    one = fitted("slim", {"l1": 0.0, "l2": 0.0, "candidates": 1}, table).model.similarity().toarray()
    nearest = cosine.argmax(0)
    expected = np.zeros_like(cosine)
    expected[nearest, np.arange(len(nearest))] = (gram[nearest, np.arange(len(nearest))]) / np.diag(gram)[nearest]
    np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-6)
    near = (x @ x.T) / np.maximum(np.outer(np.linalg.norm(x, axis=1), np.linalg.norm(x, axis=1)), 1e-12)
    users = fitted("userknn", {"weighting": "none", "shrink": 0.0, "power": 1.0, "neighbours": 60}, table)
    np.testing.assert_allclose(scores(users), near @ x, rtol=1e-4, atol=1e-5)


def test_ials_solves_as_many_squares_as_a_weight_says(table):
    rec = fitted("ials", {"dim": 5, "l2": 0.01}, table, epochs=3, progress=False)
    x, q, p = (
        table.to_csr("relative").toarray().astype(np.float64),
        rec.model.items.detach().double().numpy(),
        rec.model.users.detach().double().numpy(),
    )
    a0, n = rec.model.unobserved, table.n_items
    for u in range(20):  # users are solved last: the slope at their rows is 0
        w = x[u]
        slope = -(w * (1 - q @ p[u])) @ q + a0 * q.T @ (q @ p[u]) + 0.01 * (w.sum() + a0 * n) * p[u]
        assert np.abs(slope).max() < 1e-4 * max(w.sum(), 1)
    history = table.to_csr("relative")[:20]
    np.testing.assert_allclose(rec.model.fold_in(history).numpy(), p[:20], atol=1e-4)


@pytest.mark.parametrize(("name", "hyper", "options"), TRAINED)
def test_trained_equal_weights_are_as_none(table, name, hyper, options):
    none, equal = (dataclasses.replace(table, weights=w) for w in (None, np.full(len(table), 7.3, np.float32)))
    plain = scores(fitted(name, hyper, none, **how(**options)))
    np.testing.assert_array_equal(scores(fitted(name, hyper, equal, **how(**options))), plain)
    weighted = scores(fitted(name, hyper, table, **how(**options)))
    assert np.abs(weighted - plain).max() > 0
    np.testing.assert_array_equal(scores(fitted(name, hyper, table, **how(**options))), weighted)


@pytest.mark.parametrize("pairs", ["user", "interaction"])
def test_positives_come_up_in_proportion(table, pairs):
    generator = torch.Generator().manual_seed(0)
    sampler = PairSampler(table, 100, generator=generator, pairs=pairs, negatives=None, weighted=True)
    count, epochs = np.zeros((table.n_users, table.n_items)), 400
    for _ in range(epochs):
        of_epoch = np.zeros_like(count)
        for batch in sampler:
            np.add.at(of_epoch, (batch.users.numpy(), batch.items.numpy()), 1)
        assert of_epoch.sum() == sampler.n_pairs
        if pairs == "interaction":  # as often as the weight says, but for the fraction
            expected = table.to_csr("relative").toarray()
            assert np.abs(of_epoch - expected).max() < 1 + 1e-4
        count += of_epoch
    x = table.to_csr("weights").toarray()
    assert (count[x == 0] == 0).all()
    if pairs == "user":
        has = x.sum(1) > 0
        assert (count.sum(1) > 0).tolist() == has.tolist()
        x = x / np.where(has, x.sum(1), 1)[:, None]
    share, expected = count / count.sum(), x / x.sum()
    assert np.abs(share - expected).max() < 5 * np.sqrt(expected.max() / count.sum())
    np.testing.assert_allclose(sampler.log_q.exp().numpy(), expected.sum(0), rtol=1e-4)


@pytest.mark.parametrize("pairs", ["user", "interaction"])
def test_the_number_of_threads_draws_nothing_else(table, pairs):
    drawn, threads = [], torch.get_num_threads()
    try:
        for n in (1, 8):
            torch.set_num_threads(n)
            sampler = PairSampler(table, 7, generator=torch.Generator().manual_seed(5), pairs=pairs, weighted=True)
            drawn.append([torch.cat(column) for column in zip(*(batch[:3] for batch in sampler), strict=True)])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for a, b in zip(*drawn, strict=True))


def test_a_light_user_beside_a_heavy_one_is_drawn_from_its_own_items():
    weights = [1e15, 1e15, 1e-15, 3e-15, 0.0]
    table = gr.Interactions.from_indices([0, 0, 1, 1, 1], [0, 1, 2, 3, 4], weights=weights)
    sampler = PairSampler(table, 5, generator=torch.Generator().manual_seed(0), negatives=None, weighted=True)
    drawn = np.concatenate([np.stack([b.users, b.items]) for _ in range(400) for b in sampler], axis=1)
    assert set(drawn[1, drawn[0] == 1].tolist()) <= {2, 3}
    assert (drawn[1, drawn[0] == 1] == 3).mean() == pytest.approx(0.75, abs=0.06)


def test_counts_stand_in_the_likelihood(table):
    goal, model = objective(FitOptions(loss="multinomial", batch_size=100)), gr.models.MF(table, dim=4)
    (batch,) = goal.sampler(table, torch.Generator().manual_seed(0))
    z = model.encode()
    logits = z.users.rows(batch.users) @ z.items.full().T
    x = torch.from_numpy(table.to_csr("relative").toarray())[batch.users]
    expected = -(x * torch.log_softmax(logits, 1)).sum(1).mean()
    assert goal.terms(model, batch)["loss"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_squared_errors_are_weighed(table):
    options = FitOptions(loss="mse", batch_size=50)
    goal, model = objective(options), gr.models.MF(table, dim=4)
    batch = next(iter(goal.sampler(table, torch.Generator().manual_seed(0))))
    rows = {(u, i): w for u, i, w in zip(table.users.tolist(), table.items.tolist(), table.row_weights.tolist(), strict=True)}
    w = torch.tensor([rows[pair] for pair in zip(batch.users.tolist(), batch.items.tolist(), strict=True)])
    z = model.encode()
    error = model.score(z.users.rows(batch.users), z.items.rows(batch.items)) - batch.ratings
    assert goal.terms(model, batch)["loss"].item() == pytest.approx((w * error**2).mean().item(), rel=1e-5)


@pytest.mark.parametrize("name", ["mse", "bce_labels", "shared_softmax", "shared_bsl"])
def test_a_whole_weight_in_a_loss_is_as_many_terms(name):
    g, loss = torch.Generator().manual_seed(0), getattr(gr.losses, name)
    w = torch.tensor([1, 3, 0, 2, 1, 4])
    x, y = torch.randn(6, generator=g).requires_grad_(), torch.rand(6, generator=g)
    neg, owner = torch.randn(2, 5, generator=g), torch.tensor([0, 0, 0, 1, 1, 1])

    def of(rows, **more):
        return loss(x[rows], owner[rows], neg, **more) if "shared" in name else loss(x[rows], y[rows], **more)

    weighed, repeated = of(torch.arange(6), weight=w.float()), of(torch.arange(6).repeat_interleave(w))
    torch.testing.assert_close(weighed, repeated)
    torch.testing.assert_close(*(torch.autograd.grad(value, x)[0] for value in (weighed, repeated)))
    with pytest.raises(InputError, match="weight"):
        of(torch.arange(6), weight=torch.ones(5))


def test_a_heavier_item_is_learnt_to_be_liked_more():
    """Everybody has both of two items, one of them nine times."""
    n = 40
    users, items = np.repeat(np.arange(n), 2), np.tile([0, 1], n)
    table = gr.Interactions.from_indices(users, items, weights=np.tile([9.0, 1.0], n), n_items=8)
    for loss in ("bpr", "softmax"):
        rec = gr.Recommender("mf", dim=4).fit(
            table, loss=loss, n_negatives=4, optimizer="sgd", epochs=60, lr=0.5, batch_size=16, seed=0, progress=False
        )
        both = rec.ranker.pairs(np.arange(n), np.tile([0, 1], (n, 1)))
        assert (both[:, 0] > both[:, 1]).mean() > 0.9


@pytest.mark.parametrize(("name", "hyper"), [*SOLVED, ("ials", {})])
def test_reasons_still_add_up(table, name, hyper):
    rec = fitted(name, hyper, table, **({"epochs": 2, "progress": False} if name == "ials" else {}))
    user, item = table.user_ids[3], table.item_ids[7]
    parts = rec.explain(user, item)
    assert parts["contribution"].sum() == pytest.approx(rec.score(user, item)[0], abs=1e-4)
    if name == "ials":  # what is left out is left out of the history that the model has: nothing but the row remains
        whole = rec.model.fold_in(rec.train.to_csr("relative")[3])
        np.testing.assert_allclose(whole.numpy()[0], rec.model.users.detach().numpy()[3], atol=1e-4)
        known = parts[parts["item_id"].notna()]
        history = rec.train.to_csr("relative")[3]
        history[0, int(table.item_index(known["item_id"].tolist())[0])] = 0
        history.eliminate_zeros()
        less = float(rec.model.fold_in(history)[0] @ rec.model.items[7])
        assert known["contribution"].iloc[0] == pytest.approx(rec.score(user, item)[0] - less, abs=1e-4)


# ---- what a recommender does with it -----------------------------------------------------------------------------


def said(name, table, hyper=None, **options):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gr.Recommender(name, **(hyper or {})).fit(table, **options)
    return [w for w in caught if "has weights" in str(w.message)]


def test_who_does_not_read_it_says_so_once(table):
    (told,) = said("multdae", table, loss="masked_mse", **FIT)
    table = dataclasses.replace(table, ratings=None)
    assert "multdae does not read them: every pair counts alike" in str(told.message)
    assert told.filename == __file__
    assert len(said("random", table)) == 1
    equal = dataclasses.replace(table, weights=np.full(len(table), 2, np.float32))
    assert not said("random", equal)
    for name, hyper, options in TRAINED:
        if options.get("loss") != "mse":
            assert not said(name, table, hyper, **how(**options))
    for name, hyper in SOLVED:
        assert not said(name, table, hyper)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model_reads_weights_or_says_what_does_not(table, name):
    trained = MODELS[name].needs_training
    options = {"epochs": 1, "seed": 0, "progress": False, "device": "cpu"} if trained else {}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        weighted = gr.Recommender(name).fit(table, **options)
    told = [str(warning.message) for warning in caught if "weights" in str(warning.message)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = gr.Recommender(name).fit(dataclasses.replace(table, weights=None), **options)
    differ = bool(np.abs(scores(weighted) - scores(plain)).max() > 0)
    if any("does not read them" in one for one in told):
        assert not differ
    else:
        assert differ
        assert [what for what in [MODELS[name].counts_alike] if what] == [one.split("not in ")[1].split(":")[0] for one in told]
    assert len(told) <= 1


@pytest.mark.parametrize(("name", "options"), [("itemknn", {}), ("ials", how(batch_size=None)), ("mf", FIT)])
def test_it_is_saved_refitted_and_updated(table, tmp_path, name, options):
    split = gr.split.chronological(dataclasses.replace(table, ratings=None), test=0.2, valid=0.2)
    rec = gr.Recommender(name).fit(split.train, split.valid, refit=True, **options)
    assert rec.train.weights.sum() == split.train.weights.sum() + split.valid.weights.sum()
    rec.save(tmp_path / "run")
    loaded = gr.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.train.weights, rec.train.weights)
    np.testing.assert_array_equal(loaded.valid.weights, rec.valid.weights)
    np.testing.assert_array_equal(scores(loaded), scores(rec))
    np.testing.assert_array_equal(scores(pickle.loads(pickle.dumps(rec))), scores(rec))
    before = scores(rec)
    again = split.train.select([0])
    heavier = dataclasses.replace(again, weights=again.weights + 40)
    with pytest.raises(InputError, match="fitted on a table with weights, and the table for update has none"):
        rec.update(dataclasses.replace(again, weights=None))
    np.testing.assert_array_equal(scores(rec.update(again)), before)
    rec.update(heavier)
    assert rec.train.weights.max() == heavier.weights[0]
    assert np.abs(scores(rec) - before).max() > 0
    with pytest.raises(InputError, match="only one of them has weights"):
        gr.Recommender(name).fit(split.train, dataclasses.replace(split.valid, weights=None), refit=True, **options)


def test_a_run_with_a_damaged_weight_is_refused(table, tmp_path):
    broken = dataclasses.replace(table, ratings=None, weights=np.where(np.arange(len(table)) == 3, np.nan, table.weights))
    rec = gr.Recommender("random").fit(dataclasses.replace(table, ratings=None))
    rec._state = dataclasses.replace(rec._state, built_from=broken, shown=broken)
    rec.save(tmp_path / "run")
    with pytest.raises(InputError, match="has a weight that is below 0 or no finite number"):
        gr.load(tmp_path / "run")


@pytest.mark.parametrize("way", ["resume", "warm"])
def test_training_goes_on_with_it(table, tmp_path, way):
    split = gr.split.random(dataclasses.replace(table, ratings=None), test=0.2, seed=0)
    whole = gr.Recommender("mf").fit(split.train, checkpoint=tmp_path / "a", **{**FIT, "epochs": 4})
    half = gr.Recommender("mf").fit(split.train, checkpoint=tmp_path / "b", **FIT)
    if way == "warm":
        half.fit(split.train, warm_start=True, **FIT)
        np.testing.assert_array_equal(half.train.weights, split.train.weights)
        return
    other = dataclasses.replace(split.train, weights=split.train.weights[::-1].copy())
    with pytest.raises(InputError, match="another training table"):
        gr.Recommender("mf").fit(other, checkpoint=tmp_path / "b", resume=True, **{**FIT, "epochs": 4})
    half = gr.Recommender("mf").fit(split.train, checkpoint=tmp_path / "b", resume=True, **{**FIT, "epochs": 4})
    np.testing.assert_array_equal(scores(half), scores(whole))


def test_the_command_line_takes_it(frame, tmp_path):
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.assign(times=frame["times"] * 2 % 7).to_csv(tmp_path / "other.csv", index=False)

    def call(*words, ok=True):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert (done.exit_code == 0) == ok, done.output
        return done.stdout if ok else done.stderr

    columns = ["--user", "user_id", "--item", "item_id"]
    call("train", "itemknn", "--data", tmp_path / "t.csv", *columns, "--weight", "times", "--out", tmp_path / "run")
    call("train", "itemknn", "--data", tmp_path / "t.csv", *columns, "--out", tmp_path / "plain")
    assert gr.load(tmp_path / "run").train.weights is not None
    found = [
        json.loads(call("evaluate", tmp_path / run, "--data", tmp_path / "t.csv", "-k", 5, "--json"))
        for run in ("run", "plain")
    ]
    assert found[0] != found[1]
    other = call("evaluate", tmp_path / "run", "--data", tmp_path / "other.csv", ok=False)
    assert "columns 'user_id', 'item_id', 'times'" in other
    assert "'w' is not in the table" in call(
        "train", "itemknn", "--data", tmp_path / "t.csv", *columns, "--weight", "w", "--out", tmp_path / "no", ok=False
    )


def test_rows_with_ratings_have_their_own_weights_where_pairs_repeat():
    frame = pd.DataFrame(
        {"user_id": [0, 0, 1, 1], "item_id": [0, 0, 1, 2], "r": [1.0, 2.0, 3.0, 4.0], "w": [1.0, 3.0, 5.0, 7.0]}
    )
    table = gr.Interactions.from_frame(frame, rating="r", weight="w", duplicates="keep")
    sampler = PairSampler(
        table, 8, generator=torch.Generator(), pairs="interaction", negatives=None, with_ratings=True, weighted=True
    )
    (batch,) = sampler
    of = dict(zip(batch.ratings.tolist(), batch.weights.tolist(), strict=True))
    assert of == {rating: pytest.approx(weight / 4) for rating, weight in zip(frame["r"], frame["w"], strict=True)}


def test_a_sampler_that_is_not_told_to_go_by_weights_visits_every_pair_once():
    frame = pd.DataFrame({"user_id": [0, 0, 1, 1], "item_id": [0, 1, 1, 2], "w": [1.0, 50.0, 1.0, 1.0]})
    table = gr.Interactions.from_frame(frame, weight="w")
    (batch,) = PairSampler(table, 8, generator=torch.Generator(), pairs="interaction", negatives=None)
    assert sorted(zip(batch.users.tolist(), batch.items.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 1), (1, 2)]
