"""Tables written as the columns that :mod:`graphrec.data.mapped` opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec._version import __version__
from graphrec.data.column_files import Staging
from graphrec.data.interactions import Interactions
from graphrec.data.mapped import COLUMNS, FORMAT, MappedInteractions, open_table
from graphrec.errors import InputError

__all__ = ["id_at", "stage_ids", "table_record", "write_table"]


def write_table(table: Interactions, folder: str | os.PathLike[str]) -> MappedInteractions:
    """Write any table, such as a part of a split, so that it can be opened with :func:`open_table`.

    Parameters
    ----------
    table : Interactions
    folder : path
        A new folder, an empty one, or that of an earlier table, which is replaced in one move.

    Returns
    -------
    MappedInteractions
        The same table, opened.

    Raises
    ------
    InputError
        The table has no row, or the folder holds something else.
    OSError
        The files could not be written; an earlier table is still there.
    """
    if not isinstance(table, Interactions):
        raise InputError(f"write_table takes Interactions, not {type(table).__name__}.")
    if not len(table):
        raise InputError("write_table needs a table with at least one row.")
    indptr, indices = table.structure
    derived: dict[str, npt.NDArray[Any]] = {
        "keys": table.keys,
        "distinct_keys": table.distinct_keys,
        "indptr": indptr,
        "indices": indices,
    }
    derived["node_indptr"], derived["node_indices"] = table.node_structure()
    with Staging(Path(folder)) as staging:
        for name, dtype in COLUMNS.items():
            values = derived.get(name, getattr(table, name, None))
            if values is not None:
                staging.write(name, dtype, values)
        kinds = {side: stage_ids(staging, side, getattr(table, f"{side}_ids")) for side in ("user", "item")}
        staging.commit(table_record(table.n_users, table.n_items, kinds))
    return open_table(folder, check=False)


def stage_ids(staging: Staging, side: str, ids: npt.NDArray[Any]) -> str:
    """Write the ids of a side, and return their kind."""
    if ids.dtype.kind in "iu":
        staging.write(f"{side}_ids", np.int64, ids)
        return "integers"
    with staging.column(f"{side}_ids.text", np.uint8) as text, staging.column(f"{side}_ids.starts", np.int64) as starts:
        starts.add(np.zeros(1, np.int64))
        end = 0
        for lo in range(0, len(ids), 1 << 18):
            encoded = [str(one).encode("utf-8", "surrogatepass") for one in ids[lo : lo + (1 << 18)].tolist()]
            text.add(np.frombuffer(b"".join(encoded), np.uint8))
            ends = end + np.cumsum([len(one) for one in encoded])
            starts.add(ends)
            end = int(ends[-1])
    return "texts"


def id_at(staging: Staging, side: str, kind: str, index: int) -> int | str:
    """One id of those that :func:`stage_ids` wrote."""
    if kind == "integers":
        return int(staging.read(f"{side}_ids", slice(index, index + 1))[0])
    start, end = staging.read(f"{side}_ids.starts", slice(index, index + 2)).tolist()
    return staging.read(f"{side}_ids.text", slice(start, end)).tobytes().decode("utf-8", "surrogatepass")


def table_record(n_users: int, n_items: int, kinds: dict[str, str]) -> dict[str, Any]:
    """What ``table.json`` says beside the names and lengths of the columns."""
    return {"format": FORMAT, "graphrec": __version__, "n_users": n_users, "n_items": n_items, "ids": kinds}
