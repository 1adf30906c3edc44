"""What happens before the first step, and how much memory a ranking takes: each measured in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np

from benchmarks.record import ratio, spread

GRAPH = """
import json, sys, time, tempfile, pathlib, shutil
import graphrec as gr
from graphrec.data.lightgcn_files import read_lightgcn
folder = gr.load_dataset("gowalla").path
copy = pathlib.Path(tempfile.mkdtemp()) / "gowalla"
copy.mkdir()
for name in ("train.txt", "test.txt"):
    shutil.copy(folder / name, copy / name)

def graph(cache):
    started = time.perf_counter()
    split = read_lightgcn(copy, cache=cache)
    gr.BipartiteGraph(split.train).adjacency("sym")
    return time.perf_counter() - started

seconds = {"text": graph(False), "first": graph(True), "cache": graph(True)}
shutil.rmtree(copy.parent)
print(json.dumps(seconds))
"""

MEMORY = """
import json, pathlib
import numpy as np
import graphrec as gr
from graphrec.ranking.ranker import Ranker

def resident(which):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 1024

split = gr.load_dataset("gowalla").split.without_valid()
model = gr.models.LightGCN(split.train, dim=64, layers=3)
Ranker(model, split.train).top_k(np.arange(64), 20, budget=2**20)   # compiled kernels and threads are there
pathlib.Path("/proc/self/clear_refs").write_text("5")        # the peak starts anew
before = resident("VmRSS")
Ranker(model, split.train).top_k(np.arange(model.n_users), 20, budget=256 * 2**20)
lists, propagated = model.n_users * 20 * 8 / 2**20, 2 * model.embedding.numel() * 4 / 2**20
print(json.dumps({"grown": resident("VmHWM") - before, "tables": lists + propagated}))
"""


def _run(program: str) -> tuple[float, str]:
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def startup(rounds: int = 7) -> list[dict]:
    """Imports in turn, and the graph of Gowalla from text and from the cache."""
    imports: dict[str, list[float]] = {"graphrec": [], "torch": []}
    for _ in range(rounds):
        for name, seconds in imports.items():  # graphrec by itself imports nothing: what a fit needs
            seconds.append(_run("from graphrec import Recommender" if name == "graphrec" else "import torch")[0])
    rows = [
        {"what": "import, as a process", "side": side, **spread(s), "ratio": ratio(s, imports["torch"])}
        for side, s in imports.items()
    ]
    graphs = [json.loads(_run(GRAPH)[1]) for _ in range(3)]
    for name, what in (("text", "Gowalla's graph from text"), ("cache", "Gowalla's graph from the cache")):
        rows.append({"what": what, "side": "graphrec", **spread([g[name] for g in graphs])})
    return rows


def memory() -> list[dict]:
    """Growth of the process's peak while all users are ranked under a budget of 256 MiB."""
    results = [json.loads(_run(MEMORY)[1]) for _ in range(3)]
    grown, tables = np.median([r["grown"] for r in results]), results[0]["tables"]
    note = f"+{grown:.0f} MiB, of which lists and propagated tables {tables:.0f} MiB"
    return [{"what": "peak memory of a full ranking, budget 256 MiB", "side": "graphrec", "ratio": note}]
