"""Tomorrow on the command line: a further table for a run, which is replaced by the recommender that knows it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.folder_files import RECORD, has_journal
from graphrec.own_table import TableOptions, read_more
from graphrec.recommender import Blend, load
from graphrec.runs import Interrupt, keep_with_run
from graphrec.titles import new_titles, read_titles

__all__ = ["update_run"]


def update_run(
    run: Path, data: str | None, options: TableOptions, items: Path | None = None, title: str | None = None, **settings: Any
) -> str:
    """Bring a run up to date with a further table, and replace it in one move.

    Parameters
    ----------
    run : Path
    data : str or None
        CSV or Parquet; None where there are titles alone.
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
        The table cannot be read or taken in, or an option is about one that is not given; or somebody else replaced the run
        meanwhile.
    KeyboardInterrupt
        Training was interrupted: the run stays as it was.
    """
    if data is None:
        _check_titles_alone(items, options, settings)
    before = _record_of(run)
    recommender, interrupt = load(run), Interrupt()
    state = recommender._fitted
    known = state.built_from
    origin = {name: value for name, value in {**options.given(), **state.origin}.items() if name != "fingerprint"}
    titles: dict[str, str] = {} if recommender.titles is None else {str(i): t for i, t in recommender.titles.items()}
    told = None
    if items is not None and title is not None:
        told = read_titles(items, options.item or state.origin.get("item", "item_id"), title)
        titles |= dict(zip(map(str, told.index), told, strict=True))
    if data is not None:
        more, seen = read_more(data, options, state.origin, run, known)
        parts = [recommender, *(recommender.members if isinstance(recommender, Blend) else ())]
        callbacks = [interrupt] if any(part.kind.needs_training for part in parts) else []
        recommender.update(more, seen=seen, callbacks=callbacks, **settings)
    if interrupt.came:
        raise KeyboardInterrupt(f"{run} stays as it was")
    n_titles = 0 if told is None else new_titles(recommender, told)
    if recommender._fitted is state and not n_titles:
        said = f"{data or items} says" if items is None or data is None else f"{data} and {items} say"
        return f"{said} nothing new; {run} stays as it was."
    if _record_of(run) != before:
        raise InputError(f"{run} was replaced by somebody else meanwhile and is left as it is now; update it again.")
    names = pd.Series(titles, dtype=object) if titles else None
    same = recommender._fitted is state  # but for titles
    keep_with_run(recommender, run, state.origin if same else origin, names)
    if not same and has_journal(run):
        warnings.warn(
            f"the search in {run} cannot go on after this, and its run is not measured nor taken by search --final any more: "
            "search in another folder for that.",
            stacklevel=2,
        )
    table = recommender.train
    people, things, more_pairs = table.n_users - known.n_users, table.n_items - known.n_items, len(table) - len(known)
    pairs = f"{abs(more_pairs):,} {'fewer' if more_pairs < 0 else 'more'} pairs"  # fewer: some are in `seen` now
    titled = "" if told is None else f", new titles: {n_titles:,}"
    return f"{run} has {pairs}; new people: {people:,}, new things: {things:,}{titled}."


def _check_titles_alone(items: Path | None, options: TableOptions, settings: Mapping[str, Any]) -> None:
    """Refuse an update with nothing, and what would be said of a table that is not given."""
    if items is None:
        raise InputError("update takes --data, a table of what has happened since, or --items with titles, or both.")
    for name in (*options.given(), *(f"set {key}" for key in settings)):
        if name != "item":
            raise InputError(f"--{name.replace('_', '-')} is about a table of what has happened since, and --data names none.")


def _record_of(run: Path) -> bytes:
    """What ``run.json`` says, which names every other file with its checksum; nothing where there is none."""
    try:
        return (run / RECORD).read_bytes()
    except OSError:
        return b""
