"""What a step of LightGCN costs beyond one machine: formulas, constants from ``results/scale.csv``, tables in ``SCALE.md``.

``python -m benchmarks cost_model`` puts the tables between their marks in SCALE.md; the words around them explain the formulas.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.record import RESULTS, markdown
from benchmarks.scale import NARROW, STEP, WIDE, WIDE_STEP

PAGE = Path(__file__).parent.parent / "SCALE.md"
DIM, FLOAT, HOPS = 64, 4, 3
ROW = DIM * FLOAT  # bytes of an embedding
LINE = 64  # bytes that memory gives at least
NODES_PER_EDGE = 1 / 27 + 1 / 20
TABLES = 5  # parameters, Adam's two, and two buffers of hops and gradients
EDGE = 20  # bytes: mapped rows of users (4) and of all nodes (8), and a weight in either direction (8)
STEPS = 1000  # in an epoch
FANOUTS = (15, 10, 5)
GIB = 2**30


@dataclass(frozen=True)
class Machine:
    """What is assumed of a machine: GiB of memory, its speed against the one measured, bytes a second of its network."""

    memory: float = 480.0
    speed: float = 16.0
    network: float = 12.5e9


@dataclass(frozen=True)
class Constants:
    """What is measured: bytes a second of a hop, seconds and bytes of a pair, and bytes of a process that does nothing yet."""

    bandwidth: float
    pair_seconds: float
    pair_bytes: float
    base: float


def whole_hops(field: float = 1.0) -> float:
    """Hops over all edges in a step: all but the one next to the loss, there and back, of which two see the field alone."""
    return 2 * (HOPS - 2) + 2 * field


def hop_bytes(edges: float, nodes: float, row: float = ROW) -> float:
    """Of a whole hop: a row, an index and a weight for each edge in either direction; the result is cleared and written."""
    return 2 * edges * (max(row, LINE) + 8) + 2 * nodes * row


def step_bytes(edges: float, nodes: float, field: float = 1.0, row: float = ROW) -> float:
    """Of a step without the batch's own rows: hops, and Adam's four tables read and three written."""
    return whole_hops(field) * hop_bytes(edges, nodes, row) + 7 * nodes * row


def memory(edges: float, nodes: float, pairs: float, c: Constants, parts: int = 1) -> float:
    """Bytes of a process with a share of the columns and the whole graph."""
    return TABLES * nodes * ROW / parts + EDGE * edges + pairs * c.pair_bytes / parts + c.base


def calibrated(measured: pd.DataFrame) -> Constants:
    """Constants that fit the steps of the two largest sizes best by their relative error: small graphs lie in the caches."""
    large = np.unique(measured["edges"])[-2:]
    steps = measured[measured["stage"].isin([STEP, WIDE_STEP]) & measured["edges"].isin(large)]
    pairs = np.where(steps["stage"] == STEP, NARROW, WIDE)
    moved = np.array([step_bytes(*row) for row in steps[["edges", "nodes", "field"]].to_numpy(float)])
    seconds = steps["seconds"].to_numpy(float)
    per_byte, per_pair = np.linalg.lstsq(np.stack([moved, pairs], 1) / seconds[:, None], np.ones(len(steps)), rcond=None)[0]
    peaks = measured.pivot_table(index="edges", columns="stage", values="peak_gib") * GIB
    pair_bytes = float((peaks[WIDE_STEP] - peaks[STEP]).median()) / (WIDE - NARROW)
    smallest = measured[measured["stage"] == STEP].iloc[0]
    nothing = Constants(1 / per_byte, max(per_pair, 0.0), pair_bytes, 0.0)
    base = smallest["peak_gib"] * GIB - memory(smallest["edges"], smallest["nodes"], NARROW, nothing)
    return Constants(nothing.bandwidth, nothing.pair_seconds, nothing.pair_bytes, float(base))


def degrees(per_node: float, power: float, points: int = 100_000) -> np.ndarray:
    """Degrees of the benchmark's graphs: the density of ``n · u^power`` at evenly spaced ranks."""
    ranks = (np.arange(points) + 0.5) / points
    return per_node / power * ranks ** (1 / power - 1)


def needed_elsewhere(parts: int) -> float:
    """Share of all nodes that a process needs from others, if nodes are dealt out at random and rows stay with their nodes."""
    shares = []
    for per_node, power in ((27, 1.6), (20, 2.2)):
        met = 1 - (1 - 1 / parts) ** degrees(per_node, power)
        shares.append((1 / per_node, float(met.mean())))
    share = sum(weight * met for weight, met in shares) / sum(weight for weight, _ in shares)
    return share * (parts - 1) / parts


def sampled_rows() -> int:
    """Rows that a seed node of a neighbour-sampled batch brings along, itself among them."""
    return 1 + int(np.cumprod(FANOUTS).sum())


# ---- ways to spread a step ------------------------------------------------------------------------


def one_process(edges: float, pairs: float, c: Constants, m: Machine) -> dict[str, float]:
    nodes = edges * NODES_PER_EDGE
    seconds = (step_bytes(edges, nodes) / c.bandwidth + pairs * c.pair_seconds) / m.speed
    return {"processes": 1, "GiB each": memory(edges, nodes, pairs, c) / GIB, "GB sent a step": 0.0, "seconds a step": seconds}


def columns(edges: float, pairs: float, c: Constants, m: Machine, parts: int) -> dict[str, float]:
    """Every process has the whole graph and a slice of the dimensions; a ring adds up three numbers of each pair."""
    nodes = edges * NODES_PER_EDGE
    sent = 3 * FLOAT * pairs * 2 * (parts - 1) / parts
    seconds = (step_bytes(edges, nodes, row=ROW / parts) / c.bandwidth + pairs * c.pair_seconds / parts) / m.speed
    return {
        "processes": parts,
        "GiB each": memory(edges, nodes, pairs, c, parts) / GIB,
        "GB sent a step": sent / 1e9,
        "seconds a step": seconds + sent / m.network,
    }


def rows(edges: float, pairs: float, c: Constants, m: Machine, parts: int) -> dict[str, float]:
    """Every process has a share of the nodes with their edges, and fetches the rows of their neighbours for each hop."""
    nodes = edges * NODES_PER_EDGE
    halo = needed_elsewhere(parts) * nodes * ROW
    sent = whole_hops() * halo
    held = TABLES * nodes * ROW / parts + halo + EDGE * edges / parts + pairs / parts * c.pair_bytes + c.base
    seconds = (step_bytes(edges, nodes) / c.bandwidth + pairs * c.pair_seconds) / parts / m.speed
    return {
        "processes": parts,
        "GiB each": held / GIB,
        "GB sent a step": sent / 1e9,
        "seconds a step": seconds + sent / m.network,
    }


def sampling(edges: float, pairs: float, c: Constants, m: Machine, parts: int) -> dict[str, float]:
    """Neighbours are sampled for the three nodes of each pair; the graph and three tables are spread over the processes."""
    nodes = edges * NODES_PER_EDGE
    gathered = 3 * pairs * sampled_rows() / parts
    sent = 2 * gathered * ROW * (parts - 1) / parts  # rows there, gradients back; at most, as if no node came up twice
    seconds = (2 * gathered * (ROW + 8) / c.bandwidth + pairs / parts * c.pair_seconds) / m.speed
    held = 3 * nodes * ROW / parts + EDGE * edges / parts + 2 * min(gathered, nodes) * ROW + c.base
    return {
        "processes": parts,
        "GiB each": held / GIB,
        "GB sent a step": sent / 1e9,
        "seconds a step": seconds + sent / m.network,
    }


# ---- the tables -----------------------------------------------------------------------------------


def constants_table(c: Constants, m: Machine, measured: pd.DataFrame) -> str:
    told = [
        ("hops and Adam, effective", f"{c.bandwidth / 1e9:.2f} GB/s", "fit"),
        ("a pair of the batch", f"{c.pair_seconds * 1e6:.1f} µs, {c.pair_bytes / 1e3:.1f} kB", "fit"),
        ("a process before its tables", f"{c.base / GIB:.2f} GiB", "fit"),
        ("largest size measured", f"{measured['edges'].max():,.0f} edges", "`benchmarks/results/scale.csv`"),
        ("a server against the machine measured", f"{m.speed:g} ×", "assumed"),
        ("memory of a server that can be used", f"{m.memory:g} GiB", "assumed"),
        ("network of a server", f"{m.network / 1e9:g} GB/s", "assumed"),
        ("steps an epoch", f"{STEPS:,}", "assumed"),
    ]
    return markdown(pd.DataFrame(told, columns=["constant", "value", "from"]))


def check_table(measured: pd.DataFrame, c: Constants) -> str:
    """The model beside what was measured."""
    found = []
    for row in measured[measured["stage"].isin([STEP, WIDE_STEP])].itertuples():
        pairs = NARROW if row.stage == STEP else WIDE
        found.append(
            {
                "edges": f"{row.edges:,}",
                "stage": row.stage,
                "field": float(row.field),
                "GB a step": step_bytes(row.edges, row.nodes, row.field) / 1e9,
                "seconds": float(row.seconds),
                "by the model": step_bytes(row.edges, row.nodes, row.field) / c.bandwidth + pairs * c.pair_seconds,
                "peak GiB": float(row.peak_gib),
                "by the model ": memory(row.edges, row.nodes, pairs, c) / GIB,
            }
        )
    return markdown(pd.DataFrame(found))


def ways(edges: float, c: Constants, m: Machine) -> Iterator[dict[str, object]]:
    pairs = edges / STEPS
    found = [("one process", one_process(edges, pairs, c, m))]
    found += [("columns", columns(edges, pairs, c, m, parts)) for parts in (2, 4, 8)]
    found += [("rows", rows(edges, pairs, c, m, parts)) for parts in (4, 16)]
    found += [("sampling", sampling(edges, pairs, c, m, parts)) for parts in (4, 16)]
    for name, figures in found:
        yield {
            "edges": f"{edges:.0e}".replace("e+", "e"),
            "way": name,
            **{key: float(value) if key != "processes" else int(value) for key, value in figures.items()},
            "hours an epoch": figures["seconds a step"] * STEPS / 3600,
            "fits": "yes" if figures["GiB each"] <= m.memory else "no",
        }


def needs_table(c: Constants, m: Machine) -> str:
    return markdown(pd.DataFrame([row for edges in (1e8, 1e9, 1e10) for row in ways(edges, c, m)]))


def crossings_table(c: Constants, m: Machine) -> str:
    """Where one way begins to cost less than another, or stops to fit."""
    per_edge = memory(1.0, NODES_PER_EDGE, 1 / STEPS, Constants(1, 0, c.pair_bytes, 0))
    epoch = (whole_hops() * hop_bytes(1, NODES_PER_EDGE) + 7 * NODES_PER_EDGE * ROW) / c.bandwidth
    steps = 2 * 3 * sampled_rows() * (ROW + 8) / c.bandwidth / epoch
    tables = TABLES * NODES_PER_EDGE * ROW
    told = [
        ("one process is too small for a server from", f"{m.memory * GIB / per_edge:.2g} edges"),
        ("columns: the graph weighs as much as the slice of the tables at", f"{tables / EDGE:.1f} processes"),
        ("columns: a slice is narrower than a cache line beyond", f"{ROW / LINE:.0f} processes"),
        ("columns: whatever their number, too small for a server from", f"{m.memory * GIB / EDGE:.2g} edges"),
        ("a hop's rows cross the network for as long as they take to compute at", f"{_rows_balance(c, m)} processes by rows"),
        ("sampling costs less than whole hops with more than", f"{steps:,.0f} steps an epoch"),
        ("positions in the graph are numbers of 32 bits up to", f"{2**30:.3g} edges (this code)"),
    ]
    return markdown(pd.DataFrame(told, columns=["crossing", "at"]))


def _rows_balance(c: Constants, m: Machine) -> str:
    for parts in range(2, 129):
        compute = hop_bytes(1, NODES_PER_EDGE) / parts / c.bandwidth / m.speed
        if needed_elsewhere(parts) * NODES_PER_EDGE * ROW / m.network > compute:
            return str(parts)
    return "more than 128"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks cost_model", description=__doc__)
    parser.add_argument("--memory", type=float, default=Machine.memory, help="GiB of a server that can be used")
    parser.add_argument("--speed", type=float, default=Machine.speed, help="of a server against the machine measured")
    parser.add_argument("--network", type=float, default=Machine.network, help="bytes a second")
    args = parser.parse_args(arguments)
    machine, measured = Machine(args.memory, args.speed, args.network), pd.read_csv(RESULTS / "scale.csv")
    c = calibrated(measured)
    tables = {
        "constants": constants_table(c, machine, measured),
        "check": check_table(measured, c),
        "needs": needs_table(c, machine),
        "crossings": crossings_table(c, machine),
    }
    page = PAGE.read_text()
    for name, table in tables.items():
        print(f"## {name}\n\n{table}\n", flush=True)
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, count = mark.subn(lambda found, table=table: f"{found[1]}\n{table}\n\n{found[2]}", page)
        assert count == 1, f"SCALE.md has no place for the table {name}"
    PAGE.write_text(page)


if __name__ == "__main__":
    main([])
