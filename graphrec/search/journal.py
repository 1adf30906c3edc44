"""What has been tried, a line each, so that a search survives its end and goes on where it was."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, of_file
from graphrec.folder_files import JOURNAL, has_journal
from graphrec.search.journal_lines import AT_WORK, END, SAVED, line_of, read, rows_of
from graphrec.tensor_files import replace_file

__all__ = ["Journal"]

_MARKS = (END, SAVED, AT_WORK)
_TABLES = ("train", "valid")  # which are known by their checksums
_UNLIKE = {"train": "training part", "valid": "validation part", "graphrec": "version of graphrec"}
_NO_CANDIDATES = ("blend", "refit")  # rows of what is made of the candidates


class Journal:
    """Rows of candidates in ``journal.jsonl``, or in memory alone.

    Parameters
    ----------
    folder : path or None
    what : mapping
        The search's data, metric and seed as plain data; another search's journal is refused.
    resume : bool
        Go on from the rows that are there; False begins anew.

    Attributes
    ----------
    rows : list of dict
        Of candidates.
    marks : list of dict
        What else there is to know: that a result was saved, and what it is worth; that a run was at work, or came to its end.
    spent : float
        Seconds that earlier runs have used up.
    """

    def __init__(self, folder: Path | None, what: Mapping[str, Any], resume: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self.marks: list[dict[str, Any]] = []
        self._path = None if folder is None else folder / JOURNAL
        self._end: tuple[int, str] = (0, "")  # bytes that are written, and the checksum of their last line
        if self._path is None:
            return
        if resume and has_journal(self._path.parent):
            for row in self._read(self._path, what):
                (self.marks if row["key"] in _MARKS else self.rows).append(row)
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            head, check = line_of({"search": dict(what)}, "")
            replace_file(self._path, head)
            self._end = len(head), check

    @property
    def is_kept(self) -> bool:
        """Whether it is on the disk."""
        return self._path is not None

    @property
    def spent(self) -> float:
        """See the class."""
        return max((float(row["at"]) for row in (*self.rows, *self.marks)), default=0.0)

    @property
    def begun(self) -> bool:
        """Whether earlier runs have got anywhere, be it into the first training: what they left there is gone on with."""
        return bool(self.rows) or self.spent > 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row; it is on the disk when this returns."""
        (self.marks if row["key"] in _MARKS else self.rows).append(dict(row))
        if self._path is not None:
            size, before = self._end
            line, check = line_of(row, before)
            try:
                with self._path.open("r+b") as file:
                    file.truncate(size)  # a line whose writing was broken off, by a kill, Ctrl-C or a full disk
                    file.seek(size)
                    file.write(line)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise of_file(error, self._path) from None
            self._end = size + len(line), check

    @property
    def figures(self) -> int:
        """How many rows have a figure."""
        return sum(row["figure"] is not None for row in self.rows)

    @property
    def ended(self) -> bool:
        """Whether a run of the search came to its end."""
        return any(mark["key"] == END for mark in self.marks)

    def covers(self, seconds: float, models: Collection[str] | None) -> bool:
        """Whether runs that came to their end had so many seconds, and tried all of these models; None stands for all."""
        asked = [mark.get("models") for mark in self.marks if mark["key"] == END and float(mark["budget"]) >= seconds]
        if models is None:
            return None in asked
        tried = {name for names in asked for name in names or ()}
        if None in asked:  # of what the search knows, that is, and there was time for
            tried |= {row["model"] for row in self.rows}
        return bool(asked) and set(models) <= tried

    def told(self, seconds: float) -> str:
        """Where a search of so many seconds goes on, in words."""
        known = {row["key"] for row in self.rows if row["figure"] is not None and row["model"] not in _NO_CANDIDATES}
        some = f"{len(known)} candidate{'' if len(known) == 1 else 's'}"
        return f"{self.spent:.1f} s of {seconds:g} s spent, {some} known"

    def at_work(self, at: float) -> None:
        """Write that the search is in the middle of something: should it be killed there, these seconds are not forgotten."""
        self._mark(AT_WORK, at)

    def end(self, at: float, budget: float, models: Collection[str] | None) -> None:
        """Write that the search is at its end."""
        named = None if models is None else sorted(models)
        self._mark(END, at, budget=budget, models=named)

    def saving(self, at: float, name: str, **worth: Any) -> None:
        """Write what the result is worth that is about to be saved; see :class:`graphrec.search.saved.Saved`."""
        self._mark(SAVED, at, result=name, **worth)

    @property
    def saved(self) -> list[dict[str, Any]]:
        """What was saved, or was about to be, the latest last."""
        return [mark for mark in self.marks if mark["key"] == SAVED]

    def table(self, metric: str) -> pd.DataFrame:
        """A row a candidate, as they were begun: the best of those with a figure, from when it was there, else the latest."""
        best: dict[str, dict[str, Any]] = {}
        for row in self.rows:
            before = best.get(row["key"], {})
            figure = before.get("figure")
            if figure is None or (row["figure"] is not None and row["figure"] >= figure):
                again = figure is not None and row["figure"] == figure
                best[row["key"]] = {**row, "at": before["at"]} if again else row
        columns = ["model", "settings", "figure", "seconds", "epochs", "at", "status", "reason"]
        return pd.DataFrame(list(best.values())).reindex(columns=columns).rename(columns={"figure": metric})

    def _mark(self, key: str, at: float, **more: Any) -> None:
        self.add({"key": key, "model": "", "figure": None, "status": key, "at": at, **more})

    def latest(self, key: str) -> dict[str, Any] | None:
        """The last row of a candidate."""
        return next((row for row in reversed(self.rows) if row["key"] == key), None)

    def _read(self, path: Path, what: Mapping[str, Any]) -> list[dict[str, Any]]:
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # the last line of a search that was killed may be a half one
        try:
            first, *lines = whole.split(b"\n")[:-1]
            head, check = read(first, "")
            other = [name for name in {**head["search"], **what} if head["search"].get(name) != what.get(name)]
            rows, check = rows_of(lines, check)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f"{path} is damaged, or of another version of graphrec, and cannot be gone on from; resume=False (--fresh) "
                "begins anew."
            ) from None
        if other:
            was = {name: f" ({head['search'].get(name)})" for name in other if name not in _TABLES}
            unlike = " and ".join(_UNLIKE.get(name, name) + was.get(name, "") for name in other)
            raise InputError(
                f"{path} is of a search with another {unlike}: give what it was given (columns and split, too), or another "
                "folder, or resume=False (--fresh) to begin anew."
            )
        self._end = len(whole), check
        return rows
