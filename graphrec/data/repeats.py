"""Pairs that occur in several rows: which row stays, and what becomes of the ratings and weights of the others."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError, unknown_name

__all__ = ["Duplicates", "Kept", "check_policy", "first_repeat", "keep_one"]

Duplicates = Literal["error", "keep", "first", "last", "mean", "sum", "max"]


def check_policy(duplicates: object) -> None:
    """Raise :class:`InputError` for a policy that does not exist, with the nearest that does."""
    if duplicates not in get_args(Duplicates):
        raise unknown_name("duplicates policy", duplicates, get_args(Duplicates))


class Kept(NamedTuple):
    """The rows that stay.

    Attributes
    ----------
    rows : ndarray of int64, shape (m,)
        Ascending.
    ratings, weights : ndarray of float32, shape (m,), or None
        New ratings and weights, where those of a pair were joined.
    """

    rows: npt.NDArray[np.int64]
    ratings: npt.NDArray[np.float32] | None
    weights: npt.NDArray[np.float32] | None


def first_repeat(keys: npt.NDArray[np.int64]) -> tuple[int, int]:
    """How many rows repeat the key of an earlier row, and the first of them (−1 where there is none)."""
    order = np.argsort(keys, kind="stable")
    again = order[1:][keys[order[1:]] == keys[order[:-1]]]
    return len(again), int(again.min()) if len(again) else -1


def keep_one(
    keys: npt.NDArray[np.int64],
    times: npt.NDArray[np.int64] | None,
    ratings: npt.NDArray[np.float32] | None,
    keep: Literal["first", "last", "mean", "sum", "max"],
    weights: npt.NDArray[np.float32] | None = None,
) -> Kept | None:
    """One row for each key, or None where every key is there once.

    Parameters
    ----------
    keys : ndarray of int64, shape (n,)
    times, ratings, weights : ndarray, shape (n,), or None
    keep : {"first", "last", "mean", "sum", "max"}
        As in :meth:`Interactions.drop_duplicates`.

    Raises
    ------
    InputError
        The sum of some ratings or weights is beyond float32.
    """
    order: npt.NDArray[Any] = np.argsort(keys, kind="stable") if times is None else np.lexsort((times, keys))
    ordered = keys[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(keys) else np.zeros(0, np.int64)
    if len(starts) == len(keys):
        return None
    ends = np.r_[starts[1:], len(keys)] - 1
    chosen = order[starts if keep == "first" else ends]
    by_row = np.argsort(chosen, kind="stable")
    if keep in ("first", "last"):
        return Kept(chosen[by_row], None, None)

    def joined(values: npt.NDArray[np.float32] | None, what: str) -> npt.NDArray[np.float32] | None:
        if values is None:
            return None
        whole = (np.maximum if keep == "max" else np.add).reduceat(values[order].astype(np.float64), starts)
        if keep == "mean":
            whole /= ends - starts + 1
        if np.abs(whole).max() > np.finfo(np.float32).max:
            raise InputError(f"the {keep} of the {what} of a repeated pair does not fit into a float32.")
        return whole[by_row].astype(np.float32)

    return Kept(chosen[by_row], joined(ratings, "ratings"), joined(weights, "weights"))
