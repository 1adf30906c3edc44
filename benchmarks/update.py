"""What does an update cost against training anew? Quality and seconds, for the day after.

Each model is fitted on the past; then it takes in tomorrow by ``Recommender.update``, and another is trained anew on both with
the options of the first fit. Both are ranked on the same pairs of the day after; of the difference, person by person, the table
has the 95 % interval. One seed.

MovieLens-100K in the order of its times: the first 80 % are what a recommender was fitted on, the next 10 % are tomorrow, the
last 10 % are what is ranked for, of people and things that are known by then. Gowalla's public split has no times: its rows are
put in an order drawn at random, cut in the same way (new people and things are then rare, so a twentieth of either is held
back to the second part). The number of epochs of an update is a convention and was not chosen on this table;
``--cut 0.6 --epochs N --no-gowalla`` is where to choose it.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

import graphrec as gr
from benchmarks.record import write
from graphrec.report.style import COLOURS, WIDTH, new_figure, plain_legend, tidy

FIT: dict[str, dict[str, object]] = {
    "lightgcn": {"epochs": 30, "lr": 5e-3},
    "mf": {"epochs": 40},
    "ngcf": {"epochs": 20, "lr": 2e-3},
    "neumf": {},
    "ease": {},
    "itemknn": {},
}
GOWALLA: dict[str, dict[str, object]] = {"mf": {"epochs": 10}}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks update", description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="*", default=list(FIT))
    parser.add_argument("--cut", type=float, default=0.8, help="share of the rows before the update")
    parser.add_argument("--epochs", type=int, help="of the update; its own default unless given")
    parser.add_argument("--no-gowalla", action="store_true")
    args = parser.parse_args(arguments)
    own = {} if args.epochs is None else {"epochs": args.epochs}
    rows = gr.load_dataset("ml-100k").interactions.to_frame().sort_values("time", kind="stable")[["user_id", "item_id"]]
    table = [line for name in args.models for line in sides("ML-100K by time", rows, args.cut, name, FIT[name], own)]
    if not args.no_gowalla:
        made_up = in_made_up_order(gr.load_dataset("gowalla").split.train.to_frame(), args.cut)
        for name, options in GOWALLA.items():
            table += sides("Gowalla, made-up order", made_up, args.cut, name, options, own)
    found = pd.DataFrame(table)
    write("update", "An update against training anew: ndcg@20 on what comes after, and seconds", found, picture(found))


def in_made_up_order(rows: pd.DataFrame, cut: float = 0.8) -> pd.DataFrame:
    """Rows in a random order, in which a twentieth of the people and of the things do not come before the cut."""
    g = np.random.default_rng(0)
    late = np.zeros(len(rows), bool)
    for column in ("user_id", "item_id"):
        ids = rows[column].unique()
        late |= rows[column].isin(g.choice(ids, len(ids) // 20, replace=False)).to_numpy()
    others, n = g.permutation(np.flatnonzero(~late)), int(cut * len(rows))
    if len(others) < n:
        raise ValueError(f"only {len(others):,} of {len(rows):,} rows are left for the first {cut:.0%}.")
    rest = g.permutation(np.concatenate([others[n:], np.flatnonzero(late)]))
    return rows.iloc[np.concatenate([others[:n], rest])]


def sides(
    data: str, rows: pd.DataFrame, cut: float, name: str, options: dict[str, object], own: dict[str, object]
) -> list[dict[str, object]]:
    """Update and training anew, a line each."""
    a, b = int(cut * len(rows)), int((cut + 0.1) * len(rows))
    old, more, now, later = rows[:a], rows[a:b], rows[:b], rows[b : int((cut + 0.2) * len(rows))]
    whole = gr.Interactions.from_frame(now)
    known = later[later["user_id"].isin(now["user_id"]) & later["item_id"].isin(now["item_id"])]
    options = {"seed": 0, "progress": False, **options}
    made = gr.Recommender(name).fit(gr.Interactions.from_frame(old), **options)
    trained = name not in ("ease", "itemknn")
    lines, figures = [], []
    for side in ("update", "training anew"):
        started = time.perf_counter()
        if side == "update":
            rec = made.update(gr.Interactions.from_frame(more), **(own if trained else {}))
        else:
            rec = gr.Recommender(name).fit(whole, **options)
        seconds = time.perf_counter() - started
        report = gr.evaluate(rec, gr.Interactions.from_frame(known, ids=rec.train), k=20)
        figures.append(report.per_user.set_index("user_id")["ndcg@20"])
        lines.append(
            {
                "data": data,
                "model": name,
                "side": side,
                "ndcg@20": float(report.mean["ndcg@20"]),
                "less training anew": "",
                "people": len(report.per_user),
                "of them new": int((~report.per_user["user_id"].isin(old["user_id"])).sum()),
                "seconds": seconds,
            }
        )
        print(lines[-1], flush=True)
    apart = figures[0] - figures[1]  # of the same people: the spread between people cancels out
    lines[0]["less training anew"] = f"{apart.mean():+.4f} ± {1.96 * apart.std() / np.sqrt(len(apart)):.4f}"
    return lines


def picture(table: pd.DataFrame) -> Figure:
    """ndcg@20 of both sides, a pair of bars a model and data set."""
    wide = table.pivot_table(index=["data", "model"], columns="side", values="ndcg@20", sort=False)
    figure = new_figure(WIDTH, 0.6 + 0.45 * len(wide))
    axes = figure.subplots()
    for offset, (colour, side) in enumerate(zip(COLOURS, wide.columns, strict=False)):
        axes.barh(np.arange(len(wide)) + 0.4 * offset - 0.2, wide[side], 0.38, color=colour, label=side)
    axes.set_yticks(range(len(wide)), [f"{model}, {data}" for data, model in wide.index], fontsize=8)
    axes.invert_yaxis()
    plain_legend(figure, loc="outside upper center", ncols=2)
    tidy(axes, x="ndcg@20", grid="x")
    return figure
