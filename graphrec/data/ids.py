"""Ids of users and items: which are taken, how they are numbered, and how they are found again.

An id is an integer or a text. Both keep their type from the first table to the last question: the integer 1, the
text ``"1"``, the number 1.0 and ``True`` are never taken for each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.near_ids import near_id
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = [
    "IntArray",
    "Place",
    "at_row",
    "canonical_integers",
    "digest",
    "encode_ids",
    "find",
    "half_a_character",
    "id_lookup",
    "look_up",
    "not_an_integer",
    "one_dimension",
    "plain_ids",
    "same_ids",
]

IntArray: TypeAlias = npt.NDArray[np.int32]
IdArray: TypeAlias = npt.NDArray[Any]
Place: TypeAlias = Callable[[int], str]
"""How a message names a row, from its position in the table: "at row 3", or "in line 5" of a file."""

_INT64 = np.iinfo(np.int64)
_BLOCK = 1 << 20  # values that are brought into one form at a time
_REMEDIES = {
    "f": "if they are whole numbers, convert them with .astype('int64')",
    "b": "convert them with .astype('int64')",
    "M": "convert them with .astype(str)",
}


class _Kind(NamedTuple):
    """What a lookup holds, in the words of a message."""

    many: str
    is_text: bool


_INTEGERS, _TEXTS = _Kind("integers", False), _Kind("texts", True)


def at_row(row: int) -> str:
    """Name a row by its position, from 0 on."""
    return f"at row {row}"


def plain_ids(column: pd.Series[Any], name: str) -> IdArray:
    """The ids of a column without gaps: int64, or an object array of str, shape (n,).

    Raises
    ------
    InputError
        They are something else, or of several kinds. The message names the column and how to convert it.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    if pd.api.types.is_bool_dtype(column.dtype):
        raise _not_ids(name, "booleans", _REMEDIES["b"])
    if pd.api.types.is_integer_dtype(column.dtype):
        numbers = column.to_numpy(np.uint64 if pd.api.types.is_unsigned_integer_dtype(column.dtype) else np.int64)
        if numbers.dtype == np.uint64 and len(numbers) and int(numbers.max()) > _INT64.max:
            raise _beyond(name)
        return numbers.astype(np.int64, copy=False)
    if pd.api.types.is_float_dtype(column.dtype):
        raise _not_ids(name, "numbers with decimals", _REMEDIES["f"])
    if not (isinstance(column.dtype, pd.StringDtype) or column.dtype == object or "string" in str(column.dtype)):
        raise _not_ids(name, str(column.dtype), _REMEDIES["M"])
    return _from_objects(column.to_numpy(object), name)


def encode_ids(column: pd.Series[Any], name: str, place: Place = at_row) -> tuple[IntArray, IdArray]:
    """Index of each row's id (int32, (n,)) and the sorted distinct ids; missing or mixed ids are refused."""
    codes, ids = pd.factorize(plain_ids(column, name), sort=True)
    if len(ids) and ids.dtype == object:
        if ids[0] == "":
            empty = codes == 0
            raise InputError(f"column {name!r} has {empty.sum():,} empty texts for ids, first {place(int(empty.argmax()))}.")
        ids = _plain_texts(ids)
        _check_unicode(codes, ids, name, place)
    return codes.astype(np.int32), ids


def _check_unicode(codes: npt.NDArray[np.integer], ids: IdArray, name: str, place: Place) -> None:
    """Refuse texts with half a character, half of what UTF-16 writes as two: neither files nor columns of pandas hold them."""
    try:
        "".join(ids.tolist()).encode("utf-8")
    except UnicodeEncodeError:
        wrong = np.array([half_a_character(text) for text in ids.tolist()])[codes]
        raise InputError(
            f"column {name!r} has {wrong.sum():,} ids with half a character (a surrogate), which no file can hold, first "
            f"{place(int(wrong.argmax()))}; decode the texts anew, or use .str.encode('utf-8', 'replace').str.decode('utf-8')."
        ) from None


def half_a_character(text: object) -> bool:
    """Whether something is a text with a surrogate in it."""
    return isinstance(text, str) and any("\ud800" <= character <= "\udfff" for character in text)


def canonical_integers(texts: IdArray) -> npt.NDArray[np.int64] | None:
    """The integers that some texts are, shape (n,), if every text is how Python writes that integer.

    None where one is not (``"007"``, ``"+7"``, ``" 7"``, ``"7.0"``) or does not fit into 64 bits: then the texts
    say more than the numbers would.
    """
    written = texts.tolist()
    try:
        numbers = list(map(int, written))
    except ValueError:
        return None
    if list(map(str, numbers)) != written:
        return None
    if numbers and (min(numbers) < _INT64.min or max(numbers) > _INT64.max):
        return None
    return np.array(numbers, np.int64)


def not_an_integer(text: object) -> bool:
    """Whether something is a text that is not how an integer is written: one makes texts of a whole column in a file."""
    return isinstance(text, str) and canonical_integers(np.array([text], object)) is None


def id_lookup(ids: IdArray) -> pd.Index[Any]:
    """The index that :func:`find` and :func:`look_up` search."""
    index: pd.Index[Any] = pd.Index(
        ids if ids.dtype.kind in "iu" else ids.astype(object), dtype=None if ids.dtype.kind in "iu" else object
    )
    return index


def find(lookup: pd.Index[Any], ids: object, kind: str) -> npt.NDArray[np.int64]:
    """Position of each id in a lookup, int64 of shape (n,), and −1 for one that is not there.

    Parameters
    ----------
    lookup : Index
        From :func:`id_lookup`.
    ids : sequence, array, Series or Index of ids, or one id
    kind : str
        ``"user"`` or ``"item"``, for messages.

    Raises
    ------
    InputError
        There is something that can be no id of this lookup: a boolean, a number with decimals, a text where
        the ids are integers, an integer where they are texts, a text with half a character, nothing at all.
    """
    own = _INTEGERS if lookup.dtype.kind in "iu" else _TEXTS
    if type(ids) is (str if own.is_text else int):  # the question of a service, ten times as fast this way
        try:
            return np.array([lookup.get_loc(ids)], np.int64)
        except (KeyError, OverflowError):
            _refuse_half_characters([ids], kind)
            return np.array([-1])
    values = one_dimension(ids, kind)
    if not len(values):
        return np.zeros(0, np.int64)
    if values.dtype.kind in "iu":
        theirs = _INTEGERS
    else:
        values = values.astype(object)
        told = pd.api.types.infer_dtype(values, skipna=False)
        if told not in ("integer", "string"):
            raise _no_id(values, own, kind)
        theirs = _TEXTS if told == "string" else _INTEGERS
    if own is not theirs:
        first = values[0] if own.is_text else next((one for one in values.tolist() if not_an_integer(one)), values[0])
        raise InputError(f"unknown {kind} id {first!r}: the {kind} ids of this data are {own.many}, not {theirs.many}.")
    if own.is_text:
        found = np.asarray(lookup.get_indexer(pd.Index(values, dtype=object)), np.int64)
        _refuse_half_characters(values[found < 0].tolist(), kind)
        return found
    if values.dtype.kind != "i":
        fits = np.array([_INT64.min <= value <= _INT64.max for value in values.tolist()], bool)
        values = np.where(fits, values, 0).astype(np.int64)
        return np.where(fits, lookup.get_indexer(pd.Index(values)), -1).astype(np.int64)
    return np.asarray(lookup.get_indexer(pd.Index(values)), np.int64)


def _refuse_half_characters(unknown: list[Any], kind: str) -> None:
    if (wrong := next((one for one in unknown if half_a_character(one)), None)) is not None:
        raise InputError(f"{wrong!r} is no {kind} id: it has half a character (a surrogate).")


def look_up(lookup: pd.Index[Any], ids: object, kind: str) -> IntArray:
    """Position of each id (int32, (n,)) as :func:`find` gives it; an unknown one is refused, too."""
    found = find(lookup, ids, kind)
    unknown = np.flatnonzero(found < 0)
    if len(unknown):
        more = f" and {len(unknown) - 1:,} more" if len(unknown) > 1 else ""
        first = one_dimension(ids, kind)[unknown[0]]
        raise InputError(f"unknown {kind} id {first!s}{more}: not in the data this was fitted on.{near_id(lookup, first)}")
    return found.astype(np.int32)


def same_ids(a: IdArray, b: IdArray) -> bool:
    """Whether two id spaces are one: the same ids of the same type in the same order."""
    return a is b or (a.shape == b.shape and bool((a == b).all()))


def digest(*arrays: IdArray) -> str:
    """32 hexadecimal digits (BLAKE2b) of integers and texts: other values, another order or type, other digits."""
    found = hashlib.blake2b(digest_size=16)
    for array in arrays:
        found.update(f"{array.dtype.kind in 'iu'} {len(array)} ".encode())
        blocks = [array[lo : lo + _BLOCK] for lo in range(0, len(array), _BLOCK)]  # views: a mapped table is not copied
        if array.dtype.kind in "iu":
            for block in blocks:
                found.update(np.ascontiguousarray(block, "<i8").data)
            continue
        for block in blocks:
            found.update(np.array([len(_utf8(text)) for text in block.tolist()], "<i8").data)
        for block in blocks:
            found.update(b"".join(map(_utf8, block.tolist())))
    return found.hexdigest()


def _utf8(text: object) -> bytes:
    return str(text).encode("utf-8", "surrogatepass")


def _from_objects(values: IdArray, name: str) -> IdArray:
    told = pd.api.types.infer_dtype(values, skipna=False)
    if told == "string":
        return values
    if told == "integer":
        try:
            return values.astype(np.int64)
        except OverflowError:
            raise _beyond(name) from None
    kinds = sorted({type(value).__name__ for value in values})
    if len(kinds) > 1:
        raise InputError(f"column {name!r} mixes kinds of ids ({', '.join(kinds)}); make them all integers or all strings.")
    if told == "empty" or not kinds:
        return values
    remedy = ".str.decode('utf-8')" if told == "bytes" else ".astype('int64')" if told == "boolean" else ".astype(str)"
    raise _not_ids(name, f"values of type {kinds[0]}", f"convert them with {remedy}")


def _beyond(name: str) -> InputError:
    """For integers that no index of 64 bits holds. In text files they are read as texts."""
    return InputError(
        f"column {name!r} holds integers beyond {_INT64.max}, the largest that can be an id; make them texts with "
        f"frame[{name!r}].astype('string'), or write the table as CSV, where such ids are read as texts."
    )


def _not_ids(name: str, what: str, remedy: str) -> InputError:
    return InputError(f"column {name!r} holds {what}, and ids are integers or texts; {remedy}.")


def _plain_texts(texts: IdArray) -> IdArray:
    """Plain str for subclasses of it, such as NumPy's."""
    if all(type(text) is str for text in texts):
        return np.asarray(texts, object)
    plain = np.empty(len(texts), object)
    plain[:] = [str.__str__(text) for text in texts]
    return plain


def one_dimension(ids: object, kind: str) -> IdArray:
    """Whatever the caller wrote for some ids, as an array of shape (n,) that keeps the type of each."""
    if isinstance(ids, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        numeric = isinstance(ids.dtype, np.dtype) and ids.dtype.kind in "iu"
        return ids.to_numpy() if numeric else ids.to_numpy(object)
    if isinstance(ids, np.ndarray):
        if ids.ndim > 1:
            raise InputError(f"{kind} ids must have one dimension, got shape {ids.shape}.")
        flat = ids.reshape(-1)
        return flat if flat.dtype.kind in "iu" else flat.astype(object)
    if pd.api.types.is_scalar(ids) or not hasattr(ids, "__iter__"):
        ids = [ids]
    written = list(ids)
    return np.fromiter(written, object, len(written))


def _no_id(values: IdArray, own: _Kind, kind: str) -> InputError:
    """For values that are not all integers or all texts, the first that is at fault."""
    wanted = str if own.is_text else int | np.integer
    for value in values:
        if not isinstance(value, wanted) or isinstance(value, bool):
            return InputError(f"{value!r} is no {kind} id: the {kind} ids of this data are {own.many}.")
    return InputError(f"these are no {kind} ids: the {kind} ids of this data are {own.many}.")
