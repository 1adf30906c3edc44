"""Orders of rows and sizes of parts: the two things every split is made of."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError

__all__ = ["IndexArray", "Seed", "allocate", "group_by_user", "shuffled", "stable_argsort"]

IndexArray: TypeAlias = npt.NDArray[np.int64]
Seed: TypeAlias = int | np.random.Generator
_UNIT = 30  # fractional bits of the fixed-point sums in `allocate`


def stable_argsort(values: npt.NDArray[Any]) -> IndexArray:
    """The order that sorts integers, equal ones staying in the order of their rows.

    NumPy's stable argsort of 64-bit integers is a merge sort; its sort of plain values is vectorised and ten times as
    fast. So value and row number are packed into one integer wherever both fit into 63 bits (seconds since
    1970 do, with up to a billion rows).

    Parameters
    ----------
    values : ndarray of integers, shape (n,)

    Returns
    -------
    ndarray of int64, shape (n,)
    """
    n = len(values)
    if n < 2 or bool((values[1:] >= values[:-1]).all()):
        return np.arange(n, dtype=np.int64)
    low, high = int(values.min()), int(values.max())
    row_bits = n.bit_length()
    if (high - low).bit_length() + row_bits > 63:
        return np.argsort(values, kind="stable").astype(np.int64, copy=False)
    packed = values.astype(np.int64)
    packed -= low
    packed <<= row_bits
    packed |= np.arange(n, dtype=np.int64)
    packed.sort()
    packed &= (1 << row_bits) - 1
    return packed


def shuffled(n: int, seed: Seed) -> IndexArray:
    """A random permutation of ``range(n)``, shape (n,), by sorting random integers.

    Raises
    ------
    InputError
        The seed is neither a whole number from 0 on nor a generator.
    """
    if not isinstance(seed, np.random.Generator):
        if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
            raise InputError(f"seed must be a whole number from 0 on or a numpy Generator, got {seed!r}.")
        seed = np.random.Generator(np.random.PCG64(int(seed)))
    return stable_argsort(seed.integers(0, 1 << (62 - n.bit_length()), n))


def group_by_user(users: npt.NDArray[np.int32], order: IndexArray) -> IndexArray:
    """The rows of `order` brought together by user, each user's in the order they had, shape (n,)."""
    return order[stable_argsort(users[order])]


def allocate(share: float, degree: IndexArray, limit: IndexArray) -> IndexArray:
    """How many of each user's rows to hold out so that every user and the total have their share.

    What rounding down leaves over is carried to the next user. Rounding each user by itself would take
    nothing from anybody when all have two rows and a fifth is asked for.

    Parameters
    ----------
    share : float
        In [0, 1).
    degree, limit : ndarray of int64, shape (n_users,)
        A user's number of rows, and the most that may be taken.

    Returns
    -------
    ndarray of int64, shape (n_users,)
        With e = min(share · degree, limit): each number is e rounded down or up, their sum is the sum of
        the e rounded to the nearest.
    """
    # Fixed point, so that the carried sums are exact and `limit` holds to the last row.
    wanted = np.minimum(round(share * (1 << _UNIT)) * degree, limit << _UNIT)
    reached = (np.cumsum(wanted) + (1 << (_UNIT - 1))) >> _UNIT
    return np.diff(reached, prepend=0)
