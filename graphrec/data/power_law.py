"""Large made-up tables with the degrees of real ones, written piece by piece: for measuring how things grow."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from graphrec.data.parquet import require_pyarrow
from graphrec.errors import InputError, unknown_name

__all__ = ["power_law_pieces", "write_power_law"]

PIECE = 2_000_000
"""Edges that are drawn at a time."""
_PER_USER, _PER_ITEM = 27, 20  # edges, as in Gowalla
_ACTIVITY, _POPULARITY = 1.6, 2.2
_GOLDEN = 0.618033988749895
IntArray = npt.NDArray[np.int64]


def power_law_pieces(edges: int, seed: int = 0, piece: int = PIECE) -> Iterator[tuple[IntArray, IntArray]]:
    """Draw users and items, a piece at a time; the same arguments give the same edges.

    The r-th of n users is drawn with a probability that falls as r^-0.375, the r-th of m items as r^-0.545: tails of
    degrees with exponents 3.7 and 2.8. There are 27 draws a user and 20 an item, as Gowalla has. Some pairs come up
    again (0.2 to 0.4 %), as they do in a log. Which id has which rank looks random and is a bijection that takes no memory.

    Parameters
    ----------
    edges : int
        Draws in all, at least 100.
    seed : int
    piece : int
        Draws at a time; another size gives other edges.

    Yields
    ------
    users, items : ndarray of int64, shape (piece,) or shorter
        Below ``edges // 27`` and ``edges // 20``.
    """
    for name, value, least in (("edges", edges, 100), ("seed", seed, 0), ("piece", piece, 1)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise InputError(f"{name} must be a whole number from {least} on, got {value!r}.")
    n_users, n_items = edges // _PER_USER, edges // _PER_ITEM
    for number, start in enumerate(range(0, edges, piece)):
        # Uniform draws only, as in graphrec.data.synthetic; each piece has a stream of its own.
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, number])))
        count = min(piece, edges - start)
        users = (n_users * rng.random(count) ** _ACTIVITY).astype(np.int64)
        items = (n_items * rng.random(count) ** _POPULARITY).astype(np.int64)
        yield _scattered(users, n_users), _scattered(items, n_items)


def write_power_law(
    folder: str | os.PathLike[str],
    edges: int,
    seed: int = 0,
    *,
    format: Literal["parquet", "csv"] = "parquet",
    texts: bool = False,
    piece: int = PIECE,
) -> list[Path]:
    """Write :func:`power_law_pieces` as ``part-00000.parquet`` or ``.csv`` and so on, with columns user_id and item_id.

    Memory goes by `piece`, not by `edges`.

    Parameters
    ----------
    folder : path
        Made where it does not exist.
    edges, seed, piece
        As of :func:`power_law_pieces`.
    format : {"parquet", "csv"}
    texts : bool
        Ids like ``"u17"`` and ``"i4"`` instead of integers.

    Returns
    -------
    list of Path
        The files, in order.

    Raises
    ------
    InputError
        An argument is of no use, pyarrow is not installed, or the folder already holds something.
    """
    require_pyarrow("write_power_law needs")
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv
    import pyarrow.parquet

    if format not in ("parquet", "csv"):
        raise unknown_name("format", format, ("parquet", "csv"))
    folder, written = Path(folder), []
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder} already holds something; name an empty folder or a new one.")
    for number, pair in enumerate(power_law_pieces(edges, seed, piece)):
        columns: list[Any] = [pa.array(ids) for ids in pair]
        if texts:
            columns = [
                pc.binary_join_element_wise(side, column.cast(pa.string()), "")
                for side, column in zip("ui", columns, strict=True)
            ]
        table = pa.table(dict(zip(("user_id", "item_id"), columns, strict=True)))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"part-{number:05d}.{format}"
        if format == "csv":
            pyarrow.csv.write_csv(table, path)
        else:
            pyarrow.parquet.write_table(table, path)
        written.append(path)
    return written


def _scattered(ranks: IntArray, n: int) -> IntArray:
    """The id of each rank below `n`: a · rank + b modulo n, with a near the golden section of n and prime to it."""
    step = max(int(n * _GOLDEN), 1)
    while math.gcd(step, n) != 1:
        step += 1
    return (ranks * step + n // 3) % n
