"""The usual ways to split a table into train, valid and test.

Every way but :func:`global_time` puts the rows into an order (by time, or at random) and cuts it: for the
whole table or for each user. Each returns a :class:`~graphrec.data.parts.Split` and takes its two policies:

``overlap`` : {"error", "keep", "drop"}
    What to do with rows of a later part whose pair is in an earlier one. Only a table with repeated pairs (an
    event log) has any.
``cold`` : {"keep", "drop", "error"}
    What to do with rows of valid and test whose user or item has nothing in train.

A part whose size is given as 0 is left out (None); a part that was asked for and would be empty is an
:class:`~graphrec.errors.InputError`.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.data.ordering import IndexArray, Seed, allocate, group_by_user, shuffled, stable_argsort
from graphrec.data.parts import Cold, Overlap, Split
from graphrec.errors import InputError, check_flag, unknown_name

__all__ = [
    "Seed",
    "Split",
    "chronological",
    "global_time",
    "k_fold",
    "leave_one_out",
    "n_per_user",
    "random",
    "stratified",
]

_TRAIN, _VALID, _TEST = range(3)
_POLICIES = ("overlap", "cold")
_NO_OPTIONS = {"inter", "policies"}


class Policies(TypedDict, total=False):
    """Keywords of every split; see the top of this module."""

    overlap: Overlap
    cold: Cold


def chronological(inter: Interactions, test: float = 0.2, valid: float = 0.0, **policies: Unpack[Policies]) -> Split:
    """Each user's last rows by time are the test part, those before them the validation part.

    Rows of equal time keep the order of the table. A user's share is rounded so that the shares of the whole
    are met (see :func:`~graphrec.data.ordering.allocate`), and every user keeps at least one row in train.

    Parameters
    ----------
    inter : Interactions
        With times.
    test, valid : float
        Shares of each user's rows, in [0, 1).

    Returns
    -------
    Split

    Raises
    ------
    InputError
        There are no times, a share is out of range, or a part is empty.

    Examples
    --------
    >>> inter = gr.load_dataset("synthetic").interactions
    >>> gr.split.chronological(inter, test=0.2, valid=0.1)
    Split(train 12,091, valid 1,727, test 3,454 pairs of 1,200 users and 900 items)
    """
    _check("chronological", inter, policies)
    order = _order_of_times(inter, "chronological", stacklevel=3)
    return _split_by_share(inter, order, test, valid, policies)


def stratified(
    inter: Interactions, test: float = 0.2, valid: float = 0.0, seed: Seed = 0, **policies: Unpack[Policies]
) -> Split:
    """As :func:`chronological`, with random rows of each user instead of the last.

    A user with at least 1 / share rows has some in each part.
    """
    _check("stratified", inter, policies)
    return _split_by_share(inter, shuffled(len(inter), seed), test, valid, policies)


def random(inter: Interactions, test: float = 0.2, valid: float = 0.0, seed: Seed = 0, **policies: Unpack[Policies]) -> Split:
    """Random rows of the whole table, whoever they belong to; a user may lose every row of train.

    Parameters
    ----------
    inter : Interactions
    test, valid : float or int
        Shares of all rows, in [0, 1), or numbers of rows.
    seed : int or numpy.random.Generator

    Returns
    -------
    Split
    """
    _check("random", inter, policies)
    n = len(inter)
    n_test, n_valid = (_count(name, size, n) for name, size in (("test", test), ("valid", valid)))
    if n_test + n_valid >= n:
        raise InputError(f"test={test} and valid={valid} together take all {n:,} rows and leave nothing in train.")
    order = shuffled(n, seed)
    part = np.full(n, _TRAIN, np.uint8)
    part[order[:n_test]] = _TEST
    part[order[n_test : n_test + n_valid]] = _VALID
    return _assemble(inter, part, test, valid, policies)


def n_per_user(
    inter: Interactions, test: int = 10, valid: int = 0, seed: Seed | None = None, **policies: Unpack[Policies]
) -> Split:
    """The same number of rows of each user: the last by time, or random ones where a seed is given.

    Users with fewer than ``test + valid + 1`` rows stay wholly in train.

    Parameters
    ----------
    inter : Interactions
        With times, unless there is a seed.
    test, valid : int
        Rows per user; valid are the ones before test.
    seed : int or numpy.random.Generator, optional

    Returns
    -------
    Split

    Raises
    ------
    InputError
        There are neither times nor a seed, or no user has enough rows.
    """
    return _split_by_number(inter, "n_per_user", test, valid, seed, policies)


def leave_one_out(inter: Interactions, valid: bool = False, seed: Seed | None = None, **policies: Unpack[Policies]) -> Split:
    """Each user's latest row is the test part; with `valid`, the one before it the validation part.

    With a seed the rows are random ones. Users with fewer than two rows (three, with `valid`) stay wholly in train.

    Examples
    --------
    >>> inter = gr.Interactions.from_indices([0, 0, 1, 1, 1], [0, 1, 0, 1, 2], times=[1, 2, 5, 4, 3])
    >>> gr.split.leave_one_out(inter).test.to_frame()
       user_id  item_id  time
    0        0        1     2
    1        1        0     5
    """
    return _split_by_number(inter, "leave_one_out", 1, int(check_flag("valid", valid)), seed, policies)


def global_time(inter: Interactions, test: float = 0.2, valid: float = 0.1, **policies: Unpack[Policies]) -> Split:
    """One moment for everybody: what came later is the test part, and what came shortly before it valid.

    Rows of one time are never on both sides of a cut, so the parts have the stated shares as nearly as the
    times allow. Users and items that first appear after the cut have nothing in train; see ``cold``.

    Parameters
    ----------
    inter : Interactions
        With times.
    test, valid : float
        Shares of all rows, in [0, 1).

    Returns
    -------
    Split

    Raises
    ------
    InputError
        There are no times, or too few distinct ones to cut where it was asked.
    """
    _check("global_time", inter, policies)
    _check_shares(test, valid)
    times = _times(inter, "global_time")
    part = np.full(len(inter), _TRAIN, np.uint8)
    for name, label, share in (("test", _TEST, test), ("valid", _VALID, valid)):
        if share:
            earlier = part == _TRAIN
            start = _cut(times[earlier], share * len(inter), name)
            part[earlier & (times >= start)] = label
    return _assemble(inter, part, test, valid, policies)


def k_fold(inter: Interactions, folds: int = 5, seed: Seed = 0, **policies: Unpack[Policies]) -> Iterator[Split]:
    """One split a fold: the fold is the test part and the other folds are train.

    Parameters
    ----------
    inter : Interactions
    folds : int
        At least 2; every row is in exactly one fold, chosen at random, and folds differ by at most one row.
    seed : int or numpy.random.Generator

    Returns
    -------
    iterator of Split
    """
    _check("k_fold", inter, policies)
    n = len(inter)
    if not _is_whole(folds) or not 2 <= folds <= n:
        raise InputError(f"folds must be a whole number from 2 to the number of rows ({n:,}), got {folds!r}.")
    fold = np.empty(n, np.int64)
    fold[shuffled(n, seed)] = np.arange(n) % int(folds)
    return (
        Split(train=inter.select(np.flatnonzero(fold != k)), test=inter.select(np.flatnonzero(fold == k)), **policies)
        for k in range(int(folds))
    )


# ---- the cut, per user ------------------------------------------------------------------------


def _split_by_share(inter: Interactions, order: IndexArray, test: float, valid: float, policies: Policies) -> Split:
    _check_shares(test, valid)
    degree = np.bincount(inter.users, minlength=inter.n_users)
    spare = np.maximum(degree - 1, 0)
    n_test = allocate(test, degree, spare)
    n_valid = allocate(valid, degree, spare - n_test)
    return _assemble(inter, _last_of_each_user(inter, order, degree, n_test, n_valid), test, valid, policies)


def _split_by_number(inter: Interactions, way: str, test: int, valid: int, seed: Seed | None, policies: Policies) -> Split:
    _check(way, inter, policies)
    for name, size in (("test", test), ("valid", valid)):
        if not _is_whole(size):
            raise InputError(f"{name} must be a whole number of rows per user, got {size!r}.")
    if seed is None:
        order = _order_of_times(inter, way, " or give a seed= to hold out random rows", stacklevel=4)
    else:
        order = shuffled(len(inter), seed)
    degree = np.bincount(inter.users, minlength=inter.n_users)
    enough = degree > test + valid
    return _assemble(inter, _last_of_each_user(inter, order, degree, enough * test, enough * valid), test, valid, policies)


def _last_of_each_user(
    inter: Interactions, order: IndexArray, degree: IndexArray, n_test: IndexArray, n_valid: IndexArray
) -> npt.NDArray[np.uint8]:
    """The part of each row when each user's rows, in the given order, are cut from the end."""
    lengths = np.stack([degree - n_valid - n_test, n_valid, n_test], axis=1)
    part = np.empty(len(inter), np.uint8)
    part[group_by_user(inter.users, order)] = np.repeat(
        np.tile(np.array([_TRAIN, _VALID, _TEST], np.uint8), inter.n_users), lengths.ravel()
    )
    return part


def _cut(times: npt.NDArray[np.int64], wanted: float, name: str) -> int:
    """The time from which on there are as nearly as possible `wanted` rows, with some left before it."""
    n = len(times)
    place = n - min(max(round(wanted), 1), n)
    at = int(np.partition(times, place)[place])
    with_ties, without = int((times >= at).sum()), int((times > at).sum())
    if without and (with_ties == n or wanted - without < with_ties - wanted):
        return int(times[times > at].min())
    if with_ties == n:
        raise InputError(f"global_time cannot cut off a {name} part: the {n:,} rows left to cut have one and the same time.")
    return at


def _assemble(inter: Interactions, part: npt.NDArray[np.uint8], test: float, valid: float, policies: Policies) -> Split:
    if not (test or valid):
        raise InputError("test and valid are both 0: there is nothing to hold out.")
    chosen: dict[str, Interactions | None] = {"valid": None, "test": None}
    for name, label, size in (("valid", _VALID, valid), ("test", _TEST, test)):
        if size:  # row numbers are gathered several times faster than a mask is applied
            rows = np.flatnonzero(part == label)
            if not len(rows):
                raise InputError(
                    f"{name}={size} leaves the {name} part empty: no user has enough rows, or the table has too few."
                )
            chosen[name] = inter.select(rows)
    return Split(train=inter.select(np.flatnonzero(part == _TRAIN)), valid=chosen["valid"], test=chosen["test"], **policies)


# ---- what callers write ---------------------------------------------------------------------


def _check(way: str, inter: Interactions, policies: Policies) -> None:
    for name in policies:
        if name not in _POLICIES:
            raise unknown_name(
                f"option of {way}", name, {*inspect.signature(globals()[way]).parameters, *_POLICIES} - _NO_OPTIONS
            )
    if not isinstance(inter, Interactions):
        raise InputError(f"a split takes Interactions, not {type(inter).__name__}; Interactions.from_frame reads a table.")
    if not len(inter):
        raise InputError("the table has no row to split.")


def _times(inter: Interactions, way: str, otherwise: str = "") -> npt.NDArray[np.int64]:
    if inter.times is None:
        raise InputError(f"{way} needs times, and this table has no time column: name it with time={otherwise}.")
    return inter.times


def _order_of_times(inter: Interactions, way: str, otherwise: str = "", *, stacklevel: int) -> IndexArray:
    times = _times(inter, way, otherwise)
    if len(times) > 1 and times.min() == times.max():
        warnings.warn(
            f"all {len(times):,} times are the same, so that the order of the rows decides what is held out; a split at random "
            "does not depend on it.",
            stacklevel=stacklevel,
        )
    return stable_argsort(times)


def _check_shares(test: float, valid: float) -> None:
    for name, share in (("test", test), ("valid", valid)):
        if not _is_share(share):
            raise InputError(f"{name} must be a share from 0 to below 1, got {share!r}; n_per_user holds out a number of rows.")
    if test + valid >= 1:
        raise InputError(f"test={test} and valid={valid} together leave nothing in train.")


def _count(name: str, size: float, n: int) -> int:
    if not (_is_whole(size) or _is_share(size)):
        raise InputError(f"{name} must be a share from 0 to below 1 or a whole number of rows, got {size!r}.")
    return int(size) if _is_whole(size) else round(float(size) * n)


def _is_whole(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 0)


def _is_share(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool) and bool(0 <= value < 1)
