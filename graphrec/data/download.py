"""Fetching one file from its publisher, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import os
from pathlib import Path

from graphrec.bars import progress_bar
from graphrec.errors import InputError

__all__ = ["download"]

_CHUNK = 1 << 18
_TIMEOUT = 30.0  # seconds without a byte


def download(url: str, target: Path, md5: str | None = None) -> None:
    """Fetch `url` into `target`, with a progress bar on a terminal.

    Parameters
    ----------
    url : str
    target : Path
        Appears only when every byte has arrived and the checksum is right; its folder is made if need be.
    md5 : str, optional
        The published checksum in hexadecimal.

    Raises
    ------
    InputError
        There is no network, the server refuses, the transfer breaks off, or the checksum differs.
    """
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        digest = _fetch(url, part)
        if md5 is not None and digest != md5:
            raise InputError(f"{url} has the wrong checksum: md5 {digest}, but {md5} is the published one; nothing was kept")
        part.replace(target)
    except (OSError, http.client.HTTPException) as error:  # URLError and time-outs are OSErrors
        reason = " ".join(str(error).removeprefix("<urlopen error ").removesuffix(">").split()) or type(error).__name__
        raise InputError(f"{url} could not be downloaded ({reason})") from error
    finally:
        part.unlink(missing_ok=True)


def _fetch(url: str, part: Path) -> str:
    """Stream into `part`; the md5 of what came, once it is as long as the server said."""
    import urllib.request

    digest = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(url, timeout=_TIMEOUT) as response:
        length = response.headers.get("Content-Length")
        total = None if length is None else int(length)
        received = 0
        part.parent.mkdir(parents=True, exist_ok=True)
        bar = progress_bar(total=total, unit="B", unit_scale=True, desc=url.rpartition("/")[2])
        with bar, part.open("wb") as stream:
            while chunk := response.read(_CHUNK):
                stream.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                bar.update(len(chunk))
    if total is not None and received != total:
        raise InputError(f"{url} broke off after {received:,} of {total:,} bytes; nothing was kept")
    return digest.hexdigest()
