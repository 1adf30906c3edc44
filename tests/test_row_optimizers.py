"""Optimisers that touch a batch's rows only: Adam is dense Adam, row-wise Adagrad its formula, and both save and resume."""

import copy

import numpy as np
import pytest
import torch

from graphrec.training import row_kernels
from graphrec.training.row_optimizers import RowAdagrad, RowAdam

N, D = 60, 7


def gradients(steps, seed=0):
    """Sparse gradients with repeated rows; the last twenty rows are left alone for hundreds of steps, five of them for good."""
    g = torch.Generator().manual_seed(seed)
    for step in range(steps):
        often = torch.randint(0, 40, (9,), generator=g)
        rare = torch.randint(40, 55, (1,), generator=g) if step % 70 == 3 else often[:1]
        index = torch.cat([often, rare])
        yield index, torch.randn(10, D, generator=g) * 10.0 ** torch.randint(-9, 1, (10, 1), generator=g)


def sparse(index, values):
    return torch.sparse_coo_tensor(index[None], values, (N, D), check_invariants=False)


def table(seed=1):
    return torch.nn.Parameter(torch.randn(N, D, generator=torch.Generator().manual_seed(seed)) * 0.1)


def dense_adam(weight, steps, rates, l2=0.0, **options):
    """torch's Adam in float64, the gradients being those of looked-up rows with a penalty on them."""
    p = torch.nn.Parameter(weight.detach().double())
    optimizer = torch.optim.Adam([p], **options)
    for (index, values), lr in zip(gradients(steps), rates, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        p.grad = sparse(index, values.double() + l2 * p.detach()[index]).to_dense()
        optimizer.step()
    return p.detach(), optimizer


def row_adam(weight, steps, rates, l2=0.0, **options):
    p = torch.nn.Parameter(weight.detach().clone())
    optimizer = RowAdam([p], **options)
    for (index, values), lr in zip(gradients(steps), rates, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        optimizer.catch_up(p, index.unique().numpy())
        p.grad = sparse(index, values + l2 * p.detach()[index])
        optimizer.step()
    return p, optimizer


def decaying(steps):
    return [1e-2 * (0.5 + 0.5 * np.cos(np.pi * s / steps)) for s in range(steps)]


@pytest.mark.parametrize(
    ("steps", "rates", "l2", "options"),
    [
        (30, None, 0.0, {}),
        (900, None, 1e-2, {}),
        (2500, None, 0.0, {}),  # longer than rows are ever left behind
        (900, decaying(900), 1e-2, {}),
        (900, None, 0.0, {"eps": 1e-3}),
        (900, None, 0.0, {"betas": (0.8, 0.9)}),
        (600, None, 0.0, {"betas": (0.95, 0.6)}),  # the first moment outlives the second
        (300, None, 0.0, {"betas": (0.0, 0.99)}),
    ],
)
def test_row_adam_is_dense_adam(steps, rates, l2, options):
    rates = [1e-2] * steps if rates is None else rates
    start = table()
    expected, dense = dense_adam(start, steps, rates, l2, **options)
    p, optimizer = row_adam(start, steps, rates, l2, **options)
    plain = optimizer.state_dict()["state"][0]  # catches up with all rows
    moved = (expected - start.detach()).abs().max()
    assert moved > 0.05
    assert ((p.detach() - expected).abs() / moved).max() < 2e-5
    state = dense.state_dict()["state"][0]
    for name in ("exp_avg", "exp_avg_sq"):
        assert torch.allclose(plain[name].double(), state[name], rtol=1e-4, atol=float(state[name].abs().max()) * 1e-6)
    assert plain["step"] == state["step"] == steps


def one_by_one(n, t, lr, betas, eps, w, m, v):
    """n steps of Adam in float64 after step t, the gradient being zero."""
    for step in range(t + 1, t + n + 1):
        m, v = betas[0] * m, betas[1] * v
        w = w - lr / (1 - betas[0] ** step) * m / (np.sqrt(v / (1 - betas[1] ** step)) + eps)
    return w


@pytest.mark.parametrize("before", [1, 10, 300, 1000, 20000])
@pytest.mark.parametrize("missed", [1, 7, 150, 1000])
def test_missed_steps_are_made_up_for_to_the_last_digits(before, missed):
    g = torch.Generator().manual_seed(before + missed)
    p = torch.nn.Parameter(torch.zeros(2, 512))
    m = torch.randn(2, 512, generator=g)
    v = m.square() * (1e-3 + torch.rand(2, 512, generator=g))
    scale = 10.0 ** torch.randint(-9, 1, (2, 512), generator=g)  # around eps, too, and below
    optimizer = RowAdam([p], lr=0.1)
    state = {"step": torch.tensor(float(before)), "exp_avg": m * scale, "exp_avg_sq": v * scale.square()}
    optimizer.load_state_dict({"state": {0: state}, "param_groups": optimizer.state_dict()["param_groups"]})
    kept = [state[name].double().numpy() for name in ("exp_avg", "exp_avg_sq")]
    for _ in range(missed):
        optimizer.begin(p)
        optimizer.end(p, np.array([1]))
    optimizer.catch_up(p, np.array([0]))
    expected = one_by_one(missed, before, 0.1, (0.9, 0.999), 1e-8, 0.0, kept[0][0], kept[1][0])
    assert (p.detach().double().numpy()[1] == 0).all()
    np.testing.assert_allclose(p.detach().double().numpy()[0], expected, rtol=3e-6)


def test_the_number_of_threads_changes_no_bit():
    results, threads = [], torch.get_num_threads()
    g = torch.Generator().manual_seed(0)
    batches = [(torch.randint(0, 5000, (4000,), generator=g), torch.randn(4000, D, generator=g)) for _ in range(4)]
    for number in (1, 3):
        torch.set_num_threads(number)
        try:
            p = torch.nn.Parameter(torch.ones(5000, D))
            optimizer = RowAdam([p])
            for index, values in batches:
                optimizer.catch_up(p, index.unique().numpy())
                p.grad = torch.sparse_coo_tensor(index[None], values, (5000, D), check_invariants=False)
                optimizer.step()
            optimizer.settle()
            results.append(p.detach().clone())
        finally:
            torch.set_num_threads(threads)
    assert torch.equal(*results)


@pytest.mark.parametrize("kind", [RowAdam, RowAdagrad])
@pytest.mark.parametrize("how", ["state_dict", "deepcopy"])
def test_a_saved_optimiser_goes_on_as_an_unbroken_one(kind, how):
    p = table()
    optimizer = kind([p], lr=0.01)
    batches = list(gradients(200))
    for step, (index, values) in enumerate(batches):
        if step == 120:
            optimizer.settle()  # as at the end of an epoch
            if how == "state_dict":
                other = torch.nn.Parameter(p.detach().clone())
                resumed = kind([other], lr=0.01)
                resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            else:
                other, resumed = copy.deepcopy((p, optimizer))
        pairs = [(p, optimizer)] if step < 120 else [(p, optimizer), (other, resumed)]
        for q, each in pairs:
            each.catch_up(q, index.unique().numpy())
            q.grad = sparse(index, values)
            each.step()
    optimizer.settle()
    resumed.settle()
    assert not torch.equal(p, table())
    assert torch.equal(p, other)


def test_row_adam_takes_parameters_with_dense_gradients_beside_its_tables():
    start, network = table(), torch.randn(3, 3)
    p, w = torch.nn.Parameter(start.detach().clone()), torch.nn.Parameter(network.clone())
    q, u = torch.nn.Parameter(start.detach().clone()), torch.nn.Parameter(network.clone())
    rows, dense = RowAdam([p, w], lr=0.01), torch.optim.Adam([q, u], lr=0.01, fused=True)
    for step, (index, values) in enumerate(gradients(60)):
        rows.catch_up(p, index.unique().numpy())
        p.grad, q.grad = sparse(index, values), sparse(index, values).to_dense()
        if step == 40:
            p.grad = p.grad.to_dense()  # a dense gradient of a table is taken, too
        w.grad, u.grad = w.detach().clone(), u.detach().clone()
        rows.step()
        dense.step()
    rows.settle()
    assert torch.allclose(p, q, atol=1e-6)
    assert torch.equal(w, u)


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_row_wise_adagrad_is_its_formula(kind):
    p, vector = table(), torch.nn.Parameter(torch.ones(4))
    optimizer = RowAdagrad([p, vector], lr=0.1, eps=1e-3)
    expected, total = p.detach().double().numpy().copy(), np.zeros(N)
    for index, values in gradients(50):
        gradient = sparse(index, values).to_dense()
        p.grad = sparse(index, values) if kind == "sparse" else gradient
        vector.grad = torch.tensor([0.0, 1.0, -2.0, 3.0])
        optimizer.step()
        g = gradient.double().numpy()
        total += (g**2).mean(1)
        expected -= 0.1 / (np.sqrt(total) + 1e-3)[:, None] * g
    np.testing.assert_allclose(p.detach().numpy(), expected, atol=2e-6)
    steps = np.arange(1, 51)
    for entry, g in enumerate([0.0, 1.0, -2.0, 3.0]):
        assert vector[entry].item() == pytest.approx(1 - np.sum(0.1 * g / (np.sqrt(steps * g * g) + 1e-3)), abs=1e-5)


def test_nodes_are_grouped_by_where_they_occur():
    nodes = np.array([70, 3, 70, 70, 0, 3])
    slot, marks = np.zeros(90, np.int32), np.zeros(2, np.uint64)
    distinct, position, indptr, order = (np.full(7, -5) for _ in range(4))
    for _ in range(2):
        used = row_kernels.group_rows(nodes, slot, marks, distinct, position, indptr, order)
        assert used == 3
        assert distinct[:3].tolist() == [0, 3, 70]
        assert position[:6].tolist() == [2, 1, 2, 2, 0, 1]
        assert indptr[:4].tolist() == [0, 1, 3, 6]
        assert order[:6].tolist() == [4, 1, 5, 0, 2, 3]
        assert not slot.any()
        assert not marks.any()
