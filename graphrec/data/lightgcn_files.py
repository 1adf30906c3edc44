"""Splits as text files: the format of the LightGCN line of papers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.archives import Archive, open_archive
from graphrec.data.cache import load_arrays, store_arrays
from graphrec.data.index_lines import format_index_lines, line_of_index, parse_index_lines
from graphrec.data.interactions import Interactions
from graphrec.data.parts import Overlap, Split
from graphrec.errors import InputError, about, of_file

__all__ = ["read_lightgcn", "write_lightgcn"]

PathLike = str | os.PathLike[str]
_PARTS = ("train", "valid", "test")
_MOST_IDS = 10_000_000
_MOST_IDS_PER_PAIR = 20
_CACHE_VERSION = 1  # raise it when the meaning of the cached arrays changes


def read_lightgcn(folder: PathLike, overlap: Overlap = "error", cache: bool = True) -> Split:
    """Read ``train.txt`` and, where present, ``valid.txt`` and ``test.txt``.

    Each line is a user and the items of that user, ``user item item ...``, all counted from zero. The id
    space is the largest user and the largest item of the three files + 1. Memory goes by that space, so an id of
    ten million or more is refused where it is also more than 20 times the number of pairs.

    A ``valid.txt`` whose pairs are all in ``train.txt`` is carved out of it: they are taken out of train. One
    that shares no pair with ``train.txt`` is the validation part as it stands.

    Parameters
    ----------
    folder : path
        The folder, or a zip archive with these files.
    overlap : {"error", "keep", "drop"}
        What to do with pairs of test that are also in train or valid, as in :class:`Split`.
    cache : bool
        Keep the parsed files in ``GRAPHREC_CACHE`` (default ``~/.cache/graphrec``) and use them as long as
        path, sizes and times of the files stay the same.

    Returns
    -------
    Split
        Without ratings and times; the indices of the files are the ids.

    Raises
    ------
    InputError
        A file is missing, empty, holds something that is not an index or repeats a pair (the message names
        file and line), an id is out of proportion to the number of pairs, or ``valid.txt`` is partly inside and
        partly outside ``train.txt``.
    """
    archive = open_archive(Path(folder))
    if not archive.has("train.txt"):
        raise InputError(f"{archive.path} has no file 'train.txt'.")
    present = [part for part in _PARTS if archive.has(f"{part}.txt")]
    if not cache:
        return _split(_parse(archive, present), overlap, archive.path)
    source = f"lightgcn:{os.path.abspath(archive.path)}"
    stamps = [archive.stamp(f"{part}.txt") if part in present else (-1, -1) for part in _PARTS]
    stamp = np.array([(_CACHE_VERSION, len(stamps)), *stamps], np.int64)
    arrays = load_arrays(source, stamp)
    if arrays is not None:
        return _split(arrays, overlap, archive.path)
    arrays = _parse(archive, present)
    split = _split(arrays, overlap, archive.path)
    store_arrays(source, stamp, arrays)  # last, so that only what makes a valid split is kept
    return split


def write_lightgcn(split: Split, folder: PathLike) -> None:
    """Write a split as ``train.txt``, ``valid.txt`` and ``test.txt``; :func:`read_lightgcn` gives the parts back.

    Indices are written, not the caller's ids, and neither ratings nor times nor weights. As in the published Gowalla files,
    ``train.txt`` holds train *and* valid, and ``valid.txt`` says which of its pairs are for validation. Items
    without a pair at the end of the id space cannot be expressed, so the space ends with the last item that
    has one. The folder is made where it does not exist; a file of a part that this split lacks is removed.

    Parameters
    ----------
    split : Split
    folder : path

    Raises
    ------
    InputError
        A part repeats a pair, or train and valid share one: the format has no place for that.
    """
    if not isinstance(split, Split):
        raise InputError(f"write_lightgcn takes a Split, not {type(split).__name__}; gr.Split(train=table) makes one.")
    folder = Path(folder)
    parts = {"train": split.train_and_valid, "valid": split.valid, "test": split.test}
    present = {name: part for name, part in parts.items() if part is not None}
    for name, part in present.items():
        if (np.diff(np.sort(part.keys)) == 0).any():
            what = "train and valid together repeat" if name == "train" and split.valid is not None else f"{name} repeats"
            raise InputError(
                f"{what} a (user, item) pair, which {name}.txt cannot hold; use drop_duplicates() before splitting."
            )
    n_users = split.train.n_users
    if max(int(part.users.max()) for part in present.values()) == n_users - 1:
        n_users = 0  # the size of the id space shows by itself
    texts = {
        folder / f"{name}.txt": format_index_lines(part.users, part.items, n_users if name == "train" else 0)
        for name, part in present.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    temporary = {target: target.with_name(f"{target.name}.{os.getpid()}.part") for target in texts}
    try:
        for target, text in texts.items():
            temporary[target].write_bytes(text)
        for target in texts:
            os.replace(temporary[target], target)
    except OSError as error:
        raise of_file(error, folder) from None
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    for name in parts:
        if folder / f"{name}.txt" not in texts:
            (folder / f"{name}.txt").unlink(missing_ok=True)


def _parse(archive: Archive, present: list[str]) -> dict[str, npt.NDArray[Any]]:
    """Arrays ``train_users``, ``train_items``, … and ``size`` (2,): all that :func:`_split` needs."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    n_users = n_items = 0
    for part in present:
        where = archive.where(f"{part}.txt")
        users, items, users_named = parse_index_lines(archive.read(f"{part}.txt"), where)
        if not len(items):
            raise InputError(f"{where} is empty: it names users but not one item.")
        arrays[f"{part}_users"], arrays[f"{part}_items"] = users, items
        n_users, n_items = max(n_users, users_named), max(n_items, int(items.max()) + 1)
    arrays["size"] = np.array([n_users, n_items], np.int64)
    n_pairs = sum(len(arrays[f"{part}_items"]) for part in present)
    most = max(_MOST_IDS, _MOST_IDS_PER_PAIR * n_pairs)
    for kind, size in (("user", n_users), ("item", n_items)):
        if size > most:
            raise _out_of_proportion(archive, present, kind, size - 1, n_pairs)
    if "valid" in present:
        _carve_out(arrays, n_items, archive)
    return arrays


def _out_of_proportion(archive: Archive, present: list[str], kind: str, index: int, n_pairs: int) -> InputError:
    """The error for an id that would take memory for millions of others that nobody has met."""
    for part in present:
        line = line_of_index(archive.read(f"{part}.txt"), index, is_user=kind == "user")
        if line is not None:
            break
    return InputError(
        f"{archive.where(f'{part}.txt')}, line {line}: {kind} {index} is out of proportion to {n_pairs:,} pairs, because "
        f"ids are taken to count from zero without gaps; number the {kind}s anew, or use read_csv for ids of your own."
    )


def _carve_out(arrays: dict[str, npt.NDArray[Any]], n_items: int, archive: Archive) -> None:
    """Take the pairs of valid out of train where train contains them."""
    train, valid = (arrays[f"{part}_users"].astype(np.int64) * n_items + arrays[f"{part}_items"] for part in ("train", "valid"))
    ordered = np.sort(valid)
    inside = ordered[np.searchsorted(ordered, train).clip(max=len(ordered) - 1)] == train
    shared = int(inside.sum())
    if shared not in (0, len(valid)):
        raise InputError(
            f"{archive.where('valid.txt')}: {shared:,} of its {len(valid):,} pairs are in train.txt and the others are not; "
            "it must lie wholly inside train.txt (to be taken out of it) or wholly outside."
        )
    arrays["train_users"], arrays["train_items"] = arrays["train_users"][~inside], arrays["train_items"][~inside]


def _split(arrays: Mapping[str, npt.NDArray[Any]], overlap: Overlap, path: Path) -> Split:
    n_users, n_items = arrays["size"].tolist()
    if not len(arrays["train_users"]):
        raise InputError(f"{path}: valid.txt takes every pair of train.txt and leaves nothing to train on.")

    def part(name: str) -> Interactions | None:
        if f"{name}_users" not in arrays:
            return None
        users, items = arrays[f"{name}_users"], arrays[f"{name}_items"]
        return Interactions.from_indices(users, items, n_users=n_users, n_items=n_items, duplicates="keep")

    train = part("train")
    assert train is not None
    with about(path):
        return Split(train=train, valid=part("valid"), test=part("test"), overlap=overlap)
