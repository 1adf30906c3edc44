"""``python -m benchmarks peers``: install the peers, measure them one at a time, write the tables."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

import torch

import graphrec as gr
from benchmarks.peers.publish import publish
from benchmarks.peers.registry import EPOCHS, FITS, LIBRARIES, STEPS
from benchmarks.peers.runner import Run
from graphrec.data.cache import cache_folder

__all__ = ["main"]


def split_folder(data: str, out: Path) -> tuple[str, Path]:
    """A name for the table, and a folder with train.txt and test.txt.

    MovieLens is exported: every rating counts as a pair, a random fifth of the pairs is for testing (seed 0).
    """
    if Path(data).is_dir():
        return Path(data).resolve().name, Path(data)
    found = gr.load_dataset(data)
    if found.split is not None and found.path is not None and found.path.is_dir():
        return data, found.path
    folder = out / data
    gr.write_lightgcn(found.split or gr.split.random(found.interactions, test=0.2, seed=0), folder)
    return data, folder


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks peers", description=__doc__)
    parser.add_argument("--data", default="gowalla", help="a data set's name, or a folder with train.txt and test.txt")
    parser.add_argument("--env", type=Path, default=cache_folder() / "peers", help="where the environments are made and kept")
    parser.add_argument("--out", type=Path, help="what the peers write (tables, logs); a temporary folder unless given")
    parser.add_argument("--only", nargs="+", choices=LIBRARIES, default=LIBRARIES, help="these libraries, beside graphrec")
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=("steps", "epochs", "fits"),
        default=("steps", "epochs", "fits"),
        help="measure only these",
    )
    parser.add_argument("--rounds", type=int, default=21, help="steps of each LightGCN, after three to warm up")
    parser.add_argument(
        "--turns", type=int, default=7, help="rounds of five epochs of each factorisation, after one to warm up"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--seed", type=int, default=2020)
    parser.add_argument("--limit", type=float, default=600, help="seconds that one call of a peer may take")
    parser.add_argument("--results", type=Path, help="where the tables go; benchmarks/results unless given")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> None:
    """Run the comparison."""
    args = parse(arguments)
    torch.set_num_threads(args.threads)
    chosen = {"graphrec", *args.only}
    steps = [kind for kind in STEPS if kind.package.lower() in chosen]
    epochs = [kind for kind in EPOCHS if kind.package.lower() in chosen]
    fits = [kind for kind in FITS if kind.package.lower() in chosen]
    with tempfile.TemporaryDirectory() as temporary:
        out = args.out or Path(temporary)
        name, data = split_folder(args.data, out)
        run = Run(data, args.env, out, args.threads, args.seed, args.limit)
        run.install([*steps, *epochs, *fits])
        kept = out / "records.json"
        # What an earlier run with the same --out measured stays, but for the part that is measured anew.
        records = json.loads(kept.read_text()) if kept.exists() else []
        records = [r for r in records if f"{r['kind']}s" not in args.parts]
        if "steps" in args.parts:
            records = run.steps(steps, args.rounds) + records
        if "epochs" in args.parts:
            records += run.epochs(epochs, args.turns)
        kept.write_text(json.dumps(records, indent=1))
        for kind in fits if "fits" in args.parts else ():
            records.append(run.fit(kind))
            kept.write_text(json.dumps(records, indent=1))
        # One published result per data set; Gowalla's has the plain name.
        file = "peers" if name == "gowalla" else f"peers-{name}"
        folder = {} if args.results is None else {"folder": args.results}
        print(publish(records, name, args.rounds, args.threads, file, **folder), flush=True)
