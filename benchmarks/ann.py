"""The search index over items against exact search: what it finds, and what a question costs.

Models are fitted on the training part alone, and nothing is measured on held-out pairs: recall is of the exact lists. One
person is asked for at a time, as a service does, by the index and by the recommender's ranker in turn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import graphrec as gr
from benchmarks.record import RESULTS, interleaved, machine, markdown

K = 20
PEOPLE = 300
EPOCHS = {"epochs": 8, "lr": 5e-3}
FITS: dict[str, dict[str, dict[str, Any]]] = {
    "ml-100k": {"mf": EPOCHS, "lightgcn": EPOCHS, "puresvd": {}},
    "gowalla": {"mf": EPOCHS, "puresvd": {}},
}
NOTE = f"""Recall is of the exact {K} best items that a person has not seen, as a mean over people. Milliseconds are
medians over {PEOPLE} people, one asked for at a time, of the index and of exact search in turn. Exact search of a
catalogue of this size is a small product: an index is for larger ones."""


def tables() -> dict[str, gr.Interactions]:
    """What the models are fitted on."""
    small = gr.load_dataset("ml-100k").interactions.binarize()
    return {
        "ml-100k": gr.split.chronological(small, test=0.2, valid=0.1).train,
        "gowalla": gr.read_lightgcn(gr.load_dataset("gowalla").path, overlap="keep").train,
    }


def measure(data: str, train: gr.Interactions, name: str) -> dict[str, object]:
    """One model on one table."""
    rec = gr.Recommender(name).fit(train, seed=0, progress=False, **FITS[data][name])
    started = time.perf_counter()
    index = rec.to_ann()
    built = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        index.save(Path(folder) / "items.ann")
        size = (Path(folder) / "items.ann").stat().st_size
    known = np.flatnonzero(~index.without)
    some = known[np.linspace(0, len(known) - 1, min(len(known), 2_000)).astype(np.int64)]
    asked = iter(np.resize(some, 10 * PEOPLE))
    calls = {
        "index": lambda: index.top_k(np.array([next(asked)]), K),
        "exact": lambda: rec.ranker.top_k(np.array([next(asked)]), K),
    }
    seconds = interleaved(calls, rounds=PEOPLE)
    return {
        "data": data,
        "model": name,
        "items": f"{train.n_items:,}",
        "graph": "lifted" if index.graph.lifted else "plain",
        f"recall@{K}": f"{gr.ann.recall(index, rec, k=K, users=train.user_ids[some]):.4f}",
        "seconds to build": f"{built:.1f}",
        "MB": f"{size / 1e6:.1f}",
        "ms, index": f"{np.median(seconds['index']) * 1e3:.2f}",
        "ms, exact": f"{np.median(seconds['exact']) * 1e3:.2f}",
    }


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks ann", description=__doc__.splitlines()[0])
    parser.parse_args(arguments)
    rows = []
    for data, train in tables().items():
        for name in FITS[data]:
            rows.append(measure(data, train, name))
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "ann.csv", index=False)
    (RESULTS / "ann.md").write_text(f"# The search index against exact search\n\n{machine()}\n\n{NOTE}\n\n{markdown(table)}\n")


if __name__ == "__main__":
    main([])
