"""How often items are met in training, and how often and how high they are recommended."""

from __future__ import annotations

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError

__all__ = ["popularity_and_rank"]


def popularity_and_rank(train: Interactions, top: pd.DataFrame) -> pd.DataFrame:
    """Popularity of every item beside its place in recommended lists.

    Parameters
    ----------
    train : Interactions
        What the model was fitted on.
    top : DataFrame
        Columns item_id (the caller's ids) and rank (from 1), as ``Recommender.recommend`` returns them.

    Returns
    -------
    DataFrame
        A row per item of the id space: item_id; popularity, its number of training users; lists, the number
        of lists that it is in; mean_rank, its mean place in those (NaN where it is in none).

    Raises
    ------
    InputError
        A column is missing, there is no list, an item is unknown to `train`, or a rank is below 1.
    """
    for column in ("item_id", "rank"):
        if column not in top.columns:
            raise InputError(f"column {column!r} is not in the recommendations (columns: {', '.join(map(str, top.columns))}).")
    if not len(top):
        raise InputError("there is no recommendation to look at.")
    ranks = top["rank"].to_numpy(np.float64)
    if not (ranks >= 1).all():
        raise InputError(
            f"ranks count from 1; row {int(np.flatnonzero(~(ranks >= 1))[0])} of the recommendations has another value."
        )
    items = train.item_index(top["item_id"].to_numpy())
    n = train.n_items
    lists = np.bincount(items, minlength=n)
    ranks_sum = np.bincount(items, weights=ranks, minlength=n)
    return pd.DataFrame(
        {
            "item_id": train.item_ids,
            "popularity": np.bincount(train.structure[1], minlength=n),
            "lists": lists,
            "mean_rank": np.divide(ranks_sum, lists, out=np.full(n, np.nan), where=lists > 0),
        }
    )
