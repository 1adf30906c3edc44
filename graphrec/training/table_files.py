"""Columns or rows of tables in files beside a checkpoint: one of each process that trains, read back by any number of them.

Why not :mod:`torch.distributed.checkpoint`, which has a format for tables in pieces (``DTensor`` with ``Shard``)? Tried with
torch 2.13 and gloo: after one byte of a data file was changed it loads without a word, both in its own format and in that of
safetensors. Its own index is a pickle, which runs code when it is read. A second saving into the same folder writes over the
data files while the first one's index still names them, so that a kill leaves a mixture. ``Shard(1)`` cuts 5 columns for 4
processes into 2, 2, 1 and none. Checksums, the swap in one move and the sentences would stay ours; what it would take over is
the choice of a part in :func:`read_parts`, a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphrec.tensor_files import digest_of, pack, read_tensors, replace_file

__all__ = ["read_parts", "remove_parts", "write_part"]

_NAME = "part-{}.safetensors"


def write_part(folder: Path, key: str, part: Tensor, axis: int, first: int, whole: int) -> dict[str, Any]:
    """Write some rows or columns of one tensor into a file of their own, which has a name that no other content has.

    Parameters
    ----------
    folder : Path
    key : str
        The tensor's name.
    part : Tensor, shape (n / W, d) or (n, d / W)
    axis : int
        0 for rows, 1 for columns.
    first, whole : int
        Which of the whole is the first of them, and how many there are in all.

    Returns
    -------
    dict
        What :func:`read_parts` wants to know: ``key``, ``axis``, ``first``, ``past``, ``whole``, ``name`` and ``sha256``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    place = {"key": key, "axis": axis, "first": first, "past": first + part.shape[axis], "whole": whole}
    parts = pack({key: part}, place)
    digest = digest_of(*parts)
    name = _NAME.format(digest[:32])
    replace_file(folder / name, *parts)
    return {**place, "name": name, "sha256": digest}


def read_parts(
    folder: Path, files: Iterable[Mapping[str, Any]], wanted: Callable[[int], tuple[int, int]] | None = None
) -> dict[str, Tensor]:
    """Rows or columns out of the files of :func:`write_part`, of which one at a time is in memory beside them.

    Parameters
    ----------
    folder : Path
    files : iterable of mapping
        What :func:`write_part` gave, those of a tensor in their order.
    wanted : callable, optional
        From the number of all rows or columns of a tensor to the range that is wanted; all unless given.

    Returns
    -------
    dict of str to Tensor, shapes (wanted, d) or (n, wanted)

    Raises
    ------
    InputError
        A file is missing, damaged or another one.
    """
    parts: dict[str, list[Tensor]] = {}
    axes: dict[str, int] = {}
    for file in files:
        key, first, past, axes[file["key"]] = file["key"], file["first"], file["past"], file["axis"]
        low, high = (0, file["whole"]) if wanted is None else wanted(file["whole"])
        if (low := max(low, first)) < (high := min(high, past)):
            tensors, _ = read_tensors(folder / file["name"], file["sha256"])
            parts.setdefault(key, []).append(tensors[key].narrow(axes[key], low - first, high - low).clone())
    return {key: torch.cat(some, dim=axes[key]) for key, some in parts.items()}


def remove_parts(folder: Path, but: Iterable[Mapping[str, Any]] = ()) -> None:
    """Remove such files from a folder, but for those that are named."""
    named = {file["name"] for file in but}
    for path in folder.glob(_NAME.format("*")):
        if path.name not in named:
            path.unlink(missing_ok=True)
