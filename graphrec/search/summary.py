"""What came of a search, for a terminal: the best settings of each model, and what was not tried."""

from __future__ import annotations

import re
from collections.abc import Collection

from graphrec.deferred import pandas as pd
from graphrec.report.text_columns import aligned

__all__ = ["summary"]

_WIDE = 60  # characters of settings
_NAMED = 6  # models
_NUMBER = re.compile(r"\d[\d.,e+-]*( (bytes|KiB|MiB|GiB|s)\b)?")  # in which reasons of one kind differ


def summary(table: pd.DataFrame, metric: str, asked: Collection[str] = ()) -> str:
    """A line for each model, the best first, and a sentence for each reason why others have no figure, or not their best.

    Parameters
    ----------
    table : DataFrame
        Of :func:`graphrec.search.search`.
    metric : str
        Its column of figures.
    asked : collection of str
        Models that this run was to try, all if empty: why an earlier run had no figure of others is no news.

    Returns
    -------
    str
    """
    measured = table[table[metric].notna()].sort_values(metric, ascending=False, kind="stable")
    best = measured.drop_duplicates("model")
    tries = measured["model"].value_counts()
    rows = [
        (
            row["model"],
            f"{row[metric]:.4f}",
            f"{row['seconds']:.1f}",
            str(tries[row["model"]]),
            ("(stopped) " if row["status"] == "stopped" else "") + _short(str(row["settings"])),
        )
        for _, row in best.iterrows()
    ]
    lines = [aligned(("model", metric, "seconds", "tried", "best settings"), rows, right={1, 2, 3})]
    stopped = best[best["status"] == "stopped"]
    if cut := [f"{row['model']} after epoch {row['epochs']:.0f}" for _, row in stopped[stopped["epochs"].notna()].iterrows()]:
        lines.append(f"stopped before the end of training: {_named(cut)}; more time may do more for them")
    lines += [f"{row['model']}: stopped, {row['reason']}" for _, row in stopped[stopped["epochs"].isna()].iterrows()]
    lines += [f"{row['model']}: {row['status']}, {row['reason']}" for _, row in table[table["model"] == "refit"].iterrows()]
    others = table[table[metric].isna() & (table["model"] != "refit") & ~table["model"].isin(tries.index)]
    if asked:
        others = others[others["model"].isin([*asked, "blend"])]  # a blend is of whatever there is
    alike = others["reason"].map(lambda reason: _NUMBER.sub("#", str(reason)))
    for (status, _), rest in others.groupby([others["status"], alike], sort=False):
        names, reasons = list(dict.fromkeys(rest["model"])), list(dict.fromkeys(rest["reason"]))
        whose = f"{names[0]}: " if len(names) > 1 and len(reasons) > 1 else ""
        lines.append(f"{status}: {_named(names)} ({whose}{reasons[0]})")
    return "\n".join(lines)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more models" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"


def _short(settings: str) -> str:
    return settings if len(settings) <= _WIDE else f"{settings[: _WIDE - 1]}…"
