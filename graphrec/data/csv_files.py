"""Tables from text files with a row per interaction: CSV and its like."""

from __future__ import annotations

import csv
import os
import re
import warnings
from collections.abc import Mapping
from typing import Any

from graphrec.data.bounded import DAMAGE, one_line
from graphrec.data.columns import Missing, Roles, Unknown
from graphrec.data.delimited_table import read_table
from graphrec.data.ids import Place, not_an_integer
from graphrec.data.interactions import Interactions, id_spaces
from graphrec.data.repeats import Duplicates
from graphrec.data.separators import other_separator
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, about

__all__ = ["first_text", "read_csv"]

_DECIMAL_COMMA = re.compile(r"not finite numbers, first [^:]*: '\s*[+-]?\d*,\d+\s*'\.$")


def read_csv(
    path: str | os.PathLike[str],
    user: str = "user_id",
    item: str = "item_id",
    rating: str | None = None,
    time: str | None = None,
    sep: str = ",",
    duplicates: Duplicates = "error",
    *,
    missing: Missing = "error",
    ids: Interactions | None = None,
    unknown: Unknown = "error",
    weight: str | None = None,
    **options: Any,
) -> Interactions:
    """Read a text table with one row per interaction.

    An id column in which every value is written as an integer is (``7``, ``-12``) gives integers; any other is
    text as it stands in the file, so that ``007`` stays ``"007"``. Every row must have as many fields as the header.

    Parameters
    ----------
    path : path
        The file; compressed ones (.gz, .zip, …) are read as they are.
    user, item, rating, time, duplicates, missing, ids, unknown, weight
        As in :meth:`Interactions.from_frame`. For values that are missing pandas takes some words, too, such as ``NA`` and
        ``null``; ``keep_default_na=False`` does not. ``read_csv("test.csv", ids=train)`` makes a test part of `train`.
    sep : str
        What stands between columns.
    **options
        Passed to :func:`pandas.read_csv`, for example ``names=`` and ``header=None`` for a file without a
        header, ``dtype={"user_id": str}``, ``parse_dates=["time"]``, ``decimal=","`` or ``nrows=``.

    Returns
    -------
    Interactions

    Raises
    ------
    InputError
        The file is missing or not a table, a row has too many fields or too few, or the content is refused by
        :meth:`Interactions.from_frame`. The message names the file and, where the layout is not one that only
        pandas knows (``comment=``, ``engine="python"`` and the like), the line: the header is line 1.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"read_csv takes the path of a file, not {type(path).__name__}.")
    name, roles = os.fspath(path), Roles(user, item, rating, time, weight)
    try:
        frame, place = _read(name, roles, ids, {"sep": sep, **options})
        more: dict[str, Any] = {"missing": missing, "ids": ids, "unknown": unknown, "place": place, "weight": weight}
        with about(name), warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            table = Interactions.from_frame(frame, user, item, rating, time, duplicates, **more)
    except InputError as error:
        hint = _of_another_separator(name, sep, options) or _of_decimal_commas(str(error), options)
        raise InputError(f"{error}{hint}") from error
    for warning in told:
        warnings.warn(f"{name}: {warning.message}", warning.category, stacklevel=2)
    return table


def first_text(
    path: str | os.PathLike[str], user: str, item: str, column: str, sep: str, encoding: str | None
) -> tuple[str, str] | None:
    """Of an id column of a file the first value that is not how an integer is written, and where: ``("anna", "in line 7")``."""
    name = os.fspath(path)
    frame, place = _read(name, Roles(user, item), None, {"sep": sep, "encoding": encoding, "dtype": {column: str}})
    texts = frame[column].to_numpy(object)
    row = next((row for row, text in enumerate(texts) if not_an_integer(text)), None)
    return None if row is None else (texts[row], place(row))


def _read(name: str, roles: Roles, ids: Interactions | None, layout: dict[str, Any]) -> tuple[pd.DataFrame, Place]:
    """The columns as pandas reads them, and how messages name a row."""
    try:
        return read_table(name, roles, id_spaces(ids), layout)
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not a text in UTF-8; encoding='cp1252' reads what Windows writes."
            if str(error.encoding).replace("-", "") == "utf8"
            else f"{name} cannot be read: {one_line(error)}."
        ) from error
    except (*DAMAGE, csv.Error, LookupError, TypeError) as error:  # whatever pandas says of a text or an option
        raise InputError(f"{name} cannot be read: {one_line(error)}.") from error


def _of_decimal_commas(told: str, options: Mapping[str, Any]) -> str:
    """A further sentence where what is refused as a number is one with a comma before its fraction."""
    decimal = options.get("decimal", ".") == "." and _DECIMAL_COMMA.search(told)
    return " Where a comma stands before the fraction, decimal=',' says so." if decimal else ""


def _of_another_separator(name: str, sep: str, options: Mapping[str, Any]) -> str:
    """A further sentence where the first line of a file has one column and seems to have several."""
    other = None if options.keys() - {"encoding", "dtype", "decimal"} else other_separator(name, sep, options.get("encoding"))
    return "" if other is None else f" Its first line has no {sep!r}, but {other!r}: sep={other!r} says what separates columns."
