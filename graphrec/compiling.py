"""A line that says why nothing moves: a kernel is compiled when this machine needs it for the first time."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["compiling_told"]

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
    from numba.core import event

    class Teller(event.Listener):  # type: ignore[misc]
        def on_start(self, event: event.Event) -> None:
            _tell(event)

        def on_end(self, event: event.Event) -> None:
            """A listener has to have it."""

    with event.install_listener("numba:compile", Teller()):
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
