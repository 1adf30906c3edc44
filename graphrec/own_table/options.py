"""What the command line says of a table of one's own, and which files are tables."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphrec.data.datasets import dataset_names
from graphrec.data.parquet import is_parquet
from graphrec.data.separators import other_separator
from graphrec.errors import InputError

__all__ = [
    "NAMES",
    "OF_FILES",
    "TableOptions",
    "check_decimal",
    "check_separator",
    "is_made_table",
    "is_named",
    "is_table",
    "policy_of",
    "refuse_options",
    "table_columns",
]


@dataclass(frozen=True)
class TableOptions:
    """What the command line says of a table; None where it says nothing.

    Attributes
    ----------
    user, item, rating, time, weight : str or None
        Names of columns.
    sep : str or None
        What stands between the columns of a text file; a comma unless given.
    encoding : str or None
        Of a text file; UTF-8 unless given.
    decimal : str or None
        What stands before the fraction of a number of a text file; a point unless given.
    duplicates, missing : str or None
        As in :meth:`Interactions.from_frame`; unless given what :func:`policy_of` says, and ``"error"``.
    min_rating : float or None
        Pairs below it are left out, and the others count alike.
    split : str or None
        A key of :data:`SPLITS`: by time where there are times, else ``"stratified"``.
    split_seed : int or None
        Of the two that draw; 0 unless given.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    weight: str | None = None
    sep: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    duplicates: str | None = None
    missing: str | None = None
    min_rating: float | None = None
    split: str | None = None
    split_seed: int | None = None

    def given(self) -> dict[str, Any]:
        """What was said, by the option's name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


OF_FILES = ("user", "item", "rating", "time", "weight", "sep", "encoding", "decimal", "duplicates", "missing")
NAMES = {field.name for field in dataclasses.fields(TableOptions)}


def is_table(data: str) -> bool:
    """Whether ``--data`` is a file, or a table that ``graphrec table`` made."""
    return bool(data.strip()) and (Path(data).is_file() or is_made_table(data))


def is_made_table(data: str) -> bool:
    """Whether ``--data`` is a table that ``graphrec table`` made."""
    return (Path(data) / "table.json").is_file()


def is_named(data: str) -> bool:
    """Whether ``--data`` is a data set by name, and nothing else that has this name."""
    return data in dataset_names() and not is_table(data) and not (Path(data) / "train.txt").is_file()


def refuse_options(data: str, options: TableOptions) -> None:
    """Refuse what is said of a table's columns where the data is no table."""
    for name in options.given():
        raise InputError(f"--{name.replace('_', '-')} is for a table, and --data {data} is not a CSV or Parquet file.")


def policy_of(options: TableOptions) -> str:
    """What becomes of repeated pairs: somebody's latest rating counts, quantities add up, and else it is the first meeting."""
    if options.duplicates is not None:
        return options.duplicates
    if options.rating is not None:
        return "last"
    return "first" if options.weight is None else "sum"


def check_decimal(data: str, said: TableOptions, full: TableOptions) -> None:
    """Refuse what is `said` of the fractions of a text file where `full`, all that is known, names no column of numbers."""
    if said.decimal is not None and full.rating is None and full.weight is None and not is_parquet(Path(data)):
        raise InputError(f"--decimal {said.decimal} needs --rating or --weight, a column of numbers that it is about.")


def check_separator(data: str, sep: str, encoding: str | None) -> None:
    """Refuse a text file that has one column by this separator, and several by another."""
    if (other := other_separator(data, sep, encoding)) is not None:
        named = "$'\\t'" if other == "\t" else f"'{other}'"
        raise InputError(
            f"--data {data}: its first line has no {sep!r}, but {other!r}: --sep {named} says what separates columns."
        )


def table_columns(data: str, sep: str | None = None, encoding: str | None = None) -> str:
    """The names of a file's columns, for a message."""
    import pandas as pd

    from graphrec.data.parquet import parquet_columns

    try:
        names = (
            parquet_columns(data)
            if is_parquet(Path(data))
            else list(pd.read_csv(data, nrows=0, sep=sep or ",", encoding=encoding).columns)
        )
    except (OSError, ValueError, LookupError):
        return "no columns that can be read"
    return ", ".join(str(name) for name in names[:20])
