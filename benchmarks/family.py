"""Every model that ranks, with its own defaults, on small data: epochs chosen on validation, the test part read once.

Per person 70/10/20 % in order of time, every pair liked. A trained model stops after ten looks at validation without a gain,
after 200 epochs, or after a minute of the processor (the column "stopped by" says which); then everybody is fitted anew on
training and validation together. Nothing else is chosen: the table says what somebody gets who chooses nothing, not what a
model could reach. Rows of models that are not run stay as they were.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

import graphrec as gr
from benchmarks.pictures import with_intervals
from benchmarks.record import RESULTS, write
from graphrec.losses import RATING_ERRORS
from graphrec.models import MODELS
from graphrec.report.style import WIDTH, new_figure
from graphrec.training.callbacks import Callback, TrainingState

DATA = ("ml-100k", "ml-latest-small")
EPOCHS, PATIENCE, SECONDS = 200, 10, 60.0
METRICS = ["ndcg@20", "recall@20"]


def names() -> list[str]:
    """Models that are there to rank, and not to predict ratings."""
    rated = {name for name, kind in MODELS.items() if kind.needs_training and kind.defaults.get("loss") in RATING_ERRORS}
    return [name for name in MODELS if name not in {*rated, "bias"}]


class _Clock(Callback):
    """Ends a training that has had its time."""

    def __init__(self) -> None:
        self.started, self.ran_out = time.process_time(), False

    def on_epoch_end(self, state: TrainingState) -> None:
        if time.process_time() - self.started > SECONDS:
            state.stop = self.ran_out = True


def row_of(name: str, data: str) -> dict[str, Any]:
    """One model on one data set."""
    interactions = gr.load_dataset(data).interactions
    table = interactions if interactions.ratings is None else interactions.binarize()
    split = gr.split.chronological(table, test=0.2, valid=0.1)
    clock, trained = _Clock(), MODELS[name].needs_training
    options: dict[str, Any] = {"seed": 0, "progress": False} if trained else {}
    looked = {"epochs": EPOCHS, "patience": PATIENCE, "metric": "ndcg@20", "callbacks": [clock]} if trained else {}
    started = time.process_time()
    rec = gr.Recommender(name).fit(split.train, valid=split.valid if trained else None, **looked, **options)
    if trained:
        held = float(rec.history["ndcg@20"].max())
    else:
        held = float(gr.evaluate(rec, split.valid, metrics=METRICS, filter_seen=True).mean["ndcg@20"])
    best = rec.best_epoch
    ended = "" if not trained else "the clock" if clock.ran_out else "patience" if len(rec.history) < EPOCHS else "epochs"
    more = {"epochs": best} if trained else {}
    again = gr.Recommender(name).fit(split.train_and_valid, **more, **options)
    seconds = time.process_time() - started
    report = gr.evaluate(again, split, metrics=METRICS)
    low, high = report.interval().loc["ndcg@20", ["low", "high"]]
    return {
        "data": data,
        "model": name,
        "valid ndcg@20": held,
        "test ndcg@20": report.mean["ndcg@20"],
        "low": low,
        "high": high,
        "test recall@20": report.mean["recall@20"],
        "epochs": best if trained else 0,
        "stopped by": ended,
        "processor, s": seconds,
    }


def picture(table: pd.DataFrame) -> Figure:
    """Figures with their intervals, the best on top, a column for each data set."""
    sets = [data for data in DATA if (table["data"] == data).any()]
    figure = new_figure(WIDTH, 0.19 * int(table.groupby("data").size().max()) + 1.0)
    for ax, data in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        with_intervals(ax, table[table["data"] == data], data)
    return figure


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks family", description=__doc__)
    parser.add_argument("models", nargs="*", help="all unless named")
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    kept = RESULTS / "family.csv"
    rows = {} if not kept.exists() else {(r["data"], r["model"]): r for r in pd.read_csv(kept).to_dict("records")}
    for data in args.data:
        for name in args.models or names():
            if name not in names():
                parser.error(f"{name!r} is no model that ranks; there are {', '.join(names())}")
            rows[data, name] = row_of(name, data)
            table = pd.DataFrame(list(rows.values())).sort_values(["data", "test ndcg@20"], ascending=[True, False])
            write("family", "Every model with its own defaults, epochs chosen on validation", table, picture(table))


if __name__ == "__main__":
    main([])
