"""What items are called and what they look like: titles and addresses of pictures from a table, by index of the item."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.data.side_table import read_side_table
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name
from graphrec.report.told import Told

__all__ = ["LONGEST", "Names", "cut_titles", "is_whole", "names_of", "read_items", "typed_id"]

LONGEST = 300
"""Characters of a title: pages and answers of the service hold many."""
_ID_COLUMNS = ("item_id", "item", "itemid", "movie_id", "movieid", "sku", "id")
_TITLES = ("title", "name", "label")
_IMAGES = ("poster", "image", "img", "thumbnail", "cover", "picture")


class Names:
    """Titles and pictures of the items of a table of interactions.

    Parameters
    ----------
    titles : sequence of str, length n_items
    images : sequence of str or None, length n_items
        Addresses that begin with ``http://`` or ``https://``; nothing else is passed on.
    """

    def __init__(self, titles: Sequence[str], images: Sequence[str | None]) -> None:
        self.titles, self.images = list(titles), list(images)

    @property
    def has_images(self) -> bool:
        """Whether any item has a picture."""
        return any(image is not None for image in self.images)


def names_of(
    recommender: Told,
    items: pd.DataFrame | None = None,
    title: str | None = None,
    image: str | None = None,
    item: str | None = None,
) -> Names:
    """Titles and pictures of a recommender's items.

    Parameters
    ----------
    recommender : Recommender
        Fitted. Its own titles, where it has some, serve unless `items` is given.
    items : DataFrame, optional
        A row per item; the first row of an item counts, and items without one are called by their id.
    title, image, item : str, optional
        Columns of `items`. Unless given, the column of ids is one with a usual name, or else the one in which most rows are
        known items; that of titles has "title" or "name" in its name, that of pictures "poster", "image" or the like.

    Returns
    -------
    Names

    Raises
    ------
    InputError
        A column that is named is not there, or no column holds ids of items.
    """
    table = recommender.train
    own = [str(one) for one in table.item_ids.tolist()]
    if items is None:
        if title is not None or image is not None or item is not None:
            raise InputError("columns of titles, pictures or ids were named, and no table of items was given.")
        told = recommender.titles
        if told is None:
            return Names(own, [None] * len(own))
        items, title, item = pd.DataFrame({"item_id": told.index, "title": told.to_numpy()}), "title", "item_id"
    for given in (title, image, item):
        if given is not None and given not in items.columns:
            raise unknown_name("column", given, [str(column) for column in items.columns])
    where = _positions(items, item, table)
    titles, images = list(own), [None] * len(own)
    title, image = title or _like(items, _TITLES), image or _like(items, _IMAGES)
    if title is not None:
        _fill(titles, where, cut_titles(items[title]), lambda text: text)
    if image is not None:
        _fill(images, where, items[image], lambda text: text if text.startswith(("http://", "https://")) else None)
    return Names(titles, images)


def cut_titles(titles: pd.Series[Any]) -> pd.Series[Any]:
    """Titles of at most :data:`LONGEST` characters; a warning counts those that were longer and end in an ellipsis now."""
    long = np.array([isinstance(title, str) and len(title) > LONGEST for title in titles.tolist()], bool)
    if not long.any():
        return titles
    warnings.warn(f"{long.sum():,} titles are longer than {LONGEST} characters and are cut there.", stacklevel=3)
    cut = titles.astype(object).copy()
    cut[long] = [f"{title[: LONGEST - 1]}…" for title in titles[long].tolist()]
    return cut


def read_items(path: Path) -> pd.DataFrame:
    """A table of items from a CSV or Parquet file; values of a CSV stay texts.

    Raises
    ------
    InputError
        The file is missing or no table.
    """
    return read_side_table(path, "--items")


def is_whole(text: str) -> bool:
    """Whether a text is an id that is a whole number, as it would be printed: 007 is not 7."""
    return re.fullmatch(r"-?(0|[1-9][0-9]{0,18})", text.strip()) is not None


def typed_id(text: str, known: Any, kind: str) -> Any:
    """An id from a command line or an address in the type that the data has.

    Raises
    ------
    InputError
        It is no whole number, and the ids are.
    """
    if known.dtype.kind not in "iu":
        return text
    if not is_whole(text):
        raise InputError(f"{kind} {text[:100]!r}: the {kind} ids of this data are whole numbers, without leading zeros.")
    return int(text)


def _like(items: pd.DataFrame, words: Sequence[str]) -> str | None:
    """The first column whose name has one of some words in it, the earlier word before the later."""
    return next((column for word in words for column in items.columns if word in str(column).lower()), None)


def _positions(items: pd.DataFrame, item: str | None, table: Interactions) -> npt.NDArray[np.int64]:
    """The index of each row's item, −1 for one that is not known."""
    index = {one: place for place, one in enumerate(table.item_ids.tolist())}
    if item is None:
        item = next((c for name in _ID_COLUMNS for c in items.columns if str(c).lower() == name), None)
    columns = [item] if item is not None else list(items.columns)
    best = max((_found(items[column], index) for column in columns), key=lambda f: int((f >= 0).sum()), default=None)
    if best is None or not (best >= 0).any():
        where = "no column of the table of items" if item is None else f"column {item!r} of the table of items does not"
        raise InputError(f"{where} {'holds' if item is None else 'hold'} an item id of the data this was fitted on.")
    return best


def _found(column: pd.Series[Any], index: dict[Any, int]) -> npt.NDArray[np.int64]:
    values = column.tolist()
    if index and isinstance(next(iter(index)), int):  # a CSV has the texts of whole numbers
        values = [int(v) if isinstance(v, str) and v.strip().lstrip("-").isdecimal() else v for v in values]
    return np.array([index.get(v, -1) if isinstance(v, str | int) else -1 for v in values], np.int64)


def _fill(into: list[Any], where: npt.NDArray[np.int64], column: pd.Series[Any], made: Any) -> None:
    for place, value in zip(reversed(where.tolist()), reversed(column.tolist()), strict=True):
        if place >= 0 and isinstance(value, str) and value.strip():
            into[place] = made(value.strip())
