"""What came of a search, for a terminal: the best settings of each model, and what was not tried."""

from __future__ import annotations

from graphrec.deferred import pandas as pd
from graphrec.report.text_columns import aligned

__all__ = ["summary"]

_WIDE = 60  # characters of settings
_NAMED = 6  # models


def summary(table: pd.DataFrame, metric: str) -> str:
    """A line for each model, the best first, and a sentence on the others.

    Parameters
    ----------
    table : DataFrame
        Of :func:`graphrec.search.search`.
    metric : str
        Its column of figures.

    Returns
    -------
    str
    """
    measured = table[table[metric].notna()].sort_values(metric, ascending=False, kind="stable")
    best = measured.drop_duplicates("model")
    tries = measured["model"].value_counts()
    rows = [
        (row["model"], f"{row[metric]:.4f}", f"{row['seconds']:.1f}", str(tries[row["model"]]), _short(str(row["settings"])))
        for _, row in best.iterrows()
    ]
    lines = [aligned(("model", metric, "seconds", "tried", "best settings"), rows, right={1, 2, 3})]
    lines += [f"{row['model']}: {row['status']}, {row['reason']}" for _, row in table[table["model"] == "refit"].iterrows()]
    others = table[table[metric].isna() & (table["model"] != "refit")]
    for status, rest in others.groupby("status", sort=False):
        names = [name for name in dict.fromkeys(rest["model"]) if name not in tries]
        if names:
            more = f" and {len(names) - _NAMED} more models" if len(names) > _NAMED else ""
            why = rest.loc[rest["model"] == names[0], "reason"].iloc[-1]
            lines.append(f"{status}: {', '.join(names[:_NAMED])}{more} ({why})")
    return "\n".join(lines)


def _short(settings: str) -> str:
    return settings if len(settings) <= _WIDE else f"{settings[: _WIDE - 1]}…"
