"""A hostile attack on the library, repeated: damaged files, kills, full disks, many threads.

``python -m benchmarks faults --seed 0``; ``RELIABILITY.md`` says what counts as what.
"""

from __future__ import annotations

import argparse

import pandas as pd
import torch

from benchmarks import pictures
from benchmarks.faults import asking, kills, paths, saved, storage, texts
from benchmarks.faults.subjects import answers, fitted
from benchmarks.faults.tries import DOCUMENTED, ELSE, RIGHT, Attack, Tally, run
from benchmarks.record import write

__all__ = ["ATTACKS", "attack_all", "main"]

ATTACKS: list[Attack] = [
    *texts.ATTACKS,
    *saved.ATTACKS,
    *kills.ATTACKS,
    *storage.ATTACKS,
    *paths.ATTACKS,
    *asking.ATTACKS,
]
FULL = {"tries": 2000, "kills": 20, "rounds": 40, "once": 1}
QUICK = {"tries": 20, "kills": 2, "rounds": 4, "once": 1}
# One of each kind
QUICK_NAMES = ("csv", "lightgcn-text", "ml-100k-zip", "run-hybrid", "forged-lightgcn", "forged-hybrid", "checkpoint")
QUICK_NAMES += ("kill-saving", "kill-training", "together", "full-save", "read-only", "paths", "in-the-way", "threads-multvae")


def attack_all(chosen: list[Attack], counts: dict[str, int], seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Make attacks.

    Parameters
    ----------
    chosen : list of Attack
    counts : dict of str to int
        How many tries each kind of attack gets.
    seed : int

    Returns
    -------
    DataFrame
        what, tries, right, documented error, anything else, remarks, seconds.
    list of str
        What happened in each try of the last kind.
    """
    torch.set_num_threads(1)  # this process forks, and must have no threads then
    if not torch.cuda.is_available():  # and must not have used autograd on a machine with devices
        answers(fitted("lightgcn"))  # what is compiled and imported now is there in each fork
    rows, notes = [], []
    for attack in chosen:
        tally = run(attack, counts[attack.count], seed)
        rows.append(_row(attack, tally))
        notes += [f"{attack.name}, {note}" for note in tally.notes]
        print(*rows[-1].values(), sep=" | ", flush=True)
    return pd.DataFrame(rows), notes


def _row(attack: Attack, tally: Tally) -> dict[str, object]:
    remarks = "; ".join(f"{how} ({n} ×)" if n > 1 else how for how, n in sorted(tally.remarks.items()))
    return {
        "what": attack.what,
        "tries": sum(tally.outcomes.values()),
        **{outcome: tally.outcomes[outcome] for outcome in (RIGHT, DOCUMENTED, ELSE)},
        "remarks": f"not tried: {tally.skipped}" if tally.skipped else remarks,
        "seconds": round(tally.seconds, 1),
    }


def main(argv: list[str]) -> None:
    """Make the attacks and write ``results/faults.md``, ``.csv`` and ``.png``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks faults", description=__doc__)
    parser.add_argument("--tries", type=int, default=FULL["tries"], help="damaged files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="small numbers and one attack of each kind")
    parser.add_argument("--only", default="", metavar="NAME", help="attacks whose name contains this; writes no file")
    parser.add_argument("--list", action="store_true", help="print the names, and stop")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(f"{attack.name}: {attack.what}" for attack in ATTACKS))
        return
    counts = QUICK if arguments.quick else {**FULL, "tries": arguments.tries}
    chosen = [
        a for a in ATTACKS if arguments.only in a.name and (arguments.only or not arguments.quick or a.name in QUICK_NAMES)
    ]
    table, notes = attack_all(chosen, counts, arguments.seed)
    if chosen == ATTACKS and not arguments.quick:
        command = f"python -m benchmarks faults --tries {arguments.tries} --seed {arguments.seed}"
        write("faults", f"Faults: `{command}`", table, pictures.outcomes(table))
    print("\n".join(notes))
    if notes:
        raise SystemExit(f"{len(notes)} tries ended as they must not.")
