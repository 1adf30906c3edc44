"""Lines of a search's journal: a row with a checksum of itself; what is not as it was written is no row."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

__all__ = ["AT_WORK", "END", "SAVED", "line_of", "row_of"]

END, SAVED, AT_WORK = "end", "saved", "at work"  # keys of rows that are of no candidate
_STATUS = ("ok", "skipped", "stopped", "failed")
_SECONDS = ("seconds", "eval_seconds", "save_seconds", "lent")


def line_of(row: Mapping[str, Any]) -> bytes:
    """A row as a line, with its end."""
    return json.dumps({**row, "check": _check_of(row)}).encode() + b"\n"


def row_of(line: bytes, checked: bool = True) -> dict[str, Any]:
    """The row of a line.

    Parameters
    ----------
    line : bytes
    checked : bool
        Whether it must have a checksum: those of earlier versions have none.

    Raises
    ------
    ValueError
        It is not as :func:`line_of` gave it, or is no row.
    """
    row = json.loads(line)
    if not isinstance(row, dict):
        raise ValueError("no row")
    check = row.pop("check", None)
    if (checked or check is not None) and check != _check_of(row):
        raise ValueError("another row than was written")
    if not _is_row(row):
        raise ValueError("no row of a search")
    return row


def _check_of(row: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(row))  # keys and lists as they will be read
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:12]


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
