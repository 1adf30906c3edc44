"""Pictures of trainings and results; every function returns a matplotlib figure and shows nothing.

Save one with ``figure.savefig("curves.png", dpi=120)``. The pictures of items are in
:mod:`graphrec.report.item_plots`, that of a recommendation's reasons in :mod:`graphrec.report.paths`; they can be had
from here as well.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.report.item_plots import plot_embedding, plot_item_components, plot_popularity_rank
from graphrec.report.paths import plot_paths
from graphrec.report.style import COLOURS, DARK_GREY, INK, TEXT_SIZE, WIDTH, line_look, new_figure, plain_legend, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "plot_comparison",
    "plot_embedding",
    "plot_history",
    "plot_item_components",
    "plot_learning_rate",
    "plot_paths",
    "plot_popularity_rank",
]

Rates: TypeAlias = npt.ArrayLike | pd.DataFrame
_NOT_METRICS = ("epoch", "loss", "valid_loss", "lr", "seconds", "eval_seconds")
_SMALLER_IS_BETTER = ("rmse", "mae", "mse")


def plot_history(history: pd.DataFrame | Mapping[str, pd.DataFrame], metrics: Sequence[str] | str | None = None) -> Figure:
    """Training loss and validation metrics by epoch, with a dot on the best epoch of each metric.

    Where the history has a ``valid_loss`` it is drawn dashed beside the training loss.

    Parameters
    ----------
    history : DataFrame or mapping of str to DataFrame
        ``Recommender.history``, or that of several models by name: a line per model, and one legend. The
        columns are epoch, loss and metrics, which are missing (NaN) in epochs without an evaluation.
    metrics : sequence of str or str, optional
        Columns to draw beside the loss; every metric that is there unless given. Of ``"rmse"``, ``"mae"`` and
        ``"mse"`` the smallest value is the best one, of all others the largest.

    Returns
    -------
    matplotlib.figure.Figure
        A panel for the loss (of training and, dashed, of validation) and one per metric.

    Raises
    ------
    InputError
        A history has no epoch or lacks a column, or a metric was never evaluated.
    """
    histories = _named_histories(history)
    evaluated = _evaluated(histories)
    wanted = evaluated if metrics is None else [metrics] if isinstance(metrics, str) else list(metrics)
    for metric in wanted:
        if metric not in evaluated:
            raise InputError(f"metric {metric!r} was never evaluated; evaluated are: {', '.join(evaluated) or 'none'}.")
    panels = ["loss", *wanted]
    columns = len(panels) if len(panels) <= 3 else 2 if len(panels) == 4 else 3
    rows = -(-len(panels) // columns)
    figure = new_figure({1: 4.6, 2: WIDTH, 3: 9.0}[columns], 2.7 * rows + (0.3 if len(histories) > 1 else 0.0))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _draw_curves(axes, panel, histories)
    for axes in grid[len(panels) :]:
        axes.remove()
    if isinstance(history, Mapping):
        _legend_of_models(figure, list(map(str, histories)), dots=bool(wanted))
    return figure


def _draw_curves(axes: Axes, panel: str, histories: Mapping[str, pd.DataFrame]) -> None:
    from matplotlib.ticker import MaxNLocator

    for index, (name, history) in enumerate(histories.items()):
        if panel not in history:
            continue
        points = history[["epoch", panel]].dropna()
        values = points[panel].to_numpy(np.float64)
        if not len(values):
            continue
        dots = [_best(panel, values)] if panel != "loss" else [0] if len(values) == 1 else []
        axes.plot(
            points["epoch"],
            values,
            **line_look(index),
            label=str(name),
            linewidth=1.6,
            marker="o",
            markersize=6,
            markevery=dots,
        )
        if len(histories) == 1 and panel != "loss":
            axes.get_lines()[0].set_label(f"best: {values[dots[0]]:.4g} in epoch {points['epoch'].iloc[dots[0]]}")
            plain_legend(axes, loc="best")
        if panel == "loss" and "valid_loss" in history:
            _draw_validation_loss(axes, history, index, alone=len(histories) == 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10]))
    axes.tick_params(labelbottom=True)
    tidy(axes, "training loss" if panel == "loss" else f"{panel} on validation", x="epoch")


def _draw_validation_loss(axes: Axes, history: pd.DataFrame, index: int, alone: bool) -> None:
    points = history[["epoch", "valid_loss"]].dropna()
    colour = line_look(index)["color"]
    axes.plot(points["epoch"], points["valid_loss"], color=colour, linestyle=(0, (4, 2)), linewidth=1.2, label="validation")
    if alone:
        axes.get_lines()[0].set_label("training")
        plain_legend(axes, loc="best")


def _legend_of_models(figure: Figure, names: list[str], dots: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], linewidth=1.6, **line_look(index)) for index in range(len(names))]
    if dots:
        handles.append(Line2D([], [], linestyle="", marker="o", markersize=6, color=DARK_GREY))
        names = [*names, "best epoch"]
    plain_legend(figure, handles=handles, labels=names, loc="outside upper center", ncols=min(len(names), 6))


def _best(metric: str, values: npt.NDArray[np.float64]) -> int:
    return int(values.argmin() if metric in _SMALLER_IS_BETTER else values.argmax())


def _named_histories(history: pd.DataFrame | Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Histories by name, each with an epoch and a loss; a single one is called ``""``."""
    histories = dict(history) if isinstance(history, Mapping) else {"": history}
    if not histories:
        raise InputError("there is no history to draw.")
    for name, table in histories.items():
        which = f"the history of {name!r}" if name else "the history"
        if not isinstance(table, pd.DataFrame):
            raise InputError(f"{which} must be a DataFrame, got {type(table).__name__}.")
        if not len(table):
            raise InputError(f"{which} has no epoch; a model that is solved in closed form has none to draw.")
        for column in ("epoch", "loss"):
            if column not in table.columns:
                raise InputError(f"{which} has no column {column!r} (columns: {', '.join(map(str, table.columns))}).")
    return histories


def _evaluated(histories: Mapping[str, pd.DataFrame]) -> list[str]:
    """Columns of numbers that are metrics and were measured at least once, in their order."""
    found: dict[str, None] = {}
    for table in histories.values():
        measured = table.select_dtypes("number").dropna(axis="columns", how="all").columns
        names = list(table.columns)
        # The terms of the loss (l2 and the model's own) stand between the loss and the learning rate.
        terms = names[names.index("loss") : names.index("lr")] if {"loss", "lr"} <= set(names) else []
        found |= dict.fromkeys(str(c) for c in measured if c not in _NOT_METRICS and c not in terms)
    return list(found)


def plot_learning_rate(rates: Rates | Mapping[str, Rates], steps_per_epoch: int | None = None, log: bool = False) -> Figure:
    """Learning rate by step or by epoch.

    Parameters
    ----------
    rates : array_like of float, shape (n,), DataFrame, or mapping of str to either
        The rate of every step (:func:`graphrec.training.schedules.preview`), or a history with the columns
        epoch and lr, the rate at the start of each epoch. Several by name get a line each and a legend.
    steps_per_epoch : int, optional
        Draw steps as fractions of an epoch.
    log : bool
        Logarithmic axis, for rates that fall by orders of magnitude.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        No rate, a rate that is negative or not a finite number, a missing column, or epochs beside steps.
    """
    from matplotlib.ticker import MaxNLocator

    named = dict(rates) if isinstance(rates, Mapping) else {"": rates}
    if not named:
        raise InputError("there is no learning rate to draw.")
    by_epoch = {isinstance(value, pd.DataFrame) for value in named.values()}
    if len(by_epoch) > 1 and steps_per_epoch is None:
        raise InputError("some rates are by step and some by epoch; steps_per_epoch puts them on one axis.")
    if steps_per_epoch is not None and steps_per_epoch < 1:
        raise InputError(f"steps_per_epoch must be at least 1, got {steps_per_epoch}.")
    figure = new_figure(WIDTH, 2.7)
    axes = figure.subplots()
    for index, (name, value) in enumerate(named.items()):
        x, y = _rate_points(name, value, steps_per_epoch)
        dot = "o" if len(y) == 1 else None
        axes.plot(x, y, **line_look(index), label=str(name), linewidth=1.6, marker=dot)
    in_epochs = True in by_epoch or steps_per_epoch is not None
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]))
    if log:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:g}")
    tidy(axes, x="epoch" if in_epochs else "step", y="learning rate")
    if isinstance(rates, Mapping):
        _legend_of_models(figure, list(map(str, named)), dots=False)
    return figure


def _rate_points(
    name: str, rates: Rates, steps_per_epoch: int | None
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Places on the horizontal axis and rates; both of shape (n,)."""
    which = f"the rates of {name!r}" if name else "the rates"
    if isinstance(rates, pd.DataFrame):
        for column in ("epoch", "lr"):
            if column not in rates.columns:
                raise InputError(f"{which} have no column {column!r} (columns: {', '.join(map(str, rates.columns))}).")
        x, y = rates["epoch"].to_numpy(np.float64), rates["lr"].to_numpy(np.float64)
        # A row's rate is that of the first step of its epoch, and the axis counts epochs that are over.
        x = x - 1 if steps_per_epoch is not None else x
    else:
        y = np.asarray(rates, np.float64)
        x = np.arange(y.size, dtype=np.float64) / (steps_per_epoch or 1)
    if y.ndim != 1 or not y.size:
        raise InputError(f"{which} must be one number per step and at least one, got shape {y.shape}.")
    if not np.isfinite(y).all() or (y < 0).any():
        at = int(np.flatnonzero(~np.isfinite(y) | (y < 0))[0])
        raise InputError(f"{which} must be finite and not negative; number {at} is {y[at]:g}.")
    return x, y


def plot_comparison(
    table: pd.DataFrame, label: str = "ndcg@20 on test, with 95 % interval", larger_is_better: bool = True
) -> Figure:
    """Models in a column, each with the mean of a metric as a dot and its interval as a line; best on top.

    Parameters
    ----------
    table : DataFrame
        Columns name, value, low and high, a row per model.
    label : str
        Of the horizontal axis: metric, part of the data and kind of interval.
    larger_is_better : bool
        False puts the smallest value on top, as for RMSE.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        No row, a missing column, a value that is not a finite number, or an interval without its value.
    """
    for column in ("name", "value", "low", "high"):
        if column not in table.columns:
            raise InputError(f"column {column!r} is not in the table (columns: {', '.join(map(str, table.columns))}).")
    if not len(table):
        raise InputError("plot_comparison needs at least one row.")
    numbers = table[["value", "low", "high"]].to_numpy(np.float64)
    wrong = ~np.isfinite(numbers).all(1) | (numbers[:, 1] > numbers[:, 0]) | (numbers[:, 0] > numbers[:, 2])
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        value, low, high = numbers[at]
        raise InputError(f"row {at} ({table['name'].iloc[at]!s}): the value {value:g} is not within [{low:g}, {high:g}].")
    order = np.argsort(numbers[:, 0] if larger_is_better else -numbers[:, 0], kind="stable")
    value, low, high = numbers[order].T
    place = np.arange(len(order))
    figure = new_figure(WIDTH, 0.75 + 0.34 * len(order))
    axes = figure.subplots()
    axes.errorbar(value, place, xerr=[value - low, high - value], fmt="o", color=COLOURS[0], markersize=6, linewidth=1.8)
    narrowest = (high - low)[high > low].min(initial=1.0)
    digits = max(1 - math.floor(math.log10(narrowest)), 0)  # two that the interval speaks for
    for y, (mean, end) in enumerate(zip(value, high, strict=True)):
        axes.annotate(
            f"{mean:.{digits}f}", (end, y), (6, 0), textcoords="offset points", va="center", fontsize=TEXT_SIZE - 1, color=INK
        )
    axes.set_yticks(place, table["name"].astype(str).to_numpy()[order], parse_math=False)
    axes.set_ylim(-0.6, len(order) - 0.4)
    axes.margins(x=0.08)
    tidy(axes, x=label, grid="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    return figure
