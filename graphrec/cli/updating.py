"""The command ``graphrec update``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from graphrec.cli.settings import settings_of
from graphrec.cli.table_options import ITEMS, TITLE, check_titles, table_options
from graphrec.errors import InputError, unknown_name

__all__ = ["update"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", help="CSV or Parquet file of what has happened since; --items alone gives the run titles.")
@click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A training option; as in the latest fit unless set, but for the schedule.",
)
@click.option("--device", help="Where to compute: auto, cpu, cuda, cuda:1 or mps.  [default: cpu]")
@table_options("split", "split_seed")
@ITEMS
@TITLE
def update(
    run: Path,
    data: str | None,
    pairs: tuple[str, ...],
    items: Path | None,
    title: str | None,
    device: str | None,
    **columns: Any,
) -> None:
    """Take in what has happened since a run was trained: new pairs, new people, new things.

    The table is read as the run's own was, unless options say otherwise. Learnt weights stay, and are trained for five more
    epochs unless --set epochs=N; a model in closed form is solved anew. After a training with a schedule the learning rate
    stays where that had come to, but at least at a tenth of its peak, unless --set lr=… or schedule=…. The run is replaced in
    one move.
    """
    from graphrec.own_table import TableOptions
    from graphrec.training.options import FitOptions
    from graphrec.update_run import update_run

    check_titles(items, title)
    settings = settings_of(pairs)
    if device is not None:
        if "device" in settings:
            raise InputError("--device and --set device=… say the same; give one of them.")
        settings["device"] = device
    for name in settings:
        if name not in FitOptions.names():
            raise unknown_name("training option", name, FitOptions.names())
    click.echo(update_run(run, data, TableOptions(**columns), items, title, **settings))
