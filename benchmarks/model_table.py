"""The table of every model for the README: name, class, source, and Recall@20/NDCG@20 on Gowalla, published and ours.

    python -m benchmarks model_table                      # prints it
    python -m benchmarks model_table --write README.md    # puts it between its two marks

Sources are those of the classes' docstrings, published figures those of the presets, and ours those of the benchmarks
``published`` and ``quality``. Nothing is measured here.
"""

from __future__ import annotations

import argparse
import inspect
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.record import RESULTS
from graphrec.errors import InputError
from graphrec.models import MODELS
from graphrec.presets import preset_names, published_figures, read_preset
from graphrec.tensor_files import replace_file

DATA = "gowalla"
METRICS = ("recall@20", "ndcg@20")
HEAD = ("name", "class", "source", "preset", "published", "ours")
BEGIN = "<!-- every model: python -m benchmarks model_table --write README.md -->"
END = "<!-- end of every model -->"
NONE = "–"
# Of what stands in brackets behind a name: where in the paper, and how it was followed.
_DETAIL = re.compile(r"(,? (eq\.|section|algorithm|as in|in the form|on interactions)|, [A-Z]+-EM|; ).*$", re.DOTALL)


def source(kind: type) -> str:
    """The paper that a model's docstring names first."""
    told = " ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0].split())
    for bracket in re.findall(r"\(([^()]*)\)", told):
        if re.search(r"\b(19|20)\d\d\b", bracket):
            return _DETAIL.sub("", bracket).strip(" ,")
    return NONE


def ours() -> dict[str, str]:
    """Measured figures by preset, or by model where it ran with its own defaults; of several seeds means, with their number."""
    published = pd.read_csv(RESULTS / "published.csv", dtype=str)
    found = {row["preset"]: _pair(row[f"{m} ours"] for m in METRICS) for row in published.to_dict("records")}
    for name, runs in pd.read_csv(RESULTS / "quality.csv").groupby("model"):
        found[str(name)] = f"{_pair(f'{runs[m].mean():.4f}' for m in METRICS)} ({len(runs)} seeds)"
    return found


def _pair(figures: Iterable[str]) -> str:
    return "/".join(one.removeprefix("0") for one in figures)


def table() -> str:
    """The table in Markdown, a row for each name of ``graphrec.models.MODELS``."""
    presets: dict[str, list[str]] = {name: [] for name in MODELS}
    for preset in preset_names():
        presets[read_preset(preset)["model"]["name"]].append(preset)
    measured = ours()
    lines = [f"| {' | '.join(HEAD)} |", "|" + "---|" * len(HEAD)]
    for name in sorted(MODELS):
        mine = presets[name]
        told = [published_figures(preset).get(DATA, {}) for preset in mine]
        cells = [
            f"`{name}`",
            f"`{MODELS[name].__name__}`",
            source(MODELS[name]),
            "<br>".join(f"`{preset}`" for preset in mine) or NONE,
            "<br>".join(_published(figures) for figures in told) or NONE,
            "<br>".join(measured.get(preset, NONE) for preset in mine) or measured.get(name, NONE),
        ]
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines)


def _published(figures: dict[str, float]) -> str:
    return _pair(f"{figures[m]:.4f}" if m in figures else NONE for m in METRICS) if figures else NONE


def write(path: Path) -> None:
    """Put the table between its two marks in a file; all else stays as it is.

    Raises
    ------
    InputError
        The file does not have each mark once, in this order.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end) or BEGIN in rest or END in after + before:
        raise InputError(f"{path} must have the lines {BEGIN} and {END}, each once and in this order.")
    replace_file(path, f"{before}{BEGIN}\n{table()}\n{END}{after}".encode())


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks model_table", description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, metavar="FILE", help="put it between the two marks of a file")
    path = parser.parse_args(arguments).write
    if path is None:
        print(table())
    else:
        write(path)
