"""A hostile attack on the library, repeated: damaged files, kills, full disks, many threads.

``python -m benchmarks faults --seed 0``; ``RELIABILITY.md`` says what counts as what.
"""

from __future__ import annotations

import argparse

import pandas as pd
import torch

from benchmarks import pictures
from benchmarks.faults import asking, kills, paths, saved, storage, texts
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


def attack_all(only: str = "", counts: dict[str, int] = FULL, seed: int = 0) -> tuple[pd.DataFrame, list[str]]:
    """Make the attacks whose names contain `only`.

    Returns
    -------
    DataFrame
        what, tries, right, documented error, anything else, remarks, seconds.
    list of str
        What happened in each try of the last kind.
    """
    torch.set_num_threads(1)  # this process forks, and must have no threads then
    rows, notes = [], []
    for attack in ATTACKS:
        if only in attack.name:
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
    parser.add_argument("--quick", action="store_true", help="small numbers, as for the tests")
    parser.add_argument("--only", default="", metavar="NAME", help="attacks whose name contains this; writes no file")
    parser.add_argument("--list", action="store_true", help="print the names, and stop")
    arguments = parser.parse_args(argv)
    if arguments.list:
        print("\n".join(f"{attack.name}: {attack.what}" for attack in ATTACKS))
        return
    counts = QUICK if arguments.quick else {**FULL, "tries": arguments.tries}
    table, notes = attack_all(arguments.only, counts, arguments.seed)
    if not arguments.only and not arguments.quick:
        write("faults", f"Faults: python -m benchmarks faults --seed {arguments.seed}", table, pictures.outcomes(table))
    print("\n".join(notes))
    if notes:
        raise SystemExit(f"{len(notes)} tries ended as they must not.")
