"""What an earlier run of a search has saved in its folder; it gives way to nothing that is worse on validation."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.folder_files import JOURNAL, RECORD, is_run
from graphrec.recommender import Recommender, load
from graphrec.recommender.tables import in_ids_of, joined
from graphrec.search.journal import Journal

__all__ = ["Saved", "give_way", "record_of", "taken_in_since", "told_of", "weights_in"]

Mark = dict[str, Any]

_NO_WORSE = 0.01  # two that are as good differ by about so much on validation; see Task.looked_at


def record_of(folder: Path) -> str | None:
    """A checksum of ``run.json``, which names every other file of a run with its checksum; None where there is no run."""
    try:
        return hashlib.sha256((folder / RECORD).read_bytes()).hexdigest()
    except OSError:
        return None


def weights_in(text: str | bytes) -> str:
    """A checksum of what ``run.json`` says of a recommender itself: its model, options and weights, and those of its parts.

    Titles, what it leaves out, and how its table was read may be others.
    """

    def of(record: Mapping[str, Any]) -> list[Any]:
        parts = {name: of(part) for name, part in record["parts"].items()}
        return [record["model"], record["hyper"], record["files"]["model"]["sha256"], parts]

    return hashlib.sha256(json.dumps(of(json.loads(text)), sort_keys=True).encode()).hexdigest()


def taken_in_since(recommender: Recommender, journal: Journal, train: Interactions) -> bool:
    """Whether what lies in the folder of a search is its result, updated since."""
    if not recommender._fitted.stage or recommender.name not in {mark["result"] for mark in journal.saved}:
        return False
    known = in_ids_of(recommender.trained_on, train)
    return len(known) == len(train) and bool(recommender.trained_on.has_keys(known.keys).all())


def give_way(journal: Journal, folder: Path) -> None:
    """Write in a journal that has begun anew which run of the folder its result will replace; nothing where there is none.

    A kill before that then leaves a search that goes on; a run that the journal does not know is of somebody else.
    """
    if (before := record_of(folder)) is not None:
        journal.saving(0.0, "", worth=0.0, refit=False, cost=0.0, before=before)


def told_of(journal: Journal, folder: Path, recommender: Recommender, train: Interactions, valid: Interactions) -> Mark | None:
    """What the journal says of the run that lies in the folder; None where it is of somebody else.

    A result is told of, with its weights, just before it takes its place, so that a kill makes no difference.
    """
    table = recommender.train
    if recommender._fitted.stage or not table.shares_ids_with(train):
        return None
    if table.fingerprint not in (train.fingerprint, joined(train, valid).fingerprint):
        return None
    weights = weights_in((folder / RECORD).read_bytes())
    return next((mark for mark in reversed(journal.saved) if mark.get("weights") == weights), None)


@dataclass(frozen=True)
class Saved:
    """A result of an earlier run.

    Attributes
    ----------
    folder : Path
    figure : float
        On validation, before it was fitted anew.
    refit : bool
        Whether it is fitted on train and validation.
    cost : float
        Seconds that fitting it anew will probably take.
    updated : bool
        Whether it was updated since, or is an updated one of somebody else.
    seen : Interactions or None
        What it was given to leave out.
    """

    folder: Path
    figure: float
    refit: bool
    cost: float
    updated: bool = False
    seen: Interactions | None = None

    @classmethod
    def of(cls, journal: Journal, folder: Path | None, train: Interactions, valid: Interactions) -> Saved | None:
        """What the journal says of the run in the folder; None where there is none that can be read, or none was saved yet.

        Raises
        ------
        InputError
            It says nothing of it, and the run was not updated since.
        """
        marks, now = journal.saved, None if folder is None else record_of(folder)
        if folder is not None and not marks and is_run(folder):
            raise _untold(folder)
        if folder is None or now is None or all(mark["before"] == now for mark in marks):
            return None
        try:
            recommender = load(folder)
            mark = told_of(journal, folder, recommender, train, valid)
        except InputError:  # what is damaged may be replaced
            return None
        if mark is None and not recommender._fitted.stage:
            raise _untold(folder)
        latest = mark or marks[-1]
        numbers = float(latest["worth"]), bool(latest["refit"]), float(latest["cost"])
        return cls(folder, *numbers, mark is None, recommender._fitted.seen)

    def stays(self, figure: float) -> bool:
        """Whether it is better than something new, or as good and finished."""
        return self.figure > figure or (self.refit and self.figure == figure)

    def stays_beside(self, figure: float, refit: bool) -> bool:
        """The same of something that was to be fitted anew: without that it must be clearly better."""
        return self.stays(figure) or (self.refit and not refit and figure <= self.figure * (1 + _NO_WORSE))

    def load(self, device: str) -> Recommender:
        """Read it."""
        return load(self.folder, device=device)


def _untold(folder: Path) -> InputError:
    """Of a run that the journal does not tell of, and which would be overwritten."""
    return InputError(
        f"{folder / JOURNAL} does not tell of the run beside it: the run is of somebody else, or the journal has lost its last "
        "lines. Search in another folder, or begin anew there with resume=False (--fresh)."
    )
