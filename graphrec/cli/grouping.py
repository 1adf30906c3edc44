"""Groups of people and items from the command line: a word, or a file that says who is in which."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphrec.errors import InputError

if TYPE_CHECKING:
    from graphrec.evaluation.groups import Given

__all__ = ["named_groups"]


def named_groups(option: str, given: str | None, word: str, known: Any) -> Given | None:
    """What :func:`graphrec.evaluate` takes for an option.

    Parameters
    ----------
    option : str
        For messages.
    given : str or None
        `word`, or the path of a CSV or Parquet file whose first column is an id and whose second is a group's name.
    word : str
    known : ndarray
        The ids of the run, whose type those of the file take.

    Raises
    ------
    InputError
        The file is missing, cannot be read, has another number of columns, or names somebody twice.
    """
    if given is None or given == word:
        return given
    from graphrec.data.side_table import read_side_table
    from graphrec.report.names import is_whole

    path = Path(given)
    if not path.is_file():
        raise InputError(f"{option} {given} is neither {word!r} nor a file.")
    frame = read_side_table(path, option)
    if frame.shape[1] < 2:
        raise InputError(f"{option} {given} needs two columns, an id and the name of its group; it has {frame.shape[1]}.")
    if frame.shape[1] > 2:
        raise InputError(
            f"{option} {given} has {frame.shape[1]} columns ({', '.join(map(str, frame.columns))}): give a file of two, an id "
            "and the name of its group."
        )
    rows = frame.iloc[:, :2].dropna().astype(str)
    texts = [text.strip() for text in rows.iloc[:, 0]]
    whole = known.dtype.kind in "iu"
    groups: dict[Any, str] = {}
    for text, name in zip(texts, rows.iloc[:, 1], strict=True):
        if whole and not is_whole(text):
            continue  # an id that this data cannot have; who is left without a group is said by the evaluation
        one = int(text) if whole else text
        if name and groups.setdefault(one, name) != name:
            raise InputError(f"{option} {given}: {text} is in two groups, {groups[one]!r} and {name!r}.")
    return groups
