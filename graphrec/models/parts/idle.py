"""Options of a model that do nothing beside others: how a class declares them, and their refusal where they are given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError

__all__ = ["Idle", "Needs", "idle_options", "ratings_alike", "refuse_idle", "without_ratings"]

When: TypeAlias = Callable[[Mapping[str, Any], Interactions | None], str]
"""From all options of a model and its table, where that is known, to the words of a message; "" where the option counts."""


class Idle:
    """Options that do nothing where all of some others have certain values: ``Idle("rank", "effort", alpha=0)``.

    Parameters
    ----------
    *options : str
    when : callable, optional
        For what no values say, such as :func:`without_ratings`; instead of `others`.
    **others
        Name and value of each.
    """

    def __init__(self, *options: str, when: When | None = None, **others: Any) -> None:
        self.options, self._when, self._others = options, when, others

    def words(self, told: Mapping[str, Any], train: Interactions | None) -> str:
        """Beside what the options do nothing here, ``"with alpha=0"``; empty where they count."""
        if self._when is not None:
            return self._when(told, train)
        if not all(name in told and same(told[name], value) for name, value in self._others.items()):
            return ""
        return "with " + " and ".join(shown(name, told[name]) for name in self._others)


class Needs(Idle):
    """Options that count only where all of some others have certain values: ``Needs("asymmetry", similarity="asymmetric")``."""

    def words(self, told: Mapping[str, Any], train: Interactions | None) -> str:
        """Beside what the options do nothing here: the first of the others that has another value."""
        for name, value in self._others.items():
            if name in told and not same(told[name], value):
                return f"with {shown(name, told[name])}, which should be {value!r}"
        return ""


def without_ratings(told: Mapping[str, Any], train: Interactions | None) -> str:
    """For options that are about ratings."""
    return "on a table without ratings" if train is not None and train.ratings is None else ""


def ratings_alike(told: Mapping[str, Any], train: Interactions | None) -> str:
    """For options that are about ratings that differ."""
    if train is None or train.ratings is None:
        return without_ratings(told, train)
    return "on a table whose ratings are all the same" if train.ratings.min() == train.ratings.max() else ""


def idle_options(kind: type, given: Mapping[str, Any], train: Interactions | None = None) -> dict[str, str]:
    """Options that do nothing, with the words that say beside what.

    One that is given its default is as good as not given: an object's ``get_params()`` are all arguments of the next. Only
    what the class itself declares counts: what a subclass makes of an option is its own affair.

    Parameters
    ----------
    kind : type
        A model's class; see :attr:`graphrec.models.Scorer.idle`.
    given : mapping
        Keyword arguments of its constructor.
    train : Interactions, optional
        Without it nothing is known of the table.

    Returns
    -------
    dict of str to str
    """
    parameters = inspect.signature(kind.__init__).parameters  # type: ignore[misc]
    defaults = {name: p.default for name, p in parameters.items() if p.default is not inspect.Parameter.empty}
    told = {**defaults, **given}
    asked = {name for name, value in given.items() if name not in defaults or not same(value, defaults[name])}
    declared: Sequence[Idle] = vars(kind).get("idle", ())
    each = [(name, one.words(told, train)) for one in declared for name in one.options if name in asked]
    return {name: words for name, words in reversed(each) if words}


def refuse_idle(kind: type, name: str, given: Mapping[str, Any], train: Interactions, build: Callable[[], object]) -> None:
    """Raise :class:`InputError` for an option that was given and does nothing beside the others, or on this table.

    Before that the model is built: a value that cannot be is refused as such, by whoever knows which can.
    """
    found = idle_options(kind, given, train)
    if found:
        build()
    for option, words in sorted(found.items()):
        raise InputError(f"{shown(option, given[option])} does nothing for {name} {words}; leave it out.")


def same(a: Any, b: Any) -> bool:
    """Whether two values of options say the same; a list says what a tuple does."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return list(a) == list(b)
    plain = all(value is None or isinstance(value, bool | int | float | str) for value in (a, b))
    return a is b or (plain and bool(a == b))


def shown(name: str, value: Any) -> str:
    """An option as it is written; a model or a table in it is named by its option alone."""
    return f"{name}={value!r}" if value is None or isinstance(value, bool | int | float | str | list | tuple) else name
