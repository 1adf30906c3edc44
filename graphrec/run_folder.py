"""Folders that commands write to: looked at before anything is trained, and filled by whole files."""

from __future__ import annotations

import contextlib
import io
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.folder_files import (
    RUN_FILES,
    SEARCH_FILES,
    check_not_searched,
    foreign_file,
    has_journal,
    is_run,
    stranger,
)
from graphrec.tensor_files import replace_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["check_folder", "write_figure", "write_table"]


def check_folder(out: Path, files: re.Pattern[str] = RUN_FILES, folders: Sequence[str] = ()) -> bool:
    """Refuse a folder that cannot be written, or that belongs to something else.

    Parameters
    ----------
    out : Path
        What the option ``--out`` says; it may be there or not, and stays as it is.
    files : re.Pattern
        Names of the files that the command writes itself.
    folders : sequence of str
        Names of folders in it that may be there.

    Returns
    -------
    bool
        Whether there are files of an earlier run, which will be replaced.

    Raises
    ------
    InputError
        A file is in the way, the folder cannot be made or written, or holds files of another kind and no run; or a run would
        take the place of a search's result, or of one that a search is yet to save.
    """
    if not out.is_dir():
        if out.exists():
            raise InputError(f"--out {out} is a file; it must be a folder, new or empty.")
        _try_to_write(out)
        return False
    _try_to_write(out)
    if files is RUN_FILES:
        check_not_searched(out)
        if has_journal(out):
            lost = "what a search has found" if is_run(out) else "a search that has not come to its end"
            raise InputError(f"--out {out} holds {lost}, which would be lost; give another folder.")
        strange = foreign_file(out)
    elif files is SEARCH_FILES and has_journal(out):
        strange = None  # whoever lays files of their own beside a search knows of it
    else:
        strange = stranger(out, files, folders)
    if strange is not None:
        raise InputError(
            f"--out {out} holds {strange}, which this command did not write: move it away, or give a new or empty folder, or "
            "an earlier run's."
        )
    return any(out.iterdir())


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """A table as CSV, whole or not at all."""
    replace_file(path, frame.to_csv(index=False).encode("utf-8"))


def write_figure(figure: Figure, path: Path) -> None:
    """A picture as PNG, whole or not at all."""
    body = io.BytesIO()
    figure.savefig(body, dpi=120, format="png")
    replace_file(path, body.getvalue())


def _try_to_write(out: Path) -> None:
    """Make the folder and a file in it, and leave nothing behind: permissions alone do not tell."""
    made: list[Path] = []
    try:
        made = [folder for folder in (out, *out.parents) if not folder.exists()]
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"--out {out} cannot be written: {error.strerror or error}.") from None
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
