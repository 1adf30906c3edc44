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

import numpy as np
import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["digest_of", "is_running", "pack", "read_tensors", "remove_parts_of_the_dead", "replace_file", "write_tensors"]

_BLANK = b"0" * 64
# In a header a quote inside a name or a value has a backslash before it: only the key itself looks like this.
_CHECKSUM = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip


def pack(tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> list[bytes | memoryview]:
    """The bytes of a file of named tensors and a JSON-able record, in parts: tensors on the CPU are looked at, not copied.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        On any device.
    meta : mapping
        Anything ``json.dumps`` takes.
    """
    for name, tensor in tensors.items():
        if tensor.layout != torch.strided:
            raise InputError(
                f"{name} is a sparse tensor, which is not written to files; keep its indices and values as buffers."
            )
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    header: dict[str, Any] = {"__metadata__": {"graphrec": json.dumps(dict(meta)), "sha256": _BLANK.decode()}}
    bodies: list[memoryview] = []
    at = 0
    # As safetensors orders them: what is widest first, so that everything lies at a multiple of its own width.
    for name in sorted(plain, key=lambda name: (-plain[name].element_size(), name)):
        tensor = plain[name]
        if tensor.dtype not in _DTYPES:
            raise InputError(f"{name} is of {tensor.dtype}, which is not written to files.")
        end = at + tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, end]}
        flat = tensor.reshape(-1)
        if flat.stride(0) != 1:  # torch calls an expanded tensor of one number, or of none, contiguous
            flat = torch.empty_like(flat, memory_format=torch.contiguous_format).copy_(flat)
        bodies.append(flat.view(torch.uint8).numpy().data)
        at = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    found = _CHECKSUM.search(head)
    assert found is not None
    start, stop = found.span(1)
    return [head[:start] + digest_of(head, *bodies).encode() + head[stop:], *bodies]


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
    parts = pack(tensors, meta)
    replace_file(path, *parts)
    return digest_of(*parts)


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
        whole = _bytes_of(path)
    except (FileNotFoundError, NotADirectoryError):  # or it was there a moment ago
        raise InputError(f"{path} does not exist.") from None
    if sha256 is not None and digest_of(whole) != sha256:
        raise InputError(f"{path} is damaged: it is not the file that was saved.")
    begin = 8 + _header_length(whole)
    found = _CHECKSUM.search(whole, 0, begin)
    if found is None:
        raise InputError(f"{path} is damaged or was not written by this version of graphrec: it has no checksum.")
    start, end = found.span(1)
    if digest_of(whole[:start], _BLANK, whole[end:]).encode() != found[1]:
        raise InputError(f"{path} is damaged: its bytes are not those that were written.")
    try:
        header = json.loads(bytes(whole[8:begin]))
        record = json.loads(header.pop("__metadata__")["graphrec"])
        tensors = {name: _tensor(whole[begin:], **said) for name, said in header.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RuntimeError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}).") from None
    if not isinstance(record, dict):
        raise InputError(f"{path} cannot be read (its record is a {type(record).__name__}).")
    return tensors, record


def _bytes_of(path: Path) -> memoryview:
    """A file as memory that tensors can lie in."""
    with path.open("rb") as file:
        whole = np.empty(os.fstat(file.fileno()).st_size, np.uint8).data
        return whole[: file.readinto(whole)]


def _tensor(data: memoryview, dtype: str, shape: list[int], data_offsets: list[int]) -> Tensor:
    """A tensor in the file's memory, without a copy, if what the header says of it can be."""
    start, end = data_offsets
    kind = {name: kind for kind, name in _DTYPES.items()}[dtype]
    if not (0 <= start <= end <= len(data) and start % kind.itemsize == 0 and all(size >= 0 for size in shape)):
        raise ValueError(f"a tensor of {dtype} lies outside of it")
    if start == end:
        return torch.empty(shape, dtype=kind)
    return torch.frombuffer(data[start:end], dtype=kind).reshape(shape)


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


def digest_of(*parts: bytes | memoryview) -> str:
    """SHA-256 of bytes that follow each other."""
    sha = hashlib.sha256()
    for piece in parts:
        sha.update(piece)
    return sha.hexdigest()
