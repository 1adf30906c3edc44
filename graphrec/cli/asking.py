"""Commands that ask a run: ``recommend`` and ``similar``."""

from __future__ import annotations

import csv
import warnings
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphrec.errors import InputError

if TYPE_CHECKING:
    from graphrec.recommender import Recommender

__all__ = ["recommend", "similar"]


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--user", "users", multiple=True, help="A user's id; may be given several times.")
@click.option("--all", "everybody", is_flag=True, help="Everybody of the training data, into the file --out.")
@click.option(
    "--history",
    "histories",
    multiple=True,
    help="Somebody who was not there in training: their items, with commas between them; may be given several times. "
    "An id that holds a comma stands in double quotes.",
)
@click.option("--out", type=click.Path(path_type=Path), help="A file for the answer: .csv or .parquet.")
@click.option("-k", default=10, show_default=True, help="How many items.")
@click.option("--explain", default=0, type=click.IntRange(0), help="With --user: so many of their own items as reasons.")
@click.option("--candidates", type=click.Path(path_type=Path), help="File of items to choose from, an id a line.")
@click.option("--exclude", type=click.Path(path_type=Path), help="File of items to leave out, an id a line.")
@click.option(
    "--cold",
    type=click.Choice(["error", "skip", "popular"]),
    help="What to do about users without any training interaction: popular with --all, and error else, unless given.",
)
@click.option("--device", default="cpu", show_default=True, help="Where to compute: cpu, auto, cuda, cuda:1 or mps.")
@click.option("--distributed", is_flag=True, help="With --all: share the ranking among the processes of torchrun.")
def recommend(
    run: Path,
    users: tuple[str, ...],
    everybody: bool,
    histories: tuple[str, ...],
    out: Path | None,
    k: int,
    explain: int,
    candidates: Path | None,
    exclude: Path | None,
    cold: Any,
    device: str,
    distributed: bool,
) -> None:
    """Recommend items to users of the training data, to all of them, or to people never seen."""
    import graphrec as gr
    from graphrec.cli.ending import removing_what_was_begun
    from graphrec.cli.together import one_voice
    from graphrec.distributed.group import joined
    from graphrec.recommend_all import blocks, check_file, write_frames
    from graphrec.recommender.cold_start import whom

    if (bool(users) + everybody + bool(histories)) != 1:
        raise InputError("recommend takes one of --user, --all and --history.")
    if everybody and out is None:
        raise InputError("--all needs --out, a file for the recommendations: .csv or .parquet.")
    if explain and not users:
        raise InputError("--explain is for --user: `graphrec explain` says more about one item.")
    if histories and cold is not None:
        raise InputError("--cold is about users of the training data, not for --history.")
    if distributed and not everybody:
        raise InputError("--distributed is for --all: a few people are not worth several processes.")
    group = joined() if distributed else None
    with one_voice(group):
        if out is not None:
            check_file(out)
        recommender = gr.load(run, device=device if group is None else group.device(device))
        if distributed:
            recommender.share_ranking()
        how = {
            "candidates": _listed(recommender, "--candidates", candidates),
            "exclude": _listed(recommender, "--exclude", exclude),
        }
        if everybody:
            frames = blocks(recommender, k, cold=cold or "popular", **how)
            if cold in (None, "popular"):
                _say_popular(recommender.n_without_history, len(recommender.train.user_ids))
        elif users:
            known = _ids("--user", users, recommender.train.user_ids)
            if cold == "popular":
                _say_popular(len(whom(recommender._fitted, known, cold).without), len(known))
            frames = iter([recommender.recommend(known, k=k, cold=cold or "error", explain=explain, **how)])
        else:
            new = [_ids("--history", _fields(text), recommender.train.item_ids) for text in histories]
            frames = iter([recommender.recommend_new(new, k=k, **how)])
        named = (_with_titles(recommender, frame, "item_id") for frame in frames)
        if out is None:
            _print(next(named))
        elif group is not None and not group.is_writer:
            for _ in named:  # which takes all processes
                pass
        else:
            # Several processes: torchrun ends those that do not end at once, and they wait for each other in gloo.
            with removing_what_was_begun() if group is None else nullcontext():
                rows = write_frames(named, out)
            click.echo(f"{rows:,} rows in {click.format_filename(out)}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--item", "items", required=True, multiple=True, help="An item's id; may be given several times.")
@click.option("-k", default=10, show_default=True, help="How many items.")
def similar(run: Path, items: tuple[str, ...], k: int) -> None:
    """Find the items most similar to given ones."""
    import graphrec as gr

    recommender = gr.load(run)
    found = recommender.similar_items(_ids("--item", items, recommender.train.item_ids), k=k)
    _print(_with_titles(recommender, found, "similar_id"))


def _say_popular(n: int, of: int) -> None:
    """Nothing in a list tells where its scores come from."""
    if n:
        warnings.warn(
            f"{n:,} of {of:,} users have no training interaction: their lists are what most people have, with the number of "
            "these as score (--cold skip leaves them out).",
            stacklevel=3,
        )


def _with_titles(recommender: Recommender, frame: Any, column: str) -> Any:
    if recommender.titles is None:
        return frame
    return frame.assign(title=recommender.titles.reindex(frame[column]).fillna("").to_numpy(object))


def _fields(text: str) -> tuple[str, ...]:
    """The ids of a history, as a line of CSV has them."""
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise InputError(f"--history {text!r} cannot be read: {error}.") from None
    fields = tuple(field.strip() for field in (rows[0] if rows else ()))
    if len(fields) == 1 and ";" in fields[0]:
        click.echo(f"note: --history {text!r} is one id; between several ids there are commas.", err=True)
    if not all(fields) or not fields:
        raise InputError(f"--history {text!r}: an id is missing; it takes ids with commas between them.")
    return fields


def _listed(recommender: Recommender, option: str, path: Path | None) -> Any:
    """The items that a file lists and the run knows; a warning says how many others there are."""
    if path is None:
        return None
    if not path.is_file():
        raise InputError(f"{option} {path} is not a file.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise InputError(f"{option} {path} is not a text in UTF-8.") from None
    texts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
    known = recommender.train.item_ids
    ids = _ids(f"{option} {path}:", texts, known)
    there = set(known.tolist())
    found = [one for one in ids if one in there]
    if len(found) < len(ids):
        first = next(one for one in ids if one not in there)
        if not found:
            raise InputError(f"{option} {path}: the run knows none of its {len(ids):,} items, the first is {first}.")
        warnings.warn(
            f"{option} {path}: the run does not know {len(ids) - len(found):,} of its items, first {first}.", stacklevel=2
        )
    elif not ids and option == "--candidates":
        raise InputError(f"{option} {path} lists no item.")
    return found or None


def _print(frame: Any) -> None:
    if frame.empty:
        click.echo("note: there is nothing to list.", err=True)
    else:
        click.echo(frame.to_string(index=False))


def _ids(option: str, given: tuple[str, ...], known: Any) -> list[Any]:
    """Ids from the command line in the type that the data has; 007 is not 7."""
    if known.dtype.kind not in "iu":
        return list(given)
    from graphrec.report.names import is_whole

    odd = next((text for text in given if not is_whole(text)), None)
    if odd is not None:
        raise InputError(f"{option} {odd!r}: the ids of this data are whole numbers, without leading zeros.")
    return [int(text) for text in given]
