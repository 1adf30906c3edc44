"""Small tables beside the interactions: titles of items, names of groups."""

from __future__ import annotations

import warnings
from pathlib import Path

from graphrec.data.bounded import one_line
from graphrec.data.parquet import is_parquet, require_pyarrow
from graphrec.data.separators import other_separator
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["read_side_table"]

_WINDOWS = "cp1252"


def read_side_table(path: Path, option: str) -> pd.DataFrame:
    """A CSV or Parquet file, whatever separates its columns; values of a CSV stay texts.

    A text that is not UTF-8 is read as Windows-1252, and a warning says so: its content is shown to people, not reckoned with.

    Parameters
    ----------
    path : Path
    option : str
        Of the command line, for messages.

    Raises
    ------
    InputError
        There is no such file, or it is no table.
    """
    if not path.is_file():
        raise InputError(f"{option} {path} is not a file.")
    try:
        if is_parquet(path):
            require_pyarrow()
            return pd.read_parquet(path, engine="pyarrow")
        return _text(path, None)
    except UnicodeDecodeError:
        warnings.warn(f"{option} {path} is not in UTF-8 and is read as Windows-1252.", stacklevel=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {path} cannot be read: {one_line(error)}.") from error
    try:
        return _text(path, _WINDOWS)
    except (OSError, ValueError) as error:
        raise InputError(f"{option} {path} cannot be read: {one_line(error)}.") from error


def _text(path: Path, encoding: str | None) -> pd.DataFrame:
    sep = other_separator(path, ",", encoding) or ","
    return pd.read_csv(path, dtype=str, keep_default_na=False, sep=sep, encoding=encoding)
