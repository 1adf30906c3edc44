"""Where earlier runs of a search had got to: the best that they fitted, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from graphrec.errors import InputError
from graphrec.recommender import load
from graphrec.search.run import KEPT, OF_ONE_MODEL, Run
from graphrec.search.space import Entry
from graphrec.search.trial import Trial

__all__ = ["take_up"]

_NO_MODELS = ("blend", "refit")  # rows of what is made of the candidates


def take_up(run: Run, entries: Sequence[Entry]) -> None:
    """Go on from what earlier runs found: the best of it is kept again, whoever asked for it, and its costs are known.

    Parameters
    ----------
    run : Run
    entries : sequence of Entry
        Of which what a whole fit took says what others will take.
    """
    by_name, best = {entry.model: entry for entry in entries}, dict[str, tuple[float, dict[str, Any]]]()
    for row in run.journal.rows:
        if row["figure"] is None or row["model"] in _NO_MODELS:
            continue
        run.looks[row["model"]] = float(row["eval_seconds"])
        if row["status"] == "ok" and (entry := by_name.get(row["model"])) is not None:
            run.costs.learn(entry.way(row["hyper"]), entry.seconds(run.facts, row["hyper"]), float(row["seconds"]))
        if row["figure"] >= best.get(row["key"], (-1.0,))[0]:
            best[row["key"]] = float(row["figure"]), row
    for figure, row in sorted(best.values(), key=lambda one: -one[0]):
        if len(run.kept) == KEPT:
            break
        if sum(trial.model == row["model"] for _, trial in run.kept) == OF_ONE_MODEL:
            continue
        fit = {n: v for n, v in json.loads(row["key"].partition(" ")[2]).items() if n not in row["hyper"]}
        trial = Trial(row["model"], row["hyper"], fit)
        trial.key = row["key"]
        trial.restore(row)
        try:
            trial.recommender = load(run.place(trial), device=run.task.device)
        except InputError:  # somebody has tidied up
            run.lost.add(trial.key)
        else:
            run.keep(figure, trial, store=False)
    while len(run.kept) > 1 and sum(trial.bytes for _, trial in run.kept) > 2 * run.memory:
        run.kept.pop()
