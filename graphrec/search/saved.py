"""What an earlier run of a search has saved in its folder; it gives way to nothing that is worse on validation."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.recommender import Recommender, load
from graphrec.recommender.tables import joined
from graphrec.search.journal import Journal

__all__ = ["Saved", "record_of", "taken_in_since"]

_NO_WORSE = 0.01  # two that are as good differ by about so much on validation; see Task.looked_at


def record_of(folder: Path) -> str | None:
    """A checksum of ``run.json``, which names every other file of a run with its checksum; None where there is no run."""
    try:
        return hashlib.sha256((folder / "run.json").read_bytes()).hexdigest()
    except OSError:
        return None


def taken_in_since(recommender: Recommender, train: Interactions, valid: Interactions) -> bool:
    """Whether what lies in the folder of a search was updated, or is of somebody else."""
    table = recommender.train
    if recommender._fitted.stage or not table.shares_ids_with(train):
        return True
    return table.fingerprint not in (train.fingerprint, joined(train, valid).fingerprint)


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
        See :func:`taken_in_since`.
    """

    folder: Path
    figure: float
    refit: bool
    cost: float
    updated: bool = False

    @classmethod
    def of(cls, journal: Journal, folder: Path | None, train: Interactions, valid: Interactions) -> Saved | None:
        """What the journal says of the run in the folder; None where there is none that can be read.

        A result is told of before it is saved. If the run is still the one that was there at that time, it was not saved.
        """
        marks, now = journal.saved, None if folder is None else record_of(folder)
        if folder is None or now is None:
            return None
        if marks and marks[-1]["before"] == now:
            marks = marks[:-1]
        if not marks:
            return None
        try:
            since = taken_in_since(load(folder), train, valid)
        except InputError:  # what is damaged may be replaced
            return None
        return cls(folder, float(marks[-1]["worth"]), bool(marks[-1]["refit"]), float(marks[-1]["cost"]), since)

    def stays(self, figure: float) -> bool:
        """Whether it is better than something new, or as good and finished."""
        return self.figure > figure or (self.refit and self.figure == figure)

    def stays_beside(self, figure: float, refit: bool) -> bool:
        """The same of something that was to be fitted anew: without that it must be clearly better."""
        return self.stays(figure) or (self.refit and not refit and figure <= self.figure * (1 + _NO_WORSE))

    def load(self, device: str) -> Recommender:
        """Read it."""
        return load(self.folder, device=device)
