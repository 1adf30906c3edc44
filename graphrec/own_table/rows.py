"""The rows of a table of one's own: those that count, and those that are left out of training."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from graphrec.data.columns import Missing
from graphrec.data.csv_files import read_csv
from graphrec.data.datasets import load_dataset
from graphrec.data.dates import kind_of_times
from graphrec.data.interactions import Interactions
from graphrec.data.mapped import open_table
from graphrec.data.parquet import is_parquet, read_parquet
from graphrec.data.repeats import Duplicates
from graphrec.data.side_table import first_values
from graphrec.errors import InputError
from graphrec.own_table.options import OF_FILES, TableOptions, is_made_table, is_named, refuse_options

__all__ = ["kind_of_its_times", "left_out", "open_whole", "read_rows", "whole_pairs"]


def open_whole(data: str, options: TableOptions) -> Interactions | None:
    """A table whose columns need no names: one that was made, or a data set by name; None for a file."""
    if is_named(data):
        refuse_options(data, dataclasses.replace(options, min_rating=None))
        return load_dataset(data).interactions
    if not is_made_table(data):
        return None
    for name in OF_FILES:
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is said when a table is made, and --data {data} is a table already.")
    return open_table(data)


def kind_of_its_times(data: str, options: TableOptions) -> str | None:
    """What a table's times are, in words; None where that is not known: it has none, or is a table that was made."""
    if options.time is None or is_made_table(data):
        return None
    column = first_values(Path(data), options.time, options.sep or ",", options.encoding)
    return kind_of_times(column) if len(column) else None


def read_rows(
    data: str, options: TableOptions, texts: Collection[str] = (), whole: Interactions | None = None
) -> tuple[Interactions, Interactions | None]:
    """The rows that count, and the pairs whose rating is too low; `whole` is what :func:`open_whole` gave."""
    if whole is not None:
        return _liked(data, whole, options.min_rating)
    assert options.user is not None
    assert options.item is not None
    policy = cast(Duplicates, options.duplicates)
    if is_parquet(Path(data)):
        for name in ("sep", "encoding", "decimal"):
            if getattr(options, name) is not None:
                raise InputError(f"--{name} is for text files, and --data {data} is a Parquet file.")
        read: Any = read_parquet
    else:
        how: dict[str, Any] = {} if options.decimal is None else {"decimal": options.decimal}
        read = partial(read_csv, dtype=dict.fromkeys(texts, str), sep=options.sep or ",", encoding=options.encoding, **how)
    table: Interactions = read(
        data,
        options.user,
        options.item,
        options.rating,
        options.time,
        duplicates="error" if policy == "error" else "keep",  # counted below
        missing=cast(Missing, options.missing),
        weight=options.weight,
    )
    once = table.drop_duplicates(policy)
    if len(once) < len(table):
        warnings.warn(
            f"{data}: {len(table) - len(once):,} of {len(table):,} rows repeat an earlier pair, which counts once "
            f"(--duplicates {policy}{', by --time' if policy in ('first', 'last') and table.times is not None else ''}).",
            stacklevel=3,
        )
    _say_joined(data, table, once, policy)
    _say_spaces(data, once)
    return _liked(data, once, options.min_rating)


def _say_spaces(data: str, table: Interactions) -> None:
    """Ids that are others' but for spaces at their ends: they count as others."""
    for kind, ids in (("user", table.user_ids), ("item", table.item_ids)):
        spaced = [one for one in ids.tolist() if one != one.strip()] if ids.dtype.kind == "O" else []
        known = set(ids.tolist()) if spaced else set()
        if twins := [one for one in spaced if one.strip() in known]:
            warnings.warn(
                f"{data}: {len(twins):,} {kind} ids are others but for spaces at their ends, first {min(twins)!r}; each counts "
                "as an id of its own.",
                stacklevel=4,
            )


def _say_joined(data: str, table: Interactions, once: Interactions, policy: str) -> None:
    """What a policy does to the numbers of repeated pairs, where that is easily not what somebody means."""
    if policy == "sum" and table.ratings is not None and once.ratings is not None and once.ratings.max() > table.ratings.max():
        warnings.warn(
            f"{data}: --duplicates sum adds up ratings, too: the highest is {once.ratings.max():g} now, and was "
            f"{table.ratings.max():g}. Leave --rating out for quantities alone, or take max, mean or last.",
            stacklevel=4,
        )
    if policy in ("first", "last") and table.weights is not None and len(once) < len(table):
        warnings.warn(
            f"{data}: of a repeated pair the weight of one row counts (--duplicates {policy}); sum adds them up.", stacklevel=4
        )


_QUANTITIES: dict[str, None] = {"rating": None, "time": None, "weight": None}


def whole_pairs(data: str, options: TableOptions, texts: Collection[str] = ()) -> Interactions:
    """Every pair of a user and an item, whatever else its rows say or do not say."""
    if is_made_table(data):
        return open_table(data)
    bare = dataclasses.replace(options, **_QUANTITIES, decimal=None, min_rating=None, duplicates="first")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said of the same rows already
        return read_rows(data, bare, texts)[0]


def left_out(
    data: str,
    options: TableOptions,
    table: Interactions,
    low: Interactions | None,
    texts: Collection[str] = (),
    as_then: str = "",
) -> Interactions | None:
    """Pairs that people have met and that are not learnt from: too low a rating, or a gap in their row.

    `as_then` is said beside the option where nobody has given it now.
    """
    if options.missing != "drop" or is_made_table(data) or not _QUANTITIES.keys() & options.given().keys():
        return low
    from graphrec.recommender.seen_pairs import seen_together
    from graphrec.recommender.tables import in_ids_of

    ids = ((options.user, table.user_ids), (options.item, table.item_ids))
    every = whole_pairs(data, options, {*texts, *(str(name) for name, known in ids if known.dtype.kind == "O")})
    known = in_ids_of(every, table).keys
    gone = every.select(~np.isin(every.keys, known))
    with_gaps = gone if low is None else gone.select(~np.isin(gone.keys, in_ids_of(every, low).keys))
    if len(with_gaps):
        warnings.warn(
            f"{data}: {len(with_gaps):,} pairs whose rows have gaps (--missing drop{as_then}) are not learnt from, and not "
            "recommended to those who have met them.",
            stacklevel=3,
        )
    return seen_together(low, with_gaps)


def _liked(data: str, table: Interactions, least: float | None) -> tuple[Interactions, Interactions | None]:
    """The pairs with a rating of at least `least`, and their people and things; and the other pairs, which a warning counts."""
    if least is None:
        return table, None
    high = table.binarize(least)
    low = table.select(~high.has_keys(table.keys))  # --duplicates keep: a pair may have both
    high = high.compact()
    if len(high) < len(table):
        gone = [(table.n_users - high.n_users, "people"), (table.n_items - high.n_items, "things")]
        lost = " and ".join(f"{n:,} {what}" for n, what in gone if n)
        warnings.warn(
            f"{data}: --min-rating {least:g} leaves out {len(table) - len(high):,} of {len(table):,} pairs"
            f"{f'; {lost} have no other' if lost else ''}. What is left out is not learnt from, and not recommended to "
            "those who have met it.",
            stacklevel=4,
        )
    return high, low if len(low) else None
