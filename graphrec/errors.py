"""The one exception for mistakes that the caller can mend, and the wording they share."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

__all__ = ["InputError", "NoRowLeft", "about", "check_flag", "check_path", "of_file", "unknown_name"]

# What other libraries call what has another name here.
_ELSEWHERE = {
    "learning_rate": "lr",
    "n_epochs": "epochs",
    "num_epochs": "epochs",
    "reg": "l2",
    "lambda": "l2",
    "regularization": "l2",
    "validation": "valid",
    "embedding_dim": "dim",
    "embedding_size": "dim",
    "factors": "dim",
    "n_factors": "dim",
    "n_layers": "layers",
    "num_layers": "layers",
    "random_state": "seed",
    "early_stopping": "patience",
    "verbose": "progress",
    "k": "folds",
    "n_folds": "folds",
    "n_splits": "folds",
    "test_size": "test",
    "test_ratio": "test",
    "valid_size": "valid",
    "val": "valid",
}


class InputError(ValueError):
    """Input that cannot be used: the message says which column, row, option or file, in one or two sentences.

    The command line prints the message alone; everything else that is raised is a defect of the library
    and keeps its traceback.
    """


class NoRowLeft(InputError):
    """All rows of a table were to be left out."""


@contextmanager
def about(what: object) -> Iterator[None]:
    """An :class:`InputError` from inside begins with what it is about, such as a file: ``what: message``."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{what}: {error}") from error


def of_file(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """The error with a file's name: that of a full disk does not say where."""
    told = error.strerror or (str(error) if error.errno is None else os.strerror(error.errno))
    return OSError(error.errno, told, error.filename or str(path))


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
    other = _ELSEWHERE.get(str(name).lower())
    if other in names:
        return InputError(f"unknown {kind} {str(name)!r}; here it is called {other!r}.")
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}."
    return InputError(f"unknown {kind} {str(name)!r}; {hint}")


def check_path(name: str, value: object) -> Path:
    """A path, of a text or an object of ``os.PathLike``; an empty text would be the current folder."""
    if not isinstance(value, str | os.PathLike) or not os.fspath(value):
        raise InputError(f"{name} must be a path, got {value!r}.")
    return Path(os.fsdecode(value))


def check_flag(name: str, value: object) -> bool:
    """True or False, of Python or NumPy; "False" is neither, and would be taken for true."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} must be True or False, got {value!r}.")
    return bool(value)
