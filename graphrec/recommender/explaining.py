"""Reasons as a user of the library reads them: with the caller's own ids."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.ranking.explaining import people_between
from graphrec.recommender.reasons import Reasons

__all__ = ["explanation", "own_items", "strongest"]


def explanation(reasons: Reasons, user: int, item: int) -> pd.DataFrame:
    """The parts of a score as a table; see :meth:`graphrec.Recommender.explain`."""
    parts, table = reasons(user, item), reasons.table
    order = np.argsort(-parts.values, kind="stable")
    items, paths = people_between(table, user, item)
    count = np.zeros(table.n_items + 1, np.int64)  # one more: nothing goes through -1
    count[items] = paths
    return pd.DataFrame(
        {
            "item_id": _ids(table, parts.items[order]),
            "contribution": parts.values[order],
            "kind": np.array(parts.kinds, object)[order],
            "n_paths": count[parts.items[order]],
        }
    )


def strongest(reasons: Reasons, pairs: list[tuple[int, int]], n: int, without: frozenset[int]) -> dict[str, Any]:
    """Columns reason_1 … reason_n: the user's own items that raise each pair's score most, over all their paths.

    Parameters
    ----------
    reasons : Reasons
    pairs : list of (int, int)
        Indices of users and items.
    n : int
    without : frozenset of int
        Users of whom nothing is known, who have no reasons.
    """
    best = np.full((len(pairs), n), -1, np.int64)
    for row, (user, item) in enumerate(pairs):
        if user not in without:
            items, _ = own_items(reasons, user, item, n)
            best[row, : len(items)] = items
    return {f"reason_{place + 1}": _ids(reasons.table, best[:, place]) for place in range(n)}


def own_items(reasons: Reasons, user: int, item: int, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """The own items of a user that raise the score of an item most, at most `n`, and how much, over all their paths."""
    parts = reasons(user, item)
    about = parts.items >= 0
    items, place = np.unique(parts.items[about], return_inverse=True)
    totals = np.bincount(place, weights=parts.values[about], minlength=len(items)).astype(np.float64)
    order = np.argsort(-totals, kind="stable")
    order = order[totals[order] > 0][:n]
    return items[order], totals[order]


def _ids(table: Interactions, items: npt.NDArray[np.int64]) -> Any:
    """Ids of items, missing where there is none: nullable integers, or objects with None."""
    none = items < 0
    ids = table.item_ids[np.where(none, 0, items)]
    if np.issubdtype(ids.dtype, np.integer):
        return pd.arrays.IntegerArray(ids.astype(np.int64), none)
    texts = ids.astype(object)
    texts[none] = None
    return pd.Series(texts, dtype=object).array
