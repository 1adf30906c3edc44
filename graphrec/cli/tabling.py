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
@click.option("--sep", default=",", show_default=True, help="What stands between the columns of text files.")
@table_options("min_rating", "split", "split_seed")
def table(source: tuple[Path, ...], out: Path, sep: str, **columns: Any) -> None:
    """Make one table of a folder of CSV or Parquet files, or of several files, that need not fit into memory.

    The folder that it makes can be named as --data of train, evaluate, search and update: it is opened at once, and stays
    on disk.
    """
    import graphrec as gr

    user, item = columns.pop("user"), columns.pop("item")
    if user is None or item is None:
        raise InputError("name the columns of users and of items with --user and --item.")
    options = {name: value for name, value in columns.items() if value is not None}
    files = source[0] if len(source) == 1 and not source[0].is_file() else source
    made = gr.read_folder(files, user, item, sep=sep, out=out, **{"duplicates": "first", **options})
    click.echo(f"{made!r} in {click.format_filename(out)}")
