"""How every picture of the library looks, and the one place where matplotlib's figures are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = ["COLOURS", "DARK_GREY", "GREY", "INK", "TEXT_SIZE", "WIDTH", "line_look", "new_figure", "plain_legend", "tidy"]

# Okabe and Ito's palette, which colour-blind people can tell apart, without its yellow, which vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", "--", ":", "-.")
GREY = "#9A9A9A"
DARK_GREY = "#6B6B6B"  # light enough to stand back, dark enough to read
INK = "#333333"
TEXT_SIZE = 9.0
WIDTH = 7.5  # inches: 900 pixels at 120 dots per inch, the width of a README


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of its own, in inches: pyplot neither knows it nor keeps it alive."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def line_look(index: int) -> dict[str, Any]:
    """Colour and dashes of the line number `index`; 28 of them can be told apart."""
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": _DASHES[index // len(COLOURS) % len(_DASHES)]}


def tidy(axes: Axes, title: str = "", x: str = "", y: str = "", grid: Literal["both", "x", "y"] = "both") -> None:
    """Give axes their labels, a thin grid behind the data and no frame beyond the two axis lines."""
    axes.set_title(title, loc="left", fontsize=TEXT_SIZE + 1, color=INK, parse_math=False)
    axes.set_xlabel(x, fontsize=TEXT_SIZE, color=INK, parse_math=False)
    axes.set_ylabel(y, fontsize=TEXT_SIZE, color=INK, parse_math=False)
    axes.grid(axis=grid, color="#E3E3E3", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", labelsize=TEXT_SIZE, color=GREY, labelcolor=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)


def plain_legend(owner: Axes | Figure, **options: Any) -> Legend:
    """A legend without a frame, for axes or for a whole figure; a dollar sign in a name is a dollar sign."""
    legend = owner.legend(frameon=False, fontsize=TEXT_SIZE, labelcolor=INK, **options)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return legend
