"""A kernel is compiled when this machine needs it first: a line that says why nothing moves, and how long it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

__all__ = ["Compilation", "compiling_timed", "compiling_told"]

_LINE = "compiling kernels for this machine, which is done once and can take half a minute"
_told = False


@contextlib.contextmanager
def compiling_told(enabled: bool = True) -> Iterator[None]:
    """While this lasts, the first kernel of the library that is compiled and not read from numba's cache is told on stderr.

    Parameters
    ----------
    enabled : bool
        False tells nothing.
    """
    if _told or not enabled:
        yield
        return
    with _listening(_tell, lambda _: None):
        yield


class Compilation:
    """How long kernels have been compiled.

    Attributes
    ----------
    seconds : float
        All in all, once for what several kernels need.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._lock, self._depth, self._began = threading.Lock(), 0, 0.0

    def begin(self, compilation: object) -> None:
        """A kernel, or one that another needs."""
        with self._lock:
            if not self._depth:
                self._began = time.perf_counter()
            self._depth += 1

    def end(self, compilation: object) -> None:
        """It is there."""
        with self._lock:
            self._depth -= 1
            if not self._depth:
                self.seconds += time.perf_counter() - self._began


@contextlib.contextmanager
def compiling_timed() -> Iterator[Compilation]:
    """While this lasts, the time is taken that compiling takes, be it in another thread."""
    total = Compilation()
    with _listening(total.begin, total.end):
        yield total


@contextlib.contextmanager
def _listening(begin: Callable[[object], None], end: Callable[[object], None]) -> Iterator[None]:
    """While this lasts, call what is given with every compilation that begins, and with every one that ends."""
    from numba.core import event

    class Listener(event.Listener):  # type: ignore[misc]
        def on_start(self, event: event.Event) -> None:
            begin(event)

        def on_end(self, event: event.Event) -> None:
            end(event)

    with event.install_listener("numba:compile", Listener()):
        yield


def _tell(compilation: object) -> None:
    global _told
    kernel = getattr(compilation, "data", {}).get("dispatcher")
    module = getattr(getattr(kernel, "py_func", None), "__module__", "")
    if _told or not module.startswith("graphrec."):
        return
    _told = True
    with contextlib.suppress(OSError, ValueError):  # nobody reads any more
        print(f"note: {_LINE}.", file=sys.stderr, flush=True)
