"""The service under load: eight clients that keep their connections, asking one process as fast as it answers.

``python -m benchmarks serve`` trains LightGCN on ML-100K for a few epochs (how well it recommends is not the question),
starts ``graphrec serve`` on it, and asks for the lists of people drawn with a fixed seed. Clients and service share the
machine, so the figures are a lower bound of what a service alone would do; routes are asked in turn, five times each, so
that a machine whose speed drifts is fair to all of them.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.record import write

CLIENTS, SECONDS, TURNS, WARM = 8, 10.0, 5, 1.0
ROUTES = {
    "health": "/health",
    "list of 10": "/recommend?k=10&user={user}",
    "list of 100": "/recommend?k=100&user={user}",
    "10 similar items": "/similar?k=10&item={item}",
    "why one item": "/explain?user={user}&item={item}",
    "list of 10, 2 reasons each": "/recommend?k=10&explain=2&user={user}",
}


def main(arguments: list[str]) -> None:
    """Measure all routes and write the table."""
    parser = argparse.ArgumentParser("benchmarks serve")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of every route, in five turns")
    seconds = parser.parse_args(arguments).seconds
    with tempfile.TemporaryDirectory() as folder:
        users, items = _train(Path(folder) / "run")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        service = subprocess.Popen([sys.executable, "-m", "graphrec", "serve", f"{folder}/run", "--port", str(port)])
        try:
            _wait(port, service)
            for path in ROUTES.values():
                _load(port, path, users, items, WARM)
            turns = [{n: _load(port, p, users, items, seconds / TURNS) for n, p in ROUTES.items()} for _ in range(TURNS)]
        finally:
            service.terminate()
            service.wait(10)
    table = pd.DataFrame([{"question": name, **_figures([turn[name] for turn in turns])} for name in ROUTES])
    title = f"`graphrec serve`, one process, ML-100K, LightGCN (64 numbers, 3 hops): {CLIENTS} clients on the same machine"
    write("serve", title, table, _picture(table))


def _train(run: Path) -> tuple[list[str], list[str]]:
    import graphrec as gr

    train = gr.split.chronological(gr.load_dataset("ml-100k").interactions, test=0.2, valid=0.1).train.binarize()
    gr.Recommender("lightgcn", dim=64, layers=3).fit(train, epochs=3, seed=0, progress=False).save(run)
    return [str(one) for one in train.user_ids], [str(one) for one in train.item_ids]


def _wait(port: int, service: subprocess.Popen[bytes]) -> None:
    for _ in range(300):
        try:
            _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "/health")
        except OSError:
            if service.poll() is not None:
                raise RuntimeError("the service ended before it answered") from None
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the service did not answer within 30 seconds")


def _ask(connection: http.client.HTTPConnection, path: str) -> bytes:
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {body[:200]!r}")
    return body


def _load(port: int, path: str, users: list[str], items: list[str], seconds: float) -> tuple[list[float], float]:
    """Seconds of every request, and of all of them together; a request that fails ends the measurement."""
    taken: list[list[float]] = [[] for _ in range(CLIENTS)]
    failed: list[Exception] = []
    started = time.perf_counter()

    def client(number: int) -> None:
        draw = np.random.default_rng(number)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.connect()
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while not failed and time.perf_counter() - started < seconds:
                asked = path.format(user=users[draw.integers(len(users))], item=items[draw.integers(len(items))])
                begun = time.perf_counter()
                json.loads(_ask(connection, asked))
                taken[number].append(time.perf_counter() - begun)
        except Exception as error:
            failed.append(error)
        finally:
            connection.close()

    clients = [threading.Thread(target=client, args=(number,)) for number in range(CLIENTS)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    if failed:
        raise failed[0]
    return [one for mine in taken for one in mine], time.perf_counter() - started


def _figures(turns: list[tuple[list[float], float]]) -> dict[str, object]:
    taken = np.concatenate([one for one, _ in turns])
    rates = [len(one) / span for one, span in turns]
    low, high = np.quantile(taken, [0.5, 0.99]) * 1e3
    return {
        "requests": len(taken),
        "requests/s": float(np.median(rates)),
        "slowest to fastest turn": f"{min(rates):.0f} to {max(rates):.0f}",
        "p50 ms": float(low),
        "p99 ms": float(high),
    }


def _picture(table: pd.DataFrame):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    axes.barh(table["question"][::-1], table["requests/s"][::-1], color="#4477aa")
    axes.set_xlabel("requests per second")
    axes.spines[["top", "right"]].set_visible(False)
    return figure
