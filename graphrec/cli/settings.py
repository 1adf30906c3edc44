"""What ``--set`` says: pairs of a name and a value."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from graphrec.errors import InputError

__all__ = ["settings_of"]

_PYTHONS_WORDS = {"True": True, "False": False, "None": None}


def settings_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``key=value`` pairs; values are read as TOML or JSON (numbers, lists, tables), as Python's words, or as text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise InputError(f"--set takes key=value, got {pair!r}.")
        if key in settings:
            raise InputError(f"--set gives {key} twice: {settings[key]!r} and {text!r}.")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    if text in _PYTHONS_WORDS:
        return _PYTHONS_WORDS[text]
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return _table(text)
    return table["value"] if len(table) == 1 else text


def _table(text: str) -> Any:
    """A table or list of JSON, a number as Python writes it (``.1``), or the text."""
    try:
        return json.loads(text) if text.startswith(("{", "[")) else float(text)
    except (ValueError, RecursionError):
        return text
