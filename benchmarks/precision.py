"""What hops that read their tables in 16 bits cost in quality: the same trainings in float32, bfloat16 and float16.

On the CPU the tables are rounded to 16 bits and multiplied in float32, which is what a GPU computes up to the order of sums; it
saves no time here. Seconds on a device are in ``benchmarks gpu``. The test parts are read once for each row and select nothing.
"""

from __future__ import annotations

import argparse

import pandas as pd

import graphrec as gr
from benchmarks.pictures import figures_by_side
from benchmarks.record import write

STORED = {"float32": {}, "bfloat16": {"precision": "bf16"}, "float16": {"precision": "fp16"}}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks precision", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args(arguments)
    movies = gr.load_dataset("ml-100k").interactions.binarize()
    cases = {
        "ml-100k, lightgcn": (gr.split.chronological(movies, test=0.2, valid=0.1), {"epochs": 60, "lr": 5e-3}),
        "gowalla, lightgcn-fast": (gr.load_dataset("gowalla").split.without_valid(), {}),
    }
    rows = []
    for case, (split, options) in cases.items():
        for stored, precision in STORED.items():
            for seed in range(args.seeds):
                recommender = gr.preset("lightgcn-fast") if "fast" in case else gr.Recommender("lightgcn")
                recommender.fit(split.train, seed=seed, progress=False, **options, **precision)
                mean = gr.evaluate(recommender, split, metrics=["recall@20", "ndcg@20"]).mean
                rows.append({"case": case, "stored in": stored, "seed": seed, **mean})
                print(rows[-1], flush=True)
    table = (
        pd.DataFrame(rows)
        .groupby(["case", "stored in"], sort=False)
        .agg({"seed": "size", "recall@20": ["mean", "std"], "ndcg@20": ["mean", "std"]})
    )
    table.columns = ["seeds", "recall@20", "± recall", "ndcg@20", "± ndcg"]
    table = table.reset_index()
    write("precision", "Hops that read tables in 16 bits: test figures over seeds", table, figures_by_side(table))


if __name__ == "__main__":
    main([])
