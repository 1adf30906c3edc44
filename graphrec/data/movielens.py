"""The layouts in which GroupLens publishes MovieLens: 100K, 1M and 10M, and the CSV files of everything later."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphrec.data.archives import Archive, open_archive
from graphrec.data.delimited import Layout, Records
from graphrec.data.interactions import Interactions
from graphrec.data.parts import Split
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, about

__all__ = ["Tables", "read_movielens", "read_movielens_100k", "read_movielens_csv", "read_movielens_dat"]

_RATINGS = {"user_id": np.int64, "item_id": np.int64, "rating": np.float64, "time": np.int64}
_UNIT_SEPARATOR = "\x1f"


class Tables(NamedTuple):
    """What a publisher's files hold.

    Attributes
    ----------
    interactions : Interactions
    items, users : DataFrame
        A row per item with ``item_id`` and, where the publisher has them, ``title``, ``year``, ``genres``
        (``"Action|Comedy"``) and more; a row per user with ``user_id`` and what is known about them.
    split : Split or None
        The published train, valid and test parts, where there are such.
    """

    interactions: Interactions
    items: pd.DataFrame
    users: pd.DataFrame
    split: Split | None = None


def read_movielens(path: str | Path) -> Tables:
    """Read any MovieLens data set from its folder or zip archive; the files inside tell which layout it is.

    Parameters
    ----------
    path : path
        For example ``"ml-20m.zip"``, or the folder it was unpacked to.

    Returns
    -------
    Tables

    Raises
    ------
    InputError
        None of ``u.data``, ``ratings.dat`` and ``ratings.csv`` is there, or a file is damaged.
    """
    archive = open_archive(Path(path))
    layouts = {"u.data": read_movielens_100k, "ratings.dat": read_movielens_dat, "ratings.csv": read_movielens_csv}
    for member, read in layouts.items():
        if archive.has(member):
            return read(archive)
    raise InputError(f"{archive.path} holds no MovieLens data set: there is none of {', '.join(layouts)}.")


def read_movielens_100k(archive: Archive) -> Tables:
    """MovieLens-100K: ``u.data`` (tab-separated), ``u.item``, ``u.user``, ``u.genre`` (``|``, Latin-1).

    The 0/1 columns of the genres become one column ``genres``, as in the later data sets.
    """
    ratings = _table(archive, "u.data", "\t", _RATINGS)
    genres = _table(archive, "u.genre", "|", {"genre": str, "number": int}).sort_values("number")["genre"].to_numpy(object)
    columns = {"item_id": np.int64, "title": str, "release_date": str, "video_release_date": str, "imdb_url": str}
    flags = [f"genre {number}" for number in range(len(genres))]
    items = _table(archive, "u.item", "|", {**columns, **dict.fromkeys(flags, np.int64)})
    if not items[flags].isin([0, 1]).to_numpy().all():
        raise InputError(f"{archive.where('u.item')} has a genre that is neither 0 nor 1.")
    items["genres"] = ["|".join(genres[row]) for row in items[flags].to_numpy(bool)]
    items = items.drop(columns=[*flags, "video_release_date"])
    users = _table(
        archive, "u.user", "|", {"user_id": np.int64, "age": np.int64, "gender": str, "occupation": str, "zip_code": str}
    )
    return _tables(archive, "u.data", ratings, items, users)


def read_movielens_dat(archive: Archive) -> Tables:
    """MovieLens-1M and 10M: ``ratings.dat``, ``movies.dat``, ``users.dat`` (1M only), separated by ``::``, Latin-1.

    Ages and occupations are the publisher's codes: age is the lower end of a bracket.
    """
    ratings = _table(archive, "ratings.dat", "::", _RATINGS)
    items = _table(archive, "movies.dat", "::", {"item_id": np.int64, "title": str, "genres": str})
    users = None
    if archive.has("users.dat"):
        columns = {"user_id": np.int64, "gender": str, "age": np.int64, "occupation": np.int64, "zip_code": str}
        users = _table(archive, "users.dat", "::", columns)
    return _tables(archive, "ratings.dat", ratings, items, users)


def read_movielens_csv(archive: Archive) -> Tables:
    """MovieLens-20M, 25M, 32M, latest and latest-small: ``ratings.csv``, ``movies.csv`` and, where present, ``links.csv``.

    There is nothing about the users but their ids.
    """
    ratings = _csv(archive, "ratings.csv", {"userId": "user_id", "movieId": "item_id", "timestamp": "time"}, _RATINGS)
    items = _csv(archive, "movies.csv", {"movieId": "item_id"}, {"item_id": np.int64, "title": str, "genres": str})
    if archive.has("links.csv"):
        names = {"movieId": "item_id", "imdbId": "imdb_id", "tmdbId": "tmdb_id"}
        links = _csv(archive, "links.csv", names, {"item_id": np.int64, "imdb_id": str, "tmdb_id": "Int64"})
        items = items.merge(links, on="item_id", how="left")
    return _tables(archive, "ratings.csv", ratings, items, None)


def _tables(archive: Archive, member: str, ratings: pd.DataFrame, items: pd.DataFrame, users: pd.DataFrame | None) -> Tables:
    with about(archive.where(member)):
        interactions = Interactions.from_frame(ratings, rating="rating", time="time")
    year = items["title"].str.extract(r"\((\d{4})(?:[-–]\d{0,4})?\)(?!.*\(\d{4})", expand=False)
    items.insert(2, "year", pd.to_numeric(year).astype("Int64"))
    if users is None:
        users = pd.DataFrame({"user_id": interactions.user_ids.astype(np.int64)})
    return Tables(interactions, items, users)


def _table(archive: Archive, member: str, sep: str, columns: dict[str, Any]) -> pd.DataFrame:
    """A file without a header, in Latin-1, whose columns all have to be there."""
    with archive.open(member) as stream:
        text = stream.read()
        if len(sep) > 1:  # only pandas' slow engine splits at more than one byte
            text = text.replace(sep.encode(), _UNIT_SEPARATOR.encode())
            sep = _UNIT_SEPARATOR
        layout = {"sep": sep, "names": list(columns), "header": None, "quoting": csv.QUOTE_NONE}
        return _parse(text, layout, columns, "latin-1")


def _csv(archive: Archive, member: str, names: dict[str, str], kinds: dict[str, Any]) -> pd.DataFrame:
    """A UTF-8 file with a header, of which the columns in `kinds` are kept under the names of this library."""
    published = {ours: theirs for theirs, ours in names.items()}
    columns = {published.get(ours, ours): kind for ours, kind in kinds.items()}
    with archive.open(member) as stream:
        frame = _parse(stream.read(), {"sep": ",", "usecols": list(columns)}, columns, "utf-8")
    return frame.rename(columns=names)[list(kinds)]


def _parse(text: bytes, layout: dict[str, Any], columns: dict[str, Any], encoding: str) -> pd.DataFrame:
    """Text of which every row has as many fields as there should be, and every number is one."""
    cut = Layout.of(layout)
    assert cut is not None
    try:
        Records(text, cut)
    except InputError as error:
        raise ValueError(str(error)) from error
    with np.errstate(invalid="ignore"):  # pandas compares what it cast, and refuses it then
        frame: pd.DataFrame = pd.read_csv(
            io.BytesIO(text),
            **layout,
            dtype=columns,
            encoding=encoding,
            index_col=False,
            keep_default_na=False,
            na_values={name: [""] for name, kind in columns.items() if kind is not str},
        )
    return frame
