"""Approximate search for the best items: :meth:`graphrec.Recommender.to_ann` makes an index, these read and measure one."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from graphrec.errors import InputError
from graphrec.evaluation.full_ranking import check_k
from graphrec.recommender import Recommender
from graphrec.recommender.item_index import ItemIndex

if TYPE_CHECKING:
    from graphrec.recommender.questions import Ids

__all__ = ["ItemIndex", "load", "recall"]

_ROUNDING = 1e-5


def load(path: str | Path) -> ItemIndex:
    """Read an index that :meth:`ItemIndex.save` wrote. It needs neither the recommender nor its data.

    Parameters
    ----------
    path : path

    Returns
    -------
    ItemIndex

    Raises
    ------
    InputError
        The file is missing, damaged, or no index; or usearch is not installed.
    """
    return ItemIndex.read(Path(path))


def recall(
    index: ItemIndex, recommender: Recommender, k: int = 20, users: Ids | None = None, filter_seen: bool = True
) -> float:
    """The share of the exact lists that the index finds, as a mean over users.

    An item counts as found if its score is as high as that of the last one of the exact list: items of equal scores may
    stand for one another.

    Parameters
    ----------
    index : ItemIndex
    recommender : Recommender
        The one that the index was made of.
    k : int
        Length of the lists.
    users : sequence, optional
        Ids; everybody of whom the model knows something unless given.
    filter_seen : bool
        Whether what a user has seen is left out of both lists.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    InputError
        The two have different ids, there is nobody to ask for, or `k` is outside 1 … n_items.

    Examples
    --------
    >>> inter = gr.load_dataset("synthetic").interactions.binarize()
    >>> rec = gr.Recommender("puresvd", rank=16).fit(inter)
    >>> index = rec.to_ann("items.ann")
    >>> gr.ann.recall(gr.ann.load("items.ann"), rec, k=20, users=inter.user_ids[:50]) > 0.9
    True
    """
    check_k([k], len(index))
    recommender = copy.copy(recommender)  # as it is now, whatever another thread fits meanwhile
    if not recommender.train.shares_ids_with(index.seen):
        raise InputError(
            "the index and the recommender have different ids: it was made of another recommender, or before an update."
        )
    rows = np.flatnonzero(~index.without) if users is None else index.seen.user_index(users)
    if not len(rows):
        raise InputError("there is no user to measure the recall on.")
    ranker = recommender.ranker.leaving_out(index.seen if filter_seen else None)
    (exact, wanted), (found, scores) = ranker.top_k(rows, k), index.top_k(rows, k, filter_seen)
    there = (exact >= 0).sum(1)
    rated = there > 0  # whoever has seen everything has no list
    last = np.take_along_axis(wanted, np.maximum(there - 1, 0)[:, None], 1)
    good = (found >= 0) & (scores >= last - _ROUNDING * np.maximum(np.abs(last), 1))
    return float((good.sum(1)[rated] / there[rated]).mean()) if rated.any() else 1.0
