"""Quality against time: where a search was after how many seconds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from graphrec.deferred import pandas as pd
from graphrec.report.style import COLOURS, DARK_GREY, WIDTH, new_figure, tidy
from graphrec.tensor_files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_search", "write_results"]


def plot_search(table: pd.DataFrame, metric: str) -> Figure:
    """Every candidate at the second when it was ready, and the best so far as a line.

    Parameters
    ----------
    table : DataFrame
        Of :func:`graphrec.search.search`.
    metric : str
        Its column of figures.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure = new_figure(WIDTH, 3.6)
    axes = figure.add_subplot()
    found = table.dropna(subset=[metric]).sort_values("at")
    axes.plot(found["at"], found[metric], "o", color=DARK_GREY, markersize=3)
    axes.step(found["at"], found[metric].cummax(), where="post", color=COLOURS[0])
    best = found[found[metric] > found[metric].cummax().shift(fill_value=-1.0)]
    for at, value, model in zip(best["at"], best[metric], best["model"], strict=True):
        axes.annotate(model, (at, value), (3, 3), textcoords="offset points", fontsize=7, color=DARK_GREY, parse_math=False)
    tidy(axes, "Quality against time", "seconds", f"{metric} on validation")
    return figure


def write_results(table: pd.DataFrame, metric: str, folder: Path) -> None:
    """``table.csv`` and ``search.png``, each whole or not at all."""
    replace_file(folder / "table.csv", table.to_csv(index=False).encode("utf-8"))
    body = io.BytesIO()
    plot_search(table, metric).savefig(body, dpi=120, format="png")
    replace_file(folder / "search.png", body.getvalue())
