"""A step shared among processes that have one core each, and the bytes that they send: LightGCN by columns, or with ``--rows``
NGCF and NeuMF by rows.

The arrangements are taken in turn, several times, each time in processes of their own. Beside the shared steps stands the one
process that they must beat: with one core, and with as many threads as there are processes. What a process has sent is read
from the counters of its sockets (``TCP_INFO``) and set against the formulas of its messages: for rows those of
:mod:`graphrec.distributed.rows`, for a sum

    2 (W − 1) / W · 4 bytes · numbers of a message + 576 (W − 1) bytes a message,

the second part being gloo's own: twelve frames of 48 bytes for each other process, whatever they carry (measured with 2 and 4
processes and messages of 16 to 262,144 numbers). The numbers are a score a pair, (1 + k) b, and one of the penalty.

CPU time stands beside the time of the clock: what a step takes beyond it is waiting, for messages and for who is late. Two
processes with half of the columns each do not take half of the CPU time each. On Gowalla (one thread, a machine busy with other
work) a step of 64 columns took 53 ms and one of 32 took 41, of which hops 35 and 27: an edge costs 2.7 ns whatever the width
(its index and weight, the loop, the addresses to prefetch) and 0.7 ns a cache line, of which a short row has fewer to hide it
behind. So some .65 is the most that two processes can reach there; waiting takes the rest.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import stat
import struct
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import times
from benchmarks.record import spread, write
from graphrec.data.power_law import power_law_pieces
from graphrec.distributed.columns import SharedColumns
from graphrec.distributed.group import Group, joined
from graphrec.distributed.sharing import shared as shared_by
from graphrec.training.column_trainer import ColumnTrainer
from graphrec.training.loss_watch import LossWatch
from graphrec.training.options import FitOptions
from graphrec.training.row_trainer import RowTrainer
from graphrec.training.trainer import Trainer

_FRAMES = 576  # bytes of gloo's own, a message and other process
_BYTES_ACKED = 120  # offset in the kernel's struct tcp_info


def sent() -> int:
    """Bytes that the others have acknowledged on all TCP connections of this process (Linux)."""
    total = 0
    for name in os.listdir("/proc/self/fd"):
        with suppress(OSError):  # one of them was that of the folder
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            s = socket.socket(fileno=os.dup(int(name)))
            if s.family in (socket.AF_INET, socket.AF_INET6) and s.type == socket.SOCK_STREAM:
                total += struct.unpack_from("Q", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), _BYTES_ACKED)[0]
            s.close()
    return total


def graph(edges: float | None) -> gr.Interactions:
    if edges is None:
        return gr.load_dataset("gowalla").split.train
    users, items = map(np.concatenate, zip(*power_law_pieces(int(edges)), strict=True))
    return gr.Interactions.from_indices(users, items, duplicates="last")


def model_of(name: str, train: gr.Interactions, args: argparse.Namespace) -> tuple[gr.models.Model, FitOptions]:
    """A model and how it is trained, all of the benchmark's width."""
    torch.manual_seed(0)
    how = {"batch_size": args.batch, "device": "cpu", "progress": False}
    if name == "neumf":
        return gr.models.NeuMF(train, dim=args.dim), FitOptions(loss="bce", n_negatives=4, **how)
    if name == "ngcf":
        return gr.models.NGCF(train, dim=args.dim, layers=[args.dim] * 3), FitOptions(loss="bpr", l2=1e-5, **how)
    return gr.models.LightGCN(train, dim=args.dim, layers=3), FitOptions(loss="bpr", **how)


class _Counted:
    """Counts the sums that a group is asked for."""

    def __init__(self, group: Group) -> None:
        self.count, self._add_up = 0, group.add_up
        group.add_up = self  # type: ignore[assignment, method-assign]

    def __call__(self, numbers: torch.Tensor) -> torch.Tensor:
        self.count += 1
        return self._add_up(numbers)


def measure(name: str, args: argparse.Namespace, cores: list[int], shared: bool) -> dict[str, object]:
    """Seconds of some steps after warm ones, and what was sent in a step."""
    os.sched_setaffinity(0, cores)
    torch.set_num_threads(len(cores))
    train = graph(args.edges)
    model, options = model_of(name, train, args)
    if shared:
        parts = shared_by(model, joined())
        parts.cut()
        trainer: Trainer = ColumnTrainer(parts, options) if isinstance(parts, SharedColumns) else RowTrainer(parts, options)
        parts.group.begin()
    else:
        trainer = Trainer(model, options)
    model.train()
    batches, watch = iter(trainer.objective.sampler(train, trainer.generator)), LossWatch(trainer.device, 1, options.lr)
    seconds, cpu, formula, before, sums = [], [], 0, 0, _Counted(parts.group) if shared else None
    for turn in range(args.warm + args.steps):
        if turn == args.warm:
            before = sent()
            formula = parts.group.bytes if shared else 0
            if sums is not None:
                sums.count = 0
        batch = next(batches)
        started, worked = time.perf_counter(), time.process_time()
        trainer._step(batch, watch)
        if turn >= args.warm:
            seconds.append(time.perf_counter() - started)
            cpu.append(time.process_time() - worked)
    result: dict[str, object] = {"seconds": seconds, "cpu": cpu, "formula": 0.0, "sent": 0.0}
    result["MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if sums is not None:
        frames = _FRAMES * (parts.group.size - 1) * sums.count
        result["formula"] = (parts.group.bytes - formula + frames) / args.steps
        parts.group.begin()  # until everything has arrived
        time.sleep(0.2)
        result["sent"] = (sent() - before) / args.steps
        parts.group.begin()  # nobody ends before the others have looked
    return result


def be_process(rank: int, name: str, world: int, port: int, args: argparse.Namespace, threads: int, out: str) -> None:
    shared = world > 0
    cores = args.cores[rank : rank + 1] if threads == 1 else args.cores[:threads]
    if shared:
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in place.items()})
    result = measure(name, args, cores, shared)
    if rank == 0:
        torch.save(result, out)


def measured(name: str, world: int, threads: int, args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """One arrangement in processes of its own; `world` 0 is the ordinary trainer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    out = folder / "result.pt"
    how = name, world, port, args, threads, str(out)
    torch.multiprocessing.spawn(be_process, how, nprocs=max(world, 1))
    found: dict[str, object] = torch.load(out, weights_only=False)
    return found


def table_of(name: str, args: argparse.Namespace, folder: Path) -> pd.DataFrame:
    way = "columns" if name == "lightgcn" else "rows"
    before = "" if name == "lightgcn" else f"{name}, "
    arrangements = {f"{before}one process, 1 thread": (0, 1)}
    for world in args.processes:
        if world > 1:
            arrangements[f"{before}one process, {world} threads"] = (0, world)
        arrangements[f"{before}{world} × 1 thread, {way} shared"] = (world, 1)
    found: dict[str, list[dict[str, object]]] = {what: [] for what in arrangements}
    for _ in range(args.rounds):
        for what, (world, threads) in arrangements.items():
            found[what].append(measured(name, world, threads, args, folder))
    rows, alone = [], 0.0
    for what, (world, threads) in arrangements.items():
        seconds = np.concatenate([one["seconds"] for one in found[what]]).tolist()
        alone = alone or float(np.median(seconds))
        formula, bytes_sent, peak = (float(np.mean([one[key] for one in found[what]])) for key in ("formula", "sent", "MB"))
        cpu = float(np.median(np.concatenate([one["cpu"] for one in found[what]])))
        cores = max(world, threads)
        rows.append(
            {"what": what, **spread(seconds), "CPU ms": 1e3 * cpu, "efficiency": alone / (cores * float(np.median(seconds)))}
            | {"bytes, formula": formula, "bytes, measured": bytes_sent}
            | {"measured / formula": bytes_sent / formula if formula else "", "peak MB of a process": peak}
        )
    return pd.DataFrame(rows)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks distributed", description=__doc__)
    parser.add_argument("--rows", action="store_true", help="NGCF and NeuMF, whose tables are shared by rows.")
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--edges", type=float, help="Of a power-law graph; Gowalla unless given.")
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--warm", type=int, default=5)
    args = parser.parse_args(arguments)
    args.cores = sorted(os.sched_getaffinity(0))
    if max(args.processes) > len(args.cores):
        sys.exit(f"{max(args.processes)} processes with a core each need as many cores; this machine gives {len(args.cores)}.")
    names, way = (["ngcf", "neumf"], "rows") if args.rows else (["lightgcn"], "columns")
    with tempfile.TemporaryDirectory() as folder:
        table = pd.concat([table_of(name, args, Path(folder)) for name in names], ignore_index=True)
    where = "Gowalla" if args.edges is None else f"a power-law graph of {args.edges:,.0f} edges"
    what = "NGCF, K = 3, and NeuMF" if args.rows else "LightGCN, K = 3"
    title = f"{what}: a step on {where}, dim {args.dim}, batch {args.batch:,}: {way} shared among pinned processes"
    write("distributed_rows" if args.rows else "distributed", title, table, times(table))


if __name__ == "__main__":
    main([])
