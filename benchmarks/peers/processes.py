"""The parent's side of a worker: start it, ask it, stop it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.contract import Peer

__all__ = ["PeerFailed", "Worker"]

ROOT = Path(__file__).resolve().parents[2]


class PeerFailed(Exception):
    """A peer raised, died or took too long; the message is what the table says."""


class Worker:
    """One peer in a process of its own, which computes only while it is asked something.

    Parameters
    ----------
    kind : type
        The peer's class.
    python : path
        The interpreter of its environment.
    data, out : Path
        The split's folder, and a folder for what the peer writes.
    threads, seed : int
    limit : float
        Seconds that one answer may take.
    """

    def __init__(
        self, kind: type[Peer], python: str | Path, data: Path, out: Path, threads: int, seed: int, limit: float
    ) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.kind, self.out, self.limit = kind, out, limit
        counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "LK_NUM_THREADS"), str(threads))
        # graphrec makes its own threads wait without spinning; a peer runs as it comes.
        inherited = {k: v for k, v in os.environ.items() if k not in ("OMP_WAIT_POLICY", "VIRTUAL_ENV", "PYTHONHOME")}
        command = [str(python), "-m", "benchmarks.peers.worker", f"{kind.__module__}:{kind.__name__}"]
        self.log = out / "log.txt"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*command, str(data.resolve()), str(out.resolve()), str(threads), str(seed)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=out,
                env={**inherited, **counts, **kind.variables, "PYTHONPATH": str(ROOT)},
            )

    def ask(self, do: str) -> dict[str, Any]:
        """One command's answer.

        Raises
        ------
        PeerFailed
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps({"do": do}) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise PeerFailed(f"{do}: {self._last_line()}") from None
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            if not selector.select(self.limit):
                self.close()
                raise PeerFailed(f"{do}: stopped after {self.limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"{do}: {self._last_line()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerFailed(f"{do}: {answer['error']}")
        return answer

    def _last_line(self) -> str:
        self.process.wait(10)
        lines = [line for line in self.log.read_text().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"ended with code {self.process.returncode}"

    def close(self) -> None:
        """End the process: by closing its input, and by a signal if it still computes."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
