"""Which files make up a table, and of what kind they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from graphrec.data.parquet import is_parquet
from graphrec.errors import InputError

__all__ = ["find_parts", "is_parquet_part"]

_TEXTS = (".csv", ".tsv", ".txt")
_PACKED = (".gz", ".bz2", ".zst", ".lz4")


def find_parts(source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files of a folder and its subfolders by name, or those of a list as they stand.

    Names that begin with a dot or an underscore are passed over, as Spark and Hive mean them to be.

    Raises
    ------
    InputError
        There is no such folder or file, or no file in it, or one that is neither Parquet nor a text table by its name.
    """
    if isinstance(source, str | os.PathLike):
        folder = Path(source)
        if folder.is_file():
            raise InputError(f"{folder} is a file, and read_folder reads folders; give a list of files, or use read_csv.")
        if not folder.is_dir():
            raise InputError(f"there is no folder {folder}.")
        inside = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        paths = [folder / path for path in sorted(inside) if not any(name.startswith((".", "_")) for name in path.parts)]
        if not paths:
            raise InputError(f"{folder} holds no file: a table is made of .parquet files or of .csv files.")
    else:
        paths = [Path(path) for path in source]
        if not paths:
            raise InputError("read_folder needs at least one file.")
        for path in paths:
            if not path.is_file():
                raise InputError(f"there is no file {path}.")
    kinds = {path: is_parquet_part(path) for path in paths}
    if len(set(kinds.values())) > 1:
        one, other = (next(path for path in paths if kinds[path] is kind) for kind in (True, False))
        raise InputError(f"{one} is Parquet and {other} is text; a table is made of files of one kind.")
    return paths


def is_parquet_part(path: Path) -> bool:
    """Whether a part is Parquet, by its name, or by how it begins where the name says nothing.

    Raises
    ------
    InputError
        It is neither that nor named as a text.
    """
    if path.suffix.lower() in (".parquet", ".pq"):
        return True
    stem = path.name.lower()
    for packed in _PACKED:
        stem = stem.removesuffix(packed)
    if stem.endswith(_TEXTS):
        return False
    if is_parquet(path):
        return True
    raise InputError(
        f"{path} is neither Parquet nor named as a text table (.csv, .tsv, .txt): move it, or give a list of files."
    )
