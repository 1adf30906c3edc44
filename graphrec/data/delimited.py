"""The layout of delimited text: where its records are, and that each has as many fields as the header.

pandas fills short rows up, cuts or shifts long ones, and does not say which line a row came from. So the bytes are
looked at first: all at once where there is no quote, and with Python's own reader where there are or where
something is wrong.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError

__all__ = ["Layout", "Records"]

_BLOCK = 1 << 20
_BOM = b"\xef\xbb\xbf"
_DIALECT = ("quotechar", "quoting", "doublequote", "escapechar", "skipinitialspace")
_ELSEWISE = ("comment", "lineterminator", "skipfooter", "delim_whitespace", "dialect", "on_bad_lines", "skip_blank_lines")
"""Options of pandas that change what a record is, in ways that are left to pandas."""


@dataclass(frozen=True)
class Layout:
    """How a text is cut into records and fields.

    Attributes
    ----------
    separator : str
        One ASCII character.
    dialect : mapping
        Options of :func:`csv.reader` that pandas names alike.
    skip : int
        Lines before the first record.
    header : bool
        Whether the first record names the columns.
    names : int or None
        Number of columns that the caller named, where the records have to have as many fields.
    rows : int or None
        How many rows are read.
    """

    separator: str
    dialect: Mapping[str, Any]
    skip: int
    header: bool
    names: int | None
    rows: int | None

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Layout | None:
        """The layout that options of :func:`pandas.read_csv` describe, or None for one that only pandas knows."""
        separator = options.get("sep", options.get("delimiter"))
        skip, rows, header = options.get("skiprows", 0), options.get("nrows"), options.get("header", "infer")
        names = options.get("names")
        plain = (
            isinstance(separator, str)
            and len(separator) == 1
            and separator.isascii()
            and separator not in "\r\n"
            and not any(options.get(name) is not None for name in _ELSEWISE)
            and options.get("engine") in (None, "c")
            and (skip is None or isinstance(skip, int | np.integer))
            and (rows is None or isinstance(rows, int | np.integer))
            and (header is None or (isinstance(header, str | int) and header in ("infer", 0)))
        )
        if not plain:
            return None
        has_header = header == 0 or (header == "infer" and names is None)
        return cls(
            str(separator),
            {name: options[name] for name in _DIALECT if name in options},
            int(skip or 0),
            has_header,
            None if names is None or options.get("usecols") is not None else len(list(names)),
            None if rows is None else int(rows),
        )

    def head(self, lines: Iterator[str]) -> str:
        """The text as far as the last row that is read."""
        taken: list[str] = []

        def tap() -> Iterator[str]:
            for line in lines:
                taken.append(line)
                yield line

        for _ in islice(self._records(tap()), (self.rows or 0) + self.header):
            pass
        return "".join(taken)

    def _records(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """Number of the first line, from 1 on, and fields of every record, the header among them."""
        for _ in range(self.skip):
            next(lines, None)
        reader = csv.reader(lines, delimiter=self.separator, **self.dialect)
        before = 0
        for record in reader:
            if record and (len(record) > 1 or not record[0] or record[0].strip(" \t")):
                yield self.skip + before + 1, record
            before = reader.line_num


class Records:
    """A text table whose rows have been found to fit its header.

    Parameters
    ----------
    text : bytes
        UTF-8.
    layout : Layout

    Attributes
    ----------
    widths : ndarray of int64, shape (n_fields,), or None
        Number of bytes in each column, all rows taken together; None where they were not counted.

    Raises
    ------
    InputError
        A row has too many fields or too few. All rows may have the same number too many, if those are empty:
        some programs end every row with a separator. The message names the first line that is at fault.
    """

    def __init__(self, text: bytes, layout: Layout) -> None:
        self._text, self._layout = text, layout
        zero = text.find(b"\0")
        if zero >= 0:
            line = text.count(b"\n", 0, zero) + 1
            raise InputError(f"line {line:,} holds a NUL character: it is no text, or needs encoding=.")
        try:
            self.widths = self._check()
        except csv.Error as error:
            raise InputError(f"it is not a delimited text: {error}; is a quote not closed?") from error

    def header(self) -> list[str]:
        """The fields of the first record."""
        return next(self._all(), (0, []))[1]

    def line(self, row: int) -> int:
        """The line of the text, from 1 on, in which a row, from 0 on, begins."""
        for count, (number, _) in enumerate(self._all(), -int(self._layout.header)):
            if count == row:
                return number
        raise IndexError(row)

    def _all(self) -> Iterator[tuple[int, list[str]]]:
        stream = io.TextIOWrapper(io.BytesIO(self._text), "utf-8-sig", errors="replace", newline="")
        return self._layout._records(stream)

    def _check(self) -> npt.NDArray[np.int64] | None:
        records = self._all()
        first = next(records, None)
        if first is None:
            return None
        fields = self._layout.names or len(first[1])
        second = next(records, None) if self._layout.header else first
        if second is None:
            return None
        wide = len(second[1])
        widths = self._count(wide, second[0])
        if widths is None or wide < fields or widths[fields:].any():
            self._look_closely(fields)
            return None
        return widths[:fields]

    def _count(self, fields: int, first: int) -> npt.NDArray[np.int64] | None:
        """The widths of the columns, if from line `first` on every line plainly is a record of that many fields."""
        text, layout = self._text, self._layout
        returns = text.count(b"\r") if b"\r" in text else 0
        quoting = layout.dialect.get("quoting", csv.QUOTE_MINIMAL) != csv.QUOTE_NONE
        if (
            fields < 2
            or layout.dialect.get("escapechar") is not None
            or (quoting and str(layout.dialect.get("quotechar", '"')).encode() in text)
            or (returns and returns != text.count(b"\r\n"))
        ):
            return None
        begin = 0
        for _ in range(first - 1):
            begin = text.find(b"\n", begin) + 1
        if first == 1 and text.startswith(_BOM):
            begin = len(_BOM)
        start = begin
        text = text if text.endswith(b"\n") else text + b"\n"
        widths = np.zeros(fields, np.int64)
        while begin < len(text):
            end = text.rfind(b"\n", begin, begin + _BLOCK) + 1 or text.find(b"\n", begin + _BLOCK) + 1
            found = _widths(np.frombuffer(text, np.uint8, end - begin, begin), fields, ord(layout.separator))
            if found is None:
                return None
            widths += found
            begin = end
        widths[-1] -= text.count(b"\r", start) if returns else 0
        return widths

    def _look_closely(self, fields: int) -> None:
        """Raise if a record does not fit, with what is wrong with the first and how many others there are."""
        misfits = self._misfits(fields)
        if (first := next(misfits, None)) is None:
            return
        more = sum(1 for _ in misfits)
        others = f", and {more:,} more do{'es' if more == 1 else ''} not fit" if more else ""
        raise InputError(f"{first}{others}; mend or remove {'them' if more else 'it'}.")

    def _misfits(self, fields: int) -> Iterator[str]:
        """What is wrong with each record that does not fit, with its line."""
        records = self._all()
        if self._layout.header:
            next(records, None)
        usual = None
        for number, record in records:
            count = len(record)
            usual = count if usual is None else usual
            if count < fields or any(record[fields:]) or count != usual:
                expected = f"the header has {fields}" if self._layout.header else f"{fields} were expected"
                if count >= fields and not any(record[fields:]):
                    expected = f"earlier rows have {usual}"
                yield f"line {number:,} has {count} field{'s' if count != 1 else ''}, but {expected}"


def _widths(block: npt.NDArray[np.uint8], fields: int, separator: int) -> npt.NDArray[np.int64] | None:
    """The widths of the columns of a block of whole lines, or None if one has another number of fields."""
    ends = np.flatnonzero(block == ord("\n"))
    separators = np.flatnonzero(block == separator)
    if len(separators) != len(ends) * (fields - 1):
        return None
    grid = separators.reshape(len(ends), fields - 1)
    starts = np.empty_like(ends)
    starts[0], starts[1:] = 0, ends[:-1] + 1
    if (grid[:, 0] < starts).any() or (grid[:, -1] > ends).any():
        return None
    edges = np.concatenate([[starts.sum() - len(starts)], np.einsum("ij->j", grid), [ends.sum()]])
    widths: npt.NDArray[np.int64] = np.diff(edges) - len(ends)
    return widths
