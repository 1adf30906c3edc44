"""``graphrec demo``: four models on the embedded data set, from raw pairs to recommendations by title."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import click

from graphrec.data.datasets import Dataset, load_dataset
from graphrec.data.split import Split, chronological
from graphrec.deferred import pandas as pd
from graphrec.evaluation.evaluate import evaluate
from graphrec.evaluation.report import Report
from graphrec.recommender import Recommender
from graphrec.run_folder import check_folder, write_figure, write_table

__all__ = ["run"]

# The same training for every model; the number of epochs is chosen on validation. Nothing here was chosen by
# looking at the test part.
MODELS: dict[str, dict[str, Any]] = {
    "itempop": {},
    "mf": {"dim": 64},
    "ngcf": {"dim": 64, "layers": [64, 64]},
    "lightgcn": {"dim": 64, "layers": 3},
}
TRAINING: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 2048,
    "lr": 5e-3,
    "l2": 1e-3,
    "eval_every": 2,
    "patience": 5,
    "seed": 0,
}
METRICS = ("recall@20", "ndcg@20")
FILES = re.compile(r"(results\.csv|recommendations\.csv|curves\.png|comparison\.png)(\.\d+\.part)?")


def run(out: Path) -> None:
    """Train, compare, draw, save and recommend; every file goes to `out`.

    Parameters
    ----------
    out : Path
        Gets ``results.csv``, ``curves.png``, ``comparison.png``, ``recommendations.csv`` and the folder ``best``.
    """
    replaces = _check(out)
    started = time.perf_counter()
    data = load_dataset("synthetic")
    split = chronological(data.interactions.binarize(), test=0.2, valid=0.1)
    click.echo(f"{data.interactions!r}, all of them liked; per user in order of time: 70 % train, 10 % validation, 20 % test\n")
    fitted: dict[str, Recommender] = {}
    reports: dict[str, Report] = {}
    for name, hyper in MODELS.items():
        at = time.perf_counter()
        fitted[name] = Recommender(name, **hyper)
        fitted[name].fit(split.train, valid=split.valid, **(TRAINING if fitted[name].kind.needs_training else {}))
        assert split.test is not None
        reports[name] = evaluate(fitted[name], split.test, k=20)
        epochs = f", best epoch {fitted[name].best_epoch} on validation" if fitted[name].best_epoch else ""
        click.echo(f"{name:<9} {time.perf_counter() - at:5.1f} s{epochs}")
    table = results_table(reports)
    click.echo(f"\nTest part, mean over users with 95 % bootstrap intervals:\n\n{formatted(table)}\n")
    best = choose(fitted)
    top = recommendations(fitted[best], split, data)
    fitted[best].save(out / "best")
    write_table(table, out / "results.csv")
    write_table(top, out / "recommendations.csv")
    draw(fitted, table, out)
    click.echo(f"What {best}, the best on validation, recommends:\n")
    for user, rows in top.groupby("user_id", sort=False):
        click.echo(f"  user {user} liked {rows['because'].iloc[0]}")
        for row in rows.itertuples():
            click.echo(f"    {row.rank}. {row.title}")
    click.echo(f"\n{time.perf_counter() - started:.0f} s in all. Files {'replaced' if replaces else 'written'} in {out}:")
    for path in sorted(p for p in out.rglob("*") if p.is_file()):
        click.echo(f"  {path}")


def _check(out: Path) -> bool:
    """Whether there are files of an earlier demo; refused is a folder that holds others, or cannot be written."""
    best = out / "best"
    model = best.is_dir() and check_folder(best)
    return check_folder(out, FILES, folders=("best",)) or model


def results_table(reports: dict[str, Report]) -> pd.DataFrame:
    """A row per model and metric: model, metric, mean, low, high."""
    rows = []
    for name, report in reports.items():
        interval = report.interval()
        for metric in METRICS:
            low, high = interval.loc[metric, ["low", "high"]]
            rows.append({"model": name, "metric": metric, "mean": report.mean[metric], "low": low, "high": high})
    return pd.DataFrame(rows)


def formatted(table: pd.DataFrame) -> str:
    """The table as text, a row per model, best first."""
    cells = table.assign(cell=[f"{r.mean:.4f} [{r.low:.4f}, {r.high:.4f}]" for r in table.itertuples()])
    wide = cells.pivot(index="model", columns="metric", values="cell")[list(METRICS)]
    order = table[table["metric"] == METRICS[-1]].sort_values("mean", ascending=False)["model"]
    return str(wide.loc[order].rename_axis(index=None, columns=None).to_string())


def choose(fitted: dict[str, Recommender]) -> str:
    """The trained model with the highest metric on validation."""
    trained = {name: r for name, r in fitted.items() if r.selected}
    return max(trained, key=lambda name: float(trained[name].history["ndcg@20"].max()))


def draw(fitted: dict[str, Recommender], table: pd.DataFrame, out: Path) -> None:
    """Curves of training, and the comparison with its intervals."""
    from graphrec.report.plots import plot_comparison, plot_history

    histories = {name: r.history for name, r in fitted.items() if len(r.history)}
    write_figure(plot_history(histories), out / "curves.png")
    ndcg = table[table["metric"] == "ndcg@20"].rename(columns={"model": "name", "mean": "value"})
    write_figure(plot_comparison(ndcg), out / "comparison.png")


def recommendations(recommender: Recommender, split: Split, data: Dataset) -> pd.DataFrame:
    """Five items for each of the three most active people, with titles and two of those they had."""
    history = split.train.to_frame()
    people = history["user_id"].value_counts(sort=True).index[:3].tolist()
    titles = data.items.set_index("item_id")["title"]
    top = recommender.recommend(people, k=5)
    top["title"] = titles.loc[top["item_id"]].to_numpy()
    last = history.sort_values("time").groupby("user_id")["item_id"].agg(lambda items: " and ".join(titles.loc[items[-2:]]))
    top["because"] = last.loc[top["user_id"]].to_numpy()
    return top
