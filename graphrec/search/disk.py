"""The folder of a search: held by one search at a time, and the disk it lies on, which fails everybody and no candidate."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from graphrec.errors import InputError
from graphrec.folder_files import LOCK
from graphrec.folder_lock import Held, held_file

__all__ = ["alone_in", "ending_with_the_disk", "of_everybody"]

_OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def of_everybody(error: OSError, folder: Path) -> bool:
    """Whether what went wrong while a candidate was fitted is no fault of its own: of the disk, or of a file in a folder."""
    return error.errno in _OF_THE_DISK or (isinstance(error.filename, str) and Path(error.filename).is_relative_to(folder))


@contextlib.contextmanager
def ending_with_the_disk(folder: Path | None) -> Iterator[None]:
    """An error of the disk is an OSError that names the file and says what becomes of the search.

    Parameters
    ----------
    folder : Path or None
        Of the search; None where it has none.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (folder is None and error.errno not in _OF_THE_DISK):
            raise
        told = error.strerror or str(error)
        then = f"the search in {folder} has ended here, and the same call goes on with it" if folder else "nothing is kept"
        name = error.filename or (None if folder is None else str(folder))
        raise OSError(error.errno, f"{told}; {then}", name) from None


@contextlib.contextmanager
def alone_in(folder: Path | None) -> Iterator[None]:
    """Make a folder and keep other searches out of it; who reads it is not hindered.

    Raises
    ------
    InputError
        A search is under way in it, of another thread or process.
    """
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(held_file(folder / LOCK))
        except Held as other:
            raise InputError(
                f"a search is under way in {folder}{other}: wait for its end, or search in another folder."
            ) from None
        yield
