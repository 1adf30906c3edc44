"""Recommendations into a file: blocks of users one after another, in memory that does not grow with their number."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from graphrec.bars import progress_bar
from graphrec.data.parquet import require_pyarrow
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, of_file
from graphrec.folder_files import check_not_its_own
from graphrec.recommender import Recommender
from graphrec.tensor_files import remove_parts_of_the_dead

__all__ = ["blocks", "check_file", "write_frames"]

_ROWS = 200_000  # of a block, at most


def check_file(out: Path) -> None:
    """Refuse a name that says no format, a place that cannot be written, or a file of a run, before anything is computed."""
    if out.suffix not in (".csv", ".parquet"):
        raise InputError(f"--out {out}: its name must end in .csv or .parquet.")
    if out.is_dir() or not out.parent.is_dir():
        raise InputError(f"--out {out} {'is a folder' if out.is_dir() else 'is in a folder that does not exist'}.")
    check_not_its_own(out)
    if out.suffix == ".parquet":
        require_pyarrow()


def blocks(recommender: Recommender, k: int, **how: Any) -> Iterator[pd.DataFrame]:
    """Recommendations for everybody, a table for each block of users, with a bar on stderr.

    Parameters
    ----------
    recommender : Recommender
    k : int
    **how
        Of :meth:`Recommender.recommend`.
    """
    recommender = copy.copy(recommender)  # all blocks are of one fit
    users = recommender.train.user_ids
    step = max(1, _ROWS // max(k, 1))
    with progress_bar(total=len(users), unit="user", desc="recommend") as bar:
        for start in range(0, len(users), step):
            yield recommender.recommend(users[start : start + step], k=k, **how)
            bar.update(min(step, len(users) - start))


def write_frames(frames: Iterable[pd.DataFrame], out: Path) -> int:
    """Write tables of equal columns one below another, as CSV or Parquet by the file's name; whole or not at all.

    Returns
    -------
    int
        How many rows there are.

    Raises
    ------
    OSError
        The file could not be written; what was there before is still there.
    """
    rows = 0
    with _replacing(out) as part, (_parquet if out.suffix == ".parquet" else _csv)(part) as add:
        for frame in frames:
            add(frame)
            rows += len(frame)
    return rows


@contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """A file beside `out` that takes its place if all goes well; what a killed export left there is removed."""
    remove_parts_of_the_dead(out)
    part = out.with_name(f"{out.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(part, out)
    except OSError as error:
        if error.errno is not None:
            raise of_file(error, out) from None
        raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _csv(part: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    with part.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: frame.to_csv(file, index=False, header=file.tell() == 0)


@contextmanager
def _parquet(part: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    writer: Any = None

    def add(frame: pd.DataFrame) -> None:
        nonlocal writer
        types = {"user_id": _type_of(frame["user_id"]), "item_id": _type_of(frame["item_id"]), "score": arrow.float32()}
        types |= {"rank": arrow.int64()} | ({"title": arrow.string()} if "title" in frame else {})
        # An empty block, or one without titles, has no types of its own.
        schema = arrow.schema([(name, types[name]) for name in frame.columns]) if writer is None else writer.schema
        table = arrow.Table.from_pandas(frame, schema=schema, preserve_index=False)
        writer = writer or parquet.ParquetWriter(part, schema)
        writer.write_table(table)

    def _type_of(column: pd.Series[Any]) -> Any:
        return arrow.int64() if np.issubdtype(column.to_numpy().dtype, np.integer) else arrow.string()

    try:
        yield add
    finally:
        if writer is not None:
            writer.close()
