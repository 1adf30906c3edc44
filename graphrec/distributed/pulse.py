"""A sign of life from each process of a training, for those that wait for one while it works alone."""

from __future__ import annotations

import atexit
import threading
import time
from typing import Any

from torch.distributed import distributed_c10d
from torch.distributed.distributed_c10d import PrefixStore, Store

__all__ = ["Pulse"]

_BEAT = 5.0  # seconds
# Much longer than a beat: a call that keeps Python's lock, as some solvers and compilers do, lets no beat through.
_SILENCE = 300.0
_PAUSES = 0.001, 0.1  # seconds between looks, the first and the longest


class Pulse:
    """Beats of this process in the store that the processes share, and an eye on those of the others.

    A process that has ended closes its connections, which whoever waits for it notices at once. One that is stopped, or whose
    machine is gone, closes nothing: it falls silent.

    Parameters
    ----------
    rank, size : int
        This process, and how many there are.
    """

    def __init__(self, rank: int, size: int) -> None:
        self._own = str(rank)
        self._heard = {str(other): time.monotonic() for other in range(size) if other != rank}  # when a beat was new
        self._ended = threading.Event()
        # The store may lie in a process that is stopped, and its answer is then waited for without end: not by the caller.
        self._thread = threading.Thread(target=self._beat, name="graphrec-pulse", daemon=True)
        if self._heard:
            self._thread.start()
            atexit.register(self.end)  # a thread that is cut off inside of torch aborts the process

    def wait(self, work: Any) -> None:
        """Wait for what :mod:`torch.distributed` does.

        Raises
        ------
        RuntimeError
            Another process has been silent for minutes.
        """
        pause, longest = _PAUSES
        begun = time.monotonic()
        while not work.is_completed():
            time.sleep(pause)
            pause, now = min(2 * pause, longest), time.monotonic()
            for other, heard in self._heard.items():
                if now - max(heard, begun) > _SILENCE:
                    raise RuntimeError(f"process {other} has given no sign of life for {_SILENCE:.0f} seconds")

    def end(self) -> None:
        """Beat no more."""
        atexit.unregister(self.end)
        self._ended.set()
        if self._heard:
            self._thread.join(timeout=2.0)

    def _beat(self) -> None:
        count, beats = 0, dict.fromkeys(self._heard, b"")
        try:
            store = _store()
            while not self._ended.is_set():
                count += 1
                store.set(self._own, str(count))
                for other in self._heard:
                    beat = store.get(other)
                    if beat != beats[other]:
                        beats[other], self._heard[other] = beat, time.monotonic()
                self._ended.wait(_BEAT)
        except RuntimeError:
            return  # whoever kept the store is gone: all are silent from now on


def _store() -> Store:
    """The store of the default process group, by a connection of its own, so that nobody's waiting blocks another."""
    whole = distributed_c10d._get_default_store()
    return PrefixStore("graphrec/pulse", whole.clone() if hasattr(whole, "clone") else whole)
