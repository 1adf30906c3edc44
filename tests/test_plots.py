"""Pictures hold what they were given, are figures of their own, and refuse what cannot be drawn."""

import subprocess
import sys
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure

import graphrec as gr
from graphrec.errors import InputError
from graphrec.report import plots
from graphrec.report.components import principal_components
from graphrec.report.popularity import popularity_and_rank
from graphrec.training.schedules import Schedule, preview


def history(epochs=6, every=2, **metrics):
    """A row per epoch; metrics in every second one, like the trainer's."""
    table = pd.DataFrame({"epoch": range(1, epochs + 1), "loss": np.geomspace(0.7, 0.1, epochs), "lr": 1e-3, "seconds": 0.5})
    looked = table["epoch"] % every == 0
    for name, values in metrics.items():
        table[name.replace("_at_", "@")] = np.nan
        table.loc[looked, name.replace("_at_", "@")] = values
    table["eval_seconds"] = np.where(looked, 0.1, np.nan)
    return table


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def legend_texts(owner):
    return [text.get_text() for legend in owner.legends for text in legend.get_texts()]


def ticks(axes):
    return [label.get_text() for label in axes.get_yticklabels()]


# ---- every function ---------------------------------------------------------------------------

COMPARISON = pd.DataFrame({"name": ["a", "b"], "value": [0.1, 0.2], "low": [0.08, 0.19], "high": [0.13, 0.23]})
VECTORS = np.random.default_rng(0).normal(size=(30, 5)) * [5, 3, 1, 1, 1]
TITLES = [f"film {i}" for i in range(30)]


def every_figure(interactions):
    top = pd.DataFrame({"item_id": interactions.item_ids[:5], "rank": range(1, 6)})
    rec = gr.Recommender("itemknn").fit(interactions)
    user, item = interactions.to_frame()[["user_id", "item_id"]].iloc[0]
    return {
        "plot_paths": plots.plot_paths(rec, user, item),
        "plot_history": plots.plot_history(history(ndcg_at_20=[0.1, 0.3, 0.2])),
        "plot_learning_rate": plots.plot_learning_rate([0.1, 0.2]),
        "plot_comparison": plots.plot_comparison(COMPARISON),
        "plot_item_components": plots.plot_item_components(VECTORS, TITLES, n=3),
        "plot_embedding": plots.plot_embedding(VECTORS),
        "plot_popularity_rank": plots.plot_popularity_rank(interactions, top),
    }


def test_every_function_returns_a_figure_that_can_be_saved(interactions, tmp_path):
    figures = every_figure(interactions)
    assert set(figures) == set(plots.__all__)
    for name, figure in figures.items():
        assert type(figure) is Figure, name
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_pyplot_and_the_global_settings_are_left_alone(tmp_path):
    code = """
import sys
import graphrec.report.plots as plots
assert "matplotlib" not in sys.modules, "importing the module imports matplotlib"
import matplotlib, pandas as pd
def settings():  # to ask for the backend would choose one, which imports pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
table = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "lr": 0.1, "ndcg@20": [0.1, 0.2]})
plots.plot_history({"a": table, "b": table}).savefig(sys.argv[1])
plots.plot_learning_rate(table)
plots.plot_embedding([[0.0, 1.0], [1.0, 0.0], [2.0, 5.0]], values=[1, 2, 3])
assert "matplotlib.pyplot" not in sys.modules, "pyplot was imported"
assert settings() == before, "settings were changed"
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "curves.png")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# ---- history ----------------------------------------------------------------------------------


def test_one_history_has_a_panel_for_the_loss_and_one_per_metric():
    table = history(ndcg_at_20=[0.1, 0.3, 0.2], recall_at_20=[0.2, 0.4, 0.5])
    figure = plots.plot_history(table)
    assert titles(figure) == ["training loss", "ndcg@20 on validation", "recall@20 on validation"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch"] * 3
    loss, ndcg, recall = (axes.get_lines() for axes in figure.axes)
    assert len(loss) == len(ndcg) == len(recall) == 1
    np.testing.assert_array_equal(loss[0].get_xydata(), table[["epoch", "loss"]])
    np.testing.assert_array_equal(ndcg[0].get_xydata(), [[2, 0.1], [4, 0.3], [6, 0.2]])
    np.testing.assert_array_equal(recall[0].get_xydata(), [[2, 0.2], [4, 0.4], [6, 0.5]])


def test_the_best_epoch_is_marked_and_named():
    figure = plots.plot_history(history(ndcg_at_20=[0.1, 0.3, 0.2], rmse=[0.95, 1.2, 0.99], epochs=6))
    loss, ndcg, rmse = figure.axes
    assert loss.get_lines()[0].get_markevery() == []
    assert ndcg.get_lines()[0].get_markevery() == [1]
    assert ndcg.get_legend().get_texts()[0].get_text() == "best: 0.3 in epoch 4"
    assert rmse.get_lines()[0].get_markevery() == [0]  # of errors the smallest is best
    assert rmse.get_legend().get_texts()[0].get_text() == "best: 0.95 in epoch 2"


def test_several_histories_share_panels_and_a_legend():
    tables = {"mf": history(ndcg_at_20=[0.1, 0.3, 0.2]), "lightgcn": history(epochs=4, ndcg_at_20=[0.2, 0.4])}
    figure = plots.plot_history(tables)
    for axes in figure.axes:
        assert [line.get_label() for line in axes.get_lines()] == ["mf", "lightgcn"]
        assert len({line.get_color() for line in axes.get_lines()}) == 2
        assert axes.get_legend() is None
    assert legend_texts(figure) == ["mf", "lightgcn", "best epoch"]
    np.testing.assert_array_equal(figure.axes[1].get_lines()[1].get_xydata(), [[2, 0.2], [4, 0.4]])
    handles = figure.legends[0].legend_handles
    assert [h.get_color() for h in handles[:2]] == [line.get_color() for line in figure.axes[0].get_lines()]


def test_a_metric_that_one_model_lacks_leaves_its_panel_to_the_other():
    figure = plots.plot_history({"a": history(ndcg_at_20=[1, 2, 3]), "b": history(rmse=[3, 2, 1])})
    assert titles(figure) == ["training loss", "ndcg@20 on validation", "rmse on validation"]
    assert [[line.get_label() for line in axes.get_lines()] for axes in figure.axes] == [["a", "b"], ["a"], ["b"]]
    # The colour stands for the model in every panel.
    assert figure.axes[2].get_lines()[0].get_color() == figure.axes[0].get_lines()[1].get_color()


def test_metrics_can_be_chosen():
    table = history(ndcg_at_20=[0.1, 0.3, 0.2], recall_at_20=[0.2, 0.4, 0.5])
    assert titles(plots.plot_history(table, metrics=["recall@20"]))[1:] == ["recall@20 on validation"]
    assert titles(plots.plot_history(table, metrics="recall@20"))[1:] == ["recall@20 on validation"]
    assert titles(plots.plot_history(table, metrics=[])) == ["training loss"]


def test_an_unevaluated_metric_is_no_panel_and_many_metrics_wrap():
    assert titles(plots.plot_history(history(ndcg_at_20=np.nan))) == ["training loss"]
    many = history(**{f"recall_at_{k}": [0.1, 0.2, 0.3] for k in (1, 5, 10, 20)})
    figure = plots.plot_history(many)
    assert len(figure.axes) == 5  # the empty sixth place of the grid is gone
    assert len({round(axes.get_position().y0, 3) for axes in figure.axes}) == 2


def test_one_epoch_is_visible():
    figure = plots.plot_history(history(epochs=1, every=1, ndcg_at_20=[0.1]))
    assert [axes.get_lines()[0].get_markevery() for axes in figure.axes] == [[0], [0]]


def test_more_models_than_colours_differ_in_their_dashes():
    figure = plots.plot_history({f"m{i}": history() for i in range(20)})
    looks = {(line.get_color(), line.get_linestyle()) for line in figure.axes[0].get_lines()}
    assert len(looks) == 20


def test_histories_that_cannot_be_drawn():
    for empty in (pd.DataFrame(), history().iloc[:0]):
        with pytest.raises(InputError, match="the history has no epoch"):
            plots.plot_history(empty)
    with pytest.raises(InputError, match="the history of 'ease' has no epoch"):
        plots.plot_history({"mf": history(), "ease": pd.DataFrame()})
    with pytest.raises(InputError, match="no history to draw"):
        plots.plot_history({})
    with pytest.raises(InputError, match=r"the history of 'mf' has no column 'loss' \(columns: epoch, lr"):
        plots.plot_history({"mf": history().drop(columns="loss")})
    with pytest.raises(InputError, match="must be a DataFrame, got list"):
        plots.plot_history({"mf": [0.3, 0.2]})
    with pytest.raises(InputError, match=r"'ndcg@10' was never evaluated; evaluated are: ndcg@20\."):
        plots.plot_history(history(ndcg_at_20=[1, 2, 3]), metrics=["ndcg@10"])
    with pytest.raises(InputError, match="'lr' was never evaluated; evaluated are: none"):
        plots.plot_history(history(), metrics=["lr"])


def test_the_history_of_a_real_training(interactions):
    split = gr.split.random(interactions.binarize(2), test=0.2, valid=0.2, seed=0)
    rec = gr.Recommender("mf", dim=8).fit(split.train, valid=split.valid, epochs=5, eval_every=2, progress=False)
    figure = plots.plot_history(rec.history)
    assert titles(figure) == ["training loss", "ndcg@20 on validation"]
    line = figure.axes[1].get_lines()[0]
    assert line.get_xdata().tolist() == [2, 4, 5]
    assert line.get_xdata()[line.get_markevery()[0]] == rec.best_epoch


# ---- learning rate ----------------------------------------------------------------------------


def test_rates_by_step_and_in_epochs():
    rates = preview(Schedule("triangular", min_lr=1e-4, max_lr=1e-2, step_size=10), 1e-2, 40, 10)
    axes = plots.plot_learning_rate(rates).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("step", "learning rate")
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), np.c_[np.arange(40), rates])
    axes = plots.plot_learning_rate(rates, steps_per_epoch=10).axes[0]
    assert axes.get_xlabel() == "epoch"
    np.testing.assert_allclose(axes.get_lines()[0].get_xdata(), np.arange(40) / 10)


def test_rates_of_a_history_and_of_several():
    table = history().assign(lr=[6, 5, 4, 3, 2, 1])
    axes = plots.plot_learning_rate(table).axes[0]
    assert axes.get_xlabel() == "epoch"
    np.testing.assert_array_equal(axes.get_lines()[0].get_xydata(), table[["epoch", "lr"]])
    figure = plots.plot_learning_rate({"a": table, "b": table.assign(lr=1.0)}, log=True)
    assert legend_texts(figure) == ["a", "b"]
    assert figure.axes[0].get_yscale() == "log"
    # A history beside steps: the first epoch begins at 0, as does the first step.
    both = plots.plot_learning_rate({"steps": [6.0, 5.5, 5.0], "epochs": table}, steps_per_epoch=2).axes[0]
    assert [line.get_xdata()[0] for line in both.get_lines()] == [0, 0]
    assert both.get_lines()[1].get_xdata()[1] == both.get_lines()[0].get_xdata()[2] == 1


def test_rates_that_cannot_be_drawn():
    with pytest.raises(InputError, match=r"at least one, got shape \(0,\)"):
        plots.plot_learning_rate([])
    with pytest.raises(InputError, match=r"got shape \(2, 2\)"):
        plots.plot_learning_rate(np.ones((2, 2)))
    with pytest.raises(InputError, match="number 1 is nan"):
        plots.plot_learning_rate([0.1, np.nan])
    with pytest.raises(InputError, match="the rates of 'x' must be finite and not negative; number 0 is -1"):
        plots.plot_learning_rate({"x": [-1.0]})
    with pytest.raises(InputError, match="no column 'lr'"):
        plots.plot_learning_rate(history().drop(columns="lr"))
    with pytest.raises(InputError, match="no learning rate to draw"):
        plots.plot_learning_rate({})
    with pytest.raises(InputError, match="steps_per_epoch puts them on one axis"):
        plots.plot_learning_rate({"a": history(), "b": [0.1]})
    with pytest.raises(InputError, match="steps_per_epoch must be at least 1, got 0"):
        plots.plot_learning_rate([0.1], steps_per_epoch=0)


# ---- comparison -------------------------------------------------------------------------------


def test_comparison_shows_values_and_intervals_best_on_top():
    table = pd.DataFrame({"name": ["$b$", "a", "c"], "value": [0.2, 0.1, 0.15], "low": [0.18, 0.09, 0.15]})
    table["high"] = [0.25, 0.12, 0.15]
    axes = plots.plot_comparison(table, "recall@20").axes[0]
    assert ticks(axes) == ["a", "c", "$b$"]  # from the bottom
    assert axes.get_xlabel() == "recall@20"
    points, _, (intervals,) = axes.containers[0].lines
    np.testing.assert_allclose(points.get_xydata(), [[0.1, 0], [0.15, 1], [0.2, 2]])
    drawn = [segment[:, 0].tolist() for segment in intervals.get_segments()]
    np.testing.assert_allclose(drawn, [[0.09, 0.12], [0.15, 0.15], [0.18, 0.25]])
    # Two digits of the narrowest interval that has a width, 0.03.
    assert [text.get_text() for text in axes.texts] == ["0.100", "0.150", "0.200"]
    assert ticks(plots.plot_comparison(table, "rmse", larger_is_better=False).axes[0]) == ["$b$", "c", "a"]


def test_comparisons_that_cannot_be_drawn():
    for column in COMPARISON:
        with pytest.raises(InputError, match=f"column '{column}' is not in the table"):
            plots.plot_comparison(COMPARISON.drop(columns=column))
    with pytest.raises(InputError, match="at least one row"):
        plots.plot_comparison(COMPARISON.iloc[:0])
    with pytest.raises(InputError, match=r"row 1 \(b\): the value 0.2 is not within \[0.21, 0.23\]"):
        plots.plot_comparison(COMPARISON.assign(low=[0.08, 0.21]))
    with pytest.raises(InputError, match=r"row 0 \(a\): the value nan"):
        plots.plot_comparison(COMPARISON.assign(value=[np.nan, 0.2]))


# ---- components -------------------------------------------------------------------------------


def test_components_agree_with_the_covariance_matrix():
    x = np.random.default_rng(3).normal(size=(200, 4)) @ np.diag([4, 3, 2, 1]) + 10
    pca = principal_components(x)
    values, vectors = np.linalg.eigh(np.cov(x.T))
    np.testing.assert_allclose(pca.explained, values[::-1] / values.sum())
    np.testing.assert_allclose(np.abs((pca.directions * vectors.T[::-1]).sum(1)), 1)
    np.testing.assert_allclose(pca.scores, (x - x.mean(0)) @ pca.directions.T, atol=1e-9)
    assert (pca.scores.max(0) > -pca.scores.min(0)).all()  # the furthest is on the positive side
    mirrored = principal_components(torch.tensor(-x, requires_grad=True), k=2)
    np.testing.assert_allclose(mirrored.scores, pca.scores[:, :2], atol=1e-9)
    assert mirrored.directions.shape == (2, 4)


def test_vectors_without_components():
    with pytest.raises(InputError, match="all vectors are equal"):
        principal_components(np.full((5, 3), 0.1))
    with pytest.raises(InputError, match=r"k must be from 1 to 3 for vectors of shape \(5, 3\), got 4"):
        principal_components(np.eye(5)[:, :3], 4)
    with pytest.raises(InputError, match="row 2 has another value"):
        principal_components([[1.0], [2.0], [np.inf]])
    for shape in ((5,), (0, 3), (2, 2, 2)):
        with pytest.raises(InputError, match="must have the shape"):
            principal_components(np.ones(shape))


def test_bars_are_the_titles_at_both_ends():
    # On a line, so that the order of the items along it is known: item i lies at i², the last at the far end.
    line = np.arange(12.0)[:, None] ** 2 * [[3.0, 4.0]] / 5
    names = pd.Series([f"t{i}" for i in range(12)], index=range(100, 112))
    figure = plots.plot_item_components(line + 7, names, n=2)
    axes = figure.axes[0]
    assert ticks(axes) == ["t0", "t1", "t10", "t11", "8 items between"]
    centred = np.arange(12) ** 2 - np.mean(np.arange(12) ** 2)
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], centred[[0, 1, 10, 11]])
    heights = [bar.get_y() + bar.get_height() / 2 for bar in axes.patches]
    np.testing.assert_allclose(heights, [0, 1, 3, 4])
    assert axes.get_xlabel() == "principal component 1, 100.0 % of the variance"


def test_another_component_and_all_items():
    vectors = torch.zeros(4, 3)
    vectors[:, 0] = torch.tensor([9.0, -9, 9, -9])
    vectors[:, 2] = torch.tensor([2.0, 1, -1, -2])
    axes = plots.plot_item_components(vectors, list("abcd"), component=1, n=2).axes[0]
    assert sorted(t for t in ticks(axes) if t) == list("abcd")
    assert "principal component 2" in axes.get_xlabel()
    long = plots.plot_item_components(vectors, ["word " * 30] * 4, n=2).axes[0]
    assert all(len(text) <= 48 and text.endswith(" …") for text in ticks(long)[:4])


def test_item_components_that_cannot_be_drawn():
    with pytest.raises(InputError, match=r"30 vectors and titles of shape \(29,\)"):
        plots.plot_item_components(VECTORS, TITLES[:-1])
    for component in (5, -1):
        with pytest.raises(InputError, match=f"no component {component}; these vectors have components 0 to 4"):
            plots.plot_item_components(VECTORS, TITLES, component)
    for n in (0, 16):
        with pytest.raises(InputError, match=f"n must be from 1 to 15, half the number of items; got {n}"):
            plots.plot_item_components(VECTORS, TITLES, n=n)


# ---- embedding --------------------------------------------------------------------------------


def test_embedding_is_the_plane_of_the_first_two_components():
    axes = plots.plot_embedding(VECTORS).axes[0]
    np.testing.assert_allclose(axes.collections[0].get_offsets(), principal_components(VECTORS).scores[:, :2])
    assert axes.get_xlabel().startswith("principal component 1 (")


def test_embedding_by_category_and_by_value():
    categories = ["drama"] * 12 + ["comedy"] * 10 + list("abcdefgh")
    figure = plots.plot_embedding(VECTORS, categories, label="genre")
    texts = legend_texts(figure)
    assert texts[:2] == ["drama (12)", "comedy (10)"]
    assert len(texts) == 7
    assert texts[-1] == "other (4)"
    assert figure.legends[0].get_title().get_text() == "genre"
    assert sum(len(c.get_offsets()) for c in figure.axes[0].collections) == 30
    scores = principal_components(VECTORS).scores[:, :2]
    np.testing.assert_allclose(figure.axes[0].collections[0].get_offsets(), scores[:12])
    figure = plots.plot_embedding(VECTORS, values=np.arange(30), label="users")
    np.testing.assert_array_equal(figure.axes[0].collections[0].get_array(), np.arange(30))
    assert figure.axes[1].get_ylabel() == "users"


def test_embeddings_that_cannot_be_drawn():
    with pytest.raises(InputError, match="categories or values, not both"):
        plots.plot_embedding(VECTORS, TITLES, np.arange(30))
    with pytest.raises(InputError, match=r"30 vectors and categories of shape \(29,\)"):
        plots.plot_embedding(VECTORS, TITLES[1:])
    with pytest.raises(InputError, match=r"30 vectors and values of shape \(2,\)"):
        plots.plot_embedding(VECTORS, values=[1, 2])
    with pytest.raises(InputError, match="at least two vectors of two dimensions"):
        plots.plot_embedding(VECTORS[:, :1])


# ---- popularity -------------------------------------------------------------------------------


@pytest.fixture
def lists(interactions):
    """Ten random items for each user, and one item left out of every list."""
    g = np.random.default_rng(5)
    rows = [(u, i, r) for u in interactions.user_ids for r, i in enumerate(g.permutation(interactions.item_ids[1:])[:10], 1)]
    return pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])


def test_popularity_and_rank_agree_with_counting(interactions, lists):
    users, ranks = defaultdict(set), defaultdict(list)
    for row in interactions.to_frame().itertuples():
        users[row.item_id].add(row.user_id)
    for row in lists.itertuples():
        ranks[row.item_id].append(row.rank)
    table = popularity_and_rank(interactions, lists)
    assert table["item_id"].tolist() == interactions.item_ids.tolist()
    for row in table.itertuples():
        assert row.popularity == len(users[row.item_id])
        assert row.lists == len(ranks[row.item_id])
        assert row.lists == 0 or row.mean_rank == pytest.approx(np.mean(ranks[row.item_id]))
    assert np.isnan(table["mean_rank"][0])


def test_a_repeated_event_is_one_user():
    frame = pd.DataFrame({"user_id": [1, 1, 2], "item_id": ["a", "a", "b"]})
    train = gr.Interactions.from_frame(frame, duplicates="keep")
    table = popularity_and_rank(train, pd.DataFrame({"item_id": ["a"], "rank": [1]}))
    assert table["popularity"].tolist() == [1, 1]


def test_a_dot_per_item_and_a_line_of_medians(interactions, lists):
    table = popularity_and_rank(interactions, lists)
    for against, column, n in (("rank", "mean_rank", table["mean_rank"].count()), ("lists", "lists", len(table))):
        axes = plots.plot_popularity_rank(interactions, lists, against).axes[0]
        dots = np.asarray(axes.collections[0].get_offsets())
        assert len(dots) == n
        np.testing.assert_allclose(dots, table[["popularity", column]].dropna())
        middle = dots[(dots[:, 0] >= 4) & (dots[:, 0] < 8)]
        assert np.median(middle, axis=0).tolist() in axes.get_lines()[0].get_xydata().tolist()
        assert axes.get_title(loc="left") == f"{(table['lists'] == 0).sum()} of 45 items in no list"
        assert axes.yaxis_inverted() == (against == "rank")


def test_models_have_a_panel_each(interactions, lists):
    figure = plots.plot_popularity_rank(interactions, dict.fromkeys("abcd", lists))
    assert [title.split("\n")[0] for title in titles(figure)] == list("abcd")
    assert all(axes.yaxis_inverted() for axes in figure.axes)
    assert [axes.get_ylabel() != "" for axes in figure.axes] == [True, False, False, True]


def test_recommended_lists_of_a_fitted_model(interactions):
    rec = gr.Recommender("itempop").fit(interactions.binarize(1))
    top = rec.recommend(interactions.user_ids, k=5)
    axes = plots.plot_popularity_rank(rec.train, top, against="lists").axes[0]
    assert sum(y for _, y in axes.collections[0].get_offsets()) == len(top)


def test_popularity_that_cannot_be_drawn(interactions, lists):
    for column in ("item_id", "rank"):
        with pytest.raises(InputError, match=f"column '{column}' is not in the recommendations"):
            plots.plot_popularity_rank(interactions, lists.drop(columns=column))
    with pytest.raises(InputError, match="unknown value of against 'list'; did you mean 'lists'"):
        plots.plot_popularity_rank(interactions, lists, against="list")
    with pytest.raises(InputError, match="no recommendation to look at"):
        plots.plot_popularity_rank(interactions, lists.iloc[:0])
    with pytest.raises(InputError, match="no recommendation to look at"):
        plots.plot_popularity_rank(interactions, {})
    with pytest.raises(InputError, match="ranks count from 1; row 3"):
        plots.plot_popularity_rank(interactions, lists.assign(rank=lists["rank"].where(lists.index != 3, 0)))
    with pytest.raises(InputError, match="item"):
        plots.plot_popularity_rank(interactions, lists.assign(item_id=-1))
