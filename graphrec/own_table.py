"""A table of one's own on the command line: read, cut into parts, and cut in the same way again at evaluation."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from graphrec.data import split as splits
from graphrec.data.columns import Missing
from graphrec.data.csv_files import read_csv
from graphrec.data.dates import NUMBERS, kind_of_times
from graphrec.data.ids import digest
from graphrec.data.interactions import Interactions
from graphrec.data.mapped import open_table
from graphrec.data.parquet import is_parquet, read_parquet
from graphrec.data.repeats import Duplicates
from graphrec.data.separators import other_separator
from graphrec.data.side_table import first_values
from graphrec.data.split import Split
from graphrec.errors import InputError

__all__ = [
    "SPLITS",
    "TableOptions",
    "is_made_table",
    "is_table",
    "read_more",
    "refuse_final",
    "refuse_options",
    "split_again",
    "split_table",
    "table_columns",
]

_TEST, _VALID = 0.2, 0.1
SPLITS: dict[str, Callable[[Interactions, int], Split]] = {
    "chronological": lambda table, seed: splits.chronological(table, test=_TEST, valid=_VALID),
    "global-time": lambda table, seed: splits.global_time(table, test=_TEST, valid=_VALID),
    "stratified": lambda table, seed: splits.stratified(table, test=_TEST, valid=_VALID, seed=seed),
    "random": lambda table, seed: splits.random(table, test=_TEST, valid=_VALID, seed=seed),
}
"""Ways to split that ``--split`` names: 70 % / 10 % / 20 %."""
_BY_TIME = ("chronological", "global-time")


@dataclass(frozen=True)
class TableOptions:
    """What the command line says of a table; None where it says nothing.

    Attributes
    ----------
    user, item, rating, time, weight : str or None
        Names of columns.
    sep : str or None
        What stands between the columns of a text file; a comma unless given.
    encoding : str or None
        Of a text file; UTF-8 unless given.
    decimal : str or None
        What stands before the fraction of a number of a text file; a point unless given.
    duplicates, missing : str or None
        As in :meth:`Interactions.from_frame`; unless given ``"first"`` (by time where there are times), or
        ``"sum"`` for weights without ratings; and ``"error"``.
    min_rating : float or None
        Pairs below it are left out, and the others count alike.
    split : str or None
        A key of :data:`SPLITS`: by time where there are times, else ``"stratified"``.
    split_seed : int or None
        Of the two that draw; 0 unless given.
    """

    user: str | None = None
    item: str | None = None
    rating: str | None = None
    time: str | None = None
    weight: str | None = None
    sep: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    duplicates: str | None = None
    missing: str | None = None
    min_rating: float | None = None
    split: str | None = None
    split_seed: int | None = None

    def given(self) -> dict[str, Any]:
        """What was said, by the option's name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}


_OF_FILES = ("user", "item", "rating", "time", "weight", "sep", "encoding", "decimal", "duplicates", "missing")
_NAMES = {field.name for field in dataclasses.fields(TableOptions)}


def is_table(data: str) -> bool:
    """Whether ``--data`` is a file, or a table that ``graphrec table`` made."""
    return bool(data.strip()) and (Path(data).is_file() or is_made_table(data))


def is_made_table(data: str) -> bool:
    """Whether ``--data`` is a table that ``graphrec table`` made."""
    return (Path(data) / "table.json").is_file()


def _open_mapped(data: str, options: TableOptions) -> Interactions:
    """A mapped table; what would be said of its columns was said when it was made."""
    for name in _OF_FILES:
        if getattr(options, name) is not None:
            raise InputError(f"--{name} is said when a table is made, and --data {data} is a table already.")
    return open_table(data)


def refuse_options(data: str, options: TableOptions) -> None:
    """Refuse what is said of a table's columns where the data is no table."""
    for name in options.given():
        raise InputError(f"--{name.replace('_', '-')} is for a table, and --data {data} is not a CSV or Parquet file.")


def split_table(data: str, options: TableOptions, final: bool = False) -> tuple[Split, dict[str, Any], Interactions | None]:
    """The parts of a table, the record from which :func:`split_again` makes them, and the pairs that were left out.

    Of a `final` run, which is trained on all parts, it does not say how large they are.

    Raises
    ------
    InputError
        The table cannot be read or split, or an option is of no use.
    """
    mapped = _open_mapped(data, options) if is_made_table(data) else None
    if mapped is None and not is_parquet(Path(data)):
        _check_separator(data, options.sep or ",", options.encoding)
    if mapped is None and (options.user is None or options.item is None):
        there = table_columns(data, options.sep, options.encoding)
        raise InputError(f"--data {data} is a file: name its columns with --user and --item; it has {there}.")
    has_times = options.time is not None if mapped is None else mapped.times is not None
    if options.min_rating is not None and (options.rating if mapped is None else mapped.ratings) is None:
        raise InputError("--min-rating needs --rating, the column that it is about.")
    way = options.split or ("chronological" if has_times else "stratified")
    if way in _BY_TIME and not has_times:
        raise InputError(f"--split {way} needs --time, the column that it goes by.")
    if way in _BY_TIME and options.split_seed is not None:
        raise InputError(f"--split-seed is for a split that draws, and --split {way} goes by time.")
    full = dataclasses.replace(
        options,
        duplicates=None if mapped is not None else _policy(options),
        missing=None if mapped is not None else options.missing or "error",
        split=way,
        split_seed=None if way in _BY_TIME else options.split_seed or 0,
    )
    table, low = _read(data, full)
    seen = _seen(data, full, table, low)
    kind = _kind_of_times(data, full)
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
            f"{run} was updated after its training, so nothing says any more which part of {data} is its test part."
        )
    refuse_final(record, run)
    then = TableOptions(**{name: value for name, value in record.items() if name in _NAMES})
    given = options.given()
    for name in ("duplicates", "missing", "min_rating", "split", "split_seed"):
        if name in given and given[name] != getattr(then, name):
            raise InputError(
                f"--{name.replace('_', '-')} {given[name]}: {run} was trained with "
                f"{getattr(then, name)}, and is tested in the same way."
            )
    full = dataclasses.replace(then, **given)
    if is_made_table(data):
        _open_mapped(data, options)
    elif full.user is None or full.item is None:
        raise InputError(f"{run} was trained on a table that graphrec table made; give that as --data, not the file {data}.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said in training
        table, _ = _read(data, full)
    if _fingerprint(table) != record.get("fingerprint"):
        raise InputError(
            f"{data} is not the table that {run} was trained on, as far as its rows, their order and columns "
            f"{', '.join(repr(c) for c in (full.user, full.item, full.rating, full.time, full.weight) if c)} go: its "
            "test part would be another."
        )
    assert full.split is not None
    return SPLITS[full.split](table, full.split_seed or 0)


def refuse_final(record: Mapping[str, Any], run: Path) -> None:
    """Refuse to measure a run that was trained on its test part, too."""
    if record.get("final"):
        raise InputError(
            f"{run}: it was trained with --final on everything, so that the test pairs are in train, too; train it without "
            "--final to measure it."
        )


def read_more(
    data: str, options: TableOptions, record: Mapping[str, Any], run: Path, known: Interactions
) -> tuple[Interactions, Interactions | None]:
    """A further table for a run, read as the run's own was, and the pairs that were left out.

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
    then = TableOptions(**{name: value for name, value in record.items() if name in _NAMES})
    given = options.given()
    if "split" in record and options.min_rating not in (None, then.min_rating):
        raise InputError(f"--min-rating {options.min_rating:g}: {run} was trained with {then.min_rating}.")
    full = dataclasses.replace(then, **given)
    mapped = _open_mapped(data, options) if is_made_table(data) else None
    if mapped is None and (full.user is None or full.item is None):
        known_from = "was trained on a table that graphrec table made" if "split" in record else "was not trained from a table"
        raise InputError(
            f"{run} {known_from}: name the columns of {data} with --user and --item; it has "
            f"{table_columns(data, full.sep, full.encoding)}."
        )
    if full.min_rating is not None and (full.rating if mapped is None else mapped.ratings) is None:
        raise InputError("--min-rating needs --rating, the column that it is about.")
    full = dataclasses.replace(full, duplicates=_policy(full), missing=full.missing or "error")
    columns = ((str(full.user), known.user_ids), (str(full.item), known.item_ids))
    texts = {name for name, ids in columns if ids.dtype.kind == "O"}
    more, low = _read(data, full, texts)
    if known.times is not None and more.times is None:
        warnings.warn(f"{data} is read without times (--time), so that the times of {run} are forgotten, too.", stacklevel=2)
    if known.times is not None:
        _compare_times(data, run, record.get("times"), _kind_of_times(data, full))
    return more, _seen(data, full, more, low, texts)


def _kind_of_times(data: str, options: TableOptions) -> str | None:
    """What a table's times are, in words; None where that is not known: it has none, or is a table that was made."""
    if options.time is None or is_made_table(data):
        return None
    column = first_values(Path(data), options.time, options.sep or ",", options.encoding)
    return kind_of_times(column) if len(column) else None


def _compare_times(data: str, run: Path, then: str | None, now: str | None) -> None:
    """Refuse times whose order is not known, as within one table; tell of those that are written in another way."""
    if then is None or now is None or then == now:
        return
    told = f"the times of {data} are {now}, and those that {run} was trained on are {then}"
    if NUMBERS not in (then, now):
        raise InputError(f"{told}. Their order is not known; write those of {data} as they were.")
    warnings.warn(f"{told}: dates count as seconds since 1970 (UTC), and numbers as they are.", stacklevel=4)


def _policy(options: TableOptions) -> str:
    """What becomes of repeated pairs: quantities add up, and of ratings the first one counts."""
    return options.duplicates or ("sum" if options.weight is not None and options.rating is None else "first")


def _read(data: str, options: TableOptions, texts: Collection[str] = ()) -> tuple[Interactions, Interactions | None]:
    """The rows that count, and the pairs whose rating is too low."""
    if is_made_table(data):
        table: Interactions = open_table(data)
        return _liked(data, table, options.min_rating)
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
    table = read(
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
        known = set(ids.tolist()) if ids.dtype.kind == "O" else set()
        twins = [one for one in known if one != one.strip() and one.strip() in known]
        if twins:
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


def _seen(
    data: str, options: TableOptions, table: Interactions, low: Interactions | None, texts: Collection[str] = ()
) -> Interactions | None:
    """Pairs that people have met and that are not learnt from: too low a rating, or a gap in their row."""
    quantities = {"rating": None, "time": None, "weight": None}
    if options.missing != "drop" or is_made_table(data) or not quantities.keys() & options.given().keys():
        return low
    from graphrec.recommender.seen_pairs import seen_together
    from graphrec.recommender.tables import in_ids_of

    bare = dataclasses.replace(options, **quantities, decimal=None, min_rating=None, duplicates="first")
    ids = ((options.user, table.user_ids), (options.item, table.item_ids))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # said of the same rows already
        every, _ = _read(data, bare, {*texts, *(str(name) for name, known in ids if known.dtype.kind == "O")})
    known = in_ids_of(every, table).keys
    gone = every.select(~np.isin(every.keys, known))
    with_gaps = gone if low is None else gone.select(~np.isin(gone.keys, in_ids_of(every, low).keys))
    if len(with_gaps):
        warnings.warn(
            f"{data}: {len(with_gaps):,} pairs whose rows have gaps (--missing drop) are not learnt from, and not recommended "
            "to those who have met them.",
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


def _check_separator(data: str, sep: str, encoding: str | None) -> None:
    """Refuse a text file that has one column by this separator, and several by another."""
    if (other := other_separator(data, sep, encoding)) is not None:
        named = "$'\\t'" if other == "\t" else f"'{other}'"
        raise InputError(
            f"--data {data}: its first line has no {sep!r}, but {other!r}: --sep {named} says what separates columns."
        )


def table_columns(data: str, sep: str | None = None, encoding: str | None = None) -> str:
    """The names of a file's columns, for a message."""
    import pandas as pd

    from graphrec.data.parquet import parquet_columns

    try:
        names = (
            parquet_columns(data)
            if is_parquet(Path(data))
            else list(pd.read_csv(data, nrows=0, sep=sep or ",", encoding=encoding).columns)
        )
    except (OSError, ValueError, LookupError):
        return "no columns that can be read"
    return ", ".join(str(name) for name in names[:20])
