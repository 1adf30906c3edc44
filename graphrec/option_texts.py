"""Options as a terminal shows them, read from docstrings; those of a fit from the text of its class, without importing it."""

from __future__ import annotations

import ast
import inspect
import json
import re
import textwrap
from importlib import resources
from typing import Any

__all__ = ["NOT_SET", "as_given", "entries", "fit_options"]

NOT_SET = ("credit", "given")  # an object, which no text stands for; and no option
# Of a section of numpydoc: names, perhaps with a type, or with the values among which one chooses.
_ENTRY = re.compile(r"^(\w+(?:, \w+)*)(?: : (\{.*\})?.*)?$")


def fit_options() -> list[tuple[str, str]]:
    """Each option of fit that ``--set`` takes, as ``name=default``, and what it is.

    It is read from the source of :class:`graphrec.training.options.FitOptions`: importing that imports torch, which takes
    seconds that somebody who asks for help need not wait.
    """
    source = resources.files("graphrec").joinpath("training", "options.py").read_text(encoding="utf-8")
    body = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef) and n.name == "FitOptions")
    told = entries(ast.get_docstring(body) or "", "Attributes")
    fields = [(n.target.id, n.value) for n in body.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    return [(f"{name}={as_given(_default(value))}", told.get(name, "")) for name, value in fields if name not in NOT_SET]


def _default(value: ast.expr | None) -> Any:
    """What stands behind a field: a literal, or a call that makes an empty dictionary."""
    return {} if value is None or isinstance(value, ast.Call) else ast.literal_eval(value)


def as_given(value: Any) -> str:
    """A value as ``--set`` takes it."""
    if value is inspect.Parameter.empty:
        return "…"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {as_given(one)}" for name, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | list | tuple) else str(value)


def entries(text: str, section: str) -> dict[str, str]:
    """The first sentence on each entry of a section of a docstring, behind the values among which one chooses."""
    _, _, body = text.partition(f"{section}\n{'-' * len(section)}\n")
    found: dict[str, list[str]] = {}
    values: dict[str, str] = {}
    names: list[str] = []
    for line in body.splitlines():
        if not line.strip() or set(line) == {"-"}:
            break
        if entry := _ENTRY.match(line):
            names = entry[1].split(", ")
            found |= {name: [] for name in names}
            values |= dict.fromkeys(names, ", ".join(re.findall(r"\w+", entry[2] or "")))
        elif line.startswith(" "):
            for name in names:
                found[name].append(line.strip())
    return {name: ". ".join(filter(None, (values[name], _sentence(" ".join(lines))))) for name, lines in found.items()}


def _sentence(text: str) -> str:
    """The first sentence, or its beginning, without marks of reStructuredText."""
    first = re.split(r"(?<=[a-z0-9)`}]{2})[.;] ", text, maxsplit=1)[0].rstrip(".:")
    first = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"\1", first)
    return textwrap.shorten(first.replace("`", ""), 100, placeholder=" …")
