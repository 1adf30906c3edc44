"""One at a time in a folder: the operating system's advisory lock on the folder itself, which leaves no file behind."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

__all__ = ["locked"]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextlib.contextmanager
def locked(folder: Path, shared: bool = False, wait: bool = True) -> Iterator[bool]:
    """Wait until no other thread or process holds the folder, and hold it.

    Parameters
    ----------
    folder : Path
        It must exist.
    shared : bool
        Beside others that also share it, but beside nobody who holds it alone.
    wait : bool
        False does not wait for somebody who holds it.

    Yields
    ------
    bool
        Whether the folder is held: there are systems, network drives and permissions without such locks. A process that
        dies lets go of it.

    Raises
    ------
    BlockingIOError
        Somebody else holds the folder, and `wait` is False.
    """
    with contextlib.ExitStack() as held:
        try:
            if fcntl is None:
                raise OSError("no locks on this system")
            handle = os.open(folder, os.O_RDONLY)
            held.callback(os.close, handle)
            fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
            # let go in so many words: a process that was forked meanwhile has the same handle, and may live on
            held.callback(fcntl.flock, handle, fcntl.LOCK_UN)
            alone = True
        except BlockingIOError:
            raise
        except OSError:
            alone = False
        yield alone
