"""Steps, products, ranking and time to quality on the accelerator of this machine: one command for whoever has one.

Everything is measured on the device and, in the same run, on the CPU. The clock is read when the device has done all that was
asked of it. Without an accelerator the command says so and measures nothing; ``--device cpu`` tries it out.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Callable

import numpy as np
import pandas as pd
import torch

import graphrec as gr
from benchmarks.pictures import side_by_side
from benchmarks.plain import PlainLightGCN
from benchmarks.record import interleaved, ratio, spread, write
from benchmarks.speed import batch_of, our_step, plain_step
from graphrec.devices import is_real_cuda, resolve_device
from graphrec.graph import products
from graphrec.graph.storage import Storage, hops_stored_in
from graphrec.ranking.ranker import Ranker

BATCH_OF_USERS = 4096


def finished(device: torch.device, call: Callable[[], object]) -> Callable[[], None]:
    """The call, and the wait for what it has asked of the device."""

    def run() -> None:
        call()
        if is_real_cuda(device):
            torch.cuda.synchronize(device)
        elif device.type == "mps":
            torch.mps.synchronize()

    return run


def turns(what: str, calls: dict[str, Callable[[], object]], rounds: int, base: str) -> list[dict]:
    """Rows of several calls taken in turn; the ratio says how many times the base takes."""
    seconds = interleaved(calls, rounds)
    return [{"what": what, "side": side, **spread(s), "ratio": ratio(seconds[base], s)} for side, s in seconds.items()]


def hops(train: gr.Interactions, devices: dict[str, torch.device], rounds: int) -> list[dict]:
    """One product Â·X by every back end that runs there."""
    adjacency = gr.BipartiteGraph(train).adjacency("sym")
    table = torch.randn(adjacency.n_nodes, 64, generator=torch.Generator().manual_seed(0))
    calls: dict[str, Callable[[], object]] = {}
    for where, device in devices.items():
        there, x = adjacency.to(device), table.to(device)
        for name in products.candidates(there, x):
            calls[f"{where}: {name}"] = finished(device, lambda a=there, x=x, n=name: products.spmm(a, x, n))
        calls[f"{where}: chosen"] = finished(device, lambda a=there, x=x: products.spmm(a, x))
        half = there.stored_as(torch.bfloat16)
        calls[f"{where}: chosen, bfloat16 storage"] = finished(device, lambda a=half, x=x: products.spmm(a, x))
    return turns("hop Â·X, 64 columns", calls, rounds, "cpu: chosen")


def in_bf16(step: Callable[[], object]) -> Callable[[], None]:
    """The step, with hops that read their table in 16 bits."""

    def run() -> None:
        with hops_stored_in(Storage(torch.bfloat16)):
            step()

    return run


def steps(train: gr.Interactions, devices: dict[str, torch.device], rounds: int) -> list[dict]:
    """A training step of each model, and LightGCN's in plain torch."""
    batch, rows = batch_of(train), []
    torch.manual_seed(0)
    models = {
        "LightGCN, K = 3": gr.models.LightGCN(train, dim=64, layers=3),
        "NGCF, 64-64-64": gr.models.NGCF(train, dim=64, layers=[64, 64, 64]),
        "MF": gr.models.MF(train, dim=64),
        "NeuMF": gr.models.NeuMF(train),
    }
    for name, model in models.items():
        calls: dict[str, Callable[[], object]] = {}
        for where, device in devices.items():
            own, there = copy.deepcopy(model).to(device), batch.to(device)
            calls[where] = finished(device, our_step(own, there, 1e-4))
            if name.startswith("LightGCN"):
                calls[f"{where}, bf16"] = finished(device, in_bf16(our_step(copy.deepcopy(own), there, 1e-4)))
                plain = PlainLightGCN(own.adjacency(), own.embedding, train.n_users, 3)
                calls[f"{where}, plain torch"] = finished(device, plain_step(plain, there, 1e-4))
        rows += turns(f"step of {name}", calls, rounds, "cpu")
    return rows


def ranking(train: gr.Interactions, devices: dict[str, torch.device], rounds: int) -> list[dict]:
    """The 20 best items of all users, and on each device the products alone."""
    model, everyone, calls = gr.models.MF(train, dim=64), np.arange(train.n_users), {}
    for where, device in devices.items():
        own = copy.deepcopy(model).to(device)
        ranker = Ranker(own, train)
        users, items = own.users.detach(), own.items.detach()

        def multiply(users: torch.Tensor = users, items: torch.Tensor = items) -> None:
            for lo in range(0, len(users), BATCH_OF_USERS):
                users[lo : lo + BATCH_OF_USERS] @ items.T

        calls[where] = finished(device, lambda r=ranker: r.top_k(everyone, 20))
        calls[f"{where}, products alone"] = finished(device, multiply)
    return turns("top 20 of all users", calls, rounds, "cpu")


def quality(split: gr.Split, devices: dict[str, torch.device]) -> list[dict]:
    """From a table in memory to test figures."""
    rows = []
    for name, options in (("lightgcn-fast", {}), ("lightgcn-fast", {"precision": "bf16"}), ("rp3beta", {})):
        for where, device in devices.items():
            recommender = gr.preset(name) if name == "lightgcn-fast" else gr.Recommender(name)
            silence = {} if name == "rp3beta" else {"progress": False}
            started = time.perf_counter()
            recommender.fit(split.train, device=str(device), **options, **silence)
            mean = gr.evaluate(recommender, split.test, metrics=["recall@20", "ndcg@20"]).mean
            rows.append(
                {
                    "what": " ".join([name, *options.values()]),
                    "side": where,
                    "median_ms": 1e3 * (time.perf_counter() - started),
                    "ratio": f"recall@20 {mean['recall@20']:.4f}, ndcg@20 {mean['ndcg@20']:.4f}",
                }
            )
            print(rows[-1], flush=True)
    return rows


def name_of(device: torch.device) -> str:
    """What the accelerator calls itself."""
    return torch.cuda.get_device_name(device) if is_real_cuda(device) else str(device)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("--device", default="auto", help="as of fit; the accelerator that is there unless given")
    parser.add_argument("--data", default="gowalla", help="name of a data set, as of graphrec datasets")
    parser.add_argument("--rounds", type=int, default=15, help="measurements of each, in turn")
    parser.add_argument("--no-quality", action="store_true", help="steps, products and ranking only")
    args = parser.parse_args(arguments)
    if args.rounds < 1:
        parser.error("--rounds must be at least 1.")
    device = resolve_device(args.device)
    if args.device == "auto" and device.type == "cpu":
        print("There is no accelerator that this torch can use, so nothing was measured; --device cpu tries the command out.")
        return
    data = gr.load_dataset(args.data)
    split = gr.split.random(data.interactions, test=0.2, seed=0) if data.split is None else data.split.without_valid()
    devices = {"cpu": torch.device("cpu")}
    if device.type != "cpu":
        devices[device.type] = device
    parts = (hops, steps, ranking)
    rows = [row for part in parts for row in part(split.train, devices, args.rounds)]
    rows += [] if args.no_quality else quality(split, devices)
    table = pd.DataFrame(rows)
    write(
        "gpu", f"{name_of(device)} beside the CPU, {args.data}", table.fillna(""), side_by_side(table.dropna(subset="min_ms"))
    )


if __name__ == "__main__":
    main([])
