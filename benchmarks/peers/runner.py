"""One run: peers are installed, started, asked and recorded, one computing at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import graphrec as gr
from benchmarks.peers.contract import EpochPeer, Peer, StepPeer
from benchmarks.peers.environments import Installed, install, own
from benchmarks.peers.processes import PeerFailed, Worker
from benchmarks.peers.ranking import ranked

__all__ = ["Run"]

Record = dict[str, Any]
WARM_UP = 3


class Run:
    """Where things lie, and how a peer is started and measured.

    Parameters
    ----------
    data : Path
        The split's folder.
    environments, out : Path
        Folders for the peers' environments and for what the peers write.
    threads, seed : int
    limit : float
        Seconds that one call of a peer may take.
    """

    def __init__(self, data: Path, environments: Path, out: Path, threads: int, seed: int, limit: float) -> None:
        self.data, self.environments, self.out = data, environments, out
        self.threads, self.seed, self.limit = threads, seed, limit
        self.split = gr.read_lightgcn(data, overlap="keep", cache=False).without_valid()
        self.installed: dict[str, Installed] = {"": own()}

    def install(self, kinds: Iterable[type[Peer]]) -> None:
        """Make the environments that are not there yet."""
        for name in dict.fromkeys(kind.environment for kind in kinds):
            if name not in self.installed:
                _say(f"environment {name}")
                self.installed[name] = install(name, self.environments)

    def steps(self, kinds: Sequence[type[StepPeer]], rounds: int) -> list[Record]:
        """All LightGCNs are set up one after the other and then take their steps in turn."""
        records = {kind: self._record(kind) for kind in kinds}
        with ExitStack() as stack:
            workers = {kind: stack.enter_context(self._worker(kind)) for kind in kinds if not records[kind]["error"]}

            def each(call: Callable[[Record, Worker], None]) -> None:
                for kind, worker in list(workers.items()):
                    with _noted(records[kind], lambda kind=kind: workers.pop(kind).close()):
                        call(records[kind], worker)

            each(_set_up)
            _say(f"{WARM_UP} + {rounds} steps in turn")
            for turn in range(WARM_UP + rounds):
                each(lambda record, worker, kept=turn >= WARM_UP: _step(record, worker, kept))
            each(self._measure)
        return list(records.values())

    def epochs(self, kinds: Sequence[type[EpochPeer]], rounds: int) -> list[Record]:
        """All factorisations train in turn, a few epochs at a time, in processes of their own."""
        records = {kind: self._record(kind) for kind in kinds}
        with ExitStack() as stack:
            workers = {kind: stack.enter_context(self._worker(kind)) for kind in kinds if not records[kind]["error"]}
            _say(f"epochs of BPR: 1 + {rounds} rounds in turn")
            for turn in range(1 + rounds):
                for kind, worker in list(workers.items()):
                    with _noted(records[kind], lambda kind=kind: workers.pop(kind).close()):
                        _train_on(records[kind], worker, turn)
        return list(records.values())

    def fit(self, kind: type[Peer]) -> Record:
        """One model from files to figures."""
        record = self._record(kind)
        if record["error"]:
            return record
        _say(f"{kind.library} {kind.model}")
        with self._worker(kind) as worker, _noted(record, worker.close):
            record |= worker.ask("about")
            record["prepare"] = worker.ask("prepare")["seconds"]
            record["fit"] = worker.ask("fit")["seconds"]
            listed = worker.ask("recommend")
            record |= {"recommend": listed["seconds"], "recommend_users": listed["users"]}
            self._measure(record, worker)
        return record

    def _record(self, kind: type[Peer]) -> Record:
        """What is known of a peer before it runs; with ``error`` where it will not."""
        train = self.split.train
        error = self.installed[kind.environment].error or kind.unsuitable(train.n_users, train.n_items)
        return {
            "kind": "step" if issubclass(kind, StepPeer) else "epoch" if issubclass(kind, EpochPeer) else "fit",
            "library": kind.library,
            "model": kind.model,
            "package": kind.package,
            "settings": kind.settings,
            "notes": list(kind.notes),
            "error": error,
        }

    def _worker(self, kind: type[Peer]) -> Worker:
        python = self.installed[kind.environment].python
        return Worker(kind, python, self.data, self.out / kind.__name__, self.threads, self.seed, self.limit)

    def _measure(self, record: Record, worker: Worker) -> None:
        """The peer's own metric, and graphrec's on what the peer wrote."""
        worker.ask("factors")
        answer = worker.ask("own")
        record |= {"own": answer["figures"], "own_seconds": answer["seconds"], "own_users": answer["users"]}
        record["ranked"] = ranked(self.split, worker.out)


def _set_up(record: Record, worker: Worker) -> None:
    _say(f"{record['library']} {record['model']}: files and graph")
    record |= worker.ask("about")
    record["prepare"] = worker.ask("prepare")["seconds"]
    record |= {"graph": worker.ask("build_graph")["seconds"], "steps": [], "draws": []}


def _step(record: Record, worker: Worker, kept: bool) -> None:
    taken = worker.ask("step")
    if kept:
        record["steps"].append(taken["step"])
        record["draws"].append(taken["draw"])


def _train_on(record: Record, worker: Worker, turn: int) -> None:
    """Set up in the first turn, which also warms up; epochs of the others count."""
    if not turn:
        record |= worker.ask("about")
        record["prepare"] = worker.ask("prepare")["seconds"]
        record |= {"begin": worker.ask("begin")["seconds"], "epochs": [], "processors": []}
    taken = worker.ask("epochs")
    if turn:
        record["epochs"].append(taken["seconds"])
        record["processors"].append(taken["processors"])


@contextmanager
def _noted(record: Record, end: Callable[[], None]) -> Iterator[None]:
    """A failure ends the peer and becomes its record's ``error``; the run goes on."""
    try:
        yield
    except (PeerFailed, ValueError) as error:
        record["error"] = str(error)
        _say(f"{record['library']} {record['model']}: {error}")
        end()


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)
