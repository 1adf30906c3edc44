"""A folder of Parquet or CSV files as one table that need not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from graphrec.data.column_files import Staging
from graphrec.data.columns import Missing, Roles
from graphrec.data.folder_passes import FolderPasses
from graphrec.data.mapped import MappedInteractions, open_table
from graphrec.data.part_files import find_parts
from graphrec.data.repeats import Duplicates, check_policy
from graphrec.data.table_parts import PartReader
from graphrec.errors import InputError, unknown_name

__all__ = ["read_folder"]

PathLike = str | os.PathLike[str]


def read_folder(
    path: PathLike | Sequence[PathLike],
    user: str = "user_id",
    item: str = "item_id",
    rating: str | None = None,
    time: str | None = None,
    sep: str = ",",
    duplicates: Duplicates = "error",
    *,
    out: PathLike,
    missing: Missing = "error",
    weight: str | None = None,
    encoding: str = "utf-8",
) -> MappedInteractions:
    """Read files with one row per interaction as one table whose arrays stay on disk.

    The table is the one that :meth:`Interactions.from_frame` makes of all rows: the same ids in the same order, the same
    rows in the order of the files. It is written to `out`, where :func:`open_table` opens it again at once. Memory goes by
    the number of distinct ids and by the size of a batch, a million rows; not by the number of rows. While it works it
    needs room on the disk for 24 bytes a row beside the 36 that the table takes (ratings, weights: 4 more, times: 8).

    Parameters
    ----------
    path : path, or sequence of paths
        A folder, whose files and those of its subfolders are taken by name, passing over names that begin with ``.`` or ``_``;
        or the files themselves in their order. All are Parquet, or all text (.csv, .tsv, .txt; also with .gz, .bz2, .zst, .lz4)
        with a header.
    user, item, rating, time : str
        Names of the columns, as in :meth:`Interactions.from_frame`; every file has them. Dates without a zone are taken for
        UTC; files with zones and files without are refused.
    sep : str
        What stands between the columns of text files.
    duplicates : str
        What to do with repeated pairs, as in :meth:`Interactions.from_frame`; a warning says how many rows were joined.
    out : path
        A new folder, an empty one, or that of an earlier table, which is replaced in one move when the new one is complete.
    missing : {"error", "drop"}
        What to do with rows in which one of the named columns has no value; a warning says how many were dropped.
    weight : str, optional
        Name of the column that says how much each row counts; see :class:`Interactions`.
    encoding : str
        Of text files.

    Returns
    -------
    MappedInteractions
        Ids of Parquet keep their type. Those of text files are integers if all of a column are written as integers are, and
        else texts, as in :func:`read_csv`.

    Raises
    ------
    InputError
        pyarrow is not installed; there is no file; a file cannot be read, lacks a column, or has a column of another type
        than the others; or the content is refused as by :meth:`Interactions.from_frame`. The message names the file and the
        row, from 0 on, and the row group of a Parquet file.
    OSError
        The table could not be written, for instance because the disk is full. Nothing of it is left.
    """
    check_policy(duplicates)
    if missing not in ("error", "drop"):
        raise unknown_name("policy for missing=", missing, ("error", "drop"))
    if user == item:
        raise InputError(f"user and item are one and the same column, {user!r}.")
    reader, paths = PartReader(Roles(user, item, rating, time, weight), missing, sep, encoding), find_parts(path)
    with Staging(Path(out)) as staging:
        FolderPasses(staging, reader).run(paths, duplicates)
    return open_table(out, check=False)
