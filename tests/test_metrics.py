"""Every metric against a loop over sets and dictionaries; look-alikes told apart."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphrec.evaluation.metrics import AT_K, at_k, parse


def slow(name, k, ranked, relevant):
    """The definitions, one user at a time. `ranked` is the whole list, best first."""
    hits = [1 if item in relevant else 0 for item in ranked]

    def dcg(gains):
        return sum(g / math.log2(j + 2) for j, g in enumerate(gains))

    def packed(gains, length):
        return dcg(sorted(gains, reverse=True)[:length])

    if name == "recall":
        return sum(hits[:k]) / len(relevant)
    if name == "recall_capped":
        return sum(hits[:k]) / min(k, len(relevant))
    if name == "precision":
        return sum(hits[:k]) / k
    if name == "hit_rate":
        return float(any(hits[:k]))
    if name == "ndcg":
        return dcg(hits[:k]) / dcg([1] * min(k, len(relevant)))
    if name == "ndcg_hits100":
        return dcg(hits[:k]) / packed(hits[:100], k) if any(hits[:100]) else 0.0
    if name == "ndcg_hits":
        return dcg(hits[:k]) / packed(hits[:k], k) if any(hits[:k]) else 0.0
    if name == "map":
        return sum(h * sum(hits[: j + 1]) / (j + 1) for j, h in enumerate(hits[:k])) / min(k, len(relevant))
    if name == "mrr":
        return next((1 / (j + 1) for j, h in enumerate(hits[:k]) if h), 0.0)
    raise AssertionError(name)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 130), st.sampled_from(sorted(AT_K)))
def test_metrics_are_their_definitions(seed, k, name):
    g = np.random.default_rng(seed)
    n_items, n_users = 140, 6
    ranked = np.stack([g.permutation(n_items) for _ in range(n_users)])
    relevant = [set(g.choice(n_items, g.integers(1, 30), replace=False)) for _ in range(n_users)]
    hits = np.array([[item in rel for item in row] for row, rel in zip(ranked, relevant, strict=True)])
    got = at_k(parse(f"{name}@{k}"), hits, np.array([len(rel) for rel in relevant]))
    want = [slow(name, k, row, rel) for row, rel in zip(ranked, relevant, strict=True)]
    assert np.allclose(got, want, atol=1e-12)


def test_the_three_ndcgs_differ_where_they_should():
    """Hits at ranks 2 and 50 of three test items: three ideals, three values."""
    hits = np.zeros((1, 100), bool)
    hits[0, [1, 49]] = True
    one, two, three = 1 / math.log2(3), 1 + 1 / math.log2(3), 1 + 1 / math.log2(3) + 1 / math.log2(4)
    values = [at_k(parse(f"{name}@20"), hits, np.array([3]))[0] for name in ("ndcg", "ndcg_hits100", "ndcg_hits")]
    assert values == pytest.approx([one / three, one / two, one / 1])
    assert values[0] < values[1] < values[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ndgc@20", "unknown metric 'ndgc'; did you mean 'ndcg'"),
        ("ndcg", "metric 'ndcg' needs the length of the list, such as 'ndcg@20'"),
        ("ndcg@0", "positive whole number"),
        ("ndcg@x", "positive whole number"),
        ("auc@5", "unknown metric 'auc'"),
    ],
)
def test_bad_names(text, message):
    with pytest.raises(ValueError, match=message):
        parse(text)
