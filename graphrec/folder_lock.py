"""One at a time in a folder: the operating system's advisory lock on the folder itself, which leaves no file behind.

Who holds a folder for long, beside others who save in it, holds a file there that says which process it is.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Held", "held_file", "holder_of", "locked"]

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


class Held(BlockingIOError):
    """Somebody else holds a file.

    Attributes
    ----------
    process : int or None
        Who does, if it says so.
    """

    def __init__(self, process: int | None) -> None:
        super().__init__(f"held by process {process}")
        self.process = process

    def __str__(self) -> str:
        """Who it is, to be put behind something: `` (process 7)``, or nothing."""
        return f" (process {self.process})" if self.process is not None else ""


def holder_of(path: Path) -> Held | None:
    """Who holds a file (:func:`held_file`), if anybody does."""
    if path.exists():
        try:
            with held_file(path):
                pass
        except Held as held:
            return held
    return None


@contextlib.contextmanager
def held_file(path: Path) -> Iterator[bool]:
    """Hold a file that nobody else may hold, with the number of this process in it; it is removed at the end.

    What a killed process leaves is a file that nobody holds, and the next one takes it.

    Parameters
    ----------
    path : Path
        Its folder must exist.

    Yields
    ------
    bool
        Whether it is held: there are systems and network drives without such locks, and folders that cannot be written.

    Raises
    ------
    Held
        Another thread or process holds it.
    """
    handle, process = _handle_of(path), os.getpid()
    try:
        yield handle is not None
    finally:
        if handle is not None:
            if os.getpid() == process:  # a fork has the same handle, and holds nothing
                with contextlib.suppress(OSError):
                    path.unlink()  # while it is held: whoever has opened it sees that it is gone
                fcntl.flock(handle, fcntl.LOCK_UN)
            os.close(handle)


def _handle_of(path: Path) -> int | None:
    while True:
        try:
            if fcntl is None:
                raise OSError("no locks on this system")
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:  # who cannot write here hears of it when there is something to write
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):  # whoever held it has removed it
                if os.path.samestat(os.fstat(handle), path.stat()):
                    with contextlib.suppress(OSError):  # a full disk: who it is cannot be said
                        os.ftruncate(handle, 0)
                        os.write(handle, b"%d\n" % os.getpid())
                    return handle
        except BlockingIOError:
            process = _process_in(handle)
            os.close(handle)
            raise Held(process) from None
        except OSError:
            os.close(handle)
            return None
        os.close(handle)


def _process_in(handle: int) -> int | None:
    """What is written there; who has just taken the file will have written it in a moment."""
    for _ in range(5):
        told = os.pread(handle, 32, 0).strip()
        if told.isdigit():
            return int(told)
        time.sleep(0.02)
    return None
