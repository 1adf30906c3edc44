"""A search that is at its end: when that is, what is read then, and what a result is given before it is saved."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.folder_files import PICTURE, TABLE
from graphrec.recommender import Recommender, load
from graphrec.recommender.artefact import write
from graphrec.search.journal import Journal
from graphrec.search.picture import as_csv, write_results
from graphrec.search.saved import taken_in_since, told_of
from graphrec.search.trial import Task
from graphrec.training.fingerprint import of_table

__all__ = ["given", "is_at_its_end", "read"]


def is_at_its_end(journal: Journal, folder: Path, seconds: float, models: Sequence[str] | None) -> bool:
    """Whether there is nothing to go on with; models that never had a chance and get none now are refused."""
    if journal.covers(seconds, models):
        return True
    if not journal.ended or journal.spent < seconds:
        return False
    tried = {row["model"] for row in journal.rows}
    if without := [name for name in models or () if name not in tried]:
        raise InputError(
            f"the search in {folder} has had its {seconds:g} s without {', '.join(without)}: a larger budget tries them, and "
            "resume=False (--fresh) begins anew."
        )
    return True


def read(
    folder: Path,
    journal: Journal,
    task: Task,
    met: Interactions | None,
    progress: bool,
    dressed: Callable[[Recommender], Recommender] | None,
) -> Recommender | None:
    """What a search that is at its end has saved; None where that is damaged, and has to be made again."""
    try:
        best = load(folder, device="cpu" if task.device == "auto" else task.device)
    except InputError:
        return None
    best.table = journal.table(task.metric)
    said = f"the search in {folder} is at its end: {journal.spent:.1f} s, all its runs together"
    then = "a larger budget goes on with it, and resume=False (--fresh) begins anew"
    if taken_in_since(best, journal, task.train):
        said += "; its run has taken in more since, and stays as it is"
        then = "only resume=False (--fresh), or another folder, searches again"
    elif told_of(journal, folder, best, task.train, task.valid) is None:
        raise InputError(
            f"the run in {folder} is not the one that its search saved, but of somebody else: search in another folder, or "
            "begin anew there with resume=False (--fresh)."
        )
    elif given(best, best._fitted.seen if met is None else met, dressed):
        write(folder, best._artefact(), of_its_search=True)
    if not ((folder / PICTURE).is_file() and _says(folder / TABLE, best.table)):
        write_results(best.table, task.metric, folder)
    if progress:
        print(f"{said}; {then}", file=sys.stderr)
    return best


def _says(path: Path, table: pd.DataFrame) -> bool:
    """Whether a file is this table."""
    return path.is_file() and path.read_bytes() == as_csv(table)


def given(best: Recommender, met: Interactions | None, dressed: Callable[[Recommender], Recommender] | None) -> bool:
    """Give a result what is saved with it; whether it had something else."""
    before, titles = best._fitted, best.titles
    best._state = replace(before, seen=met)
    if dressed is not None:
        dressed(best)
    same = titles is best.titles or (titles is not None and best.titles is not None and titles.equals(best.titles))
    return not (same and _alike(before.seen, met) and before.origin == best._fitted.origin)


def _alike(one: Interactions | None, other: Interactions | None) -> bool:
    return one is other or (one is not None and other is not None and of_table(one) == of_table(other))
