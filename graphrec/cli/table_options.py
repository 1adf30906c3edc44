"""Options that several commands have in common: what is said of a table, and of the titles of its items."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graphrec.errors import InputError

__all__ = ["DATA", "ITEMS", "TITLE", "check_titles", "table_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
DATA = "Name of a data set, a folder with train.txt and test.txt, a CSV or Parquet file, or a folder that graphrec table made."
ITEMS = click.option(
    "--items", type=click.Path(path_type=Path), help="CSV or Parquet file with a title for each item (column --item)."
)
TITLE = click.option("--title", metavar="COLUMN", help="Of --items: the column of titles.")


def _tab(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Shells do not make a tab of two characters."""
    return "\t" if value == "\\t" else value


_COLUMNS = {
    "user": click.option("--user", metavar="COLUMN", help="Of a table: the column of users."),
    "item": click.option("--item", metavar="COLUMN", help="Of a table: the column of items."),
    "rating": click.option("--rating", metavar="COLUMN", help="Of a table: the column of ratings."),
    "time": click.option(
        "--time",
        metavar="COLUMN",
        help="Of a table: the column of times: whole numbers, or ISO 8601, all with a zone or all without one (then "
        "UTC); a column of both kinds is refused.",
    ),
    "weight": click.option(
        "--weight", metavar="COLUMN", help="Of a table: the column that says how much each row counts (times bought, minutes)."
    ),
    "sep": click.option(
        "--sep", metavar="TEXT", callback=_tab, help="Of a text table: what stands between the columns; a comma unless given."
    ),
    "encoding": click.option(
        "--encoding", metavar="NAME", help="Of a text table: UTF-8 unless given; cp1252 is what Windows writes."
    ),
    "decimal": click.option(
        "--decimal",
        type=click.Choice([",", "."]),
        help="Of a text table: what stands before the fraction of a rating or weight; a point unless given.",
    ),
    "duplicates": click.option(
        "--duplicates",
        type=click.Choice(["first", "last", "mean", "sum", "max", "keep", "error"]),
        help="Of a table: what becomes of repeated pairs. Unless given, a pair counts once: with --rating its "
        "latest row (last), with --weight alone the sum of its rows (sum), and else its earliest row (first); by --time, or in "
        "their order where there is no --time. "
        "mean, sum and max join ratings and weights, and keep the latest time.",
    ),
    "missing": click.option(
        "--missing",
        type=click.Choice(["error", "drop"]),
        help="Of a table: rows with a gap are refused (error) or left out. "
        "In a text table NA, N/A, NULL, None and nan are gaps, too, as pandas has them.",
    ),
    "min_rating": click.option(
        "--min-rating",
        type=float,
        help="Of a table, or of a data set by name that has ratings: leave out pairs with a lower rating; the others count "
        "alike. What is left out is not learnt from, and not recommended to those who rated it low.",
    ),
    "split": click.option(
        "--split",
        type=click.Choice(["chronological", "global-time", "stratified", "random"]),
        help="Of a table: how 70/10/20 % become training, validation and test. Unless given, by each user's time where there "
        "is --time, else each user's rows at random (stratified).",
    ),
    "split_seed": click.option("--split-seed", type=click.IntRange(0), help="Of a split at random; 0 unless given."),
}


def table_options(*but: str) -> Callable[[Command], Command]:
    """A decorator that gives a command the options of a table, without those that are named."""

    def decorate(command: Command) -> Command:
        for name, option in reversed(_COLUMNS.items()):
            if name not in but:
                command = option(command)
        return command

    return decorate


def check_titles(items: Path | None, title: str | None) -> None:
    """Refuse one of ``--items`` and ``--title`` without the other."""
    if items is None and title is not None:
        raise InputError("--title is a column of the file that --items names: give that, too.")
    if items is not None and title is None:
        from graphrec.own_table import table_columns

        has = f"; it has {table_columns(str(items))}" if items.is_file() else ""
        raise InputError(f"--items {items} needs --title, the column of it that has the titles{has}.")
