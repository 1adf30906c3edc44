"""``graphrec search --final``: what a search has chosen, fitted anew on everything, in a folder beside what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from graphrec.errors import InputError
from graphrec.folder_files import FINAL, RECORD

if TYPE_CHECKING:
    from graphrec.data.interactions import Interactions
    from graphrec.data.split import Split
    from graphrec.recommender import Recommender

__all__ = ["check_final", "keep_final", "tell_of_final"]

_OF = "final_of"  # in the origin of the run: the record of the search's own run at that time,
_OF_WEIGHTS = "final_of_weights"  # and what it was without its titles and how the table was read


def check_final(out: Path, split: Split, data: str, fresh: bool) -> None:
    """Refuse, before anything is searched, what would be fitted on nothing more or would lose what an update has brought.

    Raises
    ------
    InputError
        The data have no test part; or the run of the search, or what ``--final`` made of it, has taken in more since.
    """
    from graphrec.recommender.artefact import record_in
    from graphrec.run_folder import check_folder

    if split.test is None or not len(split.test):
        raise InputError(f"{data} has no test part, so that --final has nothing to add: leave it out.")
    check_folder(out / FINAL)
    if fresh:
        return
    for folder in (out, out / FINAL):
        run = record_in(folder)
        if run is not None and (run["stage"] > 0 or (folder != out and _OF not in run.get("origin", {}))):
            raise InputError(
                f"the run in {folder} has taken in more since its search, or is of somebody else, and --final would lose that: "
                "search in another folder, or begin anew there with --fresh."
            )


def keep_final(best: Recommender, split: Split, out: Path, origin: Mapping[str, Any], device: str, data: str) -> None:
    """Fit the result of a search anew on everything and save it in a folder of its own, unless it is there already.

    The run in `out` stays as it is: figures on the test part are of that one, and the search goes on from there.

    Parameters
    ----------
    best : Recommender
        As it is saved in `out`.
    split : Split
    out : Path
    origin : mapping
        How the table was read and split.
    device, data : str

    Raises
    ------
    KeyboardInterrupt
        Fitting was interrupted; nothing is saved.
    """
    import numpy as np

    from graphrec.recommender.refitting import refitted
    from graphrec.recommender.tables import joined
    from graphrec.runs import with_table, with_test
    from graphrec.search.saved import record_of, weights_in
    from graphrec.search.trial import Deadline, quiet

    everything = with_test(split).train
    everything = everything if split.valid is None else joined(everything, split.valid)
    place, of = click.format_filename(out / FINAL), record_of(out)
    if _is_of(out / FINAL, of, everything):
        click.echo(f"{best.name} stays as it was fitted on everything in {place}")
        return
    with quiet():
        again = refitted(best, everything, device, [Deadline(np.inf, np.inf)])  # which passes Ctrl-C on
    titles = best.titles
    weights = weights_in((out / RECORD).read_bytes())
    with_table(again, {**origin, "final": True, _OF: of, _OF_WEIGHTS: weights}, None)
    again.titles = titles
    again.save(out / FINAL)
    click.echo(f"{again.name} fitted anew on all {len(everything):,} pairs of {data} (--final), saved in {place}")
    click.echo(
        f"note: recommend with {place}; figures on the test part are of the run in {click.format_filename(out)}.", err=True
    )


def tell_of_final(best: Recommender, out: Path) -> None:
    """Say what people are recommended by a run that does not know the test part, or that there is one that does."""
    from graphrec.recommender.artefact import record_in
    from graphrec.search.saved import record_of

    place, before = click.format_filename(out / FINAL), record_in(out / FINAL)
    if before is None or _OF not in before.get("origin", {}):
        click.echo(
            f"note: pairs of the test part may be recommended again; --final fits {best.name} anew on everything, in {place}.",
            err=True,
        )
    elif before["origin"][_OF] != record_of(out):
        click.echo(f"note: {place} {_behind(before['origin'], out)}", err=True)
    else:
        click.echo(f"note: pairs of the test part may be recommended again; {place} knows them.", err=True)


def _behind(origin: Mapping[str, Any], out: Path) -> str:
    """What a final run does not have that the run of its search has now."""
    from graphrec.recommender.artefact import titles_in
    from graphrec.search.saved import weights_in

    if origin.get(_OF_WEIGHTS) != weights_in((out / RECORD).read_bytes()):
        return "is of an earlier result of the search; --final fits it anew."
    titles, has = titles_in(out), titles_in(out / FINAL)
    if titles is not None and (has is None or not has.equals(titles)):
        return f"has {'no titles yet' if has is None else 'other titles'}; --final gives it those of this search."
    return "is of this result, and was saved before the latest change of its options or titles; --final fits it anew."


def _is_of(folder: Path, of: str | None, everything: Interactions) -> bool:
    """Whether a run can be read there that was made of the search's own, as it is now, and of the same pairs."""
    from graphrec.recommender import load

    try:
        run = load(folder)
    except InputError:
        return False
    return run.origin.get(_OF) == of and run.train.fingerprint == everything.fingerprint
