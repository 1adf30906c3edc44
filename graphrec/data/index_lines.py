"""Text with one user a line, ``user item item ...``: bytes to index arrays and back, without a loop over lines."""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError

__all__ = ["format_index_lines", "line_of_index", "parse_index_lines"]

IntArray = npt.NDArray[np.int32]
_MAX_DIGITS = 9  # every number of nine digits fits int32, and no catalogue needs ten
_SPACE, _DIGIT, _NEITHER = 0, 1, 2
_KIND = np.full(256, _NEITHER, np.uint8)
_KIND[np.frombuffer(b" \t\r\n", np.uint8)] = _SPACE
_KIND[np.frombuffer(b"0123456789", np.uint8)] = _DIGIT


def parse_index_lines(text: bytes, name: str) -> tuple[IntArray, IntArray, int]:
    """Read the lines of one file.

    Parameters
    ----------
    text : bytes
        Non-negative integers separated by blanks; the first of a line is the user, the others are items.
        Blank lines, trailing blanks, lines with a user alone and users with several lines are allowed.
    name : str
        The file's name, for messages.

    Returns
    -------
    users, items : ndarray of int32, shape (n,)
        The pairs in the order of the file.
    n_users : int
        The largest user + 1, counting users without items.

    Raises
    ------
    InputError
        Something is not a non-negative integer, a pair is repeated, or there is no number at all. The
        message names the file and the line.
    """
    characters = np.frombuffer(text, np.uint8)
    kinds = np.full(len(text) + 2, _SPACE, np.uint8)
    kinds[1:-1] = _KIND[characters]
    if kinds.max() == _NEITHER:
        raise _bad_token(text, int(np.argmax(kinds == _NEITHER)) - 1, name)
    edges = np.flatnonzero(kinds[1:] != kinds[:-1])
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        raise InputError(f"{name} is empty: expected lines of 'user item item ...'.")
    lengths = ends - starts
    if lengths.max() > _MAX_DIGITS:
        raise _bad_token(text, int(starts[lengths > _MAX_DIGITS][0]), name)
    numbers = _numbers(characters, starts, lengths)

    lines = np.concatenate([[0], np.flatnonzero(characters == ord("\n"))])
    firsts = np.searchsorted(starts, lines)  # the token that a line begins with, or would if it had one
    sizes = np.diff(firsts, append=len(starts))
    firsts, sizes = firsts[sizes > 0], sizes[sizes > 0]
    users = np.repeat(numbers[firsts], sizes - 1)
    is_item = np.ones(len(numbers), bool)
    is_item[firsts] = False
    items = numbers[is_item]
    _refuse_repeated(users, items, starts[is_item], text, name)
    return users, items, int(numbers[firsts].max()) + 1


def format_index_lines(users: IntArray, items: IntArray, n_users: int = 0) -> bytes:
    """Write pairs as lines: users in increasing order, the items of each in the order of the rows.

    Parameters
    ----------
    users, items : ndarray of int, shape (n,)
        The pairs.
    n_users : int
        The last of so many users gets a line even without an item, so that a reader finds that many. Other
        users without items get none, because the reader of the official LightGCN code fails on such a line.

    Returns
    -------
    bytes
    """
    counts = np.bincount(users, minlength=n_users)
    ends = np.cumsum(counts).tolist()
    tokens = list(map(str, items[np.argsort(users, kind="stable")].tolist()))
    named = np.flatnonzero(counts).tolist()
    if n_users and not counts[n_users - 1]:
        named.append(n_users - 1)
    lines = (" ".join([str(u), *tokens[ends[u - 1] if u else 0 : ends[u]]]) for u in named)
    return ("\n".join(lines) + "\n").encode("ascii")


def line_of_index(text: bytes, index: int, *, is_user: bool) -> int | None:
    """The first line, from 1 on, of a text that :func:`parse_index_lines` takes, with some user or some item."""
    for number, line in enumerate(text.split(b"\n"), 1):
        tokens = [int(token) for token in line.split()]
        if index in (tokens[:1] if is_user else tokens[1:]):
            return number
    return None


def _numbers(text: npt.NDArray[np.uint8], starts: npt.NDArray[np.intp], lengths: npt.NDArray[np.intp]) -> IntArray:
    numbers = np.zeros(len(starts), np.int32)
    for digit in range(int(lengths.max())):
        longer = lengths > digit
        numbers[longer] = numbers[longer] * 10 + (text[starts[longer] + digit] - ord("0"))
    return numbers


def _refuse_repeated(users: IntArray, items: IntArray, starts: npt.NDArray[np.intp], text: bytes, name: str) -> None:
    keys = users.astype(np.int64) << 32 | items
    if (keys[1:] > keys[:-1]).all():
        return
    ordered = np.sort(keys)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        order = np.argsort(keys, kind="stable")
        again = int(order[1:][keys[order[1:]] == keys[order[:-1]]].min())
        raise InputError(
            f"{name}, line {_line(text, int(starts[again]))}: item {items[again]} is repeated for user {users[again]} "
            f"({len(repeated):,} repeated pairs in the file)."
        )


def _bad_token(text: bytes, position: int, name: str) -> InputError:
    begin = max(text.rfind(blank, 0, position) for blank in (b" ", b"\t", b"\r", b"\n")) + 1
    token = re.split(rb"[ \t\r\n]", text[begin : begin + 40], maxsplit=1)[0].decode("utf-8", "replace")
    if re.fullmatch(r"-\d+", token):
        fault = "is negative"
    elif token.isdecimal():
        fault = f"has more than {_MAX_DIGITS} digits"
    else:
        fault = "is not an integer"
    return InputError(
        f"{name}, line {_line(text, begin)}: {token!r} {fault}; expected 'user item item ...', counted from zero."
    )


def _line(text: bytes, position: int) -> int:
    return text.count(b"\n", 0, position) + 1
