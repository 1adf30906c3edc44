"""Every loss against a loop written from its formula, its gradient, and scores of ±10,000."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import graphrec.losses as losses
from graphrec.errors import InputError
from graphrec.losses.log_sum_exp import group_log_mean_exp, log_sum_exp

# ---- slow oracles: one score at a time, in Python floats -------------------------------------------------


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def sigma(x):
    return 1 / (1 + math.exp(-x))


def harmonic(r):
    return sum(1 / i for i in range(1, r + 1))


def slow_bpr(pos, neg):
    return mean(-math.log(sigma(p - q)) for p, row in zip(pos, neg, strict=True) for q in row)


def slow_hinge(pos, neg, margin=1.0):
    return mean(max(0, margin - p + q) for p, row in zip(pos, neg, strict=True) for q in row)


def slow_adaptive_hinge(pos, neg, margin=1.0):
    return mean(max(0, margin - p + max(row)) for p, row in zip(pos, neg, strict=True))


def slow_warp(pos, neg, margin=1.0, n_items=None):
    total = []
    for p, row in zip(pos, neg, strict=True):
        bad = [margin - p + q for q in row if margin - p + q > 0]
        rank = len(bad) if n_items is None else len(bad) * (n_items - 1) // len(row)
        total.append(harmonic(rank) * mean(bad) if bad else 0)
    return mean(total)


def slow_softmax(pos, neg, temperature=1.0, log_q=None):
    total = []
    for n, (p, row) in enumerate(zip(pos, neg, strict=True)):
        q = [1 / len(row)] * len(row) if log_q is None else [math.exp(x) for x in (log_q if log_q.ndim == 1 else log_q[n])]
        z = sum(math.exp(s / temperature) / (len(row) * q_j) for s, q_j in zip(row, q, strict=True))
        e = math.exp(p / temperature)
        total.append(-math.log(e / (e + z)))
    return mean(total)


def slow_bce(pos, neg):
    return mean([-math.log(sigma(p)) for p in pos] + [-math.log(1 - sigma(q)) for row in neg for q in row])


def slow_ccl(pos, neg, margin=0.9, weight=10.0):
    return mean(1 - p + weight / len(row) * sum(max(0, q - margin) for q in row) for p, row in zip(pos, neg, strict=True))


def slow_bsl(pos, neg, temperature=0.1, negative_temperature=None, power=None, users=None):
    minus = temperature if negative_temperature is None else negative_temperature
    power = minus / temperature if power is None else power
    users = list(range(len(pos))) if users is None else users.tolist()
    total = []
    for n, row in enumerate(neg):
        same = [math.exp(p / temperature) for p, u in zip(pos, users, strict=True) if u == users[n]]
        total.append(-math.log(mean(same)) + power * math.log(mean(math.exp(q / minus) for q in row)))
    return mean(total)


SLOW = {
    "bpr": slow_bpr,
    "hinge": slow_hinge,
    "adaptive_hinge": slow_adaptive_hinge,
    "warp": slow_warp,
    "softmax": slow_softmax,
    "bce": slow_bce,
    "ccl": slow_ccl,
    "bsl": slow_bsl,
}


def scores(n=7, k=5, scale=1.5, seed=0):
    g = torch.Generator().manual_seed(seed)
    pos = torch.randn(n, generator=g, dtype=torch.float64) * scale
    neg = torch.randn(n, k, generator=g, dtype=torch.float64) * scale
    return pos, neg


def lists(*tensors):
    return [t.tolist() for t in tensors]


# ---- pairwise ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *[(name, {}) for name in losses.PAIRWISE],
        ("hinge", {"margin": 0.3}),
        ("adaptive_hinge", {"margin": 2.5}),
        ("warp", {"margin": 0.5}),
        ("warp", {"n_items": 101}),
        ("softmax", {"temperature": 0.4}),
        ("softmax", {"log_q": torch.tensor([0.5, 0.2, 0.05, 0.05, 0.2]).double().log()}),
        ("softmax", {"temperature": 2.0, "log_q": torch.rand(7, 5, dtype=torch.float64).log()}),
        ("ccl", {"margin": 0.1, "weight": 3.0}),
        ("bsl", {"temperature": 0.5, "negative_temperature": 0.8}),
        ("bsl", {"temperature": 0.5, "power": 1.22}),
        ("bsl", {"temperature": 0.5, "users": torch.tensor([4, 9, 4, 4, 9, 7, 0])}),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_pairwise_losses_equal_their_formula(name, options):
    pos, neg = scores()
    value = getattr(losses, name)(pos, neg, **options)
    assert value.ndim == 0
    assert float(value) == pytest.approx(SLOW[name](*lists(pos, neg), **options), rel=1e-9)


def test_every_pairwise_loss_has_an_oracle():
    assert set(SLOW) == set(losses.PAIRWISE)


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_pairwise_losses_prefer_the_right_order(name):
    pos, neg = torch.tensor([2.0, 1.5]), torch.tensor([[-1.0, -2.0, 0.0], [0.5, -1.0, -2.0]])
    good, bad = getattr(losses, name)(pos, neg), getattr(losses, name)(-pos, -neg)
    assert good.ndim == 0
    assert torch.isfinite(good)
    assert good < bad


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_pairwise_gradients(name):
    pos, neg = scores(4, 3)
    assert torch.autograd.gradcheck(getattr(losses, name), (pos.requires_grad_(), neg.requires_grad_()))


@pytest.mark.parametrize("name", losses.PAIRWISE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_scores_give_finite_values_and_gradients(name, dtype):
    pos = torch.tensor([1e4, -1e4, 1e4, -1e4, 0.0], dtype=dtype, requires_grad=True)
    neg = torch.tensor([[1e4, -1e4], [1e4, 1e4], [-1e4, -1e4], [-1e4, 0.0], [0.0, 0.0]], dtype=dtype, requires_grad=True)
    value = getattr(losses, name)(pos, neg)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(pos.grad).all()
    assert torch.isfinite(neg.grad).all()


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_negatives_masked_with_the_least_number_cost_nothing(name):
    """In-batch training hides a row's own positive among its negatives that way; a whole row may be hidden."""
    pos, neg = scores(3, 4)
    least = torch.finfo(torch.float32).min
    hidden = torch.cat([neg, torch.full((3, 1), least)], 1).float().requires_grad_()
    value = getattr(losses, name)(pos.float(), hidden)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(hidden.grad).all()
    assert not hidden.grad[:, -1].any()
    if name == "softmax":  # the other losses average over the negatives, hidden ones included
        assert value.item() == pytest.approx(losses.softmax(pos, neg).item(), rel=1e-5)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_a_softmax_row_without_negatives_is_zero(temperature):
    neg = torch.full((2, 3), torch.finfo(torch.float32).min, requires_grad=True)
    value = losses.softmax(torch.tensor([1.0, -2.0]), neg, temperature=temperature)
    value.backward()
    assert value == 0
    assert not neg.grad.any()


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_one_negative_and_more_axes_are_rows_of_negatives(name):
    pos, neg = scores(6, 8)
    f = getattr(losses, name)
    assert f(pos, neg[:, 0]) == f(pos, neg[:, :1])
    assert f(pos, neg.view(6, 2, 4)) == f(pos, neg)


@pytest.mark.parametrize("name", losses.PAIRWISE)
@pytest.mark.parametrize(
    ("pos", "neg"), [((4,), (3, 2)), ((4, 1), (4, 2)), ((4,), (1, 2)), ((), (4,)), ((4,), ()), ((4,), (4, 0)), ((0,), (0, 3))]
)
def test_shapes_that_do_not_fit_are_refused(name, pos, neg):
    with pytest.raises(InputError, match=r"(?i)shape"):
        getattr(losses, name)(torch.zeros(pos), torch.zeros(neg))


def test_a_number_is_no_row_of_negatives():
    with pytest.raises(InputError, match=r"got \(1,\) and \(\)"):
        losses.bpr(torch.zeros(1), torch.tensor(0.0))


def test_adaptive_hinge_sends_its_gradient_to_the_hardest_negative():
    pos, neg = torch.tensor([0.0]), torch.tensor([[0.5, 0.9, -2.0]], requires_grad=True)
    losses.adaptive_hinge(pos, neg).backward()
    assert neg.grad.tolist() == [[0, 1, 0]]


def test_warp_weighs_a_low_rank_more():
    """With a single violator the loss is its hinge, H(1) = 1; with all five it is H(5) = 2.2833 times theirs."""
    pos = torch.zeros(1)
    one = torch.tensor([[0.0, -9, -9, -9, -9]])
    assert losses.warp(pos, one) == pytest.approx(1.0)
    assert losses.warp(pos, torch.zeros(1, 5)) == pytest.approx(137 / 60)
    # one in five of a catalogue of 1,001 is a rank of 200
    assert losses.warp(pos, one, n_items=1001) == pytest.approx(harmonic(200), rel=1e-6)


def test_warp_of_a_catalogue_of_two():
    # The one other item is within the margin, so that the positive has rank 1 and H(1) = 1.
    assert losses.warp(torch.zeros(1), torch.zeros(1, 1), n_items=2) == pytest.approx(1.0)


def test_warp_of_a_catalogue_of_one_is_refused():
    with pytest.raises(InputError, match="n_items"):
        losses.warp(torch.zeros(1), torch.zeros(1, 1), n_items=1)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["softmax", "bsl"])
def test_a_temperature_that_is_not_above_zero_is_refused(name, temperature):
    with pytest.raises(InputError, match="temperature"):
        getattr(losses, name)(torch.zeros(1), torch.zeros(1, 1), temperature=temperature)


def test_log_q_makes_the_sampled_sum_unbiased():
    """Averaged over every possible draw, 1/k Σ e^s/q is the sum over the catalogue."""
    s = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64)
    q = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
    z = 0.0
    for i in range(3):
        for j in range(3):
            drawn = torch.tensor([i, j])
            loss = losses.softmax(torch.zeros(1).double(), s[drawn][None], log_q=q[drawn].log())
            z += float(q[i] * q[j]) * (math.exp(loss) - 1)  # loss = log(e^0 + Z) − 0
    assert z == pytest.approx(float(s.exp().sum()), rel=1e-12)


def test_log_q_of_another_shape_is_refused():
    with pytest.raises(InputError, match="log_q"):
        losses.softmax(torch.zeros(4), torch.zeros(4, 3), log_q=torch.zeros(2))


def test_bsl_with_equal_temperatures_is_softmax_without_the_positive_in_the_sum():
    pos, neg = scores()
    plain = mean(math.log(mean(math.exp(q / 0.5) for q in row)) - p / 0.5 for p, row in zip(*lists(pos, neg), strict=True))
    assert float(losses.bsl(pos, neg, temperature=0.5)) == pytest.approx(plain)


# ---- batches of users --------------------------------------------------------------------------------------


def user_batch(seed=1):
    g = torch.Generator().manual_seed(seed)
    owner = torch.tensor([0, 0, 0, 2, 2, 3])  # user 1 has no item in the batch
    pos = torch.randn(6, generator=g, dtype=torch.float64)
    return pos, owner, torch.randn(4, 5, generator=g, dtype=torch.float64)


@pytest.mark.parametrize("log_q", [None, torch.tensor([0.1, 0.1, 0.2, 0.3, 0.3]).double().log()])
def test_shared_softmax_is_softmax_with_the_rows_repeated(log_q):
    pos, owner, neg = user_batch()
    value = losses.shared_softmax(pos, owner, neg, temperature=0.3, log_q=log_q)
    assert float(value) == pytest.approx(slow_softmax(*lists(pos, neg[owner]), temperature=0.3, log_q=log_q), rel=1e-9)
    assert float(value) == pytest.approx(float(losses.softmax(pos, neg[owner], temperature=0.3, log_q=log_q)), rel=1e-12)


def test_shared_bsl_equals_its_formula():
    pos, owner, neg = user_batch()
    total = []
    for u in (0, 2, 3):
        plus = [math.exp(p / 0.5) for p, o in zip(*lists(pos, owner), strict=True) if o == u]
        minus = [math.exp(q / 0.8) for q in neg[u].tolist()]
        total.append(-math.log(mean(plus)) + 0.8 / 0.5 * math.log(mean(minus)))
    value = losses.shared_bsl(pos, owner, neg, temperature=0.5, negative_temperature=0.8)
    assert float(value) == pytest.approx(mean(total), rel=1e-9)


@pytest.mark.parametrize("name", losses.SHARED)
def test_shared_gradients_and_extremes(name):
    pos, owner, neg = user_batch()
    f = getattr(losses, name)
    assert torch.autograd.gradcheck(lambda p, q: f(p, owner, q), (pos.requires_grad_(), neg.requires_grad_()))
    far_pos = torch.tensor([1e4, -1e4, 0, 1e4, -1e4, -1e4], requires_grad=True)
    far_neg = torch.tensor([[1e4, -1e4], [1e4, 1e4], [-1e4, -1e4], [0.0, 0.0]], requires_grad=True)
    value = f(far_pos, owner, far_neg)
    value.backward()
    assert torch.isfinite(value)
    assert torch.isfinite(far_pos.grad).all()
    assert torch.isfinite(far_neg.grad).all()


@pytest.mark.parametrize("name", losses.SHARED)
def test_shared_shapes_are_checked(name):
    f = getattr(losses, name)
    with pytest.raises(InputError, match="owner"):
        f(torch.zeros(3), torch.zeros(2, dtype=torch.int64), torch.zeros(2, 4))
    with pytest.raises(InputError, match="a positive and a negative"):
        f(torch.zeros(0), torch.zeros(0, dtype=torch.int64), torch.zeros(2, 4))
    with pytest.raises(InputError, match="a positive and a negative"):
        f(torch.zeros(1), torch.zeros(1, dtype=torch.int64), torch.zeros(1, 0))
    # One positive, one user and one negative are enough: log(1 + 1), or log 1.
    value = f(torch.zeros(1), torch.zeros(1, dtype=torch.int64), torch.zeros(1, 1))
    assert float(value) == pytest.approx({"shared_softmax": math.log(2), "shared_bsl": 0.0}[name])


# ---- the sums of exponentials ------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.floats(0.05, 20), st.floats(0, 300), st.booleans(), st.integers(0, 10**6))
def test_log_sum_exp_equals_torch(n, m, temperature, scale, weighted, seed):
    g = torch.Generator().manual_seed(seed)
    x = (torch.randn(n, m, generator=g, dtype=torch.float64) * scale).requires_grad_()
    w = torch.randn(m, generator=g, dtype=torch.float64) if weighted else None
    upstream = torch.randn(n, generator=g, dtype=torch.float64)
    ours = log_sum_exp(x, temperature, w)
    theirs = torch.logsumexp(x / temperature + (0 if w is None else w), 1)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(
        torch.autograd.grad(ours, x, upstream)[0], torch.autograd.grad(theirs, x, upstream)[0], rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("temperature", [1.0, 0.3, 2.5])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_product_is_summed_as_the_matrix_would_be(temperature, weighted):
    g = torch.Generator().manual_seed(3)
    left, right = (torch.randn(n, 4, generator=g, dtype=torch.float64, requires_grad=True) for n in (3, 6))
    weight = torch.randn(6, generator=g, dtype=torch.float64) if weighted else None
    got = log_sum_exp(losses.Product(left, right), temperature, weight)
    z = left @ right.T / temperature
    want = torch.logsumexp(z if weight is None else z + weight, 1)
    assert torch.allclose(got, want)
    upstream = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for a, b in zip(
        torch.autograd.grad(got, (left, right), upstream), torch.autograd.grad(want, (left, right), upstream), strict=True
    ):
        assert torch.allclose(a, b)


def test_log_sum_exp_leaves_its_argument_alone():
    x = torch.randn(3, 4)
    before = x.clone()
    log_sum_exp(x)
    log_sum_exp(x, 1.0, torch.ones(4))
    assert torch.equal(x, before)


def test_log_sum_exp_of_a_hidden_row_has_no_gradient():
    x = torch.full((1, 3), -math.inf, requires_grad=True)
    value = log_sum_exp(x)
    assert value.item() == -math.inf
    torch.nn.functional.softplus(value).sum().backward()
    assert not x.grad.any()


def test_group_log_mean_exp():
    values = torch.tensor([1e4, 1e4 - 1, 2.0], dtype=torch.float64)
    result = group_log_mean_exp(values, torch.tensor([2, 2, 0]), 3)
    assert result[0] == pytest.approx(2.0)
    assert result[1] == -math.inf
    assert float(result[2]) == pytest.approx(1e4 + math.log((1 + math.exp(-1)) / 2))


# ---- pointwise and rowwise ---------------------------------------------------------------------------------


def test_mse():
    prediction, target, weight = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([1.0, 4.0, 4.0]), torch.tensor([1.0, 1.0, 2.0])
    assert losses.mse(prediction, target) == pytest.approx(5 / 3)
    assert losses.mse(prediction, target, weight) == pytest.approx(6 / 4)
    assert losses.mse(prediction, target, torch.zeros(3)) == 0


@pytest.mark.parametrize("name", losses.POINTWISE)
def test_a_column_is_not_a_vector(name):
    with pytest.raises(InputError, match="one shape"):
        getattr(losses, name)(torch.zeros(4), torch.zeros(4, 1))


def test_bce_labels():
    logits, labels = torch.tensor([0.0, 3.0, -2.0], dtype=torch.float64), torch.tensor([1.0, 0.0, 0.25])
    expected = mean(
        -y * math.log(sigma(x)) - (1 - y) * math.log(1 - sigma(x)) for x, y in zip(*lists(logits, labels), strict=True)
    )
    assert float(losses.bce_labels(logits, labels)) == pytest.approx(expected)
    assert torch.isfinite(losses.bce_labels(torch.tensor([1e4, -1e4]), torch.tensor([0.0, 1.0])))
    for high in (5.0, 1.5):
        with pytest.raises(InputError, match=f"from 1 to {high:g}"):
            losses.bce_labels(torch.zeros(2), torch.tensor([1.0, high]))


def test_multinomial():
    logits, observed = scores(3, 4)[1], torch.tensor([[1.0, 0, 0, 1], [0, 0, 0, 0], [0, 2, 0, 0]])
    total = []
    for row, x in zip(*lists(logits, observed), strict=True):
        z = sum(math.exp(s) for s in row)
        total.append(-sum(c * math.log(math.exp(s) / z) for s, c in zip(row, x, strict=True)))
    assert float(losses.multinomial(logits, observed)) == pytest.approx(mean(total))
    assert torch.autograd.gradcheck(lambda s: losses.multinomial(s, observed), logits.requires_grad_())


def test_masked_mse_looks_at_observed_entries_alone():
    prediction = torch.tensor([[1.0, 7.0, 3.0], [2.0, 2.0, math.nan]], requires_grad=True)
    target = torch.tensor([[2.0, 0.0, 3.0], [0.0, 4.0, 0.0]])
    value = losses.masked_mse(prediction, target)
    assert value.item() == pytest.approx((1 + 0 + 4) / 3)
    value.backward()
    assert prediction.grad[target == 0].tolist() == [0, 0, 0]
    observed = torch.tensor([[True, True, False], [False, False, False]])
    assert losses.masked_mse(prediction, target, observed).item() == pytest.approx((1 + 49) / 2)
    assert losses.masked_mse(prediction, target, torch.zeros(2, 3)) == 0


def test_gaussian_kl():
    assert losses.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 3)) == 0
    mu, logvar = scores(1, 4)[1], scores(1, 4, seed=3)[1]
    p = torch.distributions.Normal(mu, (logvar / 2).exp())
    prior = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    expected = torch.distributions.kl_divergence(p, prior).sum(1).mean()
    assert float(losses.gaussian_kl(mu, logvar)) == pytest.approx(float(expected))


def test_reconstructions_of_another_size_are_refused():
    for call in (
        lambda: losses.multinomial(torch.zeros(2, 3), torch.zeros(2, 4)),
        lambda: losses.masked_mse(torch.zeros(2, 3), torch.zeros(1, 3)),
        lambda: losses.gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 1)),
    ):
        with pytest.raises(InputError, match="one shape"):
            call()


def test_rowwise_losses_of_extreme_scores_are_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    for name in losses.ROWWISE:
        value = getattr(losses, name)(logits, torch.tensor([[0.0, 1.0, 1.0]]))
        assert torch.isfinite(value)
        assert torch.isfinite(torch.autograd.grad(value, logits)[0]).all()


# ---- alignment ---------------------------------------------------------------------------------------------


def slow_uniformity(rows):
    pairs = [(a, b) for i, a in enumerate(rows) for b in rows[:i]]
    return math.log(mean(math.exp(-2 * sum((x - y) ** 2 for x, y in zip(a, b, strict=True))) for a, b in pairs))


def unit(rows):
    return [[x / math.hypot(*row) for x in row] for row in rows.tolist()]


def pairs_of_rows(n=5, d=3):
    g = torch.Generator().manual_seed(5)
    return torch.randn(n, d, generator=g, dtype=torch.float64) * 4, torch.randn(n, d, generator=g, dtype=torch.float64) / 4


def test_directau_equals_its_formula():
    users, items = pairs_of_rows()
    u, v = unit(users), unit(items)
    align = mean(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) for a, b in zip(u, v, strict=True))
    expected = align + 0.7 * (slow_uniformity(u) + slow_uniformity(v)) / 2
    assert float(losses.directau(users, items, gamma=0.7)) == pytest.approx(expected)


def test_mawu_equals_its_formula():
    users, items = pairs_of_rows()
    m_u, m_i = torch.tensor([0.0, 0.1, 0.2, 3.0, 0.4]).double(), torch.tensor([0.5, 0.4, 0.3, 0.2, 0.1]).double()
    u, v = unit(users), unit(items)
    angles = [math.acos(sum(x * y for x, y in zip(a, b, strict=True))) for a, b in zip(u, v, strict=True)]
    align = -mean(math.cos(min(math.pi, t + float(a + b))) for t, a, b in zip(angles, m_u, m_i, strict=True))
    expected = align + 0.3 * slow_uniformity(u) + 0.6 * slow_uniformity(v)
    assert float(losses.mawu(users, items, m_u, m_i, gamma_user=0.3, gamma_item=0.6)) == pytest.approx(expected)


def test_mawu_without_margins_is_half_of_directau():
    users, items = pairs_of_rows()
    half = losses.directau(users, items, gamma=1.2) / 2 - 1
    assert float(losses.mawu(users, items, gamma_user=0.3, gamma_item=0.3)) == pytest.approx(float(half))


@pytest.mark.parametrize("name", losses.EMBEDDING)
def test_alignment_gradients_and_extremes(name):
    f = getattr(losses, name)
    users, items = pairs_of_rows()
    assert torch.autograd.gradcheck(f, (users.requires_grad_(), items.requires_grad_()))
    same = torch.tensor([[1e4, 0.0], [1e4, 0.0], [-1e4, 1e4]], requires_grad=True)  # equal rows, and a pair at angle 0
    value = f(same, same * 1.0)
    assert torch.isfinite(value)
    assert torch.isfinite(torch.autograd.grad(value, same)[0]).all()


def test_mawu_margins_can_be_learnt():
    users, items = pairs_of_rows()
    margins = torch.full((5,), 0.1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda m: losses.mawu(users, items, m, 0.2), margins)


@pytest.mark.parametrize("name", losses.EMBEDDING)
def test_a_single_pair_has_no_uniformity(name):
    row = torch.tensor([[3.0, 4.0]], requires_grad=True)
    value = getattr(losses, name)(row, torch.tensor([[4.0, 3.0]]))
    assert value.item() == pytest.approx({"directau": 2 - 2 * 0.96, "mawu": -0.96}[name], rel=1e-5)
    value.backward()
    assert torch.isfinite(row.grad).all()
    with pytest.raises(InputError, match="one shape"):
        getattr(losses, name)(torch.zeros(3, 2), torch.zeros(2, 2))


# ---- partial credit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_no_credit_changes_nothing_and_more_credit_costs_less(name):
    f = getattr(losses, name)
    pos, neg = scores()
    credit = torch.rand(7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert losses.partial_credit(f, torch.zeros(7, 5))(pos, neg) == f(pos, neg)
    values = [float(losses.partial_credit(f, credit * share)(pos, neg)) for share in (0, 0.3, 0.6, 1.0)]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1]


@pytest.mark.parametrize("name", losses.PAIRWISE)
def test_full_credit_takes_negatives_out(name):
    pos, neg = scores()
    neg.requires_grad_()
    credit = torch.zeros(7, 5)
    credit[:, 0] = 1
    credit[3] = 1
    value = losses.partial_credit(getattr(losses, name), credit)(pos, neg)
    value.backward()
    assert torch.isfinite(value)
    assert not neg.grad[[0, 1, 2, 4, 5, 6], 0].any()
    # bsl looks at the shares of a row's negatives, and those do not change when all get the same credit
    assert neg.grad[3].any() == (name == "bsl")


def test_credit_is_a_weight_in_the_softmax_and_a_smaller_margin_in_the_hinge():
    pos, neg = torch.tensor([0.5]).double(), torch.tensor([[0.2, 0.9]]).double()
    credit = torch.tensor([[0.4, 0.0]]).double()
    z = 0.6 * math.exp(0.2) + math.exp(0.9)
    credited = losses.partial_credit(losses.softmax, credit)(pos, neg)
    assert float(credited) == pytest.approx(math.log(math.exp(0.5) + z) - 0.5)
    hinged = losses.partial_credit(losses.hinge, credit)(pos, neg, margin=2.0)
    assert float(hinged) == pytest.approx(mean([2 + math.log(0.6) - 0.5 + 0.2, 2 - 0.5 + 0.9]))
    assert losses.partial_credit(losses.hinge, credit).__name__ == "hinge"


def test_credit_for_shared_metadata():
    codes = torch.tensor([[0, 5], [0, 6], [1, 5], [-1, 5], [-1, 7]])
    credit = losses.metadata_credit(torch.tensor([0, 3]), torch.tensor([[0, 1, 2], [4, 3, 1]]), codes, [0.4, 0.25])
    np.testing.assert_allclose(credit, [[0.65, 0.4, 0.25], [0.0, 0.25, 0.0]])
    shared = losses.metadata_credit(torch.tensor([0, 3]), torch.tensor([1, 2]), codes, [0.4, 0.25])
    np.testing.assert_allclose(shared, [[0.4, 0.25], [0.0, 0.25]])


@pytest.mark.parametrize("bad", [-0.1, 1.5, math.nan])
def test_credit_outside_its_range_is_refused(bad):
    items, codes = torch.tensor([0]), torch.tensor([[0]])
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        losses.metadata_credit(items, items[None], codes, [bad])
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        losses.partial_credit(losses.bpr, torch.tensor([[0.2, bad]]))


def test_credit_that_does_not_fit_is_refused():
    credited = losses.partial_credit(losses.bpr, torch.zeros(4, 3))
    with pytest.raises(InputError, match=r"credit has shape \(4, 3\)"):
        credited(torch.zeros(5), torch.zeros(5, 3))
    items = torch.tensor([0])
    with pytest.raises(InputError, match="add up"):
        losses.metadata_credit(items, items[None], torch.tensor([[0, 0]]), [0.7, 0.7])
    with pytest.raises(InputError, match="column per weight"):
        losses.metadata_credit(items, items[None], torch.tensor([[0, 0]]), [0.4])


# ---- contrasts of rows, weights of users' pairs, credit ---------------------------------------------------------------


def cosine_of(a, b):
    return float(a @ b) / (float(a.norm()) * float(b.norm()))


@pytest.mark.parametrize("tau", [0.2, 1.0, 3.0])
def test_info_nce_is_its_formula(tau):
    g = torch.Generator().manual_seed(3)
    a, b = (torch.randn(5, 3, generator=g) for _ in range(2))
    counted = torch.tensor([True, False, True, True, False])

    def of(i, among):
        return math.log(sum(math.exp(cosine_of(a[i], b[j]) / tau) for j in among)) - cosine_of(a[i], b[i]) / tau

    want = mean(of(i, range(5)) for i in range(5))
    assert losses.info_nce(a, b, tau).item() == pytest.approx(want, rel=1e-5)
    some = [0, 2, 3]
    assert losses.info_nce(a, b, tau, counted).item() == pytest.approx(mean(of(i, some) for i in some), rel=1e-5)


@pytest.mark.parametrize("tau", [0.2, 1.0, 3.0])
def test_info_nce_among_others_is_its_formula(tau):
    g = torch.Generator().manual_seed(4)
    a, b = torch.randn(4, 3, generator=g), torch.randn(6, 3, generator=g)
    which = torch.tensor([5, 0, 0, 2])
    want = [
        math.log(sum(math.exp(cosine_of(a[i], b[j]) / tau) for j in range(6))) - cosine_of(a[i], b[int(which[i])]) / tau
        for i in range(4)
    ]
    assert losses.info_nce_among(a, b, which, tau).tolist() == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize(("plus", "minus", "power"), [(0.5, 0.25, 1.3), (2.0, None, 0.7), (0.5, 3.0, None)])
def test_shared_bsl_with_weights_is_its_formula(plus, minus, power):
    g = torch.Generator().manual_seed(5)
    pos, neg, owner = torch.randn(6, generator=g), torch.randn(3, 4, generator=g), torch.tensor([0, 0, 0, 2, 2, 2])
    weight = torch.tensor([1.0, 0.0, 2.5, 0.5, 3.0, 1.0])
    below = plus if minus is None else minus
    p = below / plus if power is None else power

    def of(u):
        mine = [i for i in range(6) if owner[i] == u]
        top = sum(float(weight[i]) * math.exp(float(pos[i]) / plus) for i in mine) / sum(float(weight[i]) for i in mine)
        return p * math.log(mean(math.exp(float(x) / below) for x in neg[u])) - math.log(top)

    got = losses.shared_bsl(pos, owner, neg, plus, minus, power, weight=weight)
    assert got.item() == pytest.approx(mean(of(u) for u in (0, 2)), rel=1e-5)


def test_weights_of_credit_add_up_to_one_at_most():
    codes = torch.tensor([[0, 1], [0, 1], [1, 1]])
    positives, negatives = torch.tensor([0]), torch.tensor([[1, 2]])
    assert losses.metadata_credit(positives, negatives, codes, [0.4, 0.6]).tolist() == [pytest.approx([1.0, 0.6])]
    with pytest.raises(InputError, match=r"must not add up to more than 1, got 1\.1"):
        losses.metadata_credit(positives, negatives, codes, [0.4, 0.7])
