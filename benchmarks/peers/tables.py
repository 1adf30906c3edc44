"""From the records of a run to the tables that are published."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.record import ratio, spread

__all__ = ["agreement_table", "epoch_table", "failures_table", "fit_table", "notes", "step_table", "tidy"]

Record = dict[str, Any]
# Figures of two evaluators agree when no user's list differs by more than a tie or a rounding.
CLOSE = 5e-4


def _name(record: Record) -> dict[str, str]:
    version = record.get("versions", {}).get(record["package"], "")
    return {"library": f"{record['library']} {version}".strip(), "model": record["model"]}


def _done(records: Iterable[Record], kind: str) -> list[Record]:
    return [r for r in records if r["kind"] == kind and not r.get("error")]


def step_table(records: Iterable[Record]) -> pd.DataFrame:
    """A row per LightGCN: the step's milliseconds, and how many of graphrec's steps fit into it."""
    done = _done(records, "step")
    base = next((r["steps"] for r in done if r["library"] == "graphrec"), None)
    rows = []
    for r in done:
        times = {key.removesuffix("_ms"): value for key, value in spread(r["steps"]).items()}
        rows.append(
            {
                **_name(r),
                **{f"step {key}, ms": value for key, value in times.items()},
                "over graphrec's": ratio(r["steps"], base) if base else np.nan,
                "sampling, ms": float(np.median(r["draws"])) * 1e3,
                "graph, s": r["graph"],
                "files to memory, s": r["prepare"],
                "evaluation, ms a user": r["own_seconds"] / r["own_users"] * 1e3 if r.get("own") else np.nan,
            }
        )
    return pd.DataFrame(rows)


def epoch_table(records: Iterable[Record]) -> pd.DataFrame:
    """A row per factorisation: seconds of an epoch of BPR, and how many of graphrec's first row fit into it."""
    done = _done(records, "epoch")
    base = next((r for r in done if r["library"] == "graphrec"), None)
    return pd.DataFrame(
        {
            **_name(r),
            "settings": r["settings"],
            "epoch median, s": float(np.median(r["epochs"])),
            "epoch min, s": min(r["epochs"]),
            "epoch max, s": max(r["epochs"]),
            "over graphrec's": ratio(r["epochs"], base["epochs"]) if base else np.nan,
            "of all processors, s": float(np.median(r["processors"])),
            "processors over graphrec's": ratio(r["processors"], base["processors"]) if base else np.nan,
        }
        for r in done
    )


def fit_table(records: Iterable[Record]) -> pd.DataFrame:
    """A row per fitted model: seconds, and figures by graphrec's evaluator."""
    rows = [
        {
            **_name(r),
            "fit, s": r["fit"],
            "ranking, ms a user": r["recommend"] / r["recommend_users"] * 1e3,
            "ranked users": r["recommend_users"],
            "recall@20": r["ranked"]["figures"]["recall@20"],
            "ndcg@20": r["ranked"]["figures"]["ndcg@20"],
            "over users": r["ranked"]["users"],
            "figures from": r["ranked"]["from"],
            "settings": r["settings"],
        }
        for r in _done(records, "fit")
    ]
    return pd.DataFrame(rows)


def agreement_table(records: Iterable[Record]) -> pd.DataFrame:
    """A row per metric that a library prints itself: its figure, graphrec's for the same users, and whether they agree."""
    rows = []
    for r in records:
        if r.get("error") or r["library"] == "graphrec":
            continue
        for name, theirs in r.get("own", {}).items():
            ours = r["ranked"]["same_users"].get(name)
            verdict = "no counterpart" if ours is None else "yes" if abs(ours - theirs) <= CLOSE else "NO"
            rows.append(
                {
                    **_name(r),
                    "metric": name,
                    "its own figure": theirs,
                    "graphrec's": np.nan if ours is None else ours,
                    "users": r["own_users"],
                    "agree": verdict,
                }
            )
    return pd.DataFrame(rows)


def failures_table(records: Iterable[Record]) -> pd.DataFrame:
    """A row per peer that did not run, and why."""
    return pd.DataFrame(
        [{"library": r["library"], "model": r["model"], "why": r["error"]} for r in records if r.get("error")],
        columns=["library", "model", "why"],
    )


def notes(records: Iterable[Record]) -> list[str]:
    """What is not comparable, each said once, and what each environment had installed."""
    lines: list[str] = []
    for r in records:
        lines += [note for note in r.get("notes", ()) if note not in lines]
    for r in records:
        if r.get("versions"):
            had = ", ".join(f"{name} {version}" for name, version in r["versions"].items())
            line = f"{r['library']} ran with Python {r['python']}, {had}."
            lines += [line] if line not in lines else []
    return lines


def tidy(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """All tables as one: part, library, model, what, value."""
    parts = []
    for part, table in tables.items():
        if len(table):
            keys = [c for c in ("library", "model", "metric") if c in table]
            parts.append(table.melt(id_vars=keys, var_name="what").assign(part=part))
    if not parts:
        return pd.DataFrame(columns=["part", "library", "model", "metric", "what", "value"])
    joined = pd.concat(parts, ignore_index=True).reindex(columns=["part", "library", "model", "metric", "what", "value"])
    return joined[joined["value"].notna()].reset_index(drop=True)
