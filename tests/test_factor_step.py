"""The compiled step of factor tables: its loss and gradient are autograd's, its trainings those of dense optimisers."""

import numpy as np
import pytest
import torch

from graphrec.models import MF
from graphrec.models.factors import Factors
from graphrec.sampling import PairBatch
from graphrec.training.factor_step import FactorStep
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowAdagrad, RowAdam, RowSGD


def batches(inter, b, k, count, seed=0):
    """Batches in which users and items are named many times; an item may be both met and not."""
    g = torch.Generator().manual_seed(seed)
    for _ in range(count):
        users, items = torch.randint(0, inter.n_users, (b,), generator=g), torch.randint(0, inter.n_items, (b,), generator=g)
        yield PairBatch(users, items, torch.randint(0, inter.n_items, (b, k), generator=g))


def model_of(inter, bias, dim=19):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = MF(inter, dim=dim, bias=bias, init_std=0.5)
        if bias:
            torch.nn.init.normal_(model.user_bias)
            torch.nn.init.normal_(model.item_bias)
            model.mean.fill_(0.3)
    return model


def factors_of(model):
    return Factors(model.users, model.items, model.user_bias, model.item_bias, model.mean)


def options_of(loss, l2, margin):
    return FitOptions(loss=loss, l2=l2, loss_options={"margin": margin} if loss == "hinge" else {})


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(("loss", "margin"), [("bpr", 1.0), ("bce", 1.0), ("hinge", 0.7)])
def test_loss_and_gradient_are_those_of_autograd(interactions, loss, margin, k, bias):
    model, exact = model_of(interactions, bias), model_of(interactions, bias).double()
    (batch,) = batches(interactions, 33, k, 1)
    rate, l2 = 1e6, 0.05  # the difference of the weights is then the gradient to all digits
    before = {name: p.detach().double() for name, p in model.named_parameters()}
    step = FactorStep(factors_of(model), RowSGD(model.parameters(), lr=rate), loss, margin, l2)
    value, penalty = step(batch)
    options = options_of(loss, l2, margin)
    total, bare = objective(options)(exact, batch), objective(options_of(loss, 0.0, margin))(exact, batch)
    total.backward()
    assert value == pytest.approx(bare.item(), rel=1e-6)
    assert penalty == pytest.approx((total - bare).item(), rel=1e-6)
    largest = max(p.grad.abs().max().item() for p in exact.parameters())
    for name, p in model.named_parameters():
        gradient = (before[name] - p.detach().double()) / rate
        np.testing.assert_allclose(gradient, exact.get_parameter(name).grad, rtol=0, atol=1e-6 * largest, err_msg=name)


def test_scores_far_from_zero_overflow_nothing(interactions):
    model = MF(interactions, dim=4)
    torch.nn.init.constant_(model.users, 100.0)
    torch.nn.init.normal_(model.items)
    (batch,) = batches(interactions, 16, 1, 1)
    expected = objective(options_of("bpr", 0.0, 1.0))(model, batch).item()
    value, _ = FactorStep(factors_of(model), RowSGD(model.parameters(), lr=0.0), "bpr")(batch)
    assert value == pytest.approx(expected, rel=1e-6)
    assert value > 20


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("rows", "dense"),
    [
        (lambda p: RowAdam(p, lr=3e-3), lambda p: torch.optim.Adam(p, lr=3e-3)),
        (lambda p: RowAdagrad(p, lr=3e-2), lambda p: RowAdagrad(p, lr=3e-2)),
        (lambda p: RowSGD(p, lr=1.0), lambda p: torch.optim.SGD(p, lr=1.0)),
    ],
    ids=["adam", "row_adagrad", "sgd"],
)
def test_a_training_is_that_of_autograd_and_a_dense_optimiser(interactions, rows, dense, bias):
    model, other = model_of(interactions, bias), model_of(interactions, bias).double()
    optimizer, plain = rows(model.parameters()), dense(other.parameters())
    step, compute = FactorStep(factors_of(model), optimizer, "bpr", l2=0.01), objective(options_of("bpr", 0.01, 1.0))
    for batch in batches(interactions, 6, 2, 300):
        step(batch)
        plain.zero_grad()
        compute(other, batch).backward()
        plain.step()
    optimizer.settle()
    start = model_of(interactions, bias)
    for name, p in model.named_parameters():
        if name == "user_bias":
            continue  # BPR has no gradient for it: Adam divides rounding errors by their own size
        moved = (other.get_parameter(name) - start.get_parameter(name)).abs().max().item()
        assert moved > 0.05, name
        assert ((p - other.get_parameter(name)).abs().max() / moved).item() < 1e-3, name


def test_the_number_of_threads_changes_no_bit(interactions):
    class Sizes:
        n_users, n_items = 4000, 3000

    results, threads = [], torch.get_num_threads()
    for number in (1, 3):
        torch.set_num_threads(number)
        try:
            g = torch.Generator().manual_seed(0)
            tables = [torch.nn.Parameter(torch.randn(n, 8, generator=g)) for n in (4000, 3000)]
            optimizer = RowAdam(tables, lr=1e-2)
            step = FactorStep(Factors(*tables), optimizer, "bpr", l2=0.01)
            losses = [step(batch) for batch in batches(Sizes, 3000, 2, 4)]
            optimizer.settle()
            results.append((losses, *(p.detach().clone() for p in tables)))
        finally:
            torch.set_num_threads(threads)
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])
    assert torch.equal(results[0][2], results[1][2])
