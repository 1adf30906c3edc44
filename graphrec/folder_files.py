"""Names of the files in the folder of a run or of a search, and whose a folder is."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

from graphrec.errors import InputError
from graphrec.folder_lock import holder_of

__all__ = [
    "CANDIDATES",
    "CHECKPOINTS",
    "CURVES",
    "FINAL",
    "HISTORY",
    "JOURNAL",
    "LOCK",
    "PICTURE",
    "RECORD",
    "RUN_FILES",
    "SEARCH_FILES",
    "SEARCH_FOLDERS",
    "TABLE",
    "check_not_its_own",
    "check_not_searched",
    "foreign_file",
    "has_journal",
    "has_nothing_saved",
    "is_run",
    "stranger",
]

RECORD = "run.json"
HISTORY, CURVES = "history.csv", "curves.png"
"""What a training on the command line lays beside the run."""
JOURNAL, TABLE, PICTURE = "journal.jsonl", "table.csv", "search.png"
LOCK = "search.lock"
"""Held by the search that will save its best in the folder."""
CANDIDATES, CHECKPOINTS, FINAL = "candidates", "checkpoints", "final"

_OF_A_SEARCH = (JOURNAL, TABLE, PICTURE, LOCK)
SEARCH_FOLDERS = (CANDIDATES, CHECKPOINTS, FINAL)


def _pattern(*names: str) -> re.Pattern[str]:
    """Files of these names, and tensors; each may be a part that was being written."""
    return re.compile(rf"({'|'.join(map(re.escape, names))}|.+\.safetensors)(\.\d+\.part)?")


RUN_FILES = _pattern(RECORD, HISTORY, CURVES)
SEARCH_FILES = _pattern(RECORD, HISTORY, CURVES, *_OF_A_SEARCH)


def is_run(folder: Path) -> bool:
    """Whether a recommender was saved in a folder, in whatever format; it may be damaged."""
    try:
        record = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(record, dict) and {"format", "graphrec"} <= record.keys()


def has_journal(folder: Path) -> bool:
    """Whether a search has begun in a folder; an empty journal beside a run is one that has lost what it held."""
    path = folder / JOURNAL
    return path.is_file() and (path.stat().st_size > 0 or is_run(folder))


def has_nothing_saved(folder: Path) -> bool:
    """Whether a search has begun in a folder and no run lies there yet."""
    return has_journal(folder) and not (folder / RECORD).exists()


def foreign_file(folder: Path) -> str | None:
    """Something in a folder that has neither run nor search and is none of the files that runs consist of; None without it.

    A run may be damaged, or of another format, and whoever lays files of their own beside a run, or a search, knows of it.
    """
    if is_run(folder):
        return None
    strange = None if has_journal(folder) else stranger(folder, RUN_FILES)
    if strange is None and (folder / RECORD).is_file() and not any(path.is_file() for path in folder.glob("*.safetensors")):
        return RECORD  # somebody else's file of this name
    return strange


def stranger(folder: Path, files: re.Pattern[str], folders: Collection[str] = ()) -> str | None:
    """Something in a folder that is none of these files and folders; None where there is no such thing."""
    inside = sorted(folder.iterdir())
    own = {p.name for p in inside if (p.is_file() and files.fullmatch(p.name)) or (p.is_dir() and p.name in folders)}
    return next((p.name for p in inside if p.name not in own), None)


def check_not_its_own(out: Path) -> None:
    """Refuse to write an answer over one of the files that a run, or the search it is of, consists of."""
    folder = out.parent
    own = SEARCH_FILES if has_journal(folder) else RUN_FILES if is_run(folder) else None
    if own is not None and own.fullmatch(out.name):
        raise InputError(f"{out} is a file of the run itself; give another name.")


def check_not_searched(folder: Path) -> None:
    """Refuse a folder that a search holds, in this process or another."""
    if (search := holder_of(folder / LOCK)) is not None:
        raise InputError(f"a search is under way in {folder}{search}: wait for its end, or save in another folder.")
