"""The run that is served now, and the next one as soon as it lies on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from graphrec.serve.answers import Answers

__all__ = ["Live"]

_log = logging.getLogger(__name__)


class Live:
    """A reference to answers that is swapped when the run is replaced.

    A question takes the reference once and keeps it to its end, so that no answer is made of two runs; the next run is
    loaded beside the present one, in a thread. One that cannot be read is left, and said once: the present one goes on.

    Parameters
    ----------
    run : Path
    load : callable
        From the folder and a version to answers.

    Attributes
    ----------
    now : Answers
    taken, refused : int
        How often a new run was taken up, and could not be.
    """

    def __init__(self, run: Path, load: Callable[[Path, str], Answers]) -> None:
        self._run, self._load = run, load
        self.taken = self.refused = 0
        self._seen = self._version()
        self.now = load(run, self._seen)

    def _version(self) -> str:
        """A checksum of run.json, which names every file with its own; empty while there is none."""
        try:
            return hashlib.sha256((self._run / "run.json").read_bytes()).hexdigest()[:16]
        except OSError:
            return ""

    def look(self) -> bool:
        """Take up a new run if there is one; whether there was."""
        version = self._version()
        if not version or version == self._seen:
            return False
        self._seen = version
        try:
            self.now = self._load(self._run, version)
        except Exception as error:  # whatever it is, the run that is loaded still answers
            self.refused += 1
            _log.warning("the new run in %s is not taken up: %s", self._run, error)
            return False
        self.taken += 1
        return True

    async def watch(self, every: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await asyncio.to_thread(self.look)
