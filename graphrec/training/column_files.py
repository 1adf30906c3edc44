"""Columns of tables in files beside a checkpoint: one of each process that trains, read back by any number of them.

Why not :mod:`torch.distributed.checkpoint`, which has a format for tables in pieces (``DTensor`` with ``Shard(1)``)? Tried with
torch 2.13 and gloo: after one byte of a data file was changed it loads without a word, both in its own format and in that of
safetensors. Its own index is a pickle, which runs code when it is read. A second saving into the same folder writes over the
data files while the first one's index still names them, so that a kill leaves a mixture. ``Shard(1)`` cuts 5 columns for 4
processes into 2, 2, 1 and none. Checksums, the swap in one move and the sentences would stay ours; what it would take over is
the choice of columns in :func:`read_columns`, a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphrec.tensor_files import digest_of, pack, read_tensors, replace_file

__all__ = ["read_columns", "remove_columns", "write_columns"]

_NAME = "columns-{}.safetensors"


def write_columns(folder: Path, key: str, columns: Tensor, first: int, whole: int) -> dict[str, Any]:
    """Write some columns of one tensor into a file of their own, which has a name that no other content has.

    Parameters
    ----------
    folder : Path
    key : str
        The tensor's name.
    columns : Tensor, shape (n, d / W)
    first, whole : int
        Which column of the whole is the first of them, and how many there are in all.

    Returns
    -------
    dict
        What :func:`read_columns` wants to know: ``key``, ``first``, ``past``, ``whole``, ``name`` and ``sha256``.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    place = {"key": key, "first": first, "past": first + columns.shape[1], "whole": whole}
    parts = pack({key: columns}, place)
    digest = digest_of(*parts)
    name = _NAME.format(digest[:32])
    replace_file(folder / name, *parts)
    return {**place, "name": name, "sha256": digest}


def read_columns(
    folder: Path, files: Iterable[Mapping[str, Any]], wanted: Callable[[int], tuple[int, int]] | None = None
) -> dict[str, Tensor]:
    """Columns out of the files of :func:`write_columns`, of which one at a time is in memory beside them.

    Parameters
    ----------
    folder : Path
    files : iterable of mapping
        What :func:`write_columns` gave, those of a tensor in the order of its columns.
    wanted : callable, optional
        From the number of all columns of a tensor to the range that is wanted; all unless given.

    Returns
    -------
    dict of str to Tensor, shapes (n, wanted)

    Raises
    ------
    InputError
        A file is missing, damaged or another one.
    """
    parts: dict[str, list[Tensor]] = {}
    for file in files:
        key, first, past = file["key"], file["first"], file["past"]
        low, high = (0, file["whole"]) if wanted is None else wanted(file["whole"])
        if (low := max(low, first)) < (high := min(high, past)):
            tensors, _ = read_tensors(folder / file["name"], file["sha256"])
            parts.setdefault(key, []).append(tensors[key][:, low - first : high - first].clone())
    return {key: torch.cat(some, dim=1) for key, some in parts.items()}


def remove_columns(folder: Path, but: Iterable[Mapping[str, Any]] = ()) -> None:
    """Remove such files from a folder, but for those that are named."""
    named = {file["name"] for file in but}
    for path in folder.glob(_NAME.format("*")):
        if path.name not in named:
            path.unlink(missing_ok=True)
