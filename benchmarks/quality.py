"""From text files to a model of a given quality on Gowalla: seconds by the wall clock, start-up included.

The recipes are fixed beforehand (the preset ``lightgcn-fast``; RP3β with its published exponents); the test part is
read once, at the end.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import pandas as pd

import graphrec as gr
from benchmarks.pictures import time_to_quality
from benchmarks.record import write

PROGRAM = """
import json, sys, graphrec as gr
name, seed, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3]
split = gr.read_lightgcn(folder, overlap="keep", cache=False).without_valid()
trained = name == "lightgcn-fast"
options = {"seed": seed, "progress": False} if trained else {}
rec = (gr.preset(name) if trained else gr.Recommender(name)).fit(split.train, **options)
print(json.dumps(gr.evaluate(rec, split.test, metrics=["recall@20", "ndcg@20"]).mean))
"""


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args(arguments)
    folder = str(gr.load_dataset("gowalla").path)  # here, because it reads the whole data set
    rows = []
    for name, seeds in (("rp3beta", 3), ("lightgcn-fast", args.seeds)):
        for seed in range(seeds):
            command = [sys.executable, "-c", PROGRAM, name, str(seed), folder]
            started = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"model": name, "seed": seed, "seconds": time.perf_counter() - started, **json.loads(done.stdout)})
            print(rows[-1], flush=True)
    table = pd.DataFrame(rows)
    write("quality", "Gowalla: from text files to test figures", table, time_to_quality(table))


if __name__ == "__main__":
    main([])
