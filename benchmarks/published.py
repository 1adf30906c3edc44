"""Presets with a published Gowalla figure: the paper's beside ours, the test part read once each.

The settings are the papers', trained on all of train.txt; most of these settings were selected on the test part by
their authors. Without names every solved model but EASE (7 GB, ten minutes of one core) is run. Rows of presets that are not
run stay as they were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time

import pandas as pd

from benchmarks.record import RESULTS, machine, markdown
from graphrec.models import MODELS
from graphrec.presets import published_figures, read_preset

DATA = "gowalla"
METRICS = ("recall@20", "ndcg@20")
LARGE = ("ease-2019",)
PROGRAM = """
import json, sys, graphrec as gr
split = gr.read_lightgcn(gr.load_dataset("gowalla").path, overlap="keep", cache=False).without_valid()
rec = gr.preset(sys.argv[1], data="gowalla")
rec.fit(split.train, seed=0, progress=False)
print(json.dumps(gr.evaluate(rec, split, metrics=["recall@20", "ndcg@20"]).mean))
"""
NOTE = """The settings are those that the sources name for Gowalla; a run of this benchmark reads
the test part once for each row (they were run two or three times, and nothing was chosen by it). Most sources
selected them on this test part, which is no uniform sample: it favours popular items, and what favours them. Seconds are
from text files to figures, by the wall clock, start-up included. ease-2019 ran with one thread beside much other work: of its
seconds 621 were its own, and it took 7.1 GB at its peak, of which its weights are 6.7. Trained presets ran with one thread
beside other work, those of LightGCN with the losses of BSL and SL by the same calls with a checkpoint, and a kill on the way;
mf-bsl-2024, gcmc-2017, pinsage-2018 and cmn-2018 on another machine than the rest (Intel Xeon)."""


def with_figures(trained: bool = False) -> list[str]:
    """Presets with a figure on Gowalla: of solved models, or of trained ones."""
    from graphrec.presets import preset_names

    named = [name for name in preset_names() if published_figures(name).get(DATA)]
    return [name for name in named if MODELS[read_preset(name)["model"]["name"]].needs_training == trained]


def run(name: str) -> dict[str, object]:
    """One preset in a process of its own."""
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", PROGRAM, name], stdout=subprocess.PIPE, text=True, check=True)
    seconds = time.perf_counter() - started
    ours, figures, tables = json.loads(done.stdout), published_figures(name)[DATA], read_preset(name)
    row: dict[str, object] = {"preset": name, "model": tables["model"]["name"]}
    for metric in METRICS:
        row |= {f"{metric} published": _four(figures.get(metric)), f"{metric} ours": _four(ours[metric])}
    return {**row, "seconds": f"{seconds:.0f}", "source": tables["source"]}


def _four(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks published", description=__doc__)
    known = [*with_figures(), *with_figures(trained=True)]
    parser.add_argument("presets", nargs="*", help=f"of {', '.join(known)}")
    names = parser.parse_args(arguments).presets or [name for name in with_figures() if name not in LARGE]
    for name in names:
        if name not in known:
            parser.error(f"{name!r} is no preset with a published figure on {DATA}; there are {', '.join(known)}")
    kept = RESULTS / "published.csv"
    rows = {} if not kept.exists() else {row["preset"]: row for row in pd.read_csv(kept, dtype=str).to_dict("records")}
    for name in names:
        rows[name] = run(name)
        print(rows[name], flush=True)
        table = pd.DataFrame([rows[one] for one in sorted(rows)])
        table.to_csv(kept, index=False)
        text = f"# Gowalla: published settings, published figures and ours\n\n{machine()}\n\n{NOTE}\n\n{markdown(table)}\n"
        (RESULTS / "published.md").write_text(text)


if __name__ == "__main__":
    main([])
