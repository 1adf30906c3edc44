"""Top-k lists: equal to sorting whole rows, for every size of block, number of threads and tie."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphrec as gr
from graphrec.models import Encoding, Model, Table
from graphrec.ranking.blocks import Blocks, plan_blocks
from graphrec.ranking.ranker import Ranker
from graphrec.ranking.reference import LeftOut, best_of_rows
from graphrec.threads import run_alone


class Scores(Model):
    """A model whose scores are a given matrix."""

    def __init__(self, train, matrix):
        super().__init__(train)
        self.matrix = torch.as_tensor(matrix, dtype=torch.float32)

    def encode(self):
        return Encoding(Table(self.matrix), Table(torch.eye(self.n_items)))


def tied(interactions, seed=0):
    """Scores with many ties: whole numbers from 0 to 5."""
    return Scores(interactions, np.random.default_rng(seed).integers(0, 6, (interactions.n_users, interactions.n_items)))


def top_k_reference(model, users, k, seen, items=None):
    """The ranking in plain torch, which is what a GPU does."""
    scoring, left_out = model.scoring(), LeftOut(*seen.structure, torch.device("cpu"))
    chosen = None if items is None else torch.as_tensor(items)
    with torch.no_grad():
        best, scores, bad, _ = best_of_rows(
            scoring, scoring.users(torch.as_tensor(users)), np.asarray(users), k, left_out, chosen
        )
    assert not bad.any()
    return best.numpy(), scores.numpy()


def slow_top_k(matrix, users, k, seen, items):
    best = np.full((len(users), k), -1)
    for row, user in enumerate(users):
        allowed = [i for i in items if (user, i) not in seen]
        ordered = sorted(allowed, key=lambda i: (-matrix[user, i], i))[:k]
        best[row, : len(ordered)] = ordered
    return best


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(1, 60), st.integers(1, 3), st.booleans(), st.integers(0, 99))
def test_lists_do_not_depend_on_blocks_or_threads(users_at_once, items_at_once, k, threads, subset, seed):
    g = np.random.default_rng(seed)
    seen = g.random((50, 64)) < 0.2
    seen[3], seen[:, 0] = True, True
    inter = gr.Interactions.from_indices(*np.nonzero(seen), n_users=50, n_items=64)
    model = tied(inter, seed)
    users = g.integers(0, 50, 37)
    items = np.flatnonzero(g.random(64) < 0.5) if subset else None
    if subset and not len(items):
        items = np.array([5])
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        best, scores = Ranker(model, inter).top_k(users, k, items, blocks=Blocks(users_at_once, items_at_once))
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    pairs = set(zip(inter.users.tolist(), inter.items.tolist(), strict=True))
    want = slow_top_k(model.matrix.numpy(), users, k, pairs, range(64) if items is None else items)
    assert np.array_equal(best, want)
    width = min(k, 64 if items is None else len(items))
    assert np.array_equal(top_k_reference(model, users, width, inter, items)[0], want[:, :width])
    found = best >= 0
    assert np.array_equal(scores[found], model.matrix.numpy()[users[np.nonzero(found)[0]], best[found]])
    assert np.isneginf(scores[~found]).all()


@pytest.mark.parametrize("blocks", [Blocks(512, 1024), Blocks(100, 333), Blocks(7, 64), Blocks(1, 1)])
def test_lists_of_a_dot_product_model(interactions, blocks):
    model = gr.models.LightGCN(interactions, dim=16, layers=2)
    users = np.arange(interactions.n_users)
    want, want_scores = top_k_reference(model, users, 20, interactions)
    got, scores = Ranker(model, interactions).top_k(users, 20, blocks=blocks)
    assert np.array_equal(got, want)
    assert np.allclose(scores, want_scores, atol=1e-6)


def test_large_tables_agree_with_sorting():
    """More users and items than one block has, so that thresholds carry over blocks."""
    g = np.random.default_rng(1)
    users, items = g.integers(0, 1500, 20_000), g.integers(0, 2600, 20_000)
    inter = gr.Interactions.from_indices(users, items, n_users=1500, n_items=2600, duplicates="last")
    torch.manual_seed(0)
    model = gr.models.MF(inter, dim=8)
    chosen = np.arange(1500)
    assert np.array_equal(Ranker(model, inter).top_k(chosen, 20)[0], top_k_reference(model, chosen, 20, inter)[0])


def test_dropout_is_off_and_the_mode_is_left_alone(interactions):
    model = gr.models.NGCF(interactions, dim=8, layers=[8], message_dropout=0.5).train()
    users = np.arange(5)
    assert np.array_equal(Ranker(model).top_k(users, 5)[1], Ranker(model).top_k(users, 5)[1])
    assert model.training


@pytest.mark.parametrize("budget", [10_000, 1_000_000, 256 * 2**20])
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("whole_rows", [True, False])
def test_blocks_fit_the_budget(budget, threads, whole_rows):
    blocks = plan_blocks(30_000, 41_000, whole_rows, budget, threads)
    assert blocks.items == 41_000 if whole_rows else blocks.items <= 1024
    assert blocks.users == 1 or blocks.users * blocks.items * 4 * threads <= budget


def test_full_ranks_against_sorting(interactions):
    split = gr.split.random(interactions, test=0.3, seed=1)
    model = tied(interactions)
    got, best = Ranker(model, split.train).ranks_of(split.test, k=7)
    users = np.flatnonzero(np.diff(split.test.structure[0]))
    assert np.array_equal(best, Ranker(model, split.train).top_k(users, 7)[0])
    indptr, items = split.test.structure
    matrix, seen = model.matrix.numpy(), split.train.to_csr("ones").toarray().astype(bool)
    for user in range(60):
        left = np.flatnonzero(~seen[user])
        for e in range(indptr[user], indptr[user + 1]):
            own = items[e]
            others = left[left != own]
            assert got.above[e] == (matrix[user, others] > matrix[user, own]).sum()
            assert got.ties[e] == (matrix[user, others] == matrix[user, own]).sum()
            assert got.ties_before[e] == ((matrix[user, others] == matrix[user, own]) & (others < own)).sum()


def test_threads_that_score_have_torch_at_one_thread_each():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        found = set()
        run_alone(lambda lo, hi: found.add(torch.get_num_threads()), range(9))
        assert found == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
