"""Training over drawn neighbours against the whole graph: bias and variance of a step, what it costs, and what is learnt.

LightGCN with three hops. Estimates are of the rows of one batch and of the gradient of its loss, with parameters as a few steps
leave them; "bias" and "sd" are over the exact length, and "floor" is what so many draws leave of an estimate without bias.
"one draw" is PyG's own subgraph, which is drawn once for all hops. Quality is the best epoch on the validation part; test parts
are not read. Seconds are those of the processor, on one thread; sampled and exact steps are taken in turn. "PyG / numba" is
what PyG's loader takes over what a plain compiled sampler takes for as many neighbours. The power-law graphs are those of
``benchmarks scale``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

import graphrec as gr
from benchmarks.record import write
from benchmarks.scale import from_here_on, held
from graphrec.data.power_law import write_power_law
from graphrec.graph.neighbourhood import Neighbourhood
from graphrec.graph.neighbours import Neighbours, _loaders
from graphrec.report.style import COLOURS, WIDTH, new_figure, plain_legend, tidy
from graphrec.sampling import PairBatch, PairSampler
from graphrec.training.objectives import objective
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.sampled import SampledBatches

LAYERS = 3
# Draws of the estimates, epochs of each training, pairs in a batch, steps that are measured, the widest fan-out.
CASES: dict[str, dict[str, Any]] = {
    "ml-100k": {"draws": 100, "epochs": 20, "batch_size": 2048, "lr": 5e-3, "steps": 9},
    "gowalla, 4,000 people": {"draws": 10, "epochs": 4, "batch_size": 2048, "lr": 5e-3, "steps": 5},
    "gowalla": {"draws": 6, "epochs": 0, "batch_size": 512, "lr": 5e-3, "steps": 3},
    "power law": {"draws": 0, "epochs": 0, "batch_size": 512, "lr": 5e-3, "steps": 3, "widest": 10},
}


COLUMNS = [
    *("graph", "edges", "pairs", "fanout", "nodes a step", "edges a step", "seconds a step", "step / exact step", "drawing"),
    *("PyG / numba", "peak GiB", "rows: bias", "rows: floor", "rows: sd", "gradient: bias", "gradient: floor", "gradient: sd"),
    *("one draw: bias", "one draw: sd", "ndcg@20", "recall@20", "best epoch"),
]


def table_of(case: str, folder: str) -> tuple[gr.Interactions, gr.Interactions | None]:
    if case == "ml-100k":
        split = gr.split.chronological(gr.load_dataset("ml-100k").interactions.binarize(), test=0.2, valid=0.1)
        return split.train, split.valid
    if case.startswith("gowalla"):
        split = gr.load_dataset("gowalla").split
        return (split.train, split.valid) if case == "gowalla" else some_people(split, 4000)
    return gr.open_table(Path(folder) / "table"), None


def some_people(split: gr.Split, n: int) -> tuple[gr.Interactions, gr.Interactions]:
    """The pairs of the first people, and of the things that they have in training."""
    train = split.train.to_frame()
    train = train[train["user_id"].isin(split.train.user_ids[:n])]
    valid = split.valid.to_frame()
    valid = valid[valid["user_id"].isin(train["user_id"]) & valid["item_id"].isin(train["item_id"])]
    made = gr.Interactions.from_frame(train)
    return made, gr.Interactions.from_frame(valid, ids=made)


def measure(case: str, fanout: int, folder: str) -> dict[str, Any]:
    """Everything about one graph and one fan-out; 0 stands for the whole graph."""
    how, (train, valid) = CASES[case], table_of(case, folder)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = gr.models.LightGCN(train, dim=64, layers=LAYERS)
    options = FitOptions(batch_size=how["batch_size"], lr=how["lr"], l2=1e-4, device="cpu")
    sampler = objective(options).sampler(train, torch.Generator().manual_seed(0))
    row: dict[str, Any] = {"graph": case, "edges": len(train.distinct_keys), "fanout": fanout or "whole graph"}
    row |= {"pairs": how["batch_size"]}
    row |= cost(model, options, sampler, fanout, how["steps"])
    if fanout and how["draws"]:
        row |= estimates(model, options, sampler, fanout, how["draws"])
    if how["epochs"] and valid is not None:
        recommender = gr.Recommender("lightgcn", layers=LAYERS).fit(
            train, valid=valid, fanout=fanout or None, epochs=how["epochs"], lr=how["lr"], progress=False,
            metric=["ndcg@20", "recall@20"], batch_size=how["batch_size"], device="cpu",
        )  # fmt: skip
        best = recommender.history.iloc[recommender.best_epoch - 1]
        row |= {"ndcg@20": float(best["ndcg@20"]), "recall@20": float(best["recall@20"]), "best epoch": recommender.best_epoch}
    return row


def cost(model: gr.models.LightGCN, options: FitOptions, sampler: PairSampler, fanout: int, steps: int) -> dict[str, Any]:
    """Seconds of a step and of what it draws, in turn with an exact step, and the most memory that is held before that."""
    graph, compute = model.sampling_graph(), objective(options)
    optimizers = Optimizers(model, options, by_rows=True, by_nodes=graph.table if fanout else None)
    neighbours = Neighbours(graph.adjacency, [fanout] * LAYERS) if fanout else None
    model.train()
    drawing, sizes = [], []
    batches = iter(sampler)

    def step() -> None:
        batch = next(batches)
        compute.neighbourhood = None
        if neighbours is not None:
            drawing.append(timed(lambda: drawn(batch)))
            optimizers.catch_up_nodes(compute.neighbourhood.nodes)
        with optimizers.row_gradients():
            optimizers.step(compute(model, batch))

    def drawn(batch: PairBatch) -> None:
        compute.neighbourhood = neighbourhood = neighbours.draw(nodes_of(batch, model.n_users), len(sizes))
        sizes.append((len(neighbourhood.nodes), sum(len(hop.sources) for hop in neighbourhood.hops)))

    step()  # kernels are compiled, the optimiser's tables allocated
    from_here_on()
    step()
    found: dict[str, Any] = {"peak GiB": held()["peak_gib"]}
    if neighbours is None:
        return {"edges a step": LAYERS * len(graph.adjacency.values), "seconds a step": median(step, steps), **found}
    optimizers.settle()
    exact, whole = objective(options), Optimizers(model, options)

    def exact_step() -> None:
        whole.step(exact(model, next(batches)))

    exact_step()
    batch = next(batches)
    drawn_by_numba(model, batch, fanout, 0)
    turns = np.array(
        [[timed(call) for call in (step, exact_step, lambda: drawn_by_numba(model, batch, fanout, 1))] for _ in range(steps)]
    )
    seconds, pyg = np.median(turns, axis=0), float(np.median(drawing[-steps:]))
    optimizers.settle()
    return {
        "nodes a step": float(np.median([nodes for nodes, _ in sizes])),
        "edges a step": float(np.median([edges for _, edges in sizes])),
        "seconds a step": float(seconds[0]),
        **found,
        "step / exact step": float(np.median(turns[:, 0] / turns[:, 1])),
        "drawing": pyg,
        "PyG / numba": pyg / float(seconds[2]),
    }


def median(call: Callable[[], object], times: int) -> float:
    return float(np.median([timed(call) for _ in range(times)]))


def estimates(
    model: gr.models.LightGCN, options: FitOptions, sampler: PairSampler, fanout: int, draws: int
) -> dict[str, float]:
    """Bias and spread of the rows of a batch and of the gradient of its loss."""
    compute, batch = objective(options), next(iter(sampler))
    nodes, graph = nodes_of(batch, model.n_users), model.sampling_graph()
    neighbours = Neighbours(graph.adjacency, [fanout] * LAYERS)
    once = one_draw_for_all(neighbours, graph.adjacency.n_nodes, fanout)

    def gradient(neighbourhood: Neighbourhood | None) -> Tensor:
        compute.neighbourhood = neighbourhood
        model.zero_grad(set_to_none=True)
        compute(model, batch).backward()
        return model.embedding.grad

    def rows(neighbourhood: Neighbourhood) -> Tensor:
        z = model.encode_sampled(neighbourhood)
        return torch.cat([z.users.rows(batch.users), z.items.rows(batch.items)])

    z = model.encode()
    exact = torch.cat([z.users.rows(batch.users), z.items.rows(batch.items)]).detach()
    of_rows, of_gradient, of_once = Moments(exact), Moments(gradient(None).clone()), Moments(exact)
    for seed in range(draws):
        drawn = neighbours.draw(nodes, seed)
        with torch.no_grad():
            of_rows.add(rows(drawn))
            of_once.add(rows(once(nodes, seed)))
        of_gradient.add(gradient(drawn))
    found = {f"rows: {name}": value for name, value in of_rows.figures().items()}
    found |= {f"gradient: {name}": value for name, value in of_gradient.figures().items()}
    return found | {"one draw: bias": of_once.figures()["bias"], "one draw: sd": of_once.figures()["sd"]}


class Moments:
    """The mean of estimates, and their mean squared distance from what they estimate."""

    def __init__(self, exact: Tensor) -> None:
        self.exact, self.sum, self.square, self.count = exact, torch.zeros_like(exact), 0.0, 0

    def add(self, estimate: Tensor) -> None:
        self.sum += estimate
        self.square += float((estimate - self.exact).square().sum())
        self.count += 1

    def figures(self) -> dict[str, float]:
        """Relative to the exact length: what the mean is off by, what chance leaves of that, and the standard deviation."""
        length, off = float(self.exact.norm()), float((self.sum / self.count - self.exact).norm())
        variance = max(0.0, (self.square / self.count - off**2) * self.count / (self.count - 1))
        return {"bias": off / length, "floor": (variance / self.count) ** 0.5 / length, "sd": variance**0.5 / length}


def one_draw_for_all(neighbours: Neighbours, n: int, fanout: int) -> Callable[[Tensor, int], Neighbourhood]:
    """What PyG's loader gives when it is asked for three hops: every node has one set of neighbours in all of them."""
    pattern = neighbours._loaders[0].node_sampler
    targets = torch.repeat_interleave(torch.arange(n), pattern.colptr.diff())
    (loader,) = _loaders(torch.stack([pattern.row, targets]), n, [fanout])
    loader.node_sampler.num_neighbors = [fanout] * LAYERS

    def draw(nodes: Tensor, seed: int) -> Neighbourhood:
        seeds = torch.unique(nodes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            drawn = loader(seeds)
        hop = neighbours._hop(drawn.n_id, fanout, drawn.edge_index, drawn.e_id)
        return Neighbourhood(seeds, drawn.n_id, (hop,) * LAYERS)

    return draw


def nodes_of(batch: PairBatch, n_users: int) -> Tensor:
    return SampledBatches([], None, n_users, None)._nodes(batch)


def timed(call: Callable[[], object]) -> float:
    """Seconds of the processor: on one thread those of the wall, on a machine that is left alone."""
    started = time.process_time()
    call()
    return time.process_time() - started


def drawn_by_numba(model: gr.models.LightGCN, batch: PairBatch, fanout: int, seed: int) -> int:
    """What a sampler of one's own would take for the same neighbourhood; the number of its edges."""
    pattern = model.adjacency().pattern
    reached, edges = torch.unique(nodes_of(batch, model.n_users)).numpy(), 0
    slot = np.full(len(pattern.indptr) - 1, -1, np.int32)
    for hop in range(LAYERS):
        sources, _, _, fresh = one_hop(pattern.indptr, pattern.indices, reached, fanout, seed + hop, slot)
        reached, edges = np.concatenate([reached, fresh]), edges + len(sources)
    return edges


@numba.njit(cache=True)
def one_hop(
    indptr: npt.NDArray[np.int64],
    indices: npt.NDArray[np.int32],
    rows: npt.NDArray[np.int64],
    fanout: int,
    seed: int,
    slot: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64], int, npt.NDArray[np.int64]]:
    """Floyd's algorithm for each row, and numbers for the nodes that are new."""
    np.random.seed(seed)  # noqa: NPY002 - numba's own state, of this thread
    used = 0
    for i in range(len(rows)):
        slot[rows[i]] = i
        used += min(fanout, indptr[rows[i] + 1] - indptr[rows[i]])
    sources, offsets = np.empty(used, np.int32), np.zeros(len(rows) + 1, np.int64)
    fresh, count, at = np.empty(used, np.int64), len(rows), 0
    taken = np.empty(fanout, np.int64)
    for i in range(len(rows)):
        first, degree = indptr[rows[i]], indptr[rows[i] + 1] - indptr[rows[i]]
        k = min(fanout, degree)
        for j in range(k):
            place = j
            if degree > fanout:
                last = degree - k + j
                place = np.random.randint(0, last + 1)  # noqa: NPY002
                for other in range(j):
                    if taken[other] == place:
                        place = last
                        break
                taken[j] = place
            node = indices[first + place]
            if slot[node] < 0:
                slot[node] = count
                fresh[count - len(rows)] = node
                count += 1
            sources[at] = slot[node]
            at += 1
        offsets[i + 1] = at
    return sources, offsets, count, fresh[: count - len(rows)].copy()


def child(case: str, fanout: int, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks", "sampled", "--child", case, str(fanout), folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(row, flush=True)
    return row


def picture(table: pd.DataFrame) -> Figure:
    """Standard deviations by fan-out, and seconds of a step by edges of the graph."""
    figure = new_figure(WIDTH, 4.0)
    left, right = figure.subplots(1, 2)
    for number, (graph, rows) in enumerate(table.dropna(subset="rows: sd").groupby("graph", sort=False)):
        for name, style in (("rows", "-"), ("gradient", "--")):
            left.plot(rows["fanout"].astype(str), rows[f"{name}: sd"], style, marker="o", markersize=3, color=COLOURS[number],
                      label=f"{name}, {graph}")  # fmt: skip
    for number, (fanout, rows) in enumerate(table[table["pairs"] == 512].groupby("fanout", sort=False)):
        label = fanout if isinstance(fanout, str) else f"fan-out {fanout}"
        right.loglog(rows["edges"], rows["seconds a step"], marker="o", markersize=3, color=COLOURS[number], label=label)
    tidy(left, x="neighbours drawn for each hop", y="standard deviation / length")
    tidy(right, x="edges of the graph", y="seconds a step")
    for axes in (left, right):
        plain_legend(axes, loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks sampled", description=__doc__)
    parser.add_argument("--fanouts", type=int, nargs="+", default=[5, 10, 20], help="of each of the three hops")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--edges", type=float, nargs="+", default=[1e7], help="sizes of the power-law graphs")
    parser.add_argument("--where", help="folder for the power-law graphs' files")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        case, fanout, folder = args.child
        print(json.dumps(measure(case, int(fanout), folder)), flush=True)
        return
    rows = []
    for case in args.cases:
        widest = CASES[case].get("widest", max(args.fanouts))
        for edges in args.edges if case == "power law" else [0]:
            folder = tempfile.mkdtemp(prefix="graphrec-sampled-", dir=args.where)
            try:
                if edges:
                    write_power_law(Path(folder) / "files", int(edges))
                    gr.read_folder(Path(folder) / "files", duplicates="last", out=Path(folder) / "table")
                rows += [child(case, fanout, folder) for fanout in (0, *args.fanouts) if fanout <= widest]
            finally:
                shutil.rmtree(folder)
    found = pd.DataFrame(rows).reindex(columns=COLUMNS)
    title = "Training LightGCN (64 dimensions, K = 3) over drawn neighbours against the whole graph"
    write("sampled", title, found.astype(object).where(found.notna(), ""), picture(found))


if __name__ == "__main__":
    main([])
