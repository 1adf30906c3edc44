"""Small tables for notebooks: what ``_repr_html_`` returns, with every text escaped."""

from __future__ import annotations

import html
from collections.abc import Mapping

from graphrec.deferred import pandas as pd

__all__ = ["html_table", "shortened"]

_LONGEST = 200  # characters of a cell


def html_table(title: str, *parts: pd.DataFrame | Mapping[str, object] | str, index: bool = True) -> str:
    """A title, and tables and sentences below it.

    Texts are escaped, and neither they nor ids are taken for formulas, which notebooks otherwise see between dollar signs.

    Parameters
    ----------
    title : str
    *parts : DataFrame, mapping or str
        A mapping is a table of two columns; a text is a paragraph.
    index : bool
        Whether the index of a DataFrame is shown.

    Returns
    -------
    str
    """
    body = [f"<strong>{html.escape(_unicode(title))}</strong>"]
    for part in parts:
        if isinstance(part, str):
            body.append(f"<p>{html.escape(_unicode(part))}</p>")
        elif isinstance(part, pd.DataFrame):
            body.append(_escaped(part, index, header=True))
        elif part:
            body.append(
                _escaped(pd.DataFrame({"": {name: shortened(value) for name, value in part.items()}}), True, header=False)
            )
    return '<div class="graphrec tex2jax_ignore mathjax_ignore">\n' + "\n".join(body) + "\n</div>"


def shortened(value: object) -> str:
    """A value as text of a bounded length: texts as they are, other things as Python writes them."""
    text = _unicode(value if isinstance(value, str) else repr(value))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _unicode(text: str) -> str:
    """A text that a page can hold: ids may have been read from bytes that are no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _escaped(table: pd.DataFrame, index: bool, header: bool) -> str:
    plain = table.map(lambda cell: cell if isinstance(cell, float) else shortened(_plain(cell)))
    with pd.option_context("display.max_colwidth", _LONGEST):
        return str(
            plain.to_html(border=0, index=index, header=header, escape=True, na_rep="–", float_format=lambda x: f"{x:.4g}")
        )


def _plain(cell: object) -> object:
    """A number of NumPy as Python's own, which is written without its type."""
    return cell.item() if hasattr(cell, "item") and getattr(cell, "ndim", 0) == 0 else cell
