"""From files on disk to a ranked model on power-law graphs of 1 M to 100 M edges: seconds and peak memory of each stage.

Every size has processes of its own: one writes the files, one makes the mapped table of them, one builds the model on the
table, takes steps and ranks. On Linux the peak is that of a stage (the high-water mark is set back before it), elsewhere
that of the process so far; mapped pages of the table count as far as they are in memory. "own" is what is not mapped, at
the end of the stage.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import scaling
from benchmarks.record import spread, write
from graphrec.data.power_law import write_power_law
from graphrec.graph.receptive_field import receptive_field
from graphrec.graph.row_sparse import NodeIndex
from graphrec.ranking.ranker import Ranker
from graphrec.sampling import PairBatch, PairSampler
from graphrec.training.objectives import objective
from graphrec.training.options import FitOptions

NARROW, WIDE = 2048, 1 << 17
RANKED = 1000
STEP, WIDE_STEP = f"step, {NARROW:,} pairs", f"step, {WIDE:,} pairs"


def held() -> dict[str, float]:
    """GiB: the most that this process has held since :func:`from_here_on`, and what is its own alone now."""
    with suppress(OSError):
        lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
        return {"peak_gib": int(lines["VmHWM"].split()[0]) / 2**20, "own_gib": int(lines["RssAnon"].split()[0]) / 2**20}
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_gib": most / (2**30 if sys.platform == "darwin" else 2**20)}


def from_here_on() -> None:
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


@contextmanager
def stage(name: str, **more: object) -> Iterator[dict[str, Any]]:
    """Measure what happens inside and print it as a line for the parent; what is put into the dictionary goes along."""
    row: dict[str, Any] = {"stage": name, **more}
    from_here_on()
    started = time.perf_counter()
    yield row
    row = {"seconds": time.perf_counter() - started, **row, **held()}
    print(json.dumps(row), flush=True)


def files(folder: Path, edges: int, rounds: int) -> None:
    with stage("write files"):
        write_power_law(folder / "files", edges)


def table(folder: Path, edges: int, rounds: int) -> None:
    with stage("files to table") as row:
        made = gr.read_folder(folder / "files", duplicates="last", out=folder / "table")
        row |= {"edges": len(made), "nodes": made.n_users + made.n_items}


def model(folder: Path, edges: int, rounds: int) -> None:
    torch.manual_seed(0)
    with stage("table to model"):
        train = gr.open_table(folder / "table")
        light = gr.models.LightGCN(train, dim=64, layers=3)
        narrow, wide = (PairSampler(train, size, generator=torch.Generator().manual_seed(0)) for size in (NARROW, WIDE))
        batches = {STEP: iter(narrow), WIDE_STEP: iter(wide)}
    train_some(light, batches, rounds)
    light.zero_grad(set_to_none=True)
    with stage(f"rank {RANKED:,} users"):
        light.eval()
        users = np.random.default_rng(0).choice(train.n_users, min(RANKED, train.n_users), replace=False)
        best, _ = Ranker(light, train).top_k(users, 20)
        assert (best >= 0).all()


def train_some(light: gr.models.LightGCN, batches: dict[str, Iterator[PairBatch]], rounds: int) -> None:
    """Some steps with each kind of batch; the optimiser goes at the end, as it does when a fit ends."""
    compute, optimizer = objective(FitOptions(loss="bpr", l2=1e-4)), torch.optim.Adam(light.parameters(), lr=1e-3, fused=True)
    light.train()

    def step(batch: PairBatch) -> None:
        """As the trainer takes it."""
        optimizer.zero_grad(set_to_none=True)
        compute(light, batch).backward()
        optimizer.step()

    for name, times in ((STEP, rounds), (WIDE_STEP, max(2, rounds // 2))):
        with stage(name) as row:
            step(next(batches[name]))  # kernels are compiled, buffers and the optimiser's tables allocated
            seconds = [timed(step, next(batches[name])) for _ in range(times)]
            row |= {"seconds": float(np.median(seconds)), **spread(seconds)}
            row["field"] = field_share(light, next(batches[name]))


def timed(step: Callable[[PairBatch], None], batch: PairBatch) -> float:
    started = time.perf_counter()
    step(batch)
    return time.perf_counter() - started


def field_share(light: gr.models.LightGCN, batch: PairBatch) -> float:
    """Which share of the edges the hop before the last has to look at."""
    pattern = light.adjacency().pattern
    nodes = torch.cat([batch.users, *(ids.flatten() + light.n_users for ids in (batch.items, batch.negatives))])
    field = receptive_field(NodeIndex(nodes, light.n_users + light.n_items), pattern)
    return 1.0 if field is None else float(pattern.entries(field.distinct.numpy()).sum() / len(pattern.indices))


CHILDREN = {"files": files, "table": table, "model": model}


def one_size(edges: int, where: str | None, rounds: int) -> list[dict[str, Any]]:
    """All stages of one size, each row with the number of edges and nodes."""
    rows: list[dict[str, Any]] = []
    folder = Path(tempfile.mkdtemp(prefix="graphrec-scale-", dir=where))
    try:
        for child in CHILDREN:
            command = [sys.executable, "-m", "benchmarks", "scale", "--child", child, "--folder", str(folder)]
            done = subprocess.run(
                [*command, "--edges", str(edges), "--rounds", str(rounds)], stdout=subprocess.PIPE, text=True, check=False
            )
            rows += [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
            if done.returncode:
                print(f"{edges:,} edges: {child} ended with {done.returncode} after {rows[-1]['stage']!r}", flush=True)
                break
            print(f"{edges:,} edges: {rows[-1]}", flush=True)
    finally:
        shutil.rmtree(folder)
    size = next((row for row in rows if "edges" in row), {"edges": edges, "nodes": 0})
    return [{"edges": size["edges"], "nodes": size["nodes"], **row} for row in rows]


def with_slopes(rows: pd.DataFrame) -> pd.DataFrame:
    """The growth of each stage's seconds since the size before, as an exponent of the number of edges."""
    rows = rows.copy()
    rows["slope"] = np.nan
    for _, of_stage in rows.groupby("stage"):
        slopes = np.diff(np.log(of_stage["seconds"])) / np.diff(np.log(of_stage["edges"]))
        rows.loc[of_stage.index[1:], "slope"] = slopes
    return rows


def slope(rows: pd.DataFrame, name: str) -> float:
    mine = rows[rows["stage"] == name]
    return float(np.polyfit(np.log(mine["edges"]), np.log(mine["seconds"]), 1)[0]) if len(mine) > 1 else float("nan")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--edges", type=float, nargs="+", default=[1e6, 3e6, 1e7, 3e7, 1e8])
    parser.add_argument("--rounds", type=int, default=3, help="steps that are measured; twice as many below 20 M edges")
    parser.add_argument("--where", help="folder for files and tables, on a disk with 8 GB to spare for 100 M edges")
    parser.add_argument("--child", choices=tuple(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        CHILDREN[args.child](args.folder, int(args.edges[0]), args.rounds)
        return
    rows: list[dict[str, Any]] = []
    for edges in sorted(args.edges):
        rows += one_size(int(edges), args.where, args.rounds * (2 if edges < 2e7 else 1))
    found = with_slopes(pd.DataFrame(rows))[
        ["edges", "nodes", "stage", "seconds", "min_ms", "max_ms", "field", "peak_gib", "own_gib", "slope"]
    ]
    title = (
        f"From files to a ranked LightGCN (64 dimensions, K = 3) by number of edges: log-log slope of a step "
        f"{slope(found, STEP):.3f} with {NARROW:,} pairs, {slope(found, WIDE_STEP):.3f} with {WIDE:,}"
    )
    write("scale", title, found.astype(object).where(found.notna(), ""), scaling(found))
