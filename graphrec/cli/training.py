"""Commands that make a run and measure it: ``train`` and ``evaluate``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from graphrec.cli.grouping import named_groups
from graphrec.errors import InputError

__all__ = ["evaluate", "train"]

Command = TypeVar("Command", bound=Callable[..., Any])
_PYTHONS_WORDS = {"True": True, "False": False, "None": None}
_DATA = "Name of a data set, a folder with train.txt and test.txt, or a CSV or Parquet file."
_COLUMNS = (
    click.option("--user", metavar="COLUMN", help="Of a table: the column of users."),
    click.option("--item", metavar="COLUMN", help="Of a table: the column of items."),
    click.option("--rating", metavar="COLUMN", help="Of a table: the column of ratings."),
    click.option("--time", metavar="COLUMN", help="Of a table: the column of times, whole numbers or ISO 8601."),
    click.option(
        "--weight", metavar="COLUMN", help="Of a table: the column that says how much each row counts (times bought, minutes)."
    ),
    click.option(
        "--duplicates",
        type=click.Choice(["first", "last", "mean", "sum", "max", "keep", "error"]),
        help="Of a table: what becomes of repeated pairs. Unless given, a pair counts once, with its first row (first).",
    ),
    click.option(
        "--missing", type=click.Choice(["error", "drop"]), help="Of a table: rows with a gap are refused (error) or left out."
    ),
    click.option("--min-rating", type=float, help="Of a table: leave out pairs with a lower rating; the others count alike."),
    click.option(
        "--split",
        type=click.Choice(["chronological", "global-time", "stratified", "random"]),
        help="Of a table: how 70/10/20 % become training, validation and test. Unless given, by each user's time where there "
        "is --time, else each user's rows at random (stratified).",
    ),
    click.option("--split-seed", type=click.IntRange(0), help="Of a split at random; 0 unless given."),
)


def _table_options(command: Command) -> Command:
    for option in reversed(_COLUMNS):
        command = option(command)
    return command


def settings_of(pairs: tuple[str, ...]) -> dict[str, Any]:
    """``key=value`` pairs; values are read as TOML (numbers, lists, true), as Python's True, False and None, or as text."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = (part.strip() for part in pair.partition("="))
        if not equals or not key:
            raise InputError(f"--set takes key=value, got {pair!r}.")
        if key in settings:
            raise InputError(f"--set gives {key} twice: {settings[key]!r} and {text!r}.")
        settings[key] = _value(text)
    return settings


def _value(text: str) -> Any:
    if text in _PYTHONS_WORDS:
        return _PYTHONS_WORDS[text]
    try:
        table = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return table["value"] if len(table) == 1 else text


@click.command(epilog="`graphrec options MODEL` lists what --set takes, with the values unless set.")
@click.argument("model")
@click.option("--data", required=True, help=_DATA)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the trained model: new, empty or a run's."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter or a training option.")
@click.option("--no-valid", is_flag=True, help="Put the validation pairs back into training (the papers' protocol).")
@click.option("--refit", is_flag=True, help="Once the epochs are chosen on validation, train again on train + validation.")
@click.option(
    "--preset-data",
    metavar="NAME",
    help="Data set whose settings a preset takes, where its paper has several; --data itself if it is one of them.",
)
@_table_options
@click.option(
    "--items", type=click.Path(path_type=Path), help="CSV or Parquet file with a title for each item (column --item)."
)
@click.option("--title", metavar="COLUMN", help="Of --items: the column of titles.")
def train(
    model: str,
    data: str,
    out: Path,
    pairs: tuple[str, ...],
    no_valid: bool,
    refit: bool,
    preset_data: str | None,
    items: Path | None,
    title: str | None,
    **columns: Any,
) -> None:
    """Train MODEL (a model's or a preset's name) and save it in a folder."""
    from graphrec.own_table import TableOptions, is_table, refuse_options, split_table
    from graphrec.run_folder import check_folder
    from graphrec.runs import named_recommender, named_split, train_run
    from graphrec.titles import read_titles

    if no_valid and refit:
        raise InputError(
            "--refit trains again once the epochs are chosen on validation, and --no-valid leaves none: choose one."
        )
    if (items is None) != (title is None):
        raise InputError("--items names a file and --title its column of titles: one is of no use without the other.")
    recommender, settings = named_recommender(model, settings_of(pairs), data, preset_data)
    replaces = check_folder(out)
    table = TableOptions(**columns)
    origin: dict[str, Any] = {}
    if is_table(data):
        split, origin = split_table(data, table)
    else:
        split = named_split(data)
        refuse_options(data, table)
    titles = None if items is None or title is None else read_titles(items, table.item or "item_id", title)
    train_run(recommender, split.without_valid() if no_valid else split, out, refit, origin, titles, **settings)
    click.echo(f"{'replaced the run' if replaces else 'saved'} in {click.format_filename(out)}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help=_DATA)
@click.option("-k", default=20, show_default=True, help="Length of the recommended list.")
@click.option("--json", "as_json", is_flag=True, help="Print the means as one JSON object.")
@click.option(
    "--beyond",
    is_flag=True,
    help="Measure the lists themselves, too: novelty, diversity, popularity, coverage, inequality; and all figures by length "
    "of history and by popularity of the items.",
)
@click.option(
    "--user-groups",
    metavar="history|FILE",
    help="Means by groups of people: thirds by length of history, or a CSV or Parquet file of ids and names of groups.",
)
@click.option(
    "--item-groups",
    metavar="popularity|FILE",
    help="What becomes of groups of items: head, mid and tail by popularity, or a file of ids and names of groups.",
)
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, auto, cuda, cuda:1 or mps.")
@_table_options
def evaluate(
    run: Path,
    data: str,
    k: int,
    as_json: bool,
    beyond: bool,
    user_groups: str | None,
    item_groups: str | None,
    device: str,
    **columns: Any,
) -> None:
    """Rank the test part of a data set with a trained model; train and validation pairs are left out for every run.

    A table is read and split as it was for training, and must be the same one.
    """
    import graphrec as gr
    from graphrec.own_table import TableOptions, is_table, refuse_options, split_again
    from graphrec.runs import named_split

    recommender, table = gr.load(run, device=device), TableOptions(**columns)
    if is_table(data):
        split = split_again(data, table, recommender.origin, run)
    else:
        split = named_split(data)
        refuse_options(data, table)
    people = named_groups("--user-groups", user_groups or ("history" if beyond else None), "history", split.train.user_ids)
    things = named_groups(
        "--item-groups", item_groups or ("popularity" if beyond else None), "popularity", split.train.item_ids
    )
    report = gr.evaluate(recommender, split, k=k, beyond=beyond, user_groups=people, item_groups=things)
    click.echo(json.dumps(report.to_dict()) if as_json else str(report))
