"""How the cost of a step grows with the number of edges, on power-law graphs."""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import growth
from benchmarks.record import interleaved, spread, write
from benchmarks.speed import batch_of, our_step


def power_law(edges: int, seed: int = 0) -> gr.Interactions:
    """About `edges` distinct pairs; Gowalla's mean degree; Zipf-like activity and popularity."""
    g = np.random.default_rng(seed)
    n_users, n_items = edges // 27, edges // 20
    users = (n_users * g.random(edges) ** 1.6).astype(np.int64)
    items = (n_items * g.random(edges) ** 2.2).astype(np.int64)
    g1, g2 = g.permutation(n_users), g.permutation(n_items)
    keys = np.sort(g1[users] * n_items + g2[items])
    keys = keys[np.r_[True, keys[1:] != keys[:-1]]]
    return gr.Interactions.from_indices(keys // n_items, keys % n_items, n_users=n_users, n_items=n_items, duplicates="keep")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__)
    parser.add_argument("--edges", type=float, nargs="+", default=[1e6, 3e6, 1e7, 3e7])
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args(arguments)
    sizes = []
    for edges in args.edges:
        train = power_law(int(edges))
        torch.manual_seed(0)
        model = gr.models.LightGCN(train, dim=64, layers=3)
        sizes.append((len(train), train.n_users + train.n_items, our_step(model, batch_of(train), 1e-4)))
    # All sizes in one round, and an unmeasured step before each: what the others left in the caches is not measured.
    taken = {f"{edges}, {turn}": step for edges, _, step in sizes for turn in ("warm", "measured")}
    seconds = interleaved(taken, rounds=args.rounds, warm=1)
    rows = [{"edges": edges, "nodes": nodes, **spread(seconds[f"{edges}, measured"])} for edges, nodes, _ in sizes]
    table = pd.DataFrame(rows)
    slope = np.polyfit(np.log(table["edges"]), np.log(table["median_ms"]), 1)[0]
    table["slope"] = ["", *[float(s) for s in np.diff(np.log(table["median_ms"])) / np.diff(np.log(table["edges"]))]]
    write("scale", f"LightGCN step by number of edges, K = 3, batch 2,048: log-log slope {slope:.3f}", table, growth(table))


if __name__ == "__main__":
    main([])
