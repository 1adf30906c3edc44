"""The command ``graphrec report``."""

from __future__ import annotations

from pathlib import Path

import click

from graphrec.errors import InputError

__all__ = ["report"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user", help="A user's id; the first of the training data unless given.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("page.html"), show_default=True, help="The page.")
@click.option("--items", type=click.Path(path_type=Path), help="CSV or Parquet: a row per item, with ids and titles.")
@click.option("--title", help="Column of titles in --items.")
@click.option("--image", help="Column of addresses of pictures in --items.")
@click.option("-k", default=10, show_default=True, help="How many items, and for metrics the length of a list.")
@click.option("--data", help="Data set, folder or table on whose test part the model is measured; a table as in training.")
def report(
    run: Path,
    user: str | None,
    out: Path,
    items: Path | None,
    title: str | None,
    image: str | None,
    k: int,
    data: str | None,
) -> None:
    """Write one HTML page about a trained model and one person; with --data its metrics are there, too."""
    import graphrec as gr
    from graphrec.folder_files import check_not_its_own
    from graphrec.own_table import TableOptions
    from graphrec.report.names import read_items, typed_id
    from graphrec.runs import same_split_of

    check_not_its_own(out)
    recommender = gr.load(run)
    ids = recommender.train.user_ids
    if not len(ids):
        raise InputError(f"{run} was trained on nobody.")
    who = ids[0] if user is None else typed_id(user, ids, "user")
    table = None if items is None else read_items(items)
    measured = None if data is None else gr.evaluate(recommender, same_split_of(recommender, data, TableOptions(), run), k=k)
    recommender.report(who, out, table, k=k, evaluation=measured, title=title, image=image)
    click.echo(f"written to {click.format_filename(out)}")
