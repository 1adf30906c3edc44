"""Plots; each function returns a matplotlib Figure and shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from graphrec.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_comparison", "plot_history"]

# Okabe and Ito's palette, which colour-blind people can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_SMALLER = ("rmse", "mae")
_NOT_METRICS = ("epoch", "loss", "lr", "seconds", "eval_seconds")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def plot_history(history: pd.DataFrame | Mapping[str, pd.DataFrame], metrics: Sequence[str] | None = None) -> Figure:
    """Loss and validation metrics by epoch; the best epoch is marked.

    Parameters
    ----------
    history : DataFrame or mapping of str to DataFrame
        ``Recommender.history``, or one for each of several models.
    metrics : sequence of str, optional
        Columns to draw beside the loss; all that are there unless given.

    Returns
    -------
    matplotlib.figure.Figure
    """
    histories = {"": history} if isinstance(history, pd.DataFrame) else dict(history)
    if not histories or not all(len(h) for h in histories.values()):
        raise InputError("plot_history needs a history with at least one epoch.")
    if metrics is None:
        metrics = list(dict.fromkeys(c for h in histories.values() for c in h.columns if c not in _NOT_METRICS))
    for metric in metrics:
        if not any(metric in h for h in histories.values()):
            raise InputError(f"column {metric!r} is in no history.")
    panels = ["loss", *metrics]
    figure = _figure(4.6 * len(panels), 3.4)
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for colour, (name, h) in zip(_COLOURS * len(histories), histories.items(), strict=False):
            if panel not in h:
                continue
            points = h[["epoch", panel]].dropna()
            axes.plot(points["epoch"], points[panel], color=colour, label=name, linewidth=1.8)
            if panel != "loss":
                best = int(points[panel].to_numpy().argmin() if panel in _SMALLER else points[panel].to_numpy().argmax())
                axes.plot(points["epoch"].iloc[best], points[panel].iloc[best], "o", color=colour, markersize=6)
        axes.set_xlabel("epoch")
        axes.set_title("training loss" if panel == "loss" else f"{panel} on validation", fontsize=11)
        axes.grid(alpha=0.3, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if "" not in histories:
            axes.legend(frameon=False)
    return figure


def plot_comparison(table: pd.DataFrame, label: str = "ndcg@20 on test, with 95 % interval") -> Figure:
    """Dots with intervals, one row per name, best on top.

    Parameters
    ----------
    table : DataFrame
        Columns name, value, low, high.
    label : str
        Of the horizontal axis.

    Returns
    -------
    matplotlib.figure.Figure
    """
    for column in ("name", "value", "low", "high"):
        if column not in table.columns:
            raise InputError(f"column {column!r} is not in the table.")
    if not len(table):
        raise InputError("plot_comparison needs at least one row.")
    rows = table.sort_values("value").reset_index(drop=True)
    figure = _figure(6.4, 0.9 + 0.45 * len(rows))
    axes = figure.subplots()
    spread = [rows["value"] - rows["low"], rows["high"] - rows["value"]]
    axes.errorbar(rows["value"], rows.index, xerr=spread, fmt="o", color=_COLOURS[0], capsize=3, linewidth=1.6)
    axes.set_yticks(rows.index, rows["name"])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlim(left=0)
    axes.set_xlabel(label)
    axes.grid(axis="x", alpha=0.3, linewidth=0.6)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure
