"""How the command line speaks: a mistake is one sentence, a warning one line, both on stderr."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
import warnings
from typing import Any, TextIO

import click

from graphrec.errors import InputError

__all__ = ["OneSentence"]

# Of torch, which raises a plain RuntimeError for it.
_NO_MEMORY = re.compile(r"(can't allocate memory|out of memory|Storage size calculation overflowed)[^\n]*", re.IGNORECASE)
_AS_OPTIONS = (
    (
        re.compile(r"interactions\.binarize\(min_rating=([^)]*)\) keeps the high ones, and binarize\(\) says that all count"),
        r"--min-rating \1 keeps the high ones",
    ),
    (re.compile(r"binarize\(min_rating=([^)]*)\) leaves"), r"--min-rating \1 leaves"),
    (re.compile(r"missing='drop'"), "--missing drop"),
    (re.compile(r"resume=False(?= begins| to begin)"), "--fresh"),
    (re.compile(r"\bencoding='([\w-]+)'"), r"--encoding \1"),
    (re.compile(r"\bsep=('[^']+')"), r"--sep \1"),
    (re.compile(r"\bdecimal='(.)'"), r"--decimal \1"),
    (re.compile(r"duplicates='(\w+)'"), r"--duplicates \1"),
)
_BY_TORCHRUN = "\nThis is all there is to know: what torchrun writes below is how it takes leave of its processes."
_INTERRUPTED = 130  # as shells have it: 128 + SIGINT


class OneSentence(click.Group):
    """Errors that the user can mend become a sentence on stderr and an exit code; others stay tracebacks."""

    def invoke(self, ctx: click.Context) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")  # titles and paths that the terminal's encoding does not know
        try:
            with warnings.catch_warnings():
                _warnings_as_notes()
                return super().invoke(ctx)
        except KeyboardInterrupt as interrupt:
            click.echo(f"Interrupted; {str(interrupt) or 'nothing was saved'}.", err=True)
            ctx.exit(_INTERRUPTED)
        except (InputError, FloatingPointError, OSError, MemoryError, RuntimeError) as error:
            sentence = _sentence(error)
            if sentence is None:
                raise
            told = click.ClickException(sentence + _BY_TORCHRUN * ("TORCHELASTIC_RUN_ID" in os.environ))
            if isinstance(error, ConnectionError):
                from graphrec.distributed.group import leave

                told.show()
                leave(told.exit_code)
            raise told from None


def _warnings_as_notes() -> None:
    """Warnings of the library are a line on stderr each, and said once; those of other kinds stay as they are."""
    usual, said = warnings.showwarning, set()

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        text = as_options(" ".join(str(message).split()))
        if not issubclass(category, UserWarning):
            usual(message, category, filename, lineno, file, line)
        elif text not in said:
            said.add(text)
            click.echo(f"note: {text}", err=True)

    warnings.showwarning = show
    if not sys.warnoptions:
        warnings.filterwarnings("always", category=UserWarning)


def as_options(text: str) -> str:
    """A message that names a remedy as Python has it, as the command line has it."""
    for pattern, option in _AS_OPTIONS:
        text = pattern.sub(option, text)
    return text


def _sentence(error: BaseException) -> str | None:
    """What a user is told; None for a defect of the library and for a reader that has closed the pipe."""
    if isinstance(error, OSError):
        if error.errno == errno.EPIPE:
            return None  # click ends quietly
        told = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {told}." if error.filename else f"{told}."
    if isinstance(error, MemoryError):
        return f"there is not enough memory: {' '.join(str(error).split()) or 'for this data and these settings'}."
    if isinstance(error, InputError | FloatingPointError):
        return as_options(str(error))
    lack = _NO_MEMORY.search(str(error))
    return None if lack is None else f"there is not enough memory: {lack[0].strip().rstrip('.')}."
