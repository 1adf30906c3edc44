"""Each item's strongest neighbours among the items, by weighed counts of people in common."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.errors import unknown_name

__all__ = ["strongest_items"]

_BLOCK = 512  # rows of counts that are dense at a time


def strongest_items(
    train: Interactions, limit: int, form: Literal["paper", "official"] = "paper"
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """UltraGCN's item graph, cut to the heaviest edges of each item.

    Parameters
    ----------
    train : Interactions
    limit : int
        Edges kept of each item; where there are fewer, the rest has the weight 0.
    form : {"paper", "official"}
        See :class:`~graphrec.models.factorisation.ultragcn.UltraGCN`.

    Returns
    -------
    (ndarray of int64, ndarray of float32), shapes (n_items, min(limit, n_items))
    """
    if form not in ("paper", "official"):
        raise unknown_name("item_weights", form, ("paper", "official"))
    r = train.to_csr("ones")
    r.data[:] = 1
    by_item = r.T.tocsr().astype(np.float64)
    r = r.astype(np.float64)
    total = by_item @ np.asarray(r.sum(1)).ravel()  # g: row sums of RᵀR
    own = np.asarray(by_item.sum(1)).ravel()  # its diagonal
    official = form == "official"
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.sqrt(total + 1) / total if official else np.sqrt(total) / (total - own)
        right = 1 / np.sqrt(total + 1) if official else 1 / np.sqrt(total)
    left, right = (np.where(np.isfinite(a), a, 0.0) for a in (left, right))
    kept = min(limit, train.n_items)
    items, weights = np.zeros((train.n_items, kept), np.int64), np.zeros((train.n_items, kept), np.float32)
    for lo in range(0, train.n_items if kept else 0, _BLOCK):
        dense = (by_item[lo : lo + _BLOCK] @ r).toarray()
        dense *= left[lo : lo + _BLOCK, None] * right
        if not official:
            dense[np.arange(len(dense)), lo + np.arange(len(dense))] = 0
        best = np.argpartition(-dense, kept - 1, axis=1)[:, :kept]
        items[lo : lo + _BLOCK], weights[lo : lo + _BLOCK] = best, np.take_along_axis(dense, best, 1)
    return items, weights
