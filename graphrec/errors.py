"""The one exception for mistakes that the caller can mend, and the wording they share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "unknown_name"]


class InputError(ValueError):
    """Input that cannot be used: the message says which column, row, option or file, in one or two sentences.

    The command line prints the message alone; everything else that is raised is a defect of the library
    and keeps its traceback.
    """


def unknown_name(kind: str, name: object, known: Iterable[str]) -> InputError:
    """The error for a misspelt name, with the nearest known one.

    Parameters
    ----------
    kind : str
        What the name stands for: ``"model"``, ``"option"``, ``"data set"``.
    name : object
        What the caller wrote.
    known : iterable of str
        Every name that would have worked.

    Returns
    -------
    InputError
        To be raised by the caller.
    """
    names = sorted(known)
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}."
    return InputError(f"unknown {kind} {str(name)!r}; {hint}")
