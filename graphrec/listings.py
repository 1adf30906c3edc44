"""What the commands ``models``, ``presets``, ``datasets`` and ``options`` print: tables for a terminal."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from graphrec.data.datasets import dataset_info
from graphrec.data.interactions import Interactions
from graphrec.models import MODELS, Scorer, Solved
from graphrec.option_texts import NOT_SET, as_given, entries
from graphrec.presets import preset_names, published_figures, read_preset
from graphrec.report.text_columns import aligned
from graphrec.runs import of_name
from graphrec.training.choose import choose
from graphrec.training.options import FitOptions

__all__ = ["dataset_table", "model_table", "option_tables", "preset_table"]

_PUBLISHED = ("recall@20", "ndcg@20")  # what all papers on these data sets print


def model_table() -> str:
    """A line a model: name, whether it is trained or solved, what it is."""
    rows = [
        (name, "trained" if MODELS[name].needs_training else "closed form", _first_line(MODELS[name]))
        for name in sorted(MODELS)
    ]
    return aligned(("name", "how", "what"), rows)


def preset_table() -> str:
    """A line for each preset and data set that it has settings or figures for: name, model, published figures, source."""
    rows = []
    for name in preset_names():
        tables, figures = read_preset(name), published_figures(name)
        for data in figures or [""]:
            told = [_figure(figures.get(data, {}).get(metric)) for metric in _PUBLISHED]
            rows.append((name, tables["model"]["name"], data, *told, tables.get("source", ""), tables["about"]))
    return aligned(("name", "model", "data", *_PUBLISHED, "source", "what"), rows)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def dataset_table() -> str:
    """A line a data set: name, sizes, where it is on this machine, licence."""
    rows = []
    for row in dataset_info().to_dict("records"):
        sizes = [f"{row[column]:,}" for column in ("users", "items", "interactions")]
        found = "with graphrec" if row["name"] == "synthetic" else str(row["found"] or "to be downloaded")
        rows.append((row["name"], *sizes, found, row["licence"]))
    return aligned(("name", "users", "items", "interactions", "found", "licence"), rows, right={1, 2, 3})


def option_tables(name: str) -> str:
    """A line for each option that ``--set`` takes with a model or a preset: its value unless set, and what it is."""
    kind, hyper, fit_defaults = of_name(name)
    own = {p.name: p.default for p in inspect.signature(kind.__init__).parameters.values() if p.name not in ("self", "train")}
    tables = [f"Options of the model {name}:\n" + _options({**own, **hyper}, _described(kind, "Parameters"))]
    # As a fit chooses them: hogwild deals out its own number of pairs, a loss may read no penalty.
    used = choose({**kind.defaults, **fit_defaults}, {}, Interactions.from_indices([0], [0]))
    fit = {option: getattr(used, option) for option in FitOptions.names() if option not in NOT_SET}
    if issubclass(kind, Solved):
        fit = {option: value for option, value in fit.items() if option in kind.reads}
    fit = {option: value for option, value in fit.items() if option not in own}
    tables.append("Options of fit:\n" + _options(fit, _described(FitOptions, "Attributes")))
    return "\n\n".join(tables)


def _options(values: Mapping[str, Any], told: Mapping[str, str]) -> str:
    rows = [(f"  {option}={as_given(value)}", told.get(option, "")) for option, value in values.items()]
    return aligned(None, rows) if rows else "  none"


def _described(kind: type, section: str) -> dict[str, str]:
    """The first sentence on each entry of a section of a class's docstring, those of its bases beneath."""
    told: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one is kind or issubclass(one, Scorer):
            told |= entries(inspect.cleandoc(one.__doc__ or ""), section)
    return told


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]
