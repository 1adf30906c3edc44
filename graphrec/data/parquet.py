"""Tables from Parquet files: the columns that are wanted, with the types that the file gives them."""

from __future__ import annotations

import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

from graphrec.data.bounded import one_line
from graphrec.data.columns import Missing, Unknown
from graphrec.data.interactions import Interactions
from graphrec.data.repeats import Duplicates
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, about

__all__ = ["is_parquet", "parquet_columns", "read_parquet", "require_pyarrow"]

_MAGIC = b"PAR1"


def read_parquet(
    path: str | os.PathLike[str],
    user: str = "user_id",
    item: str = "item_id",
    rating: str | None = None,
    time: str | None = None,
    duplicates: Duplicates = "error",
    *,
    missing: Missing = "error",
    ids: Interactions | None = None,
    unknown: Unknown = "error",
    weight: str | None = None,
) -> Interactions:
    """Read a Parquet file with one row per interaction; only the named columns are read.

    Ids keep the type that the file gives them: integers stay integers, texts stay texts.

    Parameters
    ----------
    path : path
        The file.
    user, item, rating, time, duplicates, missing, ids, unknown, weight
        As in :meth:`Interactions.from_frame`.

    Returns
    -------
    Interactions

    Raises
    ------
    InputError
        pyarrow is not installed, the file is missing or damaged, or its content is refused by
        :meth:`Interactions.from_frame`. The message names the file.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"read_parquet takes the path of a file, not {type(path).__name__}.")
    name = os.fspath(path)
    there = parquet_columns(path)
    wanted = [column for column in (user, item, rating, time, weight) if column is not None and column in there]
    try:
        frame = _frame(path, list(dict.fromkeys(wanted)))
    except (OSError, ValueError, MemoryError) as error:
        raise InputError(f"{name} cannot be read: {one_line(error)}.") from error
    with about(name):
        return Interactions.from_frame(
            frame, user, item, rating, time, duplicates, missing=missing, ids=ids, unknown=unknown, weight=weight
        )


def _frame(path: str | os.PathLike[str], columns: list[Hashable]) -> pd.DataFrame:
    """Some columns; whole numbers stay whole where there are gaps, which pandas' own floats would round beyond 2^53."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    table = parquet.read_table(path, columns=columns)
    gaps = [
        column for column in columns if table[column].null_count and arrow.types.is_integer(table.schema.field(column).type)
    ]
    frame: pd.DataFrame = table.drop_columns(gaps).to_pandas(ignore_metadata=True)
    for column in gaps:
        frame[column] = table[column].to_pandas(types_mapper=_with_gaps)
    return frame[columns]


def _with_gaps(kind: Any) -> Any:
    """pandas' type of whole numbers that knows gaps, for Arrow's."""
    return pd.api.types.pandas_dtype(str(kind).replace("uint", "UInt").replace("int", "Int"))


def is_parquet(path: Path) -> bool:
    """Whether a file is Parquet, by how it begins, whatever it is called."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def parquet_columns(path: str | os.PathLike[str]) -> list[Hashable]:
    """The names of a file's columns.

    Raises
    ------
    InputError
        pyarrow is not installed, or the file cannot be read.
    """
    require_pyarrow()
    import pyarrow.parquet as parquet

    try:
        return list(parquet.read_schema(path).names)
    except (OSError, ValueError) as error:
        raise InputError(f"{os.fspath(path)} cannot be read: {one_line(error)}.") from error


def require_pyarrow(who: str = "Parquet files need") -> None:
    """Raise :class:`InputError` with the command that installs pyarrow, where it is missing."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise InputError(f"{who} pyarrow: pip install 'graphrec[parquet]'.") from None
