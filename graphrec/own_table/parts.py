"""A table of one's own cut into parts, and cut in the same way again at evaluation; and tomorrow's table for its run."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data import split as splits
from graphrec.data.csv_files import first_text
from graphrec.data.dates import NUMBERS
from graphrec.data.ids import digest
from graphrec.data.interactions import Interactions
from graphrec.data.parquet import is_parquet
from graphrec.data.split import Split
from graphrec.errors import InputError, NoRowLeft
from graphrec.folder_files import has_journal, is_run
from graphrec.own_table.options import (
    NAMES,
    TableOptions,
    check_decimal,
    check_separator,
    is_made_table,
    is_named,
    is_table,
    policy_of,
    table_columns,
)
from graphrec.own_table.rows import kind_of_its_times, left_out, open_whole, read_rows, whole_pairs

__all__ = ["SPLITS", "read_more", "refuse_final", "split_again", "split_table"]

_TEST, _VALID = 0.2, 0.1
SPLITS: dict[str, Callable[[Interactions, int], Split]] = {
    "chronological": lambda table, seed: splits.chronological(table, test=_TEST, valid=_VALID),
    "global-time": lambda table, seed: splits.global_time(table, test=_TEST, valid=_VALID),
    "stratified": lambda table, seed: splits.stratified(table, test=_TEST, valid=_VALID, seed=seed),
    "random": lambda table, seed: splits.random(table, test=_TEST, valid=_VALID, seed=seed),
}
"""Ways to split that ``--split`` names: 70 % / 10 % / 20 %."""
_BY_TIME = ("chronological", "global-time")
_WHOLE = "a table that graphrec table made, or on a data set by name"


def split_table(data: str, options: TableOptions, final: bool = False) -> tuple[Split, dict[str, Any], Interactions | None]:
    """The parts of a table, the record from which :func:`split_again` makes them, and the pairs that were left out.

    Of a `final` run, which is trained on all parts, it does not say how large they are.

    Raises
    ------
    InputError
        The table cannot be read or split, or an option is of no use.
    """
    whole = open_whole(data, options)
    if whole is None and not is_parquet(Path(data)):
        check_separator(data, options.sep or ",", options.encoding)
    if whole is None and (options.user is None or options.item is None):
        there = table_columns(data, options.sep, options.encoding)
        raise InputError(f"--data {data} is a file: name its columns with --user and --item; it has {there}.")
    check_decimal(data, options, options)
    has_times = options.time is not None if whole is None else whole.times is not None
    _check_rated(data, options, whole)
    way = options.split or ("chronological" if has_times else "stratified")
    if way in _BY_TIME and not has_times:
        raise InputError(f"--split {way} needs --time, the column that it goes by.")
    if way in _BY_TIME and options.split_seed is not None:
        raise InputError(f"--split-seed is for a split that draws, and --split {way} goes by time.")
    full = dataclasses.replace(
        options,
        duplicates=None if whole is not None else policy_of(options),
        missing=None if whole is not None else options.missing or "error",
        split=way,
        split_seed=None if way in _BY_TIME else options.split_seed or 0,
    )
    table, low = read_rows(data, full, whole=whole)
    seen = left_out(data, full, table, low)
    kind = kind_of_its_times(data, full)
    record = {**full.given(), **({} if kind is None else {"times": kind}), "fingerprint": _fingerprint(table)}
    try:
        split = SPLITS[way](table, full.split_seed or 0)
    except InputError as error:
        if final:
            warnings.warn(f"{data} has too few pairs to choose epochs on some of them ({error})", stacklevel=2)
            return Split(train=table), record, seen
        raise InputError(f"{data} has {len(table):,} pairs of {table.n_users:,} users: {error}") from error
    parts = f"{len(split.train):,} / {0 if split.valid is None else len(split.valid):,} / {len(_test(split)):,}"
    how = "by time" if way in _BY_TIME else f"at random with seed {full.split_seed}"
    if not final:
        warnings.warn(f"{data} is split {how} ({way}) into {parts} pairs to train on, validate on and test on.", stacklevel=2)
    return split, record, seen


def split_again(data: str, options: TableOptions, record: Mapping[str, Any], run: Path) -> Split:
    """The parts on which a run was trained and is to be tested.

    Parameters
    ----------
    data : str
    options : TableOptions
        What is said now; the rest is as it was in training.
    record : mapping
        What :func:`split_table` gave; empty for a run that was not trained from a table.
    run : Path
        For messages.

    Raises
    ------
    InputError
        The run has no record, an option is another than in training, or the table is another.
    """
    if "split" not in record:
        raise InputError(f"{run} was not trained from a table, so nothing says which part of {data} is its test part.")
    if "fingerprint" not in record:
        raise InputError(
            f"{run} was updated after its training, so nothing says any more which part of {data} is its test part: train or "
            "search again, in another folder, to measure."
        )
    refuse_final(record, run)
    then = TableOptions(**{name: value for name, value in record.items() if name in NAMES})
    given = options.given()
    for name in ("duplicates", "missing", "min_rating", "split", "split_seed"):
        if name in given and given[name] != getattr(then, name):
            raise InputError(
                f"--{name.replace('_', '-')} {given[name]}: {run} was trained with "
                f"{getattr(then, name)}, and is tested in the same way."
            )
    full = dataclasses.replace(then, **given)
    whole = open_whole(data, options)
    if whole is None and (full.user is None or full.item is None):
        raise InputError(f"{run} was trained on {_WHOLE}; give that as --data, not the file {data}.")
    check_decimal(data, options, full)
    _check_rated(data, full, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in training
        table, _ = read_rows(data, full, whole=whole)
    if _fingerprint(table) != record.get("fingerprint"):
        named = ", ".join(repr(c) for c in (full.user, full.item, full.rating, full.time, full.weight) if c)
        rows = f"rows, their order and columns {named}" if named else "rows and their order"
        raise InputError(
            f"{data} is not the table that {run} was trained on, as far as its {rows} go: its test part would be another."
        )
    assert full.split is not None
    return SPLITS[full.split](table, full.split_seed or 0)


def refuse_final(record: Mapping[str, Any], run: Path) -> None:
    """Refuse to measure a run that was trained on its test part, too."""
    if record.get("final"):
        instead = "train it without --final to measure it"
        if record.get("final_of"):
            beside = f", {run.parent}" if has_journal(run.parent) and is_run(run.parent) else ""
            instead = f"measure the run of the search it is of{beside}"
        raise InputError(
            f"{run}: it was trained with --final on everything, so that the test pairs are in train, too; {instead}."
        )


def read_more(
    data: str, options: TableOptions, record: Mapping[str, Any], run: Path, known: Interactions
) -> tuple[Interactions | None, Interactions | None]:
    """A further table for a run, read as the run's own was, and the pairs that were left out; None where there are none.

    Parameters
    ----------
    data : str
    options : TableOptions
        What is said now, of columns above all; the rest is as it was in training.
    record : mapping
        What :func:`split_table` gave; empty for a run that was not trained from a table.
    run : Path
        For messages.
    known : Interactions
        What the run was trained on: where its ids are texts, so are those of the further table.

    Raises
    ------
    InputError
        It is no table or cannot be read, a column is not named, or an option is another than in training; or only one of the
        two tables has times with a zone.
    """
    if not is_table(data):
        raise InputError(f"--data {data} is not a file; update takes a CSV or Parquet table of what has happened since.")
    then = TableOptions(**{name: value for name, value in record.items() if name in NAMES})
    given = options.given()
    full = dataclasses.replace(then, **given)
    whole = open_whole(data, options)
    rated = (full.rating if whole is None else whole.ratings) is not None
    # Where no pair of the run has a lower rating than others, low ones may be left out from now on.
    alike = known.ratings is None or known.ratings.min() == known.ratings.max()
    first = then.min_rating is None and alike and rated
    if "split" in record and options.min_rating not in (None, then.min_rating) and not first:
        trained = "without" if then.min_rating is None else f"with {then.min_rating:g}"
        raise InputError(f"--min-rating {options.min_rating:g}: {run} was trained {trained}.")
    if whole is None and (full.user is None or full.item is None):
        known_from = f"was trained on {_WHOLE}" if "split" in record else "was not trained from a table"
        raise InputError(
            f"{run} {known_from}: name the columns of {data} with --user and --item; it has "
            f"{table_columns(data, full.sep, full.encoding)}."
        )
    _check_rated(data, full, whole)
    check_decimal(data, options, full)
    full = dataclasses.replace(full, duplicates=policy_of(full), missing=full.missing or "error")
    columns = ((str(full.user), known.user_ids), (str(full.item), known.item_ids))
    texts = {name for name, ids in columns if ids.dtype.kind == "O"}
    try:
        more, low = read_rows(data, full, texts, whole)
    except NoRowLeft as error:
        warnings.warn(f"{data}: {error} Nothing is learnt from it, and what it holds is not recommended.", stacklevel=2)
        return None, whole_pairs(data, full, texts)
    _check_ids(data, full, more, run, known)
    if known.times is not None and more.times is None:
        warnings.warn(f"{data} is read without times (--time), so that the times of {run} are forgotten, too.", stacklevel=2)
    if known.times is not None:
        _compare_times(data, run, record.get("times"), kind_of_its_times(data, full))
    as_then = "" if "missing" in given else f", as {run} was trained"
    return more, left_out(data, full, more, low, texts, as_then)


def _check_rated(data: str, options: TableOptions, whole: Interactions | None) -> None:
    """Refuse a lowest rating where there are no ratings."""
    if options.min_rating is None or (options.rating if whole is None else whole.ratings) is not None:
        return
    if is_named(data):
        raise InputError(f"--min-rating needs ratings, and {data} has none.")
    raise InputError("--min-rating needs --rating, the column that it is about.")


def _check_ids(data: str, options: TableOptions, more: Interactions, run: Path, known: Interactions) -> None:
    """Refuse texts in a text file where the ids of a run are integers, with the line of the first."""
    if is_made_table(data) or is_parquet(Path(data)):
        return  # their columns are of one type, which is told when the ids are looked for
    user, item = str(options.user), str(options.item)
    for kind, column, ids, new in (
        ("user", user, known.user_ids, more.user_ids),
        ("item", item, known.item_ids, more.item_ids),
    ):
        if ids.dtype.kind == "O" or new.dtype.kind != "O":
            continue
        if (found := first_text(data, user, item, column, options.sep or ",", options.encoding)) is not None:
            raise InputError(
                f"{data}: {found[0]!r} {found[1]} (column {column!r}) is not written as an integer, as all {kind} ids of {run} "
                "are; write it as one, or leave its rows out."
            )


def _compare_times(data: str, run: Path, then: str | None, now: str | None) -> None:
    """Refuse times whose order is not known, as within one table; tell of those that are written in another way."""
    if then is None or now is None or then == now:
        return
    told = f"the times of {data} are {now}, and those that {run} was trained on are {then}"
    if NUMBERS not in (then, now):
        raise InputError(f"{told}. Their order is not known; write those of {data} as they were.")
    warnings.warn(f"{told}: dates count as seconds since 1970 (UTC), and numbers as they are.", stacklevel=4)


def _fingerprint(table: Interactions) -> str:
    """Of all that a split depends on: rows in their order, times, ids; and of the ratings and weights, which are trained on."""
    ratings = np.zeros(0, np.float32) if table.ratings is None else table.ratings
    times: npt.NDArray[Any] = np.zeros(0, np.int64) if table.times is None else table.times
    # Weights only where there are some: the fingerprints of older runs go on to hold.
    weights = () if table.weights is None else (table.weights.view(np.int32),)
    return digest(table.users, table.items, times, ratings.view(np.int32), table.user_ids, table.item_ids, *weights)


def _test(split: Split) -> Interactions:
    assert split.test is not None
    return split.test
