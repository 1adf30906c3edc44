"""Commands that make a run and measure it: ``train`` and ``evaluate``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from graphrec.cli.grouping import named_groups
from graphrec.cli.kept import tell_kept
from graphrec.cli.settings import settings_of
from graphrec.cli.table_options import DATA, ITEMS, TITLE, check_titles, table_options
from graphrec.errors import InputError

__all__ = ["evaluate", "train"]


class _WithSettings(click.Command):
    """A command whose help ends with what ``--set`` takes for every model; it is looked up when somebody asks."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the command, then the settings with the library's own values."""
        from graphrec.option_texts import fit_options

        super().format_options(ctx, formatter)
        with formatter.section("Settings of every training (--set KEY=VALUE), unless a model or a preset has others"):
            formatter.write_dl(fit_options(), col_max=24)


@click.command(
    cls=_WithSettings, epilog="`graphrec options MODEL` lists what --set takes with a model, with the values unless set."
)
@click.argument("model")
@click.option("--data", required=True, help=DATA)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder for the trained model: new, empty or a run's."
)
@click.option("--set", "pairs", multiple=True, metavar="KEY=VALUE", help="A hyper-parameter or a training option.")
@click.option("--no-valid", is_flag=True, help="Put the validation pairs back into training (the papers' protocol).")
@click.option("--refit", is_flag=True, help="Once the epochs are chosen on validation, train again on train + validation.")
@click.option(
    "--final",
    is_flag=True,
    help="For use, not for measuring: train on everything, the test part included; nothing is left to evaluate on.",
)
@click.option(
    "--preset-data",
    metavar="NAME",
    help="Data set whose settings a preset takes, where its paper has several; --data itself if it is one of them.",
)
@table_options()
@ITEMS
@TITLE
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Folder that keeps the state of the training, every epoch.")
@click.option("--resume", is_flag=True, help="Go on from the state in --checkpoint, if there is one.")
@click.option("--device", help="Where to train: auto, cpu, cuda, cuda:1 or mps.  [default: auto]")
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
    final: bool,
    preset_data: str | None,
    items: Path | None,
    title: str | None,
    checkpoint: Path | None,
    resume: bool,
    device: str | None,
    distributed: bool,
    **columns: Any,
) -> None:
    """Train MODEL (a model's or a preset's name) and save it in a folder."""
    from graphrec.cli.together import one_voice
    from graphrec.devices import resolve_device
    from graphrec.distributed.group import joined
    from graphrec.own_table import TableOptions, is_made_table
    from graphrec.run_folder import check_folder
    from graphrec.runs import named_recommender, split_of, train_run, with_test
    from graphrec.titles import read_titles

    if final and refit:
        raise InputError("--final trains again on everything as it is: leave --refit out.")
    if no_valid and refit:
        raise InputError(
            "--refit trains again once the epochs are chosen on validation, and --no-valid leaves none: choose one."
        )
    check_titles(items, title)
    if resume and checkpoint is None:
        raise InputError("--resume needs --checkpoint, the folder to go on from.")
    kept: dict[str, Any] = {} if checkpoint is None else {"checkpoint": checkpoint, "resume": resume}
    if not distributed and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError("torchrun has started several processes, which all would train the same run: give --distributed.")
    if device is not None:
        if any(pair.partition("=")[0].strip() == "device" for pair in pairs):
            raise InputError("--device and --set device= say the same: give one of them.")
        pairs = (*pairs, f"device={device}")
    group = joined() if distributed else None
    with one_voice(group):
        if group is None:
            resolve_device(device or "auto")  # before anything is read
        recommender, settings = named_recommender(model, settings_of(pairs), data, preset_data)
        replaces = check_folder(out) if group is None else group.from_writer(lambda: check_folder(out))
        items_column = columns["item"]
        if items is not None and is_made_table(data):
            columns["item"] = None  # it is about --items alone
        table = TableOptions(**columns)
        split, origin, seen = split_of(data, table, final)
        titles = None if items is None or title is None else read_titles(items, items_column or table.item or "item_id", title)
        split = split.without_valid() if no_valid else split
        if final:
            split, refit = with_test(split), split.valid is not None
            n_valid = len(split.valid) if split.valid is not None and recommender.kind.needs_training else 0
            how = f" ({origin['split']})" if origin else ""
            first = f", once the epochs are chosen on {n_valid:,} of them{how}" if n_valid else ""
            n_all = len(split.train) + (0 if split.valid is None else len(split.valid))
            click.echo(f"note: all {n_all:,} pairs of {data} are trained on (--final){first}.", err=True)
            origin["final"] = True
        elif origin:
            click.echo("note: pairs of the test part may be recommended again; --final trains on everything.", err=True)
        train_run(recommender, split, out, refit, origin, titles, group, seen=seen, **kept, **settings)
        tell_kept(recommender, refit)
        click.echo(f"{'replaced the run' if replaces else 'saved'} in {click.format_filename(out)}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--data", required=True, help=DATA)
@click.option("-k", type=int, help="Length of the recommended list.  [default: 20, or the catalogue where it is smaller]")
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
    help="Means by groups of people: thirds by length of history, or a CSV or Parquet file of ids and names of groups; "
    "whom it does not name is in a group of their own.",
)
@click.option(
    "--item-groups",
    metavar="popularity|FILE",
    help="What becomes of groups of items: head, mid and tail by popularity, or a file of ids and names of groups.",
)
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, auto, cuda, cuda:1 or mps.")
@click.option(
    "--distributed", is_flag=True, help="Share the ranking among the processes of torchrun, each a part of the items."
)
@table_options()
def evaluate(
    run: Path,
    data: str,
    k: int | None,
    as_json: bool,
    beyond: bool,
    user_groups: str | None,
    item_groups: str | None,
    device: str,
    distributed: bool,
    **columns: Any,
) -> None:
    """Rank the test part of a data set with a trained model; train and validation pairs are left out for every run.

    A table is read and split as it was for training, and must be the same one.
    """
    import graphrec as gr
    from graphrec.cli.together import one_voice
    from graphrec.distributed.group import joined
    from graphrec.own_table import TableOptions
    from graphrec.runs import same_split_of

    group = joined() if distributed else None
    with one_voice(group):
        recommender = gr.load(run, device=device if group is None else group.device(device))
        split = same_split_of(recommender, data, TableOptions(**columns), run)
        if distributed:
            recommender.share_ranking()
        people = named_groups("--user-groups", user_groups or ("history" if beyond else None), "history", split.train.user_ids)
        things = named_groups(
            "--item-groups", item_groups or ("popularity" if beyond else None), "popularity", split.train.item_ids
        )
        report = gr.evaluate(recommender, split, k=k, beyond=beyond, user_groups=people, item_groups=things)
        click.echo(json.dumps(report.to_dict()) if as_json else str(report))
