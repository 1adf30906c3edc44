"""Named tensors with a JSON record as bytes and as files: safetensors, which runs no code when it is read."""

from __future__ import annotations

import glob
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["pack", "read_tensors", "replace_file", "sync_folder", "unpack", "write_tensors"]


def pack(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """The bytes of a file.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        From any device.
    meta : mapping
        Anything ``json.dumps`` takes.
    """
    # clone: safetensors refuses tensors that share memory, such as two views of one table
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    body: bytes = save(plain, metadata={"graphrec": json.dumps(meta)})
    return body


def unpack(body: bytes, name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and the record of :func:`pack`.

    Raises
    ------
    InputError
        The bytes are cut short, damaged or not ours; `name` says where they came from.
    """
    try:
        tensors: dict[str, Tensor] = load(body)
        length = int.from_bytes(body[:8], "little")
        record = json.loads(body[8 : 8 + length]).get("__metadata__", {}).get("graphrec")
        if record is None:
            raise InputError(f"{name} was not written by graphrec.")
        meta = json.loads(record)
        if not isinstance(meta, dict):
            raise InputError(f"{name} is damaged: its record is no table.")
        return tensors, meta
    except InputError:
        raise
    except (SafetensorError, ValueError, KeyError, AttributeError, TypeError, OverflowError, RuntimeError) as error:
        raise InputError(f"{name} is damaged and cannot be read ({' '.join(str(error).split())}).") from None


def replace_file(path: Path, body: bytes) -> None:
    """Write a file whole or not at all: beside its place first, and moved there once it is on the disk.

    A kill or a full disk at any moment leaves what was there before. What a killed process left beside the file is removed.
    The file has the mode that the umask gives.

    Raises
    ------
    OSError
        It could not be written; the message names the file.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        _remove_parts_of_the_dead(path)
        with part.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise OSError(error.errno, f"{path} could not be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _remove_parts_of_the_dead(path: Path) -> None:
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        number = part.name.removeprefix(f"{path.name}.").removesuffix(".part")
        if number.isdigit() and not _is_running(int(number)):
            part.unlink(missing_ok=True)


def _is_running(process: int) -> bool:
    if os.name != "posix":  # elsewhere, asking by a signal would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def sync_folder(folder: Path) -> None:
    """Have the names of a folder's files on the disk, where the system can do that."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_tensors(path: Path, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> str:
    """Write :func:`pack` to a file by :func:`replace_file`; returns the bytes' sha256 in hexadecimal."""
    body = pack(tensors, meta)
    replace_file(path, body)
    return hashlib.sha256(body).hexdigest()


def read_tensors(path: Path, sha256: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What :func:`write_tensors` wrote.

    Parameters
    ----------
    path : Path
    sha256 : str, optional
        What the file's bytes must have.

    Raises
    ------
    InputError
        The file is missing, truncated, changed or not one of ours.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path} is not a file.")
    try:
        body = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} does not exist.") from None
    if sha256 is not None and hashlib.sha256(body).hexdigest() != sha256:
        raise InputError(f"{path} is damaged: it is not the file that was saved.")
    return unpack(body, str(path))
