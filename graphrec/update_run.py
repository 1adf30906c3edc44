"""Tomorrow on the command line: a further table for a run, which is replaced by the recommender that knows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.folder_files import RECORD
from graphrec.own_table import TableOptions, read_more
from graphrec.recommender import Blend, load
from graphrec.runs import Interrupt, keep_with_run
from graphrec.titles import read_titles

__all__ = ["update_run"]


def update_run(
    run: Path, data: str, options: TableOptions, items: Path | None = None, title: str | None = None, **settings: Any
) -> str:
    """Bring a run up to date with a further table, and replace it in one move.

    Parameters
    ----------
    run : Path
    data : str
        CSV or Parquet.
    options : TableOptions
        Where they are others than in training.
    items : Path or None
        CSV or Parquet with a title for each item; the titles of the run stay beside them.
    title : str or None
        Its column of titles. That of ids is called as in the table.
    **settings
        Of :meth:`graphrec.Recommender.update`.

    Returns
    -------
    str
        What came of it, in a sentence.

    Raises
    ------
    InputError
        The table cannot be read or taken in, or somebody else replaced the run meanwhile.
    KeyboardInterrupt
        Training was interrupted: the run stays as it was.
    """
    before = _record_of(run)
    recommender, interrupt = load(run), Interrupt()
    state = recommender._fitted
    known = state.built_from
    origin = {name: value for name, value in {**options.given(), **state.origin}.items() if name != "fingerprint"}
    titles: dict[str, str] = {} if recommender.titles is None else {str(i): t for i, t in recommender.titles.items()}
    if items is not None and title is not None:
        told = read_titles(items, options.item or state.origin.get("item", "item_id"), title)
        titles |= dict(zip(map(str, told.index), told, strict=True))
    more, seen = read_more(data, options, state.origin, run, known)
    parts = [recommender, *(recommender.members if isinstance(recommender, Blend) else ())]
    callbacks = [interrupt] if any(part.kind.needs_training for part in parts) else []
    recommender.update(more, seen=seen, callbacks=callbacks, **settings)
    if interrupt.came:
        raise KeyboardInterrupt(f"{run} stays as it was")
    if recommender._fitted is state and items is None:
        return f"{data} says nothing new; {run} stays as it was."
    if _record_of(run) != before:
        raise InputError(f"{run} was replaced by somebody else meanwhile and is left as it is now; update it again.")
    names = pd.Series(titles, dtype=object) if titles else None
    keep_with_run(recommender, run, state.origin if recommender._fitted is state else origin, names)
    table = recommender.train
    people, things = table.n_users - known.n_users, table.n_items - known.n_items
    return f"{run} has {len(table) - len(known):,} more pairs; new people: {people:,}, new things: {things:,}."


def _record_of(run: Path) -> bytes:
    """What ``run.json`` says, which names every other file with its checksum; nothing where there is none."""
    try:
        return (run / RECORD).read_bytes()
    except OSError:
        return b""
