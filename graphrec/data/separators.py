"""What stands between the columns of a text file, where it is not what somebody said."""

from __future__ import annotations

from pathlib import Path

from graphrec.data.bounded import DAMAGE
from graphrec.deferred import pandas as pd

__all__ = ["other_separator"]


def other_separator(path: str | Path, sep: str, encoding: str | None = None) -> str | None:
    """What seems to stand between the columns of a text file, packed or not, that has one column by `sep`; None if nothing."""
    try:
        names = [str(name) for name in pd.read_csv(path, nrows=0, sep=sep, encoding=encoding).columns]
    except (*DAMAGE, LookupError):
        return None  # whoever reads it says why
    return next((mark for mark in (";", "\t", "|", ",") if mark in names[0]), None) if len(names) == 1 else None
