"""Quality, chosen on validation: a search finds settings, everything is fitted anew on train and validation, test is read once.

Settings of solved models are chosen by `graphrec.search` within its budget, and so is the blend of the best few. The
trained candidates that the search kept, with the epochs that validation chose, stand beside them; those that it dropped on
the way were not trained to their end and have no row. Published settings have columns of their own: they are the papers',
and most were selected on this test part.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

import graphrec as gr
from benchmarks.pictures import with_intervals
from benchmarks.record import RESULTS, machine, markdown
from graphrec.evaluation.report import Report
from graphrec.models import MODELS
from graphrec.own_table import TableOptions
from graphrec.recommender.refitting import refitted
from graphrec.report.style import WIDTH, new_figure
from graphrec.runs import split_of

BUDGETS = {"gowalla": "15min", "ml-100k": "3min", "ml-latest-small": "3min"}
METRICS = ["recall@20", "ndcg@20"]
UNEVEN = """Validation and test disagree on Gowalla: the test part of the LightGCN files is no uniform sample of the pairs.
Items with fewer than 200 pairs have a fifth of them there, the twelve most popular a third, whereas the validation part
was drawn otherwise; so validation undervalues whatever favours popular items, and settings that papers selected on
the test part look better there than any that were chosen on validation."""


def candidates(folder: Path, found: gr.Recommender, both: gr.Interactions) -> Iterator[tuple[dict[str, Any], gr.Recommender]]:
    """The best candidate of each model in a search's journal, fitted on train and validation; and what the search found."""
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()[1:]]
    done = sorted((row for row in lines if row["status"] == "ok" and row["figure"]), key=lambda row: -row["figure"])
    seen: set[str] = set()
    for row in done:
        if row["model"] in seen:
            continue
        name, place = row["model"], folder / "candidates" / f"{row['model']}-{sha256(row['key'].encode()).hexdigest()[:10]}"
        if name == "blend":
            seen.add(name)
            yield row, found
        elif name in MODELS and not MODELS[name].needs_training:
            seen.add(name)
            yield row, gr.Recommender(name, **row["hyper"]).fit(both)
        elif (place / "run.json").is_file():
            seen.add(name)
            yield row, refitted(gr.load(place), both)


def figures(data: str, folder: Path, budget: str) -> tuple[pd.DataFrame, dict[str, Report]]:
    """Search, fit anew, read the test part once for each row."""
    split, *_ = split_of(data, TableOptions())
    assert split.valid is not None
    found = gr.search(split.train, split.valid, budget, out=folder, seed=0)
    searched = max(json.loads(line)["at"] for line in (folder / "journal.jsonl").read_text().splitlines()[1:])
    rows, reports = [], {}
    at = time.perf_counter()
    for row, rec in candidates(folder, found, split.train_and_valid):
        seconds, settings = time.perf_counter() - at, " ".join(f"{name}={value}" for name, value in row["hyper"].items())
        reports[row["model"]] = report = gr.evaluate(rec, split, metrics=METRICS)
        low, high = report.interval().loc["ndcg@20", ["low", "high"]]
        mean = report.mean
        seconds = searched if rec is found else seconds
        rows.append([row["model"], settings, row["figure"], mean["recall@20"], mean["ndcg@20"], low, high, seconds])
        print(rows[-1], flush=True)
        at = time.perf_counter()
    columns = ["model", "settings", "valid ndcg@20", "test recall@20", "test ndcg@20", "low", "high", "seconds"]
    return pd.DataFrame(rows, columns=columns), reports


def published() -> pd.DataFrame:
    """Published figures and ours with published settings, the better preset of each model."""
    table = pd.read_csv(RESULTS / "published.csv", dtype=str)
    columns = [f"{metric} {whose}" for metric in METRICS for whose in ("published", "ours")]
    return table.sort_values("ndcg@20 ours", ascending=False).drop_duplicates("model").set_index("model")[[*columns, "source"]]


def written(data: str, table: pd.DataFrame, reports: dict[str, Report], budget: str) -> None:
    """Table, comparison of the leading pairs, picture."""
    table = table.sort_values("test ndcg@20", ascending=False)
    shown = table.copy()
    if data == "gowalla":
        shown = shown.join(published(), on="model").fillna("–")
    leading = list(table["model"][:4])
    compared = gr.compare({name: reports[name] for name in leading}, baseline=leading[0], metrics=["ndcg@20"])
    for column in (*[c for c in shown if c.startswith(("valid", "test"))], "low", "high"):
        shown[column] = shown[column].map("{:.4f}".format)
    shown["seconds"] = shown["seconds"].map("{:.1f}".format)
    note = f"{UNEVEN}\n\n" if data == "gowalla" else ""
    about = f"""Settings and blend were chosen on validation by a search of {budget} (seed 0); then everything was fitted anew
on train and validation, and the test part was read once for each row. Seconds: fitting anew; of the blend, the whole
search. 95 % intervals over people (bootstrap)."""
    if data == "gowalla":
        about += " *published* and *ours*: the papers' settings and figures, and what they give here (`benchmarks published`)."
    text = f"# {data}: chosen on validation\n\n{machine()}\n\n{about}\n\n{note}{markdown(shown)}\n\n"
    text += f"The leading four, person by person, against the first:\n\n{compared.to_markdown()}\n\n![](quality-{data}.png)\n"
    (RESULTS / f"quality-{data}.md").write_text(text)
    table.to_csv(RESULTS / f"quality-{data}.csv", index=False)
    picture(table, data).savefig(RESULTS / f"quality-{data}.png", dpi=120)
    print(text)


def picture(table: pd.DataFrame, data: str) -> Figure:
    """Figures with their intervals, the best on top."""
    figure = new_figure(WIDTH, 0.22 * len(table) + 1.0)
    with_intervals(figure.subplots(), table, data)
    return figure


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks quality_table", description=__doc__)
    parser.add_argument("--data", nargs="+", choices=list(BUDGETS), default=list(BUDGETS))
    parser.add_argument("--budget", help=f"of a search, unless {', '.join(f'{d} {b}' for d, b in BUDGETS.items())}")
    parser.add_argument("--folder", type=Path, required=True, help="for the searches; one that is there is gone on with")
    args = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    for data in args.data:
        budget = args.budget or BUDGETS[data]
        table, reports = figures(data, args.folder / data, budget)
        written(data, table, reports, budget)


if __name__ == "__main__":
    main([])
