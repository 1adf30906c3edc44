"""The ways of one recommendation: from a person over their own items and other people to the item that is recommended."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.report.style import COLOURS, DARK_GREY, INK, TEXT_SIZE, WIDTH, new_figure
from graphrec.report.told import Told

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["by_own_item", "plot_paths"]

_THROUGH = "through other people"  # the kind of a part that has somebody on its way
_REST = ("rest",)
_SLOT, _BAR = 0.3, 0.012  # inches for a name, on average, and the width of a node as a share of the picture


def by_own_item(explanation: pd.DataFrame) -> pd.DataFrame:
    """The parts of a score by the person's own item, over all its paths.

    Parameters
    ----------
    explanation : DataFrame
        Of :meth:`graphrec.Recommender.explain`.

    Returns
    -------
    DataFrame
        item_id, contribution, n_paths and kind (the kinds of its parts), largest contribution first. What is not about
        an item is left out.
    """
    about = explanation[explanation["item_id"].notna()]
    grouped = about.groupby("item_id", sort=False)
    table = pd.DataFrame(
        {
            "contribution": grouped["contribution"].sum(),
            "n_paths": grouped["n_paths"].max(),
            "kind": grouped["kind"].agg(lambda kinds: ", ".join(dict.fromkeys(kinds))),
        }
    )
    return table.reset_index().sort_values("contribution", ascending=False, kind="stable", ignore_index=True)


def plot_paths(
    recommender: Told, user: Any, item: Any, titles: pd.Series[str] | None = None, n_items: int = 6, n_people: int = 7
) -> Figure:
    """The paths on which an item reaches a person, as bands whose widths are the contributions to its score.

    The parts are those of :meth:`graphrec.Recommender.explain`; blue ones raise the score, orange ones lower it. What an own
    item contributes through other people (LightGCN) is drawn through those who have met both items, the wider the fewer
    things somebody has met: the weight of the path of three steps. What it contributes by itself goes past them. Of models
    whose reasons name no people, every own item's band says how many have met both.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    user, item : id
        The item may be one that the user has met.
    titles : Series of str, optional
        Names by item id; the recommender's own unless given, and ids where there are none.
    n_items, n_people : int
        How many of each are drawn by themselves; the others are one band.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        An unknown id, a model that gives no reasons, or reasons none of which is about an item.
    """
    for name, value in (("n_items", n_items), ("n_people", n_people)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise InputError(f"{name} must be a whole number of at least 1, got {value!r}.")
    recommender = copy.copy(recommender)  # as it is now, whatever another thread fits meanwhile
    why = recommender.explain(user, item)
    about, rest = why[why["item_id"].notna() & (why["contribution"] != 0)], why[why["item_id"].isna()]
    if about.empty:
        raise InputError(f"no reason for item {item!s} is about an item that user {user!s} has met: there is no path to draw.")
    names = recommender.titles if titles is None else titles

    def called(one: Any) -> str:
        name = None if names is None else names.get(one)
        return shorten(str(one if name is None else name), 34, placeholder=" …")

    parts = pd.DataFrame(_ways(recommender.train, user, item, about), columns=["own", "over", "label", "value"])
    people: dict[Any, str] = dict(zip(parts["over"], parts["label"], strict=True))
    most = (n_people, "{:,} more people") if ("person" in {key[0] for key in people}) else (n_items, "people with one of them")
    columns = [
        _Column(0.0, {0: f"user {user!s}"}),
        _column(parts, "own", 0.27, {own: called(own) for own in about["item_id"]}, n_items, "{:,} more items"),
        _column(parts, "over", 0.64, people, *most),
        _Column(1.0, {0: called(item)}),
    ]
    figure = new_figure(WIDTH, 0.9 + _SLOT * max(len(column.labels) for column in columns))
    axes = figure.subplots()
    score, sign = float(why["contribution"].sum()), np.sign(parts["value"])
    _draw(axes, parts.assign(start=0, end=0).groupby(["start", "own", "over", "end", sign], sort=False)["value"].sum(), columns)
    axes.set_title(f"Why {called(item)} for user {user!s}", loc="left", fontsize=TEXT_SIZE + 1, color=INK, parse_math=False)
    parted = zip(rest["contribution"], rest["kind"], strict=True)
    told = [f"{value:+.3g} {kind}" for value, kind in parted if abs(value) > 1e-9]
    told = [f"score {score:.3g} = {about['contribution'].sum():.3g} on these ways", *told]
    axes.text(0, -0.1, " ".join(told), fontsize=TEXT_SIZE - 1, color=DARK_GREY, va="top", parse_math=False)
    return figure


def _ways(train: Interactions, user: Any, item: Any, about: pd.DataFrame) -> list[tuple[Any, tuple[Any, ...], str, float]]:
    """Parts of a score by own item and what they go over: its key, its name, and what goes that way."""
    others = np.setdiff1d(_people(train, item), train.user_index(user))
    through, ways = bool((about["kind"] == _THROUGH).any()), list[tuple[Any, tuple[Any, ...], str, float]]()
    for own, kind, n, value in about[["item_id", "kind", "n_paths", "contribution"]].itertuples(index=False):
        both = others[np.isin(others, _people(train, own))] if kind == _THROUGH else others[:0]
        share = 1.0 / np.diff(train.structure[0])[both]
        ways += [
            (own, ("person", one), f"user {train.user_ids[one]!s}", value * part)
            for one, part in zip(both.tolist(), share / share.sum(), strict=True)
        ]
        if kind == _THROUGH and not len(both):
            ways.append((own, ("longer",), "on longer ways", value))
        elif kind != _THROUGH and through:
            ways.append((own, ("direct",), "nobody in between", value))
        elif kind != _THROUGH:
            ways.append((own, ("both", own), f"{n:,} other people have both", value))
    return ways


def _people(train: Interactions, item: Any) -> Any:
    """Indices of those who have met an item."""
    return np.unique(train.users[train.items == train.item_index(item)[0]])


@dataclass
class _Column:
    """Nodes one below another: how they are called, and where each begins and how much of it is taken, by key."""

    x: float
    labels: dict[Any, str]
    key_of: dict[Any, Any] = field(default_factory=dict)
    top: dict[Any, float] = field(default_factory=dict)

    def key(self, one: Any) -> Any:
        """The node that something is drawn at: its own, or the one of all the rest."""
        return self.key_of.get(one, one)


def _column(parts: pd.DataFrame, by: str, x: float, labels: dict[Any, str], n: int, rest_is: str) -> _Column:
    """The nodes that most goes over, what stands for the rest, and those that are neither items nor people."""
    size = parts["value"].abs().groupby(parts[by], sort=False).sum().sort_values(ascending=False, kind="stable")
    single = [one for one in size.index if not (isinstance(one, tuple) and one[0] in ("direct", "longer"))]
    shown, rest = single[:n], single[n:]
    if len(rest) == 1:  # it needs no more room than what would stand for it
        shown, rest = single, []
    told = {one: labels[one] for one in shown}
    if rest:
        told[_REST] = rest_is.format(len(rest))
    told |= {one: labels[one] for one in size.index if one not in single}
    return _Column(x, told, dict.fromkeys(rest, _REST))


def _draw(axes: Axes, flows: pd.Series[float], columns: list[_Column]) -> None:
    """Bands between neighbouring columns, then the nodes and their names over them."""
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path
    from matplotlib.patheffects import withStroke

    there: list[Any] = flows.index.tolist()
    rows = [[c.key(one) for c, one in zip(columns, keys[:4], strict=True)] for keys in there]
    table = pd.DataFrame(rows, columns=range(4)).assign(value=flows.to_numpy())
    size = [table["value"].abs().groupby(table[n], sort=False).sum() for n in range(4)]
    slot = 0.6 / max(len(column.labels) for column in columns)  # the rest is for what goes over many
    scale = _scale(size, slot)
    for column, sizes in zip(columns, size, strict=True):
        room = {one: max(scale * float(sizes[one]) + slot / 4, slot) for one in column.labels}
        y = (1.0 + sum(room.values())) / 2
        for one, height in room.items():
            column.top[one] = y - (height - scale * float(sizes[one])) / 2
            y -= height
    for n in range(3):
        left, right = columns[n], columns[n + 1]
        place = {(n, one): y for one, y in left.top.items()} | {(n + 1, one): y for one, y in right.top.items()}
        order = {one: at for at, one in enumerate(left.labels)}, {one: at for at, one in enumerate(right.labels)}
        bands = table.groupby([n, n + 1, np.sign(table["value"])], sort=False)["value"].sum()
        keys: list[Any] = bands.index.tolist()
        for a, b, sign in sorted(keys, key=lambda key: (order[0][key[0]], order[1][key[1]])):
            value = float(bands[a, b, sign])
            wide = scale * abs(value)
            y0, y1, x0, x1 = place[n, a], place[n + 1, b], left.x + _BAR, right.x
            place[n, a], place[n + 1, b], middle = y0 - wide, y1 - wide, (x0 + x1) / 2
            upper = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
            lower = [(x1, y1 - wide), (middle, y1 - wide), (middle, y0 - wide), (x0, y0 - wide)]
            codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
            colour = COLOURS[0] if sign >= 0 else COLOURS[1]
            axes.add_patch(PathPatch(Path(upper + lower, codes), facecolor=colour, edgecolor=colour, linewidth=0.2, alpha=0.35))
    for at, column in enumerate(columns):
        for one, label in column.labels.items():
            height = scale * float(size[at][one])
            axes.add_patch(Rectangle((column.x, column.top[one] - height), _BAR, height, color=DARK_GREY, linewidth=0.5))
            x, y = column.x + _BAR + 0.008, column.top[one] - height / 2
            text = axes.text(x, y, label, ha="left", va="center", parse_math=False)
            if at in (0, len(columns) - 1):  # beside the bar would be over what reaches it
                x, y = column.x + _BAR * (at > 0), column.top[one] - height - 0.02
                text.set(x=x, y=y, ha="left" if at == 0 else "right", va="top")
            text.set(fontsize=TEXT_SIZE - 1, color=INK, path_effects=[withStroke(linewidth=2.5, foreground="white")])
    axes.set(xlim=(0, 1.005 + _BAR), ylim=(-0.08, 1))
    axes.axis("off")


def _scale(size: list[pd.Series[float]], slot: float) -> float:
    """The largest height of a unit at which every column has room, and every node room for its name."""
    low, high = 0.0, 1.0 / float(size[0].sum())
    for _ in range(40):
        middle = (low + high) / 2
        fits = all(np.maximum(middle * one.to_numpy() + slot / 4, slot).sum() <= 1.0 + 1e-9 for one in size)
        low, high = (middle, high) if fits else (low, middle)
    return low
