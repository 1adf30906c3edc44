"""Functions that take the options of a fit as keywords show them: in their signature, in ``help`` and to type checkers.

:class:`graphrec.training.options.FitOptions` is the one source. Type checkers and editors read it from
:mod:`graphrec.training.keywords`, which ``python -m graphrec.training.signature`` writes anew; a test compares the two.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from graphrec.training.options import FitOptions

__all__ = ["UNSET", "given", "keywords_source", "with_options"]

Function = TypeVar("Function", bound=Callable[..., Any])
_ENTRY = re.compile(r"^(\w+(?:, \w+)*) : ")


class _Unset:
    """The default of every option: the model's own, which is the library's where it has none."""

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"  # there is one, in every process


UNSET = _Unset()


def given(options: dict[str, Any]) -> dict[str, Any]:
    """The options that were given a value."""
    return {name: value for name, value in options.items() if value is not UNSET}


def with_options(*names: str) -> Callable[[Function], Function]:
    """A decorator for functions with ``**options``: each option is a parameter of the signature and told in the docstring.

    Parameters
    ----------
    *names : str
        Options that the function takes; all of :class:`FitOptions` unless named.
    """
    chosen = list(names) or FitOptions.names()
    types = typing.get_type_hints(FitOptions)  # as objects: their names mean nothing where the function stands

    def decorate(function: Function) -> Function:
        plain = inspect.signature(function)
        own = [p for p in plain.parameters.values() if p.kind is not p.VAR_KEYWORD]
        shown = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=UNSET, annotation=types[n]) for n in chosen]
        function.__signature__ = plain.replace(parameters=[*own, *shown])  # type: ignore[attr-defined]
        if function.__doc__:  # python -OO leaves none
            function.__doc__ = _with_section(inspect.cleandoc(function.__doc__), chosen)
        return function

    return decorate


def _with_section(text: str, names: Iterable[str]) -> str:
    """A docstring with the options as numpydoc's section "Other Parameters", before what the function returns."""
    entries = "\n".join(_entries(set(names)))
    before, returns, after = text.partition("Returns\n-------\n")
    return f"{before}Other Parameters\n----------------\n{entries}\n\n{returns}{after}"


def _entries(names: set[str]) -> list[str]:
    """What the docstring of :class:`FitOptions` says of some options, entry by entry; one that tells of two says both."""
    _, _, body = inspect.cleandoc(FitOptions.__doc__ or "").partition("Attributes\n----------\n")
    lines: list[str] = []
    wanted = False
    for line in body.partition("\n\nRaises")[0].splitlines():
        if entry := _ENTRY.match(line):
            wanted = bool(names & set(entry[1].split(", ")))
        if wanted and line.strip():
            lines.append(line)
    return lines


def keywords_source() -> str:
    """The text of :mod:`graphrec.training.keywords`."""
    options = [field for field in fields(FitOptions) if field.name != "given"]
    head = '''\
        """The options of a fit as type checkers read them. Written by ``python -m graphrec.training.signature``: change
        :class:`graphrec.training.options.FitOptions` instead, which has the defaults and says what they mean."""

        from __future__ import annotations

        from collections.abc import Sequence
        from typing import Any, TypedDict

        from graphrec.sampling import Negatives
        from graphrec.training.credit import Credit
        from graphrec.training.schedules import Schedule

        __all__ = ["FitKeywords"]


        class FitKeywords(TypedDict, total=False):
            """Keywords of :meth:`graphrec.Recommender.fit`; every one may be left out."""

        '''
    return textwrap.dedent(head) + "".join(f"    {field.name}: {field.type}\n" for field in options)


if __name__ == "__main__":
    (Path(__file__).parent / "keywords.py").write_text(keywords_source(), encoding="utf-8")
