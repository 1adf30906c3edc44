"""Paired comparison: p-values that mean what they say, over one run or several, and the tables they are printed in."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import graphrec as gr


def report(values, users=None, metric="ndcg@20", protocol="made up"):
    users = np.arange(len(values)) if users is None else users
    return gr.Report(pd.DataFrame({"user_id": users, metric: values}), gr.Protocol(protocol, "", "pairs"))


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
    assert list(table.columns) == ["model", "metric", "mean", "baseline", "difference", "p", "p_holm"]


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


@pytest.mark.parametrize("n", [1, 9, 99])
def test_the_observed_signs_count_as_one_permutation(n):
    # 2,000 differences of one sign are never matched by coin flips.
    clear = gr.compare({"a": report(np.ones(2000)), "b": report(np.zeros(2000))}, n_permutations=n)
    assert clear["p"].item() == pytest.approx(1 / (n + 1))


def test_p_of_two_users_counts_the_coin_flips():
    # Of the signs of differences 2 and 1, two of four give a sum as large as 3; of 1 and 1, too.
    for values in ([2.0, 1.0], [1.0, 1.0]):
        p = gr.compare({"a": report(values), "b": report([0.0, 0.0])}, n_permutations=20_000)["p"].item()
        assert p == pytest.approx(0.5, abs=0.02)


def test_the_number_of_permutations_is_kept_when_they_are_drawn_in_blocks():
    # 300,000 users are drawn 13 at a time; p of a clear difference tells how many were drawn in all.
    clear = gr.compare({"a": report(np.ones(300_000)), "b": report(np.zeros(300_000))}, n_permutations=15)
    assert clear["p"].item() == 1 / 16
    same = gr.compare({"a": report(np.ones(300_000)), "b": report(np.ones(300_000))}, n_permutations=15)
    assert same["p"].item() == 1


def test_equal_reports_differ_by_nothing():
    values = np.random.default_rng(5).random(70)
    table = gr.compare({"a": report(values), "b": report(values)})
    assert table["difference"].item() == 0
    assert table["p"].item() == table["p_holm"].item() == 1


def test_differences_that_cancel_but_for_rounding_have_p_one():
    base = np.array([0.3, 0.1, 0.7, 0.2])
    table = gr.compare({"a": report(base + np.array([0.1, -0.1, 0.2, -0.2])), "b": report(base)})
    assert table["p"].item() == 1


def test_p_does_not_depend_on_the_scale_of_the_metric():
    g = np.random.default_rng(8)
    a, b = g.random(60), g.random(60)
    ps = [gr.compare({"a": report(a * scale), "b": report(b * scale)})["p"].item() for scale in (1, 2.0**-40, 2.0**40)]
    assert ps[0] == ps[1] == ps[2]
    assert 0.001 < ps[0] < 1


def test_holm_correction():
    g = np.random.default_rng(3)
    base = g.random(200)
    reports = {f"m{i}": report(base + g.normal(0.01, 0.05, 200)) for i in range(3)} | {"base": report(base)}
    table = gr.compare(reports)
    ordered = table.sort_values("p")
    want = np.minimum(np.maximum.accumulate(ordered["p"] * [3, 2, 1]), 1)
    assert np.allclose(ordered["p_holm"], want)


def test_a_metric_that_is_named_twice_is_tested_once():
    g = np.random.default_rng(0)
    both = {"a": report(g.random(40)), "b": report(g.random(40) + 0.1)}
    pd.testing.assert_frame_equal(gr.compare(both, metrics=["ndcg@20"] * 2), gr.compare(both, metrics=["ndcg@20"]))


def test_users_are_matched_by_id_and_not_by_row():
    a = report([1.0, 2.0, 3.0], users=["x", "y", "z"])
    b = report([3.0, 1.0, 2.0], users=["z", "x", "y"])
    table = gr.compare({"a": a, "b": b})
    assert table["difference"].item() == 0
    assert table["p"].item() == 1


# ---- several runs ---------------------------------------------------------------------------------


def test_runs_are_averaged_by_user_before_users_are_compared():
    g = np.random.default_rng(6)
    runs, base = [g.random(80) for _ in range(3)], [g.random(80) for _ in range(2)]
    table = gr.compare({"a": [report(r) for r in runs], "b": [report(r) for r in base]}, seed=4)
    flat = gr.compare({"a": report(np.mean(runs, 0)), "b": report(np.mean(base, 0))}, seed=4)
    assert table["p"].item() == flat["p"].item()
    row = table.iloc[0]
    assert row["mean"] == pytest.approx(np.mean(runs))
    assert row["std"] == pytest.approx(np.std([r.mean() for r in runs], ddof=1))
    assert row["baseline_std"] == pytest.approx(np.std([r.mean() for r in base], ddof=1))
    assert (row["seeds"], row["baseline_seeds"]) == (3, 2)
    assert row["difference"] == pytest.approx(np.mean(runs) - np.mean(base))


def test_one_report_is_a_list_of_one():
    a, b = report([0.1, 0.5, 0.2]), report([0.2, 0.3, 0.1])
    table = gr.compare({"a": [a], "b": b})
    assert table.drop(columns=["std", "seeds", "baseline_std", "baseline_seeds"]).equals(
        pd.DataFrame(gr.compare({"a": a, "b": b}))
    )
    assert np.isnan(table["std"]).all()
    assert "±" not in table.to_markdown().splitlines()[2]


def test_a_model_that_knew_more_pairs_is_named():
    split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2, valid=0.1)
    alone, whole = (
        gr.evaluate(gr.Recommender("itempop").fit(known), split, metrics=["ndcg@20"])
        for known in (split.train, split.train_and_valid)
    )
    assert (alone.n_trained, whole.n_trained) == (12091, 13818)
    with pytest.warns(UserWarning, match="whole was fitted on 13,818 pairs and alone on 12,091: a part of") as told:
        gr.compare({"whole": whole, "alone": alone})
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gr.compare({"again": alone, "alone": alone})


# ---- printed --------------------------------------------------------------------------------------


@pytest.fixture
def table():
    g = np.random.default_rng(7)
    base = g.uniform(0.2, 0.3, 400)

    def both(values):
        frame = pd.DataFrame({"user_id": np.arange(400), "ndcg@20": values, "hit_rate@10/99": np.full(400, 0.5)})
        return gr.Report(frame, gr.Protocol("made up", "", "pairs"))

    return gr.compare({"Mine_1": both(base + 0.1), "base": both(base)})


def test_markdown_marks_the_best_and_what_differs(table):
    lines = table.to_markdown(digits=3).splitlines()
    high, low = (f"{table[c].iloc[0]:.3f}" for c in ("mean", "baseline"))
    assert lines[:4] == [
        "| model | ndcg@20 | hit_rate@10/99 |",
        "| :-- | --: | --: |",
        f"| Mine_1 | **{high}**\\* | **0.500** |",
        f"| base | {low} | **0.500** |",
    ]
    assert "differs from base: p < 0.05" in lines[-1]
    assert "400 users, Holm-corrected for 2 comparisons" in lines[-1]


def test_latex_marks_the_best_and_what_differs(table):
    text = table.to_latex(digits=3)
    high = f"{table['mean'].iloc[0]:.3f}"
    assert r"\begin{tabular}{lrr}" in text
    assert r"model & ndcg@20 & hit\_rate@10/99 \\" in text
    assert rf"Mine\_1 & \textbf{{{high}}}$^{{*}}$ & \textbf{{0.500}} \\" in text
    assert text.count("$^{*}$") == 1


def test_a_star_is_a_matter_of_alpha(table):
    # The least p of 10,000 permutations, corrected for two rows.
    assert table["p_holm"].min() == 2 / 10_001
    assert "**\\*" in table.to_markdown(alpha=0.0002)
    assert "**\\*" not in table.to_markdown(alpha=0.00019)


def test_deviations_are_printed_where_there_are_runs():
    table = gr.compare({"a": [report([0.1, 0.3]), report([0.2, 0.4])], "b": report([0.1, 0.1])})
    assert "| a | **0.2500 ± 0.0707** |" in table.to_markdown()
    assert "| b | 0.1000 |" in table.to_markdown()
    assert r"a & \textbf{0.2500} $\pm$ 0.0707 \\" in table.to_latex()


def test_models_are_printed_in_the_order_given():
    reports = {name: report([value, value]) for name, value in (("c", 0.3), ("a", 0.2), ("b", 0.1))}
    lines = gr.compare(reports, baseline="a").to_markdown().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:5]] == ["| c", "| a", "| b"]


def test_a_comparison_is_a_frame(table):
    assert type(table[table["p"] < 0.5]) is pd.DataFrame
    again = pickle.loads(pickle.dumps(table))
    assert again.equals(table)
    assert again.to_markdown() == table.to_markdown()


@pytest.mark.parametrize(
    ("reports", "options", "message"),
    [
        ({"a": report([1.0])}, {}, "at least two reports"),
        ({"a": report([1.0]), "b": report([1.0])}, {"baseline": "c"}, "baseline 'c' is not one of the reports"),
        ({"a": report([1.0]), "b": report([1.0, 2.0])}, {}, "over different users"),
        ({"a": report([1.0]), "b": report([1.0], users=[5])}, {}, "over different users"),
        ({"a": report([1.0]), "b": report([1.0])}, {"metrics": ["map@5"]}, "metric 'map@5' is not in all reports"),
        ({"a": report([1.0]), "b": report([1.0], metric="map@5")}, {}, "no metric in common"),
        ({"a": report([1.0]), "b": []}, {}, "model 'b' has no report"),
        ({"a": report([1.0]), "b": 0.3}, {}, "'b' must be a report .* got float"),
        ({"a": report([1.0]), "b": [{"ndcg@5": 1.0}]}, {}, "'b' must be a report .* or a list of such"),
        ({"a": report([1.0]), "b": report([1.0])}, {"metrics": []}, r"metrics must be a list of names, .* got \[\]"),
        ({"a": report([1.0]), "b": report([1.0])}, {"n_permutations": 0}, "n_permutations must be at least 1, got 0"),
        (
            {"a": [report([1.0]), report([1.0], protocol="else")], "b": report([1.0])},
            {},
            "'a' and 'b' do not compare like with",
        ),
        ({"a": report([1.0]), "b": [report([1.0]), report([1.0], protocol="else")]}, {}, "ranked differently"),
    ],
)
def test_bad_calls(reports, options, message):
    with pytest.raises(gr.errors.InputError, match=message):
        gr.compare(reports, **options)
