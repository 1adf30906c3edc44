"""What the commands ``models``, ``presets``, ``datasets`` and ``options`` print: tables for a terminal."""

from __future__ import annotations

import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import Any

from graphrec.data.datasets import dataset_info
from graphrec.models import MODELS, Scorer, Solved
from graphrec.presets import preset_names, published_figures, read_preset
from graphrec.runs import of_name
from graphrec.training.options import FitOptions

__all__ = ["dataset_table", "fit_options", "model_table", "option_tables", "preset_table"]

_PUBLISHED = ("recall@20", "ndcg@20")  # what all papers on these data sets print
_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : ")  # of a section of numpydoc


def model_table() -> str:
    """A line a model: name, whether it is trained or solved, what it is."""
    rows = [
        (name, "trained" if MODELS[name].needs_training else "closed form", _first_line(MODELS[name]))
        for name in sorted(MODELS)
    ]
    return _aligned(("name", "how", "what"), rows)


def preset_table() -> str:
    """A line for each preset and data set that it has settings or figures for: name, model, published figures, source."""
    rows = []
    for name in preset_names():
        tables, figures = read_preset(name), published_figures(name)
        for data in figures or [""]:
            told = [_figure(figures.get(data, {}).get(metric)) for metric in _PUBLISHED]
            rows.append((name, tables["model"]["name"], data, *told, tables.get("source", ""), tables["about"]))
    return _aligned(("name", "model", "data", *_PUBLISHED, "source", "what"), rows)


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def dataset_table() -> str:
    """A line a data set: name, sizes, where it is on this machine, licence."""
    rows = []
    for row in dataset_info().to_dict("records"):
        sizes = [f"{row[column]:,}" for column in ("users", "items", "interactions")]
        found = "with graphrec" if row["name"] == "synthetic" else str(row["found"] or "to be downloaded")
        rows.append((row["name"], *sizes, found, row["licence"]))
    return _aligned(("name", "users", "items", "interactions", "found", "licence"), rows, right={1, 2, 3})


def fit_options() -> list[tuple[str, str]]:
    """Each option of fit that ``--set`` takes, as ``name=default``, and what it is."""
    told = _described(FitOptions, "Attributes")
    return [(f"{name}={_as_given(getattr(FitOptions(), name))}", told.get(name, "")) for name in _settable()]


def _settable() -> list[str]:
    return [name for name in FitOptions.names() if name != "credit"]  # an object, which no text stands for


def option_tables(name: str) -> str:
    """A line for each option that ``--set`` takes with a model or a preset: its value unless set, and what it is."""
    kind, hyper, fit_defaults = of_name(name)
    own = {p.name: p.default for p in inspect.signature(kind.__init__).parameters.values() if p.name not in ("self", "train")}
    tables = [f"Options of the model {name}:\n" + _options({**own, **hyper}, _described(kind, "Parameters"))]
    fit = {option: getattr(FitOptions(), option) for option in _settable()} | dict(kind.defaults) | dict(fit_defaults)
    if issubclass(kind, Solved):
        fit = {option: value for option, value in fit.items() if option in kind.reads}
    fit = {option: value for option, value in fit.items() if option not in own and option != "credit"}
    tables.append("Options of fit:\n" + _options(fit, _described(FitOptions, "Attributes")))
    return "\n\n".join(tables)


def _options(values: Mapping[str, Any], told: Mapping[str, str]) -> str:
    rows = [(f"  {option}={_as_given(value)}", told.get(option, "")) for option, value in values.items()]
    return _aligned(None, rows) if rows else "  none"


def _as_given(value: Any) -> str:
    """A value as ``--set`` takes it."""
    if value is inspect.Parameter.empty:
        return "…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_as_given(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | tuple) else str(value)


def _described(kind: type, section: str) -> dict[str, str]:
    """The first sentence on each entry of a section of a class's docstring, those of its bases beneath."""
    told: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one is kind or issubclass(one, Scorer):
            told |= _entries(inspect.cleandoc(one.__doc__ or ""), section)
    return told


def _entries(text: str, section: str) -> dict[str, str]:
    _, _, body = text.partition(f"{section}\n{'-' * len(section)}\n")
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in body.splitlines():
        if not line.strip() or set(line) == {"-"}:
            break
        if entry := _ENTRY.match(line):
            names = entry[1].split(", ")
            found |= {name: [] for name in names}
        elif line.startswith(" "):
            for name in names:
                found[name].append(line.strip())
    return {name: _sentence(" ".join(lines)) for name, lines in found.items()}


def _sentence(text: str) -> str:
    """The first sentence, or its beginning, without marks of reStructuredText."""
    first = re.split(r"(?<=[a-z0-9)`}]{2})[.;] ", text, maxsplit=1)[0].rstrip(".:")
    first = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", first)
    return textwrap.shorten(first.replace("`", ""), 100, placeholder=" …")


def _first_line(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def _aligned(head: tuple[str, ...] | None, rows: Iterable[tuple[str, ...]], right: set[int] = frozenset()) -> str:  # type: ignore[assignment]
    """Columns of equal width; a cell is never cut."""
    table = ([head] if head else []) + list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in table
    ]
    return "\n".join(line.rstrip() for line in lines)
