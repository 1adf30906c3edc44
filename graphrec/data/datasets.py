"""Data sets by name: found on this machine, or downloaded, and checked against what was published."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

from graphrec.data.cache import cache_folder
from graphrec.data.catalogue import CATALOGUE
from graphrec.data.interactions import Interactions
from graphrec.data.parts import Split
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name

__all__ = ["Dataset", "dataset_info", "dataset_names", "load_dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A named data set.

    Attributes
    ----------
    name : str
    interactions : Interactions
        Every interaction; where the publisher split them, train, valid and test joined.
    items, users : DataFrame
        A row per item with ``item_id``, and where the publisher tells them ``title``, ``year``, ``genres``
        (``"Action|Comedy"``) and more. A row per user with ``user_id`` and what is known. Where nothing is
        known the id is the only column.
    split : Split or None
        The published split (gowalla, yelp2018, amazon-book).
    source, licence, citation : str
        Where it comes from, on what terms, and what to cite.
    path : Path or None
        The folder or archive that was read; None for the embedded data set.
    """

    name: str
    interactions: Interactions
    items: pd.DataFrame
    users: pd.DataFrame
    split: Split | None
    source: str
    licence: str
    citation: str
    path: Path | None = None

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.interactions!r})"


def load_dataset(
    name: str, root: str | os.PathLike[str] | None = None, download: bool = True, fallback: str | None = None
) -> Dataset:
    """Load a data set by its name.

    Looked for are a folder ``name`` and an archive ``name.zip``, in this order: in `root`, in the folder that
    the environment variable ``GRAPHREC_DATA`` names, and in ``data`` in the cache folder (``GRAPHREC_CACHE``, by
    default ``~/.cache/graphrec``). What is nowhere is downloaded into `root`, or else into the cache folder.

    Parameters
    ----------
    name : str
        One of :func:`dataset_names`.
    root : path, optional
        A folder that holds data sets.
    download : bool
        Whether the network may be used.
    fallback : str, optional
        Name of the data set to load, with a warning, where this one is neither on the machine nor to be downloaded. A
        misspelt name and a damaged copy stay errors.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        The name is unknown; a copy is damaged, incomplete, or not the published data set (wrong checksum or
        size); or there is none and it cannot be downloaded. The message names the file.

    Examples
    --------
    >>> gr.load_dataset("synthetic").interactions
    Interactions(17,272 pairs of 1,200 users and 900 items, with ratings and times)
    >>> gr.load_dataset("ml-100k", root="data").interactions  # doctest: +SKIP
    Interactions(100,000 pairs of 943 users and 1,682 items, with ratings and times)
    """
    for given in (name,) if fallback is None else (name, fallback):
        if given not in CATALOGUE:
            raise unknown_name("data set", given, CATALOGUE)
    entry = CATALOGUE[name]
    folders = _folders(root)
    target = Path(root) if root is not None else folders[-1]
    try:
        tables, path = entry.load(folders, target if download else None)
    except InputError as error:
        if fallback is None or fallback == name or entry.find(folders) is not None:
            raise
        warnings.warn(f"{error} The data set {fallback!r} stands in.", stacklevel=2)
        return load_dataset(fallback, root, download)
    return Dataset(
        name=entry.name,
        interactions=tables.interactions,
        items=tables.items,
        users=tables.users,
        split=tables.split,
        source=entry.source,
        licence=entry.licence,
        citation=entry.citation,
        path=path,
    )


def dataset_names() -> list[str]:
    """Every name that :func:`load_dataset` knows, the embedded data set first."""
    return list(CATALOGUE)


def dataset_info(root: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """What data sets there are, and which of them are on this machine.

    Returns
    -------
    DataFrame
        A row per data set: ``name``, ``users``, ``items``, ``interactions``, ``licence``, ``source``, and
        ``found``: the path of the copy that :func:`load_dataset` would read (unchecked), or None.
    """
    folders = _folders(root)
    rows = [
        {
            "name": entry.name,
            **entry.size._asdict(),
            "licence": entry.licence,
            "source": entry.source,
            "found": entry.find(folders),
        }
        for entry in CATALOGUE.values()
    ]
    return pd.DataFrame(rows).astype({"found": object})


def _folders(root: str | os.PathLike[str] | None) -> list[Path]:
    """Where data sets are looked for, in this order."""
    named = [Path(place) for place in (root, os.environ.get("GRAPHREC_DATA")) if place]
    return [*dict.fromkeys(named), cache_folder() / "data"]
