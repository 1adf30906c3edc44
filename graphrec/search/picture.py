"""Quality against time: where a search was after how many seconds."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphrec.deferred import pandas as pd
from graphrec.folder_files import PICTURE, TABLE
from graphrec.report.style import COLOURS, DARK_GREY, WIDTH, new_figure, plain_legend, tidy
from graphrec.tensor_files import replace_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["as_csv", "plot_search", "write_results"]

_PLACES = ((3, 3, "left", "bottom"), (-3, 3, "right", "bottom"), (3, -3, "left", "top"), (-3, -3, "right", "top"))

_LINE = 14  # pixels that a name is high


def plot_search(table: pd.DataFrame, metric: str) -> Figure:
    """Every candidate at the second when it was ready, and the best so far as a line.

    Those whose training was cut short are circles. The steps of the line have the names of their models, the latest first as
    far as there is room beside each other.

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
    cut = found["status"] == "stopped"
    look: dict[str, Any] = {"color": DARK_GREY, "markersize": 3.5, "linestyle": "none", "marker": "o"}
    axes.plot(found["at"][~cut], found[metric][~cut], label="candidate", **look)
    if cut.any():
        axes.plot(found["at"][cut], found[metric][cut], label="stopped before its end", markerfacecolor="none", **look)
        plain_legend(axes, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2)  # above: points may lie anywhere within
    axes.step(found["at"], found[metric].cummax(), where="post", color=COLOURS[0])
    axes.margins(x=0.08, y=0.12)
    tidy(axes, "Quality against time", "seconds", f"{metric} on validation")
    figure.draw_without_rendering()  # it is now known where a point lies
    best = found[found[metric] > found[metric].cummax().shift(fill_value=-1.0)]
    points = axes.transData.transform(found[["at", metric]].to_numpy(float))
    _name(axes, list(zip(best["at"], best[metric], best["model"], strict=True)), points)
    return figure


def _name(axes: Axes, steps: list[tuple[float, float, str]], points: npt.NDArray[np.float64]) -> None:
    """Write names beside steps, from the last one on, each where it touches no other, no line and no point, or not at all."""
    from matplotlib.transforms import Bbox

    corners = [axes.transData.transform((at, value)) for at, value, _ in steps]
    taken = [Bbox([(x, y - 1), (right, y + 1)]) for (x, y), (right, _) in pairwise(corners)]
    taken += [Bbox([(x - 1, low), (x + 1, y)]) for (_, low), (x, y) in pairwise(corners)]
    taken += [Bbox([(x - 2, y - 2), (x + 2, y + 2)]) for x, y in points]
    taken += [Bbox([(x - 2, y - _LINE), (x + 2, y + _LINE)]) for x, y in corners]  # or it would name another step
    for at, value, model in reversed(steps):
        for x, y, across, along in _PLACES:
            text = axes.annotate(
                model,
                (at, value),
                (x, y),
                textcoords="offset points",
                ha=across,
                va=along,
                fontsize=7,
                color=DARK_GREY,
                parse_math=False,
            )
            box = text.get_window_extent()
            frame = axes.get_window_extent()
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            text.remove()


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as it stands in ``table.csv``."""
    return table.to_csv(index=False).encode("utf-8")


def write_results(table: pd.DataFrame, metric: str, folder: Path) -> None:
    """``table.csv`` and ``search.png``, each whole or not at all."""
    replace_file(folder / TABLE, as_csv(table))
    body = io.BytesIO()
    plot_search(table, metric).savefig(body, dpi=120, format="png")
    replace_file(folder / PICTURE, body.getvalue())
