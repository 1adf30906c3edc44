"""What has been tried, a line each, so that a search survives its end and goes on where it was."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, of_file
from graphrec.tensor_files import replace_file

__all__ = ["Journal"]

_END = "end"


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
    spent : float
        Seconds that earlier runs have used up.
    """

    def __init__(self, folder: Path | None, what: Mapping[str, Any], resume: bool) -> None:
        self.rows: list[dict[str, Any]] = []
        self._path = None if folder is None else folder / "journal.jsonl"
        if self._path is None:
            return
        if resume and self._path.exists() and self._path.stat().st_size:
            self.rows = self._read(self._path, what)
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._path, json.dumps({"search": dict(what)}).encode() + b"\n")

    @property
    def spent(self) -> float:
        """See the class."""
        return max((float(row["at"]) for row in self.rows), default=0.0)

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row; it is on the disk when this returns."""
        self.rows.append(dict(row))
        if self._path is not None:
            try:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise of_file(error, self._path) from None

    @property
    def ended_with(self) -> float | None:
        """The budget of the search that came to its end; None if it did not."""
        row = self.latest(_END)
        return None if row is None else float(row["budget"])

    def end(self, at: float, budget: float) -> None:
        """Write that the search is at its end."""
        self.add({"key": _END, "model": "", "figure": None, "status": _END, "at": at, "budget": budget})

    def reopen(self) -> None:
        """Forget the end: there is more time."""
        self.rows = [row for row in self.rows if row["key"] != _END]

    def table(self, metric: str) -> pd.DataFrame:
        """A row a candidate, its latest, in the order in which they were begun; figures under the name of their metric."""
        frame = pd.DataFrame(list({row["key"]: row for row in self.rows if row["key"] != _END}.values()))
        columns = ["model", "settings", "figure", "seconds", "epochs", "at", "status", "reason"]
        return frame.reindex(columns=columns).rename(columns={"figure": metric})

    def latest(self, key: str) -> dict[str, Any] | None:
        """The last row of a candidate."""
        return next((row for row in reversed(self.rows) if row["key"] == key), None)

    def _read(self, path: Path, what: Mapping[str, Any]) -> list[dict[str, Any]]:
        text = path.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]  # the last line of a search that was killed may be a half one
        try:
            first, *lines = [json.loads(line) for line in whole.splitlines()]
            same, rows = first["search"] == dict(what), [dict(row) for row in lines]
            assert all({"key", "at", "status", "model"} <= row.keys() for row in rows)
        except (ValueError, KeyError, TypeError, AssertionError):
            raise InputError(f"{path} is damaged and cannot be gone on from; resume=False begins anew.") from None
        if not same:
            raise InputError(
                f"{path} is of a search with other data, metric or seed; give another folder, or resume=False to begin anew."
            )
        if len(whole) < len(text):
            path.write_bytes(whole)
        return rows
