"""One page in one file: what a model was made of, how it was trained, and what it says to one person."""

from __future__ import annotations

import io
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.evaluation.groups import by_user_group, group_users
from graphrec.evaluation.report import Report
from graphrec.folder_files import check_not_its_own
from graphrec.report.names import Names, names_of
from graphrec.report.paths import by_own_item, plot_paths
from graphrec.report.told import Told
from graphrec.tensor_files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_page"]

_REASONS = 3
_HISTORY = 100  # rows of a person's history that are listed


def write_page(
    recommender: Told,
    user: Any,
    path: str | Path,
    items: pd.DataFrame | None = None,
    *,
    k: int = 10,
    evaluation: Report | None = None,
    title: str | None = None,
    image: str | None = None,
) -> Path:
    """Write a page about a fitted recommender and one person; see :meth:`graphrec.Recommender.report`.

    The page loads nothing from anywhere: curves are drawn in it, and pictures of items are links.
    """
    path = Path(path)
    check_not_its_own(path)
    template = _template()
    train, names = recommender.train, names_of(recommender, items, title, image)
    row = int(train.user_index(user)[0])
    if evaluation is not None and not isinstance(evaluation, Report):
        raise InputError(f"evaluation must be a report of graphrec.evaluate, got {type(evaluation).__name__}.")
    best = recommender.recommend(user, k=k, cold="popular")
    places = train.item_index(best["item_id"].tolist()).tolist() if len(best) else []
    text = template.render(
        model=recommender.name,
        user=train.user_ids[row],
        data={
            "users": f"{train.n_users:,}",
            "items": f"{train.n_items:,}",
            "interactions": f"{len(train):,}",
            "share of all pairs": f"{len(train) / max(train.n_users * train.n_items, 1):.3%}",
            "validation pairs": f"{0 if recommender.valid is None else len(recommender.valid):,}",
        },
        hyper=recommender._identity(),
        options=recommender.options,
        best_epoch=recommender.best_epoch,
        curves=_curves(recommender.history),
        metrics=None if evaluation is None else evaluation.interval().to_dict("index"),
        protocol=None if evaluation is None else str(evaluation.protocol),
        overall={} if evaluation is None else dict(evaluation.overall),
        groups=[] if evaluation is None else _groups(evaluation, train),
        history=_history(train, row, names),
        n_history=int(train.structure[0][row + 1] - train.structure[0][row]),
        paths=_paths(recommender, user, places[:1], names),
        recommended=[
            {**_item(names, train, place), "score": float(score), "rank": rank, "why": _why(recommender, user, place, names)}
            for place, score, rank in zip(places, best["score"], best["rank"], strict=True)
        ],
        similar=_similar(recommender, places[:3], names),
    )
    replace_file(path, text.encode("utf-8", "replace"))
    return path


def _template() -> Any:
    try:
        from jinja2 import Environment
    except ImportError:
        raise InputError("the page needs Jinja2: pip install 'graphrec[report]'.") from None
    text = resources.files("graphrec.report").joinpath("templates", "page.html").read_text("utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(text)


def _curves(history: pd.DataFrame) -> Any:
    """The training curves; None where nothing was trained."""
    if history.empty or not {"epoch", "loss"} <= set(history.columns):
        return None
    from graphrec.report.plots import plot_history

    return _drawn(lambda: plot_history(history))


def _paths(recommender: Told, user: Any, places: list[int], names: Names) -> Any:
    """The paths of the first recommendation; None where the model tells of none."""
    train = recommender.train
    titles = pd.Series(names.titles, index=pd.Index(train.item_ids.tolist(), dtype=object), dtype=object)
    try:
        return _drawn(lambda: plot_paths(recommender, user, train.item_ids[places[0]], titles)) if places else None
    except InputError:
        return None


def _drawn(plot: Callable[[], Figure]) -> Any:
    """A picture as the text of an SVG element."""
    import matplotlib
    from markupsafe import Markup

    body = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "graphrec"}):
        plot().savefig(body, format="svg", metadata={"Date": None})
    text = body.getvalue().decode()
    return Markup(text[text.index("<svg") :])  # matplotlib escapes what it writes


def _item(names: Names, train: Interactions, place: int) -> dict[str, Any]:
    return {"id": train.item_ids[place], "title": names.titles[place], "image": names.images[place]}


def _history(train: Interactions, row: int, names: Names) -> list[dict[str, Any]]:
    indptr, columns = train.structure
    return [_item(names, train, place) for place in columns[indptr[row] : indptr[row + 1]][:_HISTORY].tolist()]


def _why(recommender: Told, user: Any, place: int, names: Names) -> list[dict[str, Any]]:
    """The strongest reasons; none where the model cannot tell."""
    train = recommender.train
    try:
        table = recommender.explain(user, train.item_ids[place])
    except InputError:
        return []
    parts = by_own_item(table).query("contribution > 0")  # what lowers a score is no reason for it
    strongest = parts.reindex(parts["contribution"].abs().sort_values(ascending=False, kind="stable").index)[:_REASONS]
    where = train.item_index(strongest["item_id"].tolist()).tolist() if len(strongest) else []
    return [
        {**_item(names, train, one), "contribution": float(value)}
        for one, value in zip(where, strongest["contribution"], strict=True)
    ]


def _similar(recommender: Told, places: list[int], names: Names) -> list[dict[str, Any]]:
    train, found = recommender.train, []
    for place in places:
        try:
            like = recommender.similar_items(train.item_ids[place], k=min(5, train.n_items))
        except (InputError, NotImplementedError):
            return []
        others = train.item_index(like["similar_id"].tolist()).tolist() if len(like) else []
        found.append({"of": _item(names, train, place), "items": [_item(names, train, one) for one in others]})
    return found


def _groups(evaluation: Report, train: Interactions) -> list[dict[str, Any]]:
    """Tables of figures by group: of people as they were evaluated, or by length of history, and of items if they were."""
    of_people = evaluation.by_user_group
    if of_people is None:
        people = train.user_index(evaluation.per_user["user_id"].tolist())
        of_people = by_user_group(group_users("history", train, people), evaluation.per_user)
    tables = [("people", of_people), ("items", evaluation.by_item_group)]
    return [
        {
            "of": of,
            "columns": [str(name) for name in table.columns if name != "n"],
            "rows": [
                {
                    "group": group,
                    "n": f"{int(row['n']):,}",
                    "values": [float(row[name]) for name in table.columns if name != "n"],
                }
                for group, row in table.to_dict("index").items()
            ],
        }
        for of, table in tables
        if table is not None
    ]
