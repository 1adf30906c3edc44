"""How far each part of a LightGCN step and of a ranking is from the least time its bytes or its arithmetic take.

The floor of a part that gathers rows is a sequential sweep over a table of the same size that reads the same number of bytes:
the same cache, the same bytes, no order to follow. The floor of Adam are copies that move as much, that of a ranking are
its matmuls.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numba
import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import above_floor
from benchmarks.plain import blocked_matmuls
from benchmarks.record import interleaved, ratio, write
from benchmarks.speed import batch_of
from graphrec.graph.hop_mean import HopMean
from graphrec.graph.products import hop_into
from graphrec.graph.row_sparse import NodeIndex, RowSparse
from graphrec.ranking.ranker import Ranker
from graphrec.threads import even_bounds, run_ranges, thread_count

ROW = 64 * 4


@numba.njit(nogil=True, fastmath=True, error_model="numpy", boundscheck=False)
def sweep(lo, hi, x, out):
    """Sum of the rows lo:hi, one after the other; a range that is longer than the table starts again."""
    for i in range(lo, hi):
        row = np.uint64(i % len(x))
        for k in range(np.uint64(x.shape[1])):
            out[k] += x[row, k]


def reading(n_bytes: float, table: np.ndarray) -> Callable[[], None]:
    """Read so many bytes of a table in order, on all threads."""
    rows = round(n_bytes / ROW)
    bounds = even_bounds(rows, thread_count())
    return lambda: run_ranges(lambda lo, hi: sweep(lo, hi, table, np.zeros(64, np.float32)), bounds)


def parts_of_a_step(train: gr.Interactions) -> dict[str, tuple[str, float, Callable[[], object]]]:
    """Part, what it moves in words and in bytes, and the call."""
    torch.manual_seed(0)
    model, batch = gr.models.LightGCN(train, dim=64, layers=3), batch_of(train)
    a, x, pool = model.adjacency(), model.embedding.detach(), model._pool
    n, edges = x.shape[0], len(a.pattern.indices)
    nodes = torch.cat([batch.users, batch.items + train.n_users, batch.negatives[:, 0] + train.n_users])
    index = NodeIndex(nodes, n)
    degree = np.diff(a.pattern.indptr)
    touched = int(degree[index.distinct.numpy()].sum())
    hops, gradient = HopMean(a, x, 3, pool), RowSparse(index, torch.randn(len(nodes), 64))
    weight = torch.nn.Parameter(x.clone())
    weight.grad = torch.randn_like(x)
    adam, out = torch.optim.Adam([weight], fused=True), torch.empty_like(x)
    return {
        "a full hop (four in a step)": (
            "every edge's row, and the table written",
            edges * (ROW + 8) + n * ROW,
            lambda: hop_into(a, x, out),
        ),
        "the last hop, for the batch's rows": (
            f"{touched / edges:.0%} of the edges' rows",
            touched * (ROW + 8) + 4 * len(nodes) * ROW,
            lambda: hops.distinct_rows(index, None),
        ),
        "the first backward product": (
            "the same edges' rows, all column indices, the table written",
            touched * (ROW + 4) + edges * 4 + n * ROW,
            lambda: gradient.product(a, out),
        ),
        "Adam": ("weights, gradient and two moments read, three written", 7 * n * ROW, adam.step),
    }


def copies(train: gr.Interactions) -> Callable[[], None]:
    """Seven tables moved: three copies and a sum."""
    tables = [torch.zeros(train.n_users + train.n_items, 64) for _ in range(7)]

    def move() -> None:
        for target, source in zip(tables[:3], tables[3:6], strict=True):
            target.copy_(source)
        tables[6].sum()

    return move


def ranking(train: gr.Interactions) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    model = gr.models.MF(train, dim=64)
    everyone = np.arange(train.n_users)
    matmuls = blocked_matmuls(model.users.detach(), model.items.detach(), 512, 1024)
    return {"measured": lambda: Ranker(model, train).top_k(everyone, 20), "floor": matmuls}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks floor", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(arguments)
    train = gr.load_dataset("gowalla").split.without_valid().train
    table = torch.randn(train.n_users + train.n_items, 64).numpy()
    rows = []

    def note(part: str, moves: str, amount: str, calls: dict[str, Callable[[], object]], rounds: int) -> None:
        seconds = interleaved(calls, rounds)
        medians = {f"{side}_ms": float(np.median(s)) * 1e3 for side, s in seconds.items()}
        rows.append({"part": part, "what moves": moves, "amount": amount, **medians, "ratio": ratio(*seconds.values())})

    for part, (moves, n_bytes, call) in parts_of_a_step(train).items():
        least = copies(train) if part == "Adam" else reading(n_bytes, table)
        note(part, moves, f"{n_bytes / 1e6:.0f} MB", {"measured": call, "floor": least}, args.rounds)
    flops = 2 * train.n_users * train.n_items * 64
    note("ranking all users", "the products of all rows", f"{flops / 1e9:.0f} GFLOP", ranking(train), max(3, args.rounds // 3))
    result = pd.DataFrame(rows)
    write("floor", "Distance from the floor: Gowalla, K = 3, 64 dimensions, batch 2,048", result, above_floor(result))


if __name__ == "__main__":
    main([])
