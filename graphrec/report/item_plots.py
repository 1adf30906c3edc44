"""Pictures of items: what their embeddings hold, and how popularity shows in what is recommended."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import shorten
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name
from graphrec.report.components import principal_components
from graphrec.report.popularity import popularity_and_rank
from graphrec.report.style import COLOURS, DARK_GREY, GREY, INK, TEXT_SIZE, WIDTH, new_figure, plain_legend, tidy

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plot_embedding", "plot_item_components", "plot_popularity_rank"]


def plot_item_components(
    vectors: npt.ArrayLike | torch.Tensor, titles: npt.ArrayLike | pd.Series[Any], component: int = 0, n: int = 10
) -> Figure:
    """Titles at both ends of a principal component of item embeddings, as bars.

    Parameters
    ----------
    vectors : array_like or Tensor, shape (n_items, d)
        Item embeddings; they are centred here.
    titles : array_like of str, shape (n_items,)
        In the order of `vectors`.
    component : int
        Which component, from 0 (the strongest) to min(n_items, d) − 1.
    n : int
        Titles at each end.

    Returns
    -------
    matplotlib.figure.Figure
        `2 n` bars, highest on top; the length is the item's place along the component.

    Raises
    ------
    InputError
        Another number of titles than of vectors, no such component, or fewer than `2 n` items.
    """
    names = np.asarray(titles, object)
    pca = principal_components(vectors)
    count, components = pca.scores.shape
    if names.shape != (count,):
        raise InputError(f"there are {count} vectors and titles of shape {names.shape}; each vector needs one title.")
    if not 0 <= component < components:
        raise InputError(f"there is no component {component}; these vectors have components 0 to {components - 1}.")
    if not 1 <= n <= count // 2:
        raise InputError(f"n must be from 1 to {count // 2}, half the number of items; got {n}.")
    scores = pca.scores[:, component]
    order = np.argsort(scores, kind="stable")
    ends = np.r_[order[:n], order[-n:]]
    place = np.r_[np.arange(n), np.arange(n) + n + 1.0]  # an empty row stands for the items between
    figure = new_figure(WIDTH, 0.9 + 0.2 * (2 * n + 1))
    axes = figure.subplots()
    axes.barh(place, scores[ends], height=0.72, color=[COLOURS[1] if s < 0 else COLOURS[0] for s in scores[ends]])
    axes.axvline(0, color=GREY, linewidth=0.8)
    labels = [shorten(str(names[i]), 48, placeholder=" …") for i in ends]
    between = f"{count - 2 * n:,} items between" if count > 2 * n else ""
    axes.set_yticks([*place, n], [*labels, between], parse_math=False)
    axes.set_ylim(-0.7, place[-1] + 0.7)
    share = f"{pca.explained[component]:.1%}".replace("%", " %")
    tidy(axes, x=f"principal component {component + 1}, {share} of the variance", grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.get_yticklabels()[-1].set_color(DARK_GREY)
    return figure


def plot_embedding(
    vectors: npt.ArrayLike | torch.Tensor,
    categories: npt.ArrayLike | pd.Series[Any] | None = None,
    values: npt.ArrayLike | pd.Series[Any] | None = None,
    label: str = "",
) -> Figure:
    """Embeddings on the plane of their first two principal components.

    Parameters
    ----------
    vectors : array_like or Tensor, shape (n, d)
        User or item embeddings, d ≥ 2; they are centred here.
    categories : array_like, shape (n,), optional
        A name for each vector, shown by colour: the six most frequent ones, and the rest as one.
    values : array_like of float, shape (n,), optional
        A number for each vector instead, shown by a scale of colours.
    label : str
        What the categories or values are, such as ``"genre"`` or ``"ratings in training"``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Lengths differ, both kinds of colour are given, or the vectors have fewer than two dimensions.
    """
    if categories is not None and values is not None:
        raise InputError("plot_embedding takes categories or values, not both.")
    pca = principal_components(vectors)
    if pca.scores.shape[1] < 2:
        raise InputError("plot_embedding needs at least two vectors of two dimensions.")
    x, y = pca.scores[:, :2].T
    look: dict[str, Any] = {"s": 12, "linewidths": 0, "alpha": 0.75}
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    if values is not None:
        numbers = _of_length(np.asarray(values, np.float64), len(x), "values")
        drawn = axes.scatter(x, y, c=numbers, cmap="viridis", **look)
        bar = figure.colorbar(drawn, ax=axes, shrink=0.8)
        bar.set_label(label, fontsize=TEXT_SIZE, color=INK)
        bar.ax.tick_params(labelsize=TEXT_SIZE, labelcolor=INK, color=GREY, length=3)
        bar.outline.set_visible(False)
    elif categories is not None:
        _scatter_categories(axes, x, y, _of_length(np.asarray(categories, object), len(x), "categories"), look)
        handles, names = axes.get_legend_handles_labels()
        options = {"title": label or None, "title_fontsize": TEXT_SIZE, "alignment": "left", "markerscale": 1.8}
        plain_legend(figure, handles=handles, labels=names, loc="outside right upper", **options)
    else:
        axes.scatter(x, y, color=COLOURS[0], **look)
    shares = [f"{share:.1%}".replace("%", " %") for share in pca.explained[:2]]
    tidy(axes, x=f"principal component 1 ({shares[0]} of variance)", y=f"principal component 2 ({shares[1]})")
    axes.set_aspect("equal", adjustable="datalim")  # distances are what the picture is about
    return figure


def _scatter_categories(axes: Axes, x: Any, y: Any, categories: npt.NDArray[Any], look: dict[str, Any]) -> None:
    names = pd.Series(categories).astype(str)
    frequent = names.value_counts().index[: len(COLOURS) - 1].tolist()
    for colour, name in zip(COLOURS, frequent, strict=False):
        mine = (names == name).to_numpy()
        axes.scatter(x[mine], y[mine], color=colour, label=f"{name} ({mine.sum():,})", **look)
    rest = ~names.isin(frequent).to_numpy()
    if rest.any():
        axes.scatter(x[rest], y[rest], color="#CFCFCF", label=f"other ({rest.sum():,})", zorder=0.9, **look)


def _of_length(array: npt.NDArray[Any], n: int, name: str) -> npt.NDArray[Any]:
    if array.shape != (n,):
        raise InputError(f"there are {n} vectors and {name} of shape {array.shape}; each vector needs one.")
    return array


def plot_popularity_rank(
    train: Interactions, top: pd.DataFrame | Mapping[str, pd.DataFrame], against: Literal["rank", "lists"] = "rank"
) -> Figure:
    """Popularity of items against where, or how often, they are recommended; a dot per item.

    Parameters
    ----------
    train : Interactions
        What the model was fitted on; popularity is the number of users of an item.
    top : DataFrame or mapping of str to DataFrame
        Recommended lists, as ``Recommender.recommend`` returns them (columns item_id and rank); those of
        several models by name get a panel each.
    against : {"rank", "lists"}
        The vertical axis: the mean rank in the lists that an item is in, or the number of those lists. Short
        lists say more with ``"lists"``; with `k` as large as the catalogue every item has a mean rank.

    Returns
    -------
    matplotlib.figure.Figure
        With a line through the medians of items of like popularity, and how many items are in no list.

    Raises
    ------
    InputError
        A column is missing, an item is unknown to `train`, or there is no list.
    """
    if against not in ("rank", "lists"):
        raise unknown_name("value of against", against, ("rank", "lists"))
    named = dict(top) if isinstance(top, Mapping) else {"": top}
    if not named:
        raise InputError("there is no recommendation to look at.")
    tables = {name: popularity_and_rank(train, lists) for name, lists in named.items()}
    columns = min(len(tables), 3)
    rows = -(-len(tables) // columns)
    figure = new_figure({1: 5.2, 2: WIDTH, 3: 9.0}[columns], 3.2 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (name, table) in zip(grid.ravel(), tables.items(), strict=False):
        _draw_popularity(axes, table, "mean_rank" if against == "rank" else "lists")
        absent = f"{(table['lists'] == 0).sum():,} of {len(table):,} items in no list"
        tidy(axes, f"{name}\n{absent}".lstrip(), x="users in training")
        axes.tick_params(labelbottom=True)
    for axes in grid[:, 0]:
        axes.set_ylabel("mean rank in the lists" if against == "rank" else "lists it is in", fontsize=TEXT_SIZE, color=INK)
    if against == "rank":
        grid[0, 0].invert_yaxis()  # the first place is on top; the panels share the axis
    for axes in grid.ravel()[len(tables) :]:
        axes.remove()
    plain_legend(
        figure, handles=grid[0, 0].get_lines(), labels=["median of items of like popularity"], loc="outside lower center"
    )
    return figure


def _draw_popularity(axes: Axes, table: pd.DataFrame, column: str) -> None:
    shown = table.dropna(subset=[column])
    axes.scatter(shown["popularity"], shown[column], s=9, color=COLOURS[0], alpha=0.35, linewidths=0)
    # Bins double in width, as do the distances on a logarithmic axis: 0, 1, 2–3, 4–7, …
    bins = np.frexp(shown["popularity"].to_numpy(np.float64))[1]
    medians = shown.groupby(bins)[["popularity", column]].median()
    axes.plot(
        medians["popularity"],
        medians[column],
        color=COLOURS[1],
        linewidth=1.6,
        marker="o",
        markersize=3.5,
    )
    axes.set_xscale("symlog", linthresh=1)  # zero has a place on this axis
    axes.set_xlim(left=-0.2)
    axes.xaxis.set_major_formatter("{x:g}")
    if column == "lists":
        axes.set_yscale("symlog", linthresh=1)
        axes.yaxis.set_major_formatter("{x:g}")
