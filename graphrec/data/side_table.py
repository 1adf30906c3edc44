"""Small tables beside the interactions, titles of items and names of groups; and a look at the first rows of any table."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from graphrec.data.bounded import one_line
from graphrec.data.parquet import is_parquet, require_pyarrow
from graphrec.data.separators import other_separator
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["first_values", "read_side_table"]

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


def first_values(path: Path, column: str, sep: str, encoding: str | None, rows: int = 1000) -> pd.Series[Any]:
    """The values that a column has in the first rows of a table that can be read, without gaps; those of a CSV are texts."""
    if is_parquet(path):
        import pyarrow.parquet as parquet

        with parquet.ParquetFile(path) as file:
            first = next(file.iter_batches(rows, columns=[column]), None)
            return pd.Series([], dtype=object) if first is None else first.to_pandas()[column].dropna()
    return pd.read_csv(path, usecols=[column], dtype=str, sep=sep, encoding=encoding, nrows=rows)[column].dropna()
