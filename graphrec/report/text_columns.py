"""Texts in columns, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["aligned"]


def aligned(head: tuple[str, ...] | None, rows: Iterable[tuple[str, ...]], right: set[int] = frozenset()) -> str:  # type: ignore[assignment]
    """Columns of equal width; a cell is never cut."""
    table = ([head] if head else []) + list(rows)
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    lines = [
        "  ".join(c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        for row in table
    ]
    return "\n".join(line.rstrip() for line in lines)
