"""Every attack in turn, a row of the table each."""

from __future__ import annotations

import argparse

import pandas as pd
import torch
from matplotlib.figure import Figure

from benchmarks.faults import asking, kills, paths, saved, searches, storage, texts
from benchmarks.faults.subjects import answers, fitted
from benchmarks.faults.tries import DOCUMENTED, ELSE, RIGHT, Attack, Tally, run
from benchmarks.record import write

__all__ = ["ATTACKS", "main"]

ATTACKS: list[Attack] = [
    *texts.ATTACKS,
    *saved.ATTACKS,
    *kills.ATTACKS,
    *storage.ATTACKS,
    *searches.ATTACKS,
    *asking.ATTACKS,
    *paths.ATTACKS,
]


def main(argv: list[str]) -> None:
    """Attack, and write ``results/faults.md`` and ``.csv``; exit with 1 if anything else than right or an error came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("--tries", type=int, default=2000, help="corruptions of each file and forgeries of each run")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=24, help="of attacks on disks, threads and paths")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=[""], metavar="NAME", help="attacks whose name has one of these in it")
    parser.add_argument("--quick", action="store_true", help="a few tries of each, and no file is written")
    arguments = parser.parse_args(argv)
    counts = {"tries": arguments.tries, "kills": arguments.kills, "rounds": arguments.rounds, "once": 1}
    if arguments.quick:
        counts = {"tries": 20, "kills": 2, "rounds": 4, "once": 1}
    torch.set_num_threads(1)  # this process forks, and must have no threads then
    if not torch.cuda.is_available():  # nor, with a device, have used autograd
        answers(fitted("lightgcn"))  # what is imported and compiled now is there in each fork
    rows, bad = [], 0
    for attack in ATTACKS:
        if any(name in attack.name for name in arguments.only):
            tally = run(attack, counts[attack.count], arguments.seed)
            rows.append(_row(attack, tally))
            bad += tally.outcomes[ELSE]
            print(rows[-1], *tally.notes[:5], sep="\n", flush=True)
    table = pd.DataFrame(rows)
    if not arguments.quick and arguments.only == [""]:
        write("faults", "Attacks, and what became of each try", table, _picture(table))
    raise SystemExit(1 if bad else 0)


def _row(attack: Attack, tally: Tally) -> dict[str, object]:
    outcomes = {name: tally.outcomes[name] for name in (RIGHT, DOCUMENTED, ELSE)}
    row: dict[str, object] = {"attack": attack.what, "tries": sum(outcomes.values()), **outcomes}
    return {**row, "remarks": tally.skipped or "; ".join(f"{note}: {count}" for note, count in tally.remarks.most_common(3))}


def _picture(table: pd.DataFrame) -> Figure:
    figure = Figure(figsize=(9, 0.28 * len(table) + 1), layout="constrained")
    axes = figure.subplots()
    share = table[[RIGHT, DOCUMENTED, ELSE]].div(table["tries"].clip(lower=1), axis=0)
    left = pd.Series(0.0, index=table.index)
    for name, colour in ((RIGHT, "#4c9f70"), (DOCUMENTED, "#e0b040"), (ELSE, "#c03030")):
        axes.barh(table["attack"], share[name], left=left, color=colour, label=name)
        left += share[name]
    axes.invert_yaxis()
    axes.set_xlabel("share of tries")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return figure
