"""Lines of a search's journal, each with a checksum of itself and of all before it: nothing can be changed or left out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["AT_WORK", "END", "SAVED", "line_of", "read", "rows_of"]

END, SAVED, AT_WORK = "end", "saved", "at work"  # keys of rows that are of no candidate
_STATUS = ("ok", "skipped", "stopped", "failed")
_SECONDS = ("seconds", "eval_seconds", "save_seconds", "lent")


def line_of(row: Mapping[str, Any], before: str) -> tuple[bytes, str]:
    """A row as a line, with its end, and its checksum; `before` is that of the line before it, empty for the first."""
    check = _check_of(row, before)
    return json.dumps({**row, "check": check}).encode() + b"\n", check


def read(line: bytes, before: str) -> tuple[dict[str, Any], str]:
    """What :func:`line_of` was given, and the checksum.

    Raises
    ------
    ValueError
        The line is not as it was written, or another one stood before it.
    """
    row = json.loads(line)
    check = row.pop("check")
    if check != _check_of(row, before):
        raise ValueError("another line than was written")
    return row, check


def rows_of(lines: Iterable[bytes], before: str) -> tuple[list[dict[str, Any]], str]:
    """The rows of lines that follow each other, and the last checksum; the same errors, and for what is no row."""
    rows = []
    for line in lines:
        row, before = read(line, before)
        if not _is_row(row):
            raise ValueError("no row of a search")
        rows.append(row)
    return rows, before


def _check_of(row: Mapping[str, Any], before: str) -> str:
    plain = json.loads(json.dumps(row))  # keys and lists as they will be read
    return hashlib.sha256((before + json.dumps(plain, sort_keys=True)).encode()).hexdigest()[:12]


def _is_row(row: Mapping[str, Any]) -> bool:
    texts = all(isinstance(row.get(name), str) for name in ("key", "model", "status"))
    if not texts or not _is_number(row.get("at")):
        return False
    if row["key"] == AT_WORK:
        return True
    if row["key"] == END:
        models = row.get("models")
        return _is_number(row.get("budget")) and (models is None or (isinstance(models, list) and all(map(_is_text, models))))
    if row["key"] == SAVED:
        numbers = _is_number(row.get("worth")) and _is_number(row.get("cost")) and isinstance(row.get("refit"), bool)
        return (
            numbers
            and "before" in row
            and _is_text(row.get("result"))
            and all(_is_text(row.get(name) or "") for name in ("before", "weights"))
        )
    known = row["status"] in _STATUS and isinstance(row.get("hyper"), dict) and _is_text(row.get("settings"))
    seconds = all(row.get(name) is None or _is_number(row[name]) for name in _SECONDS)
    counts = all(row.get(name) is None or (_is_number(row[name]) and isinstance(row[name], int)) for name in ("epochs", "rung"))
    figure = "figure" in row and (row["figure"] is None or _is_number(row["figure"]))
    measured = row.get("figure") is None or all(_is_number(row.get(name)) for name in ("seconds", "eval_seconds"))
    name, _, options = row["key"].partition(" ")
    return (
        known and seconds and counts and figure and measured and name == row["model"] and isinstance(json.loads(options), dict)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
