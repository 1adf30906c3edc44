"""A peer in its own process and environment: reads one JSON command a line, answers with one JSON line.

``python -m benchmarks.peers.worker MODULE:CLASS DATA OUT THREADS SEED``
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.contract import EpochPeer, Peer, StepPeer, read_pairs


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = call()
    return time.perf_counter() - started, value


class Commands:
    """What the parent may ask for; every answer is a JSON object."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer

    def about(self) -> dict[str, Any]:
        names = (self.peer.package, "torch", "numpy", "scipy", "pandas")
        return {"python": platform.python_version(), "versions": {n: v for n in names if (v := _version(n))}}

    def prepare(self) -> dict[str, Any]:
        return {"seconds": timed(self.peer.prepare)[0]}

    def build_graph(self) -> dict[str, Any]:
        assert isinstance(self.peer, StepPeer)
        return {"seconds": timed(self.peer.build_graph)[0]}

    def step(self) -> dict[str, Any]:
        assert isinstance(self.peer, StepPeer)
        peer = self.peer
        draw, batch = timed(peer.draw)
        return {"draw": draw, "step": timed(lambda: peer.step(batch))[0]}

    def begin(self) -> dict[str, Any]:
        assert isinstance(self.peer, EpochPeer)
        return {"seconds": timed(self.peer.begin)[0]}

    def epochs(self) -> dict[str, Any]:
        """Seconds of one epoch, in the mean of a few, and of all processors together."""
        assert isinstance(self.peer, EpochPeer)
        processors = time.process_time()
        seconds = timed(self.peer.epochs)[0] / self.peer.AT_ONCE
        return {"seconds": seconds, "processors": (time.process_time() - processors) / self.peer.AT_ONCE}

    def fit(self) -> dict[str, Any]:
        return {"seconds": timed(self.peer.fit)[0]}

    def recommend(self) -> dict[str, Any]:
        seconds, lists = timed(self.peer.recommend)
        np.save(self.peer.out / "lists.npy", lists)
        return {"seconds": seconds, "users": len(self.peer.users)}

    def own(self) -> dict[str, Any]:
        seconds, figures = timed(self.peer.own_figures)
        return {"seconds": seconds, "users": len(self.peer.users), "figures": {k: float(v) for k, v in figures.items()}}

    def factors(self) -> dict[str, Any]:
        tables = self.peer.factors()
        if tables is not None:
            for name, table in zip(("user_factors", "item_factors"), tables, strict=True):
                np.save(self.peer.out / f"{name}.npy", np.asarray(table, np.float32))
        return {"written": tables is not None}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def main() -> None:
    # Libraries print; the answers go through a copy of standard output, and everything else to standard error.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    target, data, out, threads, seed = sys.argv[1:6]
    sys.argv = sys.argv[:1]  # RecBole reads the command line as its own
    module, name = target.split(":")
    peer = getattr(importlib.import_module(module), name)(
        read_pairs(Path(data)), Path(data), Path(out), int(threads), int(seed)
    )
    commands = Commands(peer)
    np.save(peer.out / "users.npy", peer.users)
    for line in sys.stdin:
        try:
            answer = getattr(commands, json.loads(line)["do"])()
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {str(error).strip().splitlines()[-1] if str(error).strip() else ''}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
