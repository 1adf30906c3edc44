"""The command ``graphrec table``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphrec.cli.table_options import table_options
from graphrec.errors import InputError

__all__ = ["table"]


@click.command()
@click.argument("source", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder for the table, new or of an earlier one.")
@table_options("decimal", "min_rating", "split", "split_seed")
def table(source: tuple[Path, ...], out: Path, **columns: Any) -> None:
    """Make one table of a folder of CSV or Parquet files, or of several files, that need not fit into memory.

    The folder that it makes can be named as --data of train, evaluate, search and update: it is opened at once, and stays
    on disk.
    """
    import graphrec as gr
    from graphrec.cli.ending import removing_what_was_begun
    from graphrec.own_table import TableOptions, policy_of, table_columns

    user, item = columns.pop("user"), columns.pop("item")
    if user is None or item is None:
        one = next((file for file in source if file.is_file()), None)
        has = "" if one is None else f"; {one} has {table_columns(str(one), columns['sep'], columns['encoding'])}"
        raise InputError(f"name the columns of users and of items with --user and --item{has}.")
    usual = policy_of(TableOptions(rating=columns["rating"], weight=columns["weight"]))
    options = {name: value for name, value in columns.items() if value is not None}
    files = source[0] if len(source) == 1 and not source[0].is_file() else source
    with removing_what_was_begun():
        made = gr.read_folder(files, user, item, out=out, **{"duplicates": usual, **options})
    click.echo(f"{made!r} in {click.format_filename(out)}")
