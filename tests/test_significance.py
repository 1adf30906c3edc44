"""Paired comparison: p-values that mean what they say."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import graphrec as gr


def report(values):
    return gr.Report(pd.DataFrame({"user_id": np.arange(len(values)), "ndcg@20": values}), "made up")


def test_a_clear_difference_and_none():
    g = np.random.default_rng(0)
    base = g.random(300)
    table = gr.compare(
        {
            "better": report(base + 0.1 + 0.05 * g.random(300)),
            "same": report(base + g.normal(0, 0.05, 300)),
            "base": report(base),
        }
    )
    p = table.set_index("model")["p"]
    assert p["better"] < 0.001
    assert p["same"] > 0.01
    assert table.set_index("model").loc["better", "difference"] == pytest.approx(0.125, abs=0.01)


def test_p_agrees_with_the_paired_t_test_for_many_users():
    g = np.random.default_rng(1)
    base = g.random(500)
    other = base + g.normal(0.008, 0.1, 500)
    p = gr.compare({"other": report(other), "base": report(base)})["p"].iloc[0]
    assert p == pytest.approx(stats.ttest_rel(other, base).pvalue, abs=0.02)


def test_p_is_uniform_when_nothing_differs():
    g = np.random.default_rng(2)
    ps = []
    for _ in range(200):
        a, b = g.random(40), g.random(40)
        ps.append(gr.compare({"a": report(a), "b": report(b)}, n_permutations=400)["p"].iloc[0])
    assert stats.kstest(ps, "uniform").pvalue > 0.001


def test_holm_correction():
    g = np.random.default_rng(3)
    base = g.random(200)
    reports = {f"m{i}": report(base + g.normal(0.01, 0.05, 200)) for i in range(3)} | {"base": report(base)}
    table = gr.compare(reports)
    ordered = table.sort_values("p")
    want = np.minimum(np.maximum.accumulate(ordered["p"] * [3, 2, 1]), 1)
    assert np.allclose(ordered["p_holm"], want)


@pytest.mark.parametrize(
    ("reports", "options", "message"),
    [
        ({"a": report([1.0])}, {}, "at least two reports"),
        ({"a": report([1.0]), "b": report([1.0])}, {"baseline": "c"}, "baseline 'c' is not one of the reports"),
        ({"a": report([1.0]), "b": report([1.0, 2.0])}, {}, "over different users"),
        ({"a": report([1.0]), "b": report([1.0])}, {"metrics": ["map@5"]}, "metric 'map@5' is not in all reports"),
    ],
)
def test_bad_calls(reports, options, message):
    with pytest.raises(ValueError, match=message):
        gr.compare(reports, **options)
