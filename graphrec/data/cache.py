"""Parsed files kept between runs, so that a large text file is parsed once."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cache_folder", "load_arrays", "store_arrays"]

Arrays = dict[str, npt.NDArray[Any]]
_DIGEST_BYTES = 32


def cache_folder() -> Path:
    """Where the library keeps what it can make again: ``GRAPHREC_CACHE``, or ``~/.cache/graphrec``."""
    return Path(os.environ.get("GRAPHREC_CACHE") or Path.home() / ".cache" / "graphrec")


def load_arrays(source: str, stamp: npt.NDArray[np.int64]) -> Arrays | None:
    """What :func:`store_arrays` kept for a source, if the source is still the same.

    Parameters
    ----------
    source : str
        Names the source uniquely: a format and an absolute path.
    stamp : ndarray of int64
        Changes whenever the source may have changed: sizes and times of its files.

    Returns
    -------
    dict of arrays, or None
        None when nothing is kept, the stamp differs, or the kept file is damaged: then parse the source.
    """
    try:
        content = _file(source).read_bytes()
    except OSError:
        return None
    digest, body = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    if digest != _digest(body):  # a zip archive notices most damage by itself, but not a lost member
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as kept:
        if not np.array_equal(kept["stamp"], stamp):
            return None
        return {name: kept[name] for name in kept.files if name != "stamp"}


def store_arrays(source: str, stamp: npt.NDArray[np.int64], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Keep arrays for the next run, in place of an earlier version; a cache that cannot be written is a warning."""
    stream = io.BytesIO()
    np.savez(stream, stamp=stamp, **arrays)  # type: ignore[arg-type]
    body = stream.getvalue()
    target = _file(source)
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_bytes(_digest(body) + body)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            f"the cache file {target} could not be written ({error}); set GRAPHREC_CACHE to a folder that can be.", stacklevel=3
        )


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).digest()


def _file(source: str) -> Path:
    return cache_folder() / "parsed" / f"{hashlib.sha256(source.encode()).hexdigest()[:24]}.arrays"
