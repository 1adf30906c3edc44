"""Names of items from a file, for answers that a person reads."""

from __future__ import annotations

import warnings
from pathlib import Path

from graphrec.data.bounded import one_line
from graphrec.data.ids import canonical_integers
from graphrec.data.parquet import is_parquet, require_pyarrow
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name
from graphrec.own_table import other_separator
from graphrec.recommender import Recommender

__all__ = ["named_items", "read_titles"]


def read_titles(path: Path, item: str, title: str) -> pd.Series[str]:
    """A CSV or Parquet file's column of titles, indexed by the item's id as a text.

    Raises
    ------
    InputError
        The file cannot be read, a column is missing, or an item has two titles. The message names the file.
    """
    if not path.is_file():
        raise InputError(f"--items {path} is not a file.")
    try:
        if is_parquet(path):
            require_pyarrow()
            frame = pd.read_parquet(path, engine="pyarrow")
        else:
            sep = other_separator(path, ",") or ","
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, sep=sep)
    except (OSError, ValueError) as error:
        raise InputError(f"--items {path} cannot be read: {one_line(error)}.") from error
    for column in (item, title):
        if column not in frame:
            raise InputError(f"--items {path}: {unknown_name('column', column, map(str, frame.columns))}")
    frame = frame[[item, title]].dropna().astype(str).drop_duplicates()
    twice = frame[item][frame[item].duplicated()]
    if len(twice):
        raise InputError(f"--items {path}: item {twice.iloc[0]} has more than one title.")
    return pd.Series(frame[title].to_numpy(object), index=pd.Index(frame[item].to_numpy(object)))


def named_items(recommender: Recommender, titles: pd.Series[str]) -> pd.Series[str]:
    """Titles by the ids that a recommender knows; a warning says how many of its items have none."""
    known = recommender.train.item_ids
    if known.dtype.kind in "iu":
        numbers = {text: canonical_integers(pd.array([text], dtype=object).to_numpy()) for text in titles.index}
        titles = titles[[numbers[text] is not None for text in titles.index]]
        titles.index = pd.Index([int(text) for text in titles.index])
    titles = titles[titles.index.isin(known) & (titles != "")]
    if len(titles) < len(known):
        warnings.warn(f"{len(known) - len(titles):,} of {len(known):,} items have no title.", stacklevel=2)
    return titles
