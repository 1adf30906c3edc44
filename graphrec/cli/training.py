"""Commands that make a run and measure it: ``train`` and ``evaluate``."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

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
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Folder that keeps the state of the training, every epoch.")
@click.option("--resume", is_flag=True, help="Go on from the state in --checkpoint, if there is one.")
@click.option(
    "--distributed", is_flag=True, help="Share the training among the processes of torchrun: torchrun … -m graphrec train …"
)
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
    checkpoint: Path | None,
    resume: bool,
    distributed: bool,
    **columns: Any,
) -> None:
    """Train MODEL (a model's or a preset's name) and save it in a folder."""
    from graphrec.cli.together import one_voice
    from graphrec.distributed.group import joined
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
    if resume and checkpoint is None:
        raise InputError("--resume needs --checkpoint, the folder to go on from.")
    kept: dict[str, Any] = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": resume}
    group = joined() if distributed else None
    with one_voice(group):
        recommender, settings = named_recommender(model, settings_of(pairs), data, preset_data)
        replaces = check_folder(out) if group is None else group.from_writer(lambda: check_folder(out))
        table = TableOptions(**columns)
        origin: dict[str, Any] = {}
        if is_table(data):
            split, origin = split_table(data, table)
        else:
            split = named_split(data)
            refuse_options(data, table)
        titles = None if items is None or title is None else read_titles(items, table.item or "item_id", title)
        split = split.without_valid() if no_valid else split
        train_run(recommender, split, out, refit, origin, titles, group, **kept, **settings)
        click.echo(f"{'replaced the run' if replaces else 'saved'} in {click.format_filename(out)}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help=_DATA)
@click.option("-k", default=20, show_default=True, help="Length of the recommended list.")
@click.option("--json", "as_json", is_flag=True, help="Print the means as one JSON object.")
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, auto, cuda, cuda:1 or mps.")
@click.option(
    "--distributed", is_flag=True, help="Share the ranking among the processes of torchrun, each a part of the items."
)
@_table_options
def evaluate(run: Path, data: str, k: int, as_json: bool, device: str, distributed: bool, **columns: Any) -> None:
    """Rank the test part of a data set with a trained model; train and validation pairs are left out for every run.

    A table is read and split as it was for training, and must be the same one.
    """
    import graphrec as gr
    from graphrec.cli.together import one_voice
    from graphrec.distributed.group import joined
    from graphrec.own_table import TableOptions, is_table, refuse_options, split_again
    from graphrec.runs import named_split

    group = joined() if distributed else None
    with one_voice(group):
        recommender = gr.load(run, device=device if group is None else group.device(device))
        table = TableOptions(**columns)
        if is_table(data):
            split = split_again(data, table, recommender.origin, run)
        else:
            split = named_split(data)
            refuse_options(data, table)
        if distributed:
            recommender.share_ranking()
        report = gr.evaluate(recommender, split, k=k)
        click.echo(json.dumps(dict(report.mean)) if as_json else str(report))
