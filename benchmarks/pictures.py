"""The picture beside each table."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from graphrec.report.style import COLOURS, GREY, WIDTH, line_look, new_figure, plain_legend, tidy

__all__ = ["above_floor", "bars", "differences", "scaling", "time_to_quality", "times", "with_intervals"]


def bars(table: pd.DataFrame) -> Figure:
    """Median times of both sides of every measurement that has two, relative to graphrec's."""
    groups = [(what, rows) for what, rows in table.groupby("what", sort=False) if len(rows) == 2]
    figure = new_figure(WIDTH, 0.6 + 0.5 * len(groups))
    axes = figure.subplots()
    for place, (_, rows) in enumerate(groups):
        ours = float(rows.loc[rows["side"].str.startswith("graphrec"), "median_ms"].iloc[0])
        for offset, (_, row) in zip((-0.2, 0.2), rows.iterrows(), strict=True):
            mine = str(row["side"]).startswith("graphrec")
            relative = row["median_ms"] / ours
            axes.barh(place + offset, relative, 0.38, color=COLOURS[0] if mine else GREY)
            axes.text(relative, place + offset, f"  {row['side']}, {row['median_ms']:.3g} ms", va="center", fontsize=7)
    axes.set_yticks(range(len(groups)), [what for what, _ in groups], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.45)
    tidy(axes, x="time, graphrec = 1", grid="x")
    return figure


def side_by_side(table: pd.DataFrame) -> Figure:
    """Median times of all sides of every measurement, on a logarithmic axis."""
    figure = new_figure(WIDTH, 0.8 + 0.24 * len(table))
    axes = figure.subplots()
    colours = dict(zip(table["what"].unique(), COLOURS * len(table), strict=False))
    axes.barh(range(len(table)), table["median_ms"], color=[colours[what] for what in table["what"]])
    axes.set_yticks(range(len(table)), table["what"] + ", " + table["side"], fontsize=7)
    axes.set_xscale("log")
    axes.invert_yaxis()
    tidy(axes, x="milliseconds", grid="x")
    return figure


def figures_by_side(table: pd.DataFrame) -> Figure:
    """NDCG@20 and its spread over seeds, a panel for each case."""
    cases = list(table.groupby("case", sort=False))
    figure = new_figure(WIDTH, 2.6)
    for axes, (case, rows) in zip(figure.subplots(1, len(cases), squeeze=False)[0], cases, strict=True):
        axes.errorbar(rows["stored in"], rows["ndcg@20"], yerr=rows["± ndcg"], fmt="o", color=COLOURS[0])
        axes.set_title(case, fontsize=9)
        tidy(axes, y="NDCG@20", grid="y")
    return figure


def time_to_quality(table: pd.DataFrame) -> Figure:
    """Seconds from text files to the figures, against Recall@20."""
    figure = new_figure(WIDTH, 3.2)
    axes = figure.subplots()
    for colour, (name, rows) in zip(COLOURS, table.groupby("model", sort=False), strict=False):
        axes.plot(rows["seconds"], rows["recall@20"], "o", color=colour, label=name)
    axes.axhline(0.183, color=GREY, linewidth=1)
    axes.text(0, 0.183, "LightGCN's paper, 1,000 epochs", fontsize=7, va="bottom")
    axes.set_xlim(left=0)
    axes.legend(fontsize=8, frameon=False)
    tidy(axes, x="seconds from text files, start-up included", y="Recall@20 on Gowalla's test part")
    return figure


def scaling(table: pd.DataFrame) -> Figure:
    """Seconds and peak memory of each stage by number of edges; grey lines grow as the edges do."""
    figure = new_figure(WIDTH, 3.8)
    left, right = figure.subplots(1, 2)
    edges = np.unique(table["edges"].to_numpy(float))
    for number, (name, rows) in enumerate(table.groupby("stage", sort=False)):
        for axes, column in ((left, "seconds"), (right, "peak_gib")):
            axes.loglog(
                rows["edges"].astype(float),
                rows[column].astype(float),
                marker="o",
                markersize=3,
                label=name,
                **line_look(number),
            )
    for start in (table["seconds"].astype(float).min(), table["seconds"].astype(float).max() * edges[0] / edges[-1]):
        left.loglog(edges, start * edges / edges[0], color=GREY, linewidth=0.8, zorder=0)
    right.axhline(20, color=GREY, linewidth=0.8)
    right.text(edges[0], 20, "20 GiB", fontsize=7, va="bottom")
    tidy(left, x="edges", y="seconds")
    tidy(right, x="edges", y="peak memory, GiB")
    plain_legend(
        figure, handles=left.get_legend_handles_labels()[0][: table["stage"].nunique()], loc="outside lower center", ncols=3
    )
    return figure


def times(table: pd.DataFrame) -> Figure:
    """Median times of the variants of one thing."""
    figure = new_figure(WIDTH, 0.8 + 0.3 * len(table))
    axes = figure.subplots()
    axes.barh(table["what"], table["median_ms"], color=[COLOURS[0], *[GREY] * (len(table) - 1)])
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    for place, value in enumerate(table["median_ms"]):
        axes.text(value, place, f"  {value:.1f}", va="center", fontsize=7)
    tidy(axes, x="milliseconds, median", grid="x")
    return figure


def above_floor(table: pd.DataFrame) -> Figure:
    """Measured time of each part over its floor."""
    figure = new_figure(WIDTH, 0.8 + 0.35 * len(table))
    axes = figure.subplots()
    axes.barh(table["part"], table["ratio"], color=COLOURS[0])
    axes.axvline(1, color=GREY)
    axes.invert_yaxis()
    axes.tick_params(axis="y", labelsize=8)
    for place, row in enumerate(table.itertuples()):
        axes.text(row.ratio, place, f"  {row.measured_ms:.1f} ms", va="center", fontsize=7)
    tidy(axes, x="measured time over the floor's", grid="x")
    return figure


def differences(table: pd.DataFrame) -> Figure:
    """Mean differences with two standard errors to either side."""
    figure = new_figure(WIDTH, 0.9 + 0.3 * len(table))
    axes = figure.subplots()
    axes.errorbar(table["difference"], table["metric"], xerr=2 * table["standard error"], fmt="o", color=COLOURS[0])
    axes.axvline(0, color=GREY)
    axes.invert_yaxis()
    tidy(axes, x="hybrid less MF, ± 2 standard errors over the splits", grid="x")
    return figure


def with_intervals(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Models with their test NDCG@20 and its interval (``low``, ``high``), the best on top."""
    rows = table.sort_values("test ndcg@20")
    place, middle = np.arange(len(rows)), rows["test ndcg@20"]
    ax.errorbar(middle, place, xerr=[middle - rows["low"], rows["high"] - middle], fmt="o", ms=3, lw=1, color=COLOURS[0])
    ax.set_yticks(place, rows["model"])
    tidy(ax, title, "NDCG@20 on the test part", grid="x")
