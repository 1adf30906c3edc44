"""The best recommender for a table within a budget of time and memory."""

from __future__ import annotations

import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from graphrec._version import __version__
from graphrec.data.interactions import Interactions
from graphrec.devices import resolve_device
from graphrec.errors import InputError, check_flag, check_path
from graphrec.evaluation.evaluator import metric_of
from graphrec.evaluation.full_ranking import check_parts
from graphrec.folder_files import (
    CANDIDATES,
    CHECKPOINTS,
    CURVES,
    HISTORY,
    PICTURE,
    RECORD,
    SEARCH_FILES,
    SEARCH_FOLDERS,
    TABLE,
    has_journal,
    is_run,
    stranger,
)
from graphrec.models.parts.truncated_svd import shared_decompositions
from graphrec.recommender import Recommender
from graphrec.recommender.artefact import write
from graphrec.recommender.fitting import check_tables
from graphrec.recommender.seen_pairs import seen_pairs
from graphrec.recommender.telling import say_unknown_people
from graphrec.search.at_its_end import given, is_at_its_end, read
from graphrec.search.budget import Budget, bytes_of, seconds_of
from graphrec.search.disk import alone_in, ending_with_the_disk
from graphrec.search.entries import chosen, kinds_of
from graphrec.search.finish import Result, finished
from graphrec.search.halving import Competition
from graphrec.search.journal import Journal
from graphrec.search.picture import as_csv, write_results
from graphrec.search.refine import refine
from graphrec.search.run import Run
from graphrec.search.saved import Saved, give_way, record_of, weights_in
from graphrec.search.solving import Solving
from graphrec.search.space import SOLVED, TRAINED, Entry, facts_of
from graphrec.search.taking_up import take_up
from graphrec.search.trial import Task, Trial, quiet
from graphrec.search.unread import say_what_no_fit_reads
from graphrec.tensor_files import replace_file
from graphrec.training.fingerprint import of_table
from graphrec.training.option_types import check_seed

__all__ = ["search", "search_as"]


def search(
    train: Interactions,
    valid: Interactions,
    budget: str | float = "10min",
    *,
    memory: str | float | None = None,
    out: str | Path | None = None,
    seed: int = 0,
    metric: str | None = None,
    models: Sequence[str] | None = None,
    resume: bool = True,
    seen: Interactions | None = None,
    device: str = "auto",
    progress: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> Recommender:
    """Find the recommender that is best on validation; test data has no part in it.

    What is cheap is tried first: popularity, neighbours, filters, with a few settings each, and what takes more than a few
    hundredths of the budget after that. Then trained families by successive halving, settings around the best ones, and a
    blend of the best few with weights chosen on validation, which is fitted anew on train and validation together.

    Parameters
    ----------
    train, valid : Interactions
        Of one id space.
    budget : str or float
        ``"90s"``, ``"10min"``, ``"1h"`` or seconds, from the call to its return (but for torch and others to load, where
        nothing before it has): of all runs of this search together, those that were killed among them, but for the last
        fiftieth, or second, before each kill. What cannot be expected to fit in is not begun, and time for blend, refit and
        saving is set aside, from what has been measured. Something comes of the smallest budget: a first candidate that can be
        solved in seconds is, or else one that is trained has a first look at validation.
    memory : str or float, optional
        ``"8GB"`` or bytes that a candidate may take, and twice as many with the best so far, which are kept; half of what is
        free unless given.
    out : path, optional
        Folder for the result (a run that :func:`graphrec.load` reads), ``journal.jsonl``, ``table.csv`` and ``search.png``.
        What an earlier run has saved there gives way to nothing that is worse on validation.
    seed : int
    metric : str, optional
        What is chosen by, with the length of a list: ``"ndcg@20"`` unless given.
    models : sequence of str, optional
        Names of models and presets to try: a preset with its own settings and epochs, a model that the search does not know
        with its defaults. All that the search knows unless given, and presets but for ``lightgcn-fast`` are not among them.
        What earlier runs in `out` found stays in the running.
    resume : bool
        Go on with a search of the same data in `out` that was killed, had a smaller budget, or had not all of these models.
        One that is at its end is read, with what updates have brought since. False begins anew.
    seen : Interactions, optional
        As of :meth:`graphrec.Recommender.fit`: what the result does not recommend. It has no part in the search. Unless given,
        it is what the folder's earlier result was given.
    device : str
    progress : bool
        Print a line for each candidate on stderr.
    clock : callable
        Seconds since some moment.

    Returns
    -------
    Recommender
        Fitted; perhaps a :class:`graphrec.Blend`. Its ``table`` has a row a candidate: model, settings, figure, seconds,
        epochs, ``at`` (seconds since the beginning), status (ok, skipped, stopped, failed) and the reason. The settings are all
        that :meth:`graphrec.Recommender.fit` must be given to get the figure. A training that was cut short is ``stopped``, and
        its figure is that of as many epochs as stand there (a schedule still being laid out over all). Figures are of
        validation, of 6,000 people drawn once where it has more.

    Raises
    ------
    InputError
        An option is of no use, `valid` has pairs of `train`, no candidate could be fitted, or the folder is another search's,
        had its time without any of these models, or holds a run that is of somebody else, or was updated since and would be
        overwritten, or another search is under way in it.
    OSError
        Something cannot be written, such as for a full disk: what was found until then is kept, and the same call goes on.
    """
    return search_as(
        None, train, valid, budget, memory=memory, out=out, seed=seed, metric=metric, models=models, resume=resume, seen=seen,
        device=device, progress=progress, clock=clock,
    )  # fmt: skip


def search_as(
    dressed: Callable[[Recommender], Recommender] | None,
    train: Interactions,
    valid: Interactions,
    budget: str | float,
    *,
    memory: str | float | None,
    out: str | Path | None,
    seed: int,
    metric: str | None,
    models: Sequence[str] | None,
    resume: bool,
    seen: Interactions | None,
    device: str,
    progress: bool,
    clock: Callable[[], float],
) -> Recommender:
    """As :func:`search`, with what a run is to know beside.

    Parameters
    ----------
    dressed : callable or None
        Gives the result what is saved with it: how its table was read, and titles.
    train, valid, budget, memory, out, seed, metric, models, resume, seen, device, progress, clock
        As of :func:`search`.
    """
    started = clock()
    check_tables(train, valid)
    if valid is None:
        raise InputError("a search chooses on validation: pass valid.")
    check_parts(train, valid, "validation")  # as each fit would
    say_unknown_people(train, valid, stacklevel=4)
    resolve_device(device)
    check_seed(seed)
    met = seen_pairs(train, seen)
    seconds, allowed = seconds_of(budget), bytes_of(memory)
    metric = metric_of(metric, train.n_items, "a search chooses")
    solved, trained = chosen(models, SOLVED, TRAINED)
    say_what_no_fit_reads("search", kinds_of([*solved, *trained]), train, stacklevel=4)
    folder = None if out is None else check_path("out", out)
    if folder is not None and folder.exists() and not folder.is_dir():
        raise InputError(f"out={str(out)!r} is a file; it must be a folder, new or of an earlier search.")
    resume, task = check_flag("resume", resume), Task(train, valid, metric, seed, device)
    what = {"graphrec": __version__, "train": of_table(train), "valid": of_table(valid), "metric": metric, "seed": seed}
    with ending_with_the_disk(folder), alone_in(folder), tempfile.TemporaryDirectory() as scratch:
        if folder is not None:
            _check_ours(folder, resume)
        journal = Journal(folder, what, resume)
        if folder is not None and not resume:
            give_way(journal, folder)
        if folder is not None and (folder / RECORD).is_file() and is_at_its_end(journal, folder, seconds, models):
            found = read(folder, journal, task, met, progress, dressed)
            if found is not None:
                return found
        earlier = _earlier(folder, journal, task)
        met = earlier.seen if met is None and earlier is not None else met
        place, allotted = folder or Path(scratch), Budget(seconds, journal.spent + clock() - started, clock)
        run = Run(task, facts_of(train), allotted, allowed, journal, place, progress)
        if journal.begun:
            run.say(f"  goes on with {place}: {journal.told(seconds)}")
        before = journal.figures
        with _charged(run), quiet(), shared_decompositions():
            result = _searched(run, solved, trained, earlier)
        best = result.recommender
        best.table, changed = journal.table(metric), given(best, met, dressed)
        if folder is not None:
            _keep(result, run, folder, changed, drawn=journal.figures == before)
            journal.end(run.budget.spent, seconds, models)
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return best


@contextmanager
def _charged(run: Run) -> Iterator[None]:
    """Let the journal know of the seconds until something ends the search: Ctrl-C in the middle of a candidate, above all."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            run.at_work(run.budget.spent)
        raise


def _check_ours(folder: Path, resume: bool) -> None:
    """Refuse a folder with a run that no search has made, or with files of somebody else and no search."""
    if resume and is_run(folder) and not has_journal(folder):
        raise InputError(
            f"{folder} holds a run that is of no search, and it would be overwritten: search in another folder, or begin anew "
            "there with resume=False (--fresh)."
        )
    if is_run(folder) or has_journal(folder):  # whoever lays files of their own beside these knows of it
        return
    if (strange := stranger(folder, SEARCH_FILES, SEARCH_FOLDERS)) is not None:
        raise InputError(f"{folder} holds {strange}, which no search wrote: move it away, or give a new or empty folder.")


def _earlier(folder: Path | None, journal: Journal, task: Task) -> Saved | None:
    """What earlier runs have saved in the folder, which is emptied where they left nothing to go on with."""
    earlier = Saved.of(journal, folder, task.train, task.valid)
    if earlier is not None and earlier.updated:
        raise InputError(
            f"the run in {folder} has taken in more since its search, and would be overwritten: search in another folder, or "
            "begin anew there with resume=False (--fresh)."
        )
    if earlier is None and journal.saved and journal.ended:
        warnings.warn(
            f"what the search saved in {folder} is damaged or gone: it is made again, as well as there is time for.",
            stacklevel=4,
        )
    if folder is not None and not journal.begun:
        for name in (CANDIDATES, CHECKPOINTS):
            shutil.rmtree(folder / name, ignore_errors=True)
        for name in (HISTORY, CURVES):  # of a training that saved its run here
            (folder / name).unlink(missing_ok=True)
    return earlier


def _keep(result: Result, run: Run, folder: Path, changed: bool, drawn: bool) -> None:
    """Save what was found with its table and picture.

    What lies there already is saved again only if it was given something else (`changed`), and a picture that has all figures
    (`drawn`) stays.
    """
    best, journal = result.recommender, run.journal
    worth = {"worth": result.figure, "refit": result.refit, "cost": result.cost, "before": record_of(folder)}

    def tell(text: str) -> None:
        journal.saving(run.budget.spent, best.name, weights=weights_in(text), **worth)

    assert best.table is not None
    if result.is_new:
        write(folder, best._artefact(), tell, of_its_search=True)
    elif changed:
        write(folder, best._artefact(), of_its_search=True)
    if drawn and (folder / PICTURE).is_file():
        replace_file(folder / TABLE, as_csv(best.table))
    else:
        write_results(best.table, run.task.metric, folder)


def _searched(run: Run, solved: Sequence[Entry], trained: Sequence[Entry], earlier: Saved | None) -> Result:
    take_up(run, [*solved, *(entry for entry in trained if entry.whole)])
    solving = Solving(run, solved)
    solving.begin(others_wait=bool(trained))
    contenders = [(entry, Trial(entry.model, hyper, entry.fit)) for entry in trained for hyper in entry.settings_for(run.facts)]
    competition = Competition(run, contenders, solving.go_on)
    competition.go_on()
    if not run.kept:
        competition.tell_untried()
        why = next((f" ({r['model']}: {r['reason']})" for r in run.journal.rows if r["reason"]), "")
        raise InputError(f"no candidate could be fitted within the time and memory{why}.")

    def with_what_is_left(enough: bool) -> None:
        if enough:
            competition.go_on()
            refine(run, solved, share=1.0)
        competition.tell_untried()

    return finished(run, earlier, with_what_is_left)
