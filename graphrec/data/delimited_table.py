"""Columns of a delimited text: ids as they are written, whole times exactly, rows by the lines they are in."""

from __future__ import annotations

import codecs
import inspect
import io
import warnings
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.archives import ZipArchive
from graphrec.data.bounded import unpacked
from graphrec.data.columns import Roles
from graphrec.data.delimited import Layout, Records
from graphrec.data.ids import Place, at_row, canonical_integers
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, unknown_name

__all__ = ["read_table"]

Read: TypeAlias = "Callable[..., pd.DataFrame]"
Spaces = tuple[npt.NDArray[Any], npt.NDArray[Any]] | None
_PACKED = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zip": "zip"}
_LEFT_TO_PANDAS = (".zst", ".tar", ".tar.gz", ".tar.bz2", ".tar.xz")
_OURS = ("filepath_or_buffer", "chunksize", "iterator")
_UTF8 = ("utf-8", "utf8", "utf_8", "ascii", "us-ascii")


def read_table(path: str, roles: Roles, spaces: Spaces, options: Mapping[str, Any]) -> tuple[pd.DataFrame, Place]:
    """The wanted columns of a file, and what names a row of it.

    Parameters
    ----------
    path : str
    roles : Roles
    spaces : (user_ids, item_ids), optional
        What the ids of the file will be compared with: they stay texts where those are texts.
    options : mapping
        For :func:`pandas.read_csv`.

    Returns
    -------
    DataFrame
        Without a row where a wanted column is not there.
    callable
        From the position of a row to "in line 7".
    """
    known = [name for name in inspect.signature(pd.read_csv).parameters if name not in _OURS]
    for option in options:
        if option in _OURS:
            raise InputError(f"read_csv does not take {option}=; nrows= reads a part of a file.")
        if option not in known:
            raise unknown_name("option of read_csv", option, known)
    layout = None if "://" in path else Layout.of(options)
    text = None if layout is None else _text(Path(path), layout, options)
    if layout is None or text is None:
        return _left_to_pandas(path, options).read(roles, spaces), at_row
    table, place = _Table.of_text(text, layout, options)
    return table.read(roles, spaces), place


class _Table:
    """A way to read a file again and again, and what is known of the text.

    Parameters
    ----------
    read : callable
        :func:`pandas.read_csv` with the file and the caller's options; takes options to put in their place.
    options : mapping
        The caller's.
    width : callable
        Number of characters in a column, or None where nobody has counted.
    narrow : bool
        Whether the wanted columns may be read alone.
    """

    def __init__(self, read: Read, options: Mapping[str, Any], width: Callable[[Hashable], int | None], narrow: bool) -> None:
        self._read, self._options, self._width, self._narrow = read, options, width, narrow

    @classmethod
    def of_text(cls, text: bytes, layout: Layout, options: Mapping[str, Any]) -> tuple[_Table, Place]:
        records = Records(text, layout)
        own = {name: value for name, value in options.items() if name not in ("encoding", "compression")}

        def read(**more: Any) -> pd.DataFrame:
            # of warnings about extra fields, which are known to be empty, and casts, which pandas checks by itself
            with warnings.catch_warnings(), np.errstate(invalid="ignore"):
                warnings.simplefilter("ignore", pd.errors.ParserWarning)
                frame: pd.DataFrame = pd.read_csv(io.BytesIO(text), **{"index_col": False, "low_memory": False, **own, **more})
            return frame

        if options.get("header", "infer") is None or not layout.header or options.get("names") is not None:
            header: list[Any] = []
        else:
            header = records.header()
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise InputError(f"column {twice[0]!r} is in the header more than once.")
        narrow = options.get("usecols") is None

        def width(name: Hashable) -> int | None:
            if records.widths is None or not narrow:
                return None
            names = list(options["names"]) if options.get("names") is not None else header or list(range(len(records.widths)))
            return int(records.widths[names.index(name)]) if name in names else None

        return cls(read, options, width, narrow), lambda row: f"in line {records.line(row):,}"

    def read(self, roles: Roles, spaces: Spaces) -> pd.DataFrame:
        """The wanted columns, or no row of any where one is not there."""
        wanted = roles.names()
        header = self._read(nrows=0, skipfooter=0) if self._options.get("skipfooter") else self._read(nrows=0)
        if not set(wanted) <= set(header.columns):
            return header
        columns = {"usecols": wanted} if self._narrow else {}
        frame = self._read(**columns)
        ids = dict(zip((roles.user, roles.item), spaces or (None, None), strict=True))
        as_text = [name for name in ids if not self._is_typed(name) and not self._is_settled(frame[name], name)]
        if roles.time is not None and not self._is_typed(roles.time) and pd.api.types.is_float_dtype(frame[roles.time]):
            as_text.append(roles.time)  # whole numbers lose digits on their way through floats
        if as_text:
            texts = self._read(**({"usecols": as_text} if self._narrow else {}), dtype=self._with_texts(as_text))
            frame = _replaced(frame, texts, as_text)
        for name, space in ids.items():
            if name in as_text or (space is not None and not self._is_typed(name)):
                frame = _replaced(frame, {name: _ids(frame[name], space)}, [name])
        return frame

    def _is_typed(self, name: Hashable) -> bool:
        """Whether the caller said how to read a column."""
        dtype, converters = self._options.get("dtype"), self._options.get("converters") or {}
        if isinstance(dtype, Mapping):
            return name in dtype or hasattr(dtype, "default_factory") or name in converters
        return dtype is not None or name in converters

    def _is_settled(self, column: pd.Series[Any], name: Hashable) -> bool:
        """Whether nothing of an id's text was lost: it is a text, or the digits of the integers are all there was."""
        if column.dtype == np.int64:
            return self._width(name) == _digits(column.to_numpy())
        if column.dtype == object:  # of Python's integers where one is beyond 64 bits
            return pd.api.types.infer_dtype(column, skipna=True) != "integer"
        return isinstance(column.dtype, pd.StringDtype)

    def _with_texts(self, names: list[Hashable]) -> dict[Hashable, Any]:
        given = self._options.get("dtype")
        return {**(given if isinstance(given, Mapping) else {}), **dict.fromkeys(names, str)}


def _left_to_pandas(path: str, options: Mapping[str, Any]) -> _Table:
    """For layouts that only pandas knows: all columns are read, because only then does it notice rows too long."""

    def read(**more: Any) -> pd.DataFrame:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            warnings.filterwarnings("error", "Length of header or names", pd.errors.ParserWarning)
            try:
                frame: pd.DataFrame = pd.read_csv(path, **{"index_col": False, **options, **more})
            except pd.errors.ParserWarning as error:
                raise InputError("the first row has more fields than the header.") from error
        return frame

    return _Table(read, options, lambda name: None, narrow=False)


def _text(path: Path, layout: Layout, options: Mapping[str, Any]) -> bytes | None:
    """The content of a file, unpacked and in UTF-8, as far as it is read; None for a packing that pandas has to undo."""
    compression = options.get("compression", "infer")
    name = path.name.lower()
    if not (compression is None or isinstance(compression, str)) or (compression == "infer" and name.endswith(_LEFT_TO_PANDAS)):
        return None
    if compression == "infer":
        compression = _PACKED.get(path.suffix.lower())
    if compression not in (None, *_PACKED.values()):
        return None
    encoding, errors = options.get("encoding") or "utf-8", options.get("encoding_errors", "strict")
    if compression == "zip":
        archive = ZipArchive(path)
        if len(archive.members) != 1:
            raise InputError(f"it holds {len(archive.members)} files, not one.")
        stream: Any = io.BytesIO(archive.read(archive.members[0]))
    else:
        stream = unpacked(path, compression)
    with stream:
        if layout.rows is not None:
            lines = io.TextIOWrapper(stream, encoding, errors=errors, newline="")
            return layout.head(iter(lines)).encode("utf-8", "surrogatepass")
        content: bytes = stream.read()
    if str(encoding).lower() in _UTF8:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise InputError("it begins as a text in UTF-16 does; encoding='utf-16' reads it.")
        return content
    return content.decode(encoding, errors).encode("utf-8", "surrogatepass")


def _replaced(frame: pd.DataFrame, columns: Mapping[Any, pd.Series[Any]] | pd.DataFrame, names: list[Hashable]) -> pd.DataFrame:
    frame = frame.copy(deep=False)
    for name in names:
        frame[name] = columns[name]
    return frame


def _digits(numbers: npt.NDArray[np.int64]) -> int:
    """How many characters it takes to write all of some integers."""
    if not len(numbers):
        return 0
    low, high = int(numbers.min()), int(numbers.max())
    total = len(numbers) + (int((numbers < 0).sum()) if low < 0 else 0)
    power = 10
    while power <= max(high, -low):
        total += int((numbers >= power).sum()) + (int((numbers <= -power).sum()) if low < 0 else 0)
        power *= 10
    return total


def _ids(column: pd.Series[Any], space: npt.NDArray[Any] | None) -> pd.Series[Any]:
    """The ids of a column whose type nobody named: integers where all are written as integers are, else texts."""
    want_texts = space is not None and space.dtype.kind not in "iu"
    if column.dtype == np.int64:
        return column.astype(str) if want_texts else column
    if want_texts:
        return column
    codes, texts = pd.factorize(column.to_numpy(object))
    numbers = canonical_integers(texts)
    if numbers is not None:
        gaps = codes < 0
        values = numbers[codes] if len(numbers) else np.zeros(len(codes), np.int64)
        return pd.Series(pd.arrays.IntegerArray(values, gaps) if gaps.any() else values, index=column.index)
    if space is None:
        return column
    each = [canonical_integers(np.array([text], object)) for text in texts]
    mixed = np.empty(len(texts) + 1, object)  # the last is for gaps, whose code is −1
    mixed[:-1] = [text if number is None else int(number[0]) for text, number in zip(texts, each, strict=True)]
    return pd.Series(mixed[codes], index=column.index, dtype=object)
