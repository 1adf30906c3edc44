"""``graphrec search``: the best recommender for a data set within a budget, as a run."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path
from typing import Any

import click

from graphrec.cli.ending import telling_of_its_journal
from graphrec.cli.final import check_final, keep_final, tell_of_final
from graphrec.cli.table_options import DATA, ITEMS, TITLE, check_titles, table_options
from graphrec.errors import InputError
from graphrec.folder_files import SEARCH_FILES, SEARCH_FOLDERS

__all__ = ["search"]


@click.command()
@click.option("--data", required=True, help=DATA)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the result; a search in it is gone on with."
)
@click.option(
    "--budget",
    default="10min",
    show_default=True,
    help="Time for all that comes once the data are read, and for all runs in one folder together: 90s, 10min, 1h.",
)
@click.option(
    "--memory", default=None, help="Memory that a candidate may take, such as 8GB; half of what is free unless given."
)
@click.option("--metric", default=None, help="What is chosen by on validation.  [default: ndcg@20]")
@click.option("--seed", default=0, show_default=True, help="Of everything that is drawn.")
@click.option(
    "--model", "models", multiple=True, help="A model or preset to try; may be given several times. All unless given."
)
@click.option("--device", default="auto", show_default=True, help="Where to compute: auto, cpu, cuda, cuda:1 or mps.")
@click.option("--fresh", is_flag=True, help="Begin anew instead of going on with the search in the folder.")
@click.option(
    "--final",
    is_flag=True,
    help="For use, not for measuring: after the search, and beyond its budget, fit what it has chosen anew on everything, the "
    "test part included, into the folder final in --out.",
)
@table_options()
@ITEMS
@TITLE
def search(
    data: str,
    out: Path,
    budget: str,
    memory: str | None,
    metric: str | None,
    seed: int,
    models: tuple[str, ...],
    device: str,
    fresh: bool,
    final: bool,
    items: Path | None,
    title: str | None,
    **columns: Any,
) -> None:
    """Find the best recommender for a data set within a time budget; its test part is not looked at.

    A search in the folder is gone on with: with a larger budget, after a kill, or with models that it had not. What it has
    saved gives way to nothing that is worse on validation.
    """
    with telling_of_its_journal(out):
        from graphrec.devices import resolve_device
        from graphrec.evaluation.evaluator import metric_of
        from graphrec.evaluation.metrics import parse, usual
        from graphrec.own_table import TableOptions
        from graphrec.run_folder import check_folder
        from graphrec.runs import split_of, with_table
        from graphrec.search.budget import seconds_of
        from graphrec.search.entries import chosen
        from graphrec.search.saved import record_of
        from graphrec.search.search import search_as
        from graphrec.search.space import SOLVED, TRAINED
        from graphrec.search.summary import summary
        from graphrec.titles import new_titles, read_titles, titles_kept

        seconds_of(budget)
        resolve_device(device)
        check_titles(items, title)
        check_folder(out, SEARCH_FILES, SEARCH_FOLDERS)
        table = TableOptions(**columns)
        chosen(list(models) or None, SOLVED, TRAINED)
        metric_of(metric, sys.maxsize, "a search chooses")  # of how many items is not known yet
        titles = titles_kept(out) if items is None and not fresh else None
        if titles is not None:
            click.echo(f"note: the titles that the run in {click.format_filename(out)} has are kept.", err=True)
        if items is not None and title is not None:
            titles = read_titles(items, table.item or "item_id", title)
        split, origin, seen = split_of(data, table)
        if split.valid is None:
            raise InputError(f"{data} leaves no pair to choose on: its people have too few.")
        if final:
            check_final(out, split, data, fresh)
        before = record_of(out)
        dressed = (lambda best: with_table(best, origin, titles)) if origin or titles is not None else None
        best = search_as(
            dressed,
            split.train,
            split.valid,
            budget,
            memory=memory,
            out=out,
            seed=seed,
            device=device,
            metric=metric,
            models=list(models) or None,
            resume=not fresh,
            seen=seen,
            progress=True,
            clock=time.perf_counter,
        )
        updated = record_of(out) == before and best._fitted.stage > 0  # by graphrec update, and only read here
        if updated and titles is not None and (n_new := new_titles(best, titles)):
            column = [] if table.item is None else ["--item", table.item]
            command = shlex.join(["graphrec", "update", str(out), "--items", str(items), *column, "--title", str(title)])
            raise InputError(
                f"{n_new:,} titles of --items are not taken in: the run in {out} has taken in more since its search and stays "
                f"as it is. `{command}` gives it the titles."
            )
        tried = best.table
        assert tried is not None
        click.echo(summary(tried, str(tried.columns[2]), models))
        # A search that began anew has saved what it found, be it the same to the last bit.
        stays = "stays as it was updated" if updated else "stays as it was saved"
        what = stays if record_of(out) == before and not fresh else "saved"
        click.echo(f"{best.name} {what} in {click.format_filename(out)}; every candidate is in its table.csv")
        length, others = (parse(one).k for one in (str(tried.columns[2]), usual(split.train.n_items)))
        if length != others:
            click.echo(
                f"note: chosen by lists of {length}; `evaluate` measures those of {others} unless -k {length} is given.",
                err=True,
            )
        if final:
            keep_final(best, split, out, origin, device, data)
        elif origin and not updated:
            tell_of_final(best, out)
