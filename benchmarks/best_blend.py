"""The best blend of Gowalla, whatever it takes: the test part is read once, at the end, by the blend alone.

Members are recipes that were chosen on validation before, whose settings are named below, or published ones whose rate and
epochs were. Each is fitted on the training part; the weights are chosen on validation; each is fitted anew on training and
validation together and keeps its weight. Fitted members lie in ``--runs`` and are not fitted twice.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

import graphrec as gr
from benchmarks.record import write
from graphrec.models import MODELS
from graphrec.report.style import COLOURS, WIDTH, new_figure, tidy

METRICS = ["ndcg@20", "recall@20"]
MEMBERS: dict[str, Callable[[], gr.Recommender]] = {
    "lightgcn-best": lambda: gr.preset("lightgcn-best"),
    "mf-bsl-2024": lambda: gr.preset("mf-bsl-2024", data="gowalla"),
    # As the search of 15 minutes chose them, see quality-gowalla.md.
    "slim": lambda: gr.Recommender("slim", l2=35.0, l1=0.0714),
    "bspm": lambda: gr.Recommender("bspm", rank=448, ideal=0.14),
    "ease": lambda: gr.Recommender("ease", l2=35.7, neighbours=200),
    "rp3beta": lambda: gr.Recommender("rp3beta"),
}


def fitted(name: str, what: str, known: gr.Interactions, runs: Path) -> gr.Recommender:
    """A member fitted on `known`, or as it lies in the folder."""
    place = runs / f"{name}-{what}"
    if not (place / "run.json").is_file():
        member = MEMBERS[name]()
        seeded = {"seed": 0, "progress": False} if MODELS[member.name].needs_training else {}
        member.fit(known, **seeded).save(place)
    return gr.load(place)


def picture(table: pd.DataFrame) -> Figure:
    """What the members reach alone on validation, and what they reach together."""
    figure = new_figure(WIDTH, 0.22 * len(table) + 1.0)
    axes = figure.add_subplot()
    ordered = table.sort_values("valid ndcg@20")
    axes.barh(ordered["model"], ordered["valid ndcg@20"], color=[COLOURS[int(m == "blend")] for m in ordered["model"]])
    tidy(axes, "Each alone, and blended", "NDCG@20 on validation", "")
    return figure


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks best_blend", description=__doc__)
    parser.add_argument("--runs", type=Path, required=True, help="where fitted members lie")
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    split = gr.read_lightgcn(gr.load_dataset("gowalla").path, overlap="keep", cache=False)
    members = [fitted(name, "train", split.train, args.runs) for name in MEMBERS]
    alone = [gr.evaluate(member, split.valid, metrics=METRICS).mean for member in members]
    for name, figures in zip(MEMBERS, alone, strict=True):
        print(name, figures, flush=True)
    blend = gr.Blend(members).fit(split.train, split.valid, metric="ndcg@20")
    chosen = gr.evaluate(blend, split.valid, metrics=METRICS).mean
    weights = blend.weights
    print("blend", dict(zip(MEMBERS, weights, strict=True)), chosen, flush=True)
    del members, blend
    whole = [fitted(name, "whole", split.train_and_valid, args.runs) for name in MEMBERS]
    report = gr.evaluate(gr.Blend(whole, weights=weights).fit(split.train_and_valid), split, metrics=METRICS)
    rows = [
        {"model": name, "weight": weight, **{f"valid {metric}": figures[metric] for metric in METRICS}}
        for name, weight, figures in zip(MEMBERS, weights, alone, strict=True)
    ]
    told = report.interval().loc["ndcg@20", ["low", "high"]]
    figures = {f"test {metric}": report.mean[metric] for metric in METRICS}
    rows.append(
        {"model": "blend", **{f"valid {m}": chosen[m] for m in METRICS}, **figures, "low": told["low"], "high": told["high"]}
    )
    table = pd.DataFrame(rows)
    shown = table.astype(object).where(table.notna(), "–")
    write("best_blend", "Gowalla: the best blend, weights chosen on validation", shown, picture(table))


if __name__ == "__main__":
    main([])
