"""The run that is served now, and the next one as soon as it lies on the disk."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphrec.folder_files import RECORD
from graphrec.serve.answers import Answers

__all__ = ["Live"]

_log = logging.getLogger(__name__)
_LONGEST = 60.0  # seconds until a run that could not be read is tried again


class Live:
    """A reference to answers that is swapped when the run is replaced.

    A question takes the reference once and keeps it to its end, so that no answer is made of two runs; the next run is
    loaded beside the present one, in a thread. While it cannot be read the present one goes on: a copy may be under way, so
    it is tried again after 2, 4, 8, … up to 60 seconds, or at once when it has changed; the log says it once, :meth:`health`
    as long as it lasts.

    Parameters
    ----------
    run : Path
    load : callable
        From the folder and a version to answers.
    clock : callable
        Seconds since some moment.

    Attributes
    ----------
    now : Answers
    taken, refused : int
        How often a new run was taken up, and could not be.
    """

    def __init__(self, run: Path, load: Callable[[Path, str], Answers], clock: Callable[[], float] = time.monotonic) -> None:
        self._run, self._load, self._clock = run, load, clock
        self.taken = self.refused = 0
        self._taken = self._version()
        self.now = load(run, self._taken)
        self._trouble: str | None = None
        self._failed, self._tries, self._again = "", 0, 0.0

    def _version(self) -> str:
        """A checksum of run.json, which names every file with its own; empty while there is none."""
        try:
            return hashlib.sha256((self._run / RECORD).read_bytes()).hexdigest()[:16]
        except OSError:
            return ""

    def look(self) -> bool:
        """Take up a new run if there is one; whether there was."""
        version = self._version()
        if version == self._taken:
            self._trouble = None
            return False
        if not version:
            self._trouble = "there is no run.json any more"
            return False
        if version == self._failed and self._clock() < self._again:
            return False
        try:
            self.now = self._load(self._run, version)
        except Exception as error:  # whatever it is, the run that is loaded still answers
            self._put_off(version, error)
            return False
        self._taken, self._trouble = version, None
        self.taken += 1
        return True

    def _put_off(self, version: str, error: Exception) -> None:
        self.refused += 1
        self._tries = self._tries + 1 if version == self._failed else 1
        self._failed, self._again = version, self._clock() + min(_LONGEST, 2.0**self._tries)
        # whoever asks for its health need not know where it lies
        self._trouble = f"the new run cannot be read: {error}".replace(str(self._run), "the run")
        if self._tries == 1:
            _log.warning("the new run in %s is not taken up: %s", self._run, error)

    def health(self) -> dict[str, Any]:
        """That there is a model, and which; "stale" and the reason while a newer one cannot be taken up."""
        trouble = self._trouble
        return {**self.now.health(), **({} if trouble is None else {"status": "stale", "reason": trouble})}

    async def watch(self, every: float) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(every)
            await asyncio.to_thread(self.look)
