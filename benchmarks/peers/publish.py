"""Tables and a plot into ``benchmarks/results/``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.peers import tables
from benchmarks.record import RESULTS, machine

__all__ = ["markdown", "plot", "publish"]

Record = dict[str, Any]
INTRODUCTION = """\
{machine}

Data: {data}. Every library read the same train.txt and test.txt and wrote its tables (or its lists) to files; graphrec's
evaluator ranked them: all items but for training pairs, users with a test item, recall@20 = hits / |test items|, ndcg@20
with the ideal of min(20, |test items|). Hyper-parameters are defaults or the paper's, nothing was tuned: the quality
columns compare settings, not what a library could reach. Seconds are of one run each, steps the medians of
{rounds} rounds in which every library takes one step in turn, in a process of its own, with {threads} threads."""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value).replace("|", "\\|")


def markdown(table: pd.DataFrame) -> str:
    """A table for a Markdown file."""
    header = "| " + " | ".join(map(str, table.columns)) + " |\n|" + " --- |" * len(table.columns)
    return "\n".join([header, *("| " + " | ".join(map(_cell, row)) + " |" for row in table.to_numpy(object))])


def publish(records: list[Record], data: str, rounds: int, threads: int, name: str = "peers", folder: Path = RESULTS) -> str:
    """Write ``name.md``, ``name.csv`` and ``name.png``; returns the Markdown text."""
    parts = {
        "LightGCN's training step, K = 3, 64 dimensions, batches of 2,048": tables.step_table(records),
        "An epoch of BPR, 64 factors, a few at a time in turn": tables.epoch_table(records),
        "Models fitted as a whole": tables.fit_table(records),
        "Do the evaluators agree?": tables.agreement_table(records),
        "What did not run": tables.failures_table(records),
    }
    introduction = INTRODUCTION.format(machine=machine(), data=data, rounds=rounds, threads=threads)
    text = [f"# graphrec beside its peers, {data}", introduction]
    text += [f"## {title}\n\n{markdown(table)}" for title, table in parts.items() if len(table)]
    text.append("## What is not comparable, and versions\n\n" + "\n".join(f"- {line}" for line in tables.notes(records)))
    folder.mkdir(parents=True, exist_ok=True)
    joined = "\n\n".join(text) + "\n"
    (folder / f"{name}.md").write_text(joined)
    tables.tidy(parts).to_csv(folder / f"{name}.csv", index=False)
    plot(tables.step_table(records), tables.fit_table(records), folder / f"{name}.png", data)
    return joined


def plot(steps: pd.DataFrame, fits: pd.DataFrame, path: Path, data: str) -> None:
    """Bars: milliseconds a step with the ratio to graphrec's, and recall@20 with the seconds of fitting."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 1.6 + 0.4 * max(len(steps), len(fits))), layout="constrained")
    if len(steps):
        values = steps["step median, ms"].to_numpy(float)
        bars = left.barh(steps["library"], values, color=_colours(steps))
        labels = [f"{v:.0f} ms, {r:.1f} ×" for v, r in zip(values, steps["over graphrec's"], strict=True)]
        left.bar_label(bars, labels, padding=3)
        left.set_title(f"LightGCN step, K = 3, 64 dimensions, batch 2,048\n{data}")
        left.set(xlabel="ms, median", xlim=(0, values.max() * 1.4))
        left.invert_yaxis()
    if len(fits):
        values = fits["recall@20"].to_numpy(float)
        bars = right.barh(fits["library"] + ", " + fits["model"], values, color=_colours(fits))
        right.bar_label(bars, [f"{v:.4f}, fit {s:.1f} s" for v, s in zip(values, fits["fit, s"], strict=True)], padding=3)
        right.set_title("recall@20 by graphrec's evaluator\n(defaults; not tuned)")
        right.set(xlabel="recall@20", xlim=(0, values.max() * 1.7))
        right.invert_yaxis()
    for axis in (left, right):
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _colours(table: pd.DataFrame) -> list[str]:
    return ["#c8553d" if name.startswith("graphrec") else "#5b7b9a" for name in table["library"]]
