"""Columns of tables in files beside a checkpoint: one of each process that trains, read back by any number of them.

Why not :mod:`torch.distributed.checkpoint`, which has a format for tables in pieces (``DTensor`` with ``Shard(1)``)? Tried with
torch 2.13 and gloo: after one byte of a data file was changed it loads without a word, both in its own format and in that of
safetensors. Its own index is a pickle, which runs code when it is read. A second saving into the same folder writes over the
data files while the first one's index still names them, so that a kill leaves a mixture. ``Shard(1)`` cuts 5 columns for 4
processes into 2, 2, 1 and none. Checksums, the swap in one move and the sentences would stay ours; what it would take over is
the choice of columns in :func:`read_columns`, a few lines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from graphrec.tensor_files import digest_of, pack, read_tensors, replace_file

__all__ = ["read_columns", "remove_columns", "write_columns"]

_NAME = "columns-{}.safetensors"


def write_columns(folder: Path, tensors: Mapping[str, Tensor], places: Mapping[str, tuple[int, int]]) -> dict[str, str]:
    """Write some columns into a file of their own, which has a name that no other content has.

    Parameters
    ----------
    folder : Path
    tensors : mapping of str to Tensor, shapes (n, d / W)
    places : mapping of str to (int, int)
        Which column of the whole is the first of each, and how many there are in all.

    Returns
    -------
    dict of str
        ``name`` and ``sha256`` of the file.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    parts = pack(tensors, {"places": dict(places)})
    digest = digest_of(*parts)
    name = _NAME.format(digest[:32])
    replace_file(folder / name, *parts)
    return {"name": name, "sha256": digest}


def read_columns(
    folder: Path, files: Sequence[Mapping[str, str]], wanted: Callable[[int], tuple[int, int]] | None = None
) -> dict[str, Tensor]:
    """Columns out of the files of :func:`write_columns`, of which one at a time is in memory as a whole.

    Parameters
    ----------
    folder : Path
    files : sequence of mapping
        What :func:`write_columns` gave, in the order of the columns.
    wanted : callable, optional
        From the number of all columns to the range that is wanted; all unless given.

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
        tensors, record = read_tensors(folder / file["name"], file["sha256"])
        for key, tensor in tensors.items():
            start, whole = record["places"][key]
            asked = (0, whole) if wanted is None else wanted(whole)
            low, high = (min(max(bound - start, 0), tensor.shape[1]) for bound in asked)
            parts.setdefault(key, []).append(tensor[:, low:high].clone())
    return {key: torch.cat(some, dim=1) for key, some in parts.items()}


def remove_columns(folder: Path, but: Sequence[Mapping[str, str]] = ()) -> None:
    """Remove such files from a folder, but for those that are named."""
    named = {file["name"] for file in but}
    for path in folder.glob(_NAME.format("*")):
        if path.name not in named:
            path.unlink(missing_ok=True)
