"""Names of items from a file, for answers that a person reads."""

from __future__ import annotations

import difflib
import warnings
from pathlib import Path
from typing import Any

import numpy.typing as npt

from graphrec.data.ids import not_an_integer
from graphrec.data.side_table import read_side_table
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.recommender import Recommender
from graphrec.recommender.artefact import titles_in
from graphrec.report.names import cut_titles

__all__ = ["named_items", "new_titles", "read_titles", "titles_kept"]


def read_titles(path: Path, item: str, title: str) -> pd.Series[str]:
    """A CSV or Parquet file's column of titles, indexed by the item's id as a text; what is very long is cut.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or an item has two titles. The message names the file.
    """
    frame = read_side_table(path, "--items")
    known = [str(column) for column in frame.columns]
    for option, column in (("--item", item), ("--title", title)):
        if column not in known:
            near = difflib.get_close_matches(column, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(
                f"--items {path} has no column {column!r}, which {option} names; {hint}it has {', '.join(known[:20])}."
            )
    frame = frame[[item, title]].dropna().astype(str).drop_duplicates()
    twice = frame[item][frame[item].duplicated()]
    if len(twice):
        raise InputError(f"--items {path}: item {twice.iloc[0]} has more than one title; keep one row for each item.")
    return cut_titles(pd.Series(frame[title].to_numpy(object), index=pd.Index(frame[item].to_numpy(object))))


def titles_kept(run: Path) -> pd.Series[str] | None:
    """The titles that a run was saved with, as :func:`read_titles` gives those of a file; None where it has none."""
    titles = titles_in(run)
    return None if titles is None else pd.Series(titles.to_numpy(object), index=pd.Index([str(one) for one in titles.index]))


def named_items(recommender: Recommender, titles: pd.Series[str]) -> pd.Series[str]:
    """Titles by the ids that a recommender knows; a warning says how many of its items have none."""
    known, written = recommender.train.item_ids, titles.index
    titles = _of_known(titles, known)
    if len(titles) < len(known):
        hint = "" if len(titles) or not len(written) else _other_ids(written, known)
        warnings.warn(f"{len(known) - len(titles):,} of {len(known):,} items have no title{hint}.", stacklevel=2)
    return titles


def new_titles(recommender: Recommender, titles: pd.Series[str]) -> int:
    """How many items of a recommender have no title yet, or another, and would have one of these."""
    told, has = _of_known(titles, recommender.train.item_ids), recommender.titles
    return len(told) if has is None else int((told != has.reindex(told.index)).sum())


def _of_known(titles: pd.Series[str], known: npt.NDArray[Any]) -> pd.Series[str]:
    """Those of titles, by their ids as texts, that are of known ids, by these; empty ones left out."""
    if known.dtype.kind in "iu":
        titles = titles[[not not_an_integer(text) for text in titles.index]]
        titles.index = pd.Index([int(text) for text in titles.index])
    return titles[titles.index.isin(known) & (titles != "")]


def _other_ids(written: pd.Index[Any], known: npt.NDArray[Any]) -> str:
    """How the ids of a file of titles differ from those of a run, none of which is in it."""
    run = {str(one).strip().lstrip("0"): str(one) for one in known.tolist()}
    one = next((text for text in written if text.strip().lstrip("0") in run), None)
    if one is None:
        return f": the ids of the file look like {written[0]}, and those of the run like {known[0]!s}"
    other = run[one.strip().lstrip("0")]
    return f": the file has {one!r} where the run has {other!r}; write the ids of both alike, as texts with the zeros in front"
