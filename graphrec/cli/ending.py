"""What a command does that is told to end: by SIGTERM while it writes a large file or folder, by Ctrl-C while it searches."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphrec.folder_files import JOURNAL

__all__ = ["removing_what_was_begun", "telling_of_its_journal"]

_UNHEARD = 2.0  # seconds after which an interrupt that has not ended the command is taken for lost


@contextmanager
def removing_what_was_begun() -> Iterator[None]:
    """Let SIGTERM unwind the command, so that what was begun on the disk is removed, and then end it as it would have.

    In a thread, and where the handler is not Python's own, nothing is changed.
    """
    before = signal.getsignal(signal.SIGTERM)
    told = False

    def unwind(number: int, frame: Any) -> None:
        nonlocal told
        told = True
        raise SystemExit(128 + number)

    try:
        if before is not None:
            signal.signal(signal.SIGTERM, unwind)
    except ValueError:  # not the main thread
        before = None
    try:
        yield
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)
        if told:
            signal.raise_signal(signal.SIGTERM)


@contextmanager
def telling_of_its_journal(out: Path) -> Iterator[None]:
    """Let Ctrl-C say whether the search in a folder can be gone on with: whether its journal has more than its first line."""
    try:
        with _insisting():
            yield
    except KeyboardInterrupt:
        try:
            lines = (out / JOURNAL).read_bytes().count(b"\n")
        except OSError:
            lines = 0
        raise KeyboardInterrupt("the search can be gone on with" if lines > 1 else "nothing was saved") from None


@contextmanager
def _insisting() -> Iterator[None]:
    """Let Ctrl-C come again until it is heard: what is called back from compiled code, a compiler among them, may lose it.

    In a thread, and where the handler is not Python's own, nothing is changed.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    waiting: list[threading.Timer] = []

    def heard(number: int, frame: Any) -> None:
        for timer in waiting:
            timer.cancel()
        waiting[:] = [threading.Timer(_UNHEARD, _thread.interrupt_main)]
        waiting[0].daemon = True
        waiting[0].start()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, heard)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for timer in waiting:
            timer.cancel()
