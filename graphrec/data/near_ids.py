"""What somebody may have meant by an id that is not there."""

from __future__ import annotations

import difflib
import unicodedata
from typing import Any

import numpy.typing as npt

from graphrec.deferred import pandas as pd

__all__ = ["bare", "near_id", "zero_twins"]

_MOST = 4000  # ids that are looked at: a question of a service must not take long for being a wrong one
_ALIKE = 0.75  # of 1, as difflib has it
_WIDEST = 24  # digits


def near_id(lookup: pd.Index[Any], text: object) -> str:
    """A hint at an id that differs in its spelling alone; the empty text where there is none.

    Numbers within an id have to be equal but for zeros in front: ``"sku 12"`` is no misspelling of ``"sku 13"``.

    Parameters
    ----------
    lookup : Index
        Of all ids. Of more than 4,000 those are looked at that stand near by in the alphabet.
    text : object
        The id that was sought; there are hints for texts.
    """
    if not isinstance(text, str):
        return ""
    for form in ("NFC", "NFD"):
        if (other := unicodedata.normalize(form, text)) != text and other in lookup:
            return f" There is one that looks the same in another Unicode form: unicodedata.normalize({form!r}, id)."
    near = _padded(lookup, text) or _with_fraction(lookup, text) or _spelt(lookup, text)
    return "" if near is None else f" Did you mean {near!r}?"


def _padded(lookup: pd.Index[Any], text: str) -> str | None:
    """The same number with more or fewer zeros in front."""
    plain = text.strip()
    if not (plain.isascii() and plain.isdecimal()) or len(plain) > _WIDEST:
        return None
    short = plain.lstrip("0") or "0"
    return next((one for width in range(len(short), _WIDEST + 1) if (one := short.zfill(width)) in lookup), None)


def _with_fraction(lookup: pd.Index[Any], text: str) -> str | None:
    """``"7.0"`` for ``"7"``: a column of whole numbers with a gap was written as one of fractions."""
    return next((one for one in (f"{text}.0", text.removesuffix(".0")) if one != text and one in lookup), None)


def zero_twins(known: npt.NDArray[Any], new: npt.NDArray[Any]) -> list[tuple[str, str]]:
    """New ids that are known ones but for zeros in front, each with the known one: another program took them for numbers."""
    if known.dtype.kind != "O" or not len(new):
        return []
    plain = {text: _unpadded(text) for text in (*known.tolist(), *new.tolist())}
    numbers = {plain[text]: text for text in reversed(known.tolist()) if plain[text] is not None}
    return [(text, numbers[plain[text]]) for text in new.tolist() if plain[text] in numbers]


def _unpadded(text: str) -> str | None:
    return (text.lstrip("0") or "0") if text.isascii() and text.isdecimal() else None


def _spelt(lookup: pd.Index[Any], text: str) -> str | None:
    some = lookup
    if len(lookup) > _MOST:
        place = int(lookup.searchsorted(text)) if lookup.is_monotonic_increasing else 0
        some = lookup[max(0, place - _MOST // 2) : place + _MOST // 2]
    wanted, digits = _folded(text), _digits(text)
    known = {_folded(one): one for one in reversed(some.tolist()) if _digits(one) == digits}
    near = difflib.get_close_matches(wanted, known, n=1, cutoff=_ALIKE) if any(map(str.isalpha, wanted)) else []
    return known[near[0]] if near else None


def bare(text: str) -> str:
    """Without case and accents, to compare what people type: "Müller" and "muller" are one."""
    if not text.isascii():
        text = "".join(one for one in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(one))
    return text.casefold()


def _folded(text: str) -> str:
    """Without case, accents and spaces at the ends."""
    return bare(text).strip()


def _digits(text: str) -> str:
    return "".join(filter(str.isdecimal, text))
