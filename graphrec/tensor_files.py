"""Named tensors and a record on disk: one safetensors file, written whole or not at all, that runs no code when read.

The file's own metadata hold the record and a checksum of every byte of the file but the checksum's, so that a file that
was altered anywhere is refused.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["is_running", "pack", "read_tensors", "remove_parts_of_the_dead", "replace_file", "write_tensors"]

_BLANK = b"0" * 64
# In a header a quote inside a name or a value has a backslash before it: only the key itself looks like this.
_CHECKSUM = re.compile(rb'"sha256":"([0-9a-f]{64})"')


def pack(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a file of named tensors and a JSON-able record.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        On any device.
    meta : mapping
        Anything ``json.dumps`` takes.
    """
    # clone: safetensors refuses tensors that share memory, such as two views of one table
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    metadata = {"graphrec": json.dumps(dict(meta)), "sha256": _BLANK.decode()}
    data = memoryview(safetensors.torch.save(plain, metadata))
    found = _CHECKSUM.search(data, 0, 8 + _header_length(data))
    assert found is not None
    start, end = found.span(1)
    return b"".join((data[:start], hashlib.sha256(data).hexdigest().encode(), data[end:]))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Write named tensors and a record; an existing file is replaced in one move.

    Parameters
    ----------
    path : Path
        Its folder must exist.
    tensors, meta
        As of :func:`pack`.

    Returns
    -------
    str
        SHA-256 of the file, as ``sha256sum`` prints it.

    Raises
    ------
    OSError
        The file could not be written; the message names it, and an older file is still there.
    """
    body = pack(tensors, meta)
    replace_file(path, body)
    return _digest(body)


def read_tensors(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of :func:`write_tensors`.

    Parameters
    ----------
    path : Path
    sha256 : str, optional
        What the file must have: a whole file of another saving is refused, too.

    Raises
    ------
    InputError
        The file is missing, damaged anywhere, or not one of ours.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file.")
    try:
        whole = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):  # or it was there a moment ago
        raise InputError(f"{path} does not exist.") from None
    if sha256 is not None and _digest(whole) != sha256:
        raise InputError(f"{path} is damaged: it is not the file that was saved.")
    data = memoryview(whole)
    found = _CHECKSUM.search(data, 0, 8 + _header_length(data))
    if found is None:
        raise InputError(f"{path} is damaged or was not written by this version of graphrec: it has no checksum.")
    start, end = found.span(1)
    if _digest(data[:start], _BLANK, data[end:]).encode() != found[1]:
        raise InputError(f"{path} is damaged: its bytes are not those that were written.")
    try:
        header = json.loads(whole[8 : 8 + _header_length(data)])
        tensors, record = safetensors.torch.load(whole), json.loads(header["__metadata__"]["graphrec"])
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} cannot be read (its record is a {type(record).__name__}).")
    return tensors, record


def replace_file(path: Path, *parts: bytes | memoryview) -> None:
    """Put bytes where a file is, or is to be: whole and on the disk, or not at all.

    What killed processes left beside the file is removed.

    Raises
    ------
    OSError
        With the file's name; what was begun beside it is removed.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        remove_parts_of_the_dead(path)
        with part.open("wb") as file:  # not by safetensors, whose files nobody else may read
            for piece in parts:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def remove_parts_of_the_dead(path: Path) -> None:
    """Remove ``NAME.PROCESS.part`` beside a file where the process that wrote it has ended."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        number = part.name.removeprefix(f"{path.name}.").removesuffix(".part")
        if number.isdecimal() and not is_running(int(number)):
            part.unlink(missing_ok=True)


def is_running(process: int) -> bool:
    """Whether there is a process of this number."""
    if os.name != "posix":  # elsewhere, to ask by a signal is to end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Bring the new name to the disk, too; where a folder cannot be opened the system sees to it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # Windows, or a folder that may be written and not read
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _header_length(data: memoryview) -> int:
    """What the first eight bytes say, but not more than there is."""
    return min(int.from_bytes(data[:8], "little"), max(len(data) - 8, 0))


def _digest(*parts: bytes | memoryview) -> str:
    sha = hashlib.sha256()
    for piece in parts:
        sha.update(piece)
    return sha.hexdigest()
