"""Why a user is given an item: by the model's own sum, or by leaving out one interaction at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.contributions import Contributions, together
from graphrec.models.scoring import Scoring

__all__ = ["leaving_one_out", "people_between"]

_AT_ONCE = 256  # histories of one user with an item missing: each may cost as much as a whole row of scores


def leaving_one_out(scoring: Scoring, history: sparse.csr_matrix, item: int, score: float, name: str) -> Contributions:
    """How much the score falls without each of a user's interactions, the user taken in anew each time.

    Parameters
    ----------
    scoring : Scoring
        Its :meth:`~graphrec.models.scoring.Scoring.people` gives the rows.
    history : scipy.sparse.csr_matrix, shape (1, n_items)
    item : int
    score : float
        What is explained. Effects one at a time do not add up to it: a part called "remainder" holds the rest.
    name : str
        Of the model, for messages.

    Raises
    ------
    InputError
        The model cannot take in people, so nothing tells what it would say without an item.
    """
    items = history.indices.astype(np.int64)
    if len(items) < 2:  # without it nothing would be known of the user
        only = [(items, np.full(len(items), score), "your only item")]
        return together(*only) if len(items) else together((-1, score, "remainder"))
    try:
        whole = _score_of(scoring, history, item)[0]
        without = np.concatenate(
            [
                _score_of(scoring, _without(history, np.arange(lo, min(lo + _AT_ONCE, len(items)))), item)
                for lo in range(0, len(items), _AT_ONCE)
            ]
        )
    except InputError as error:
        raise InputError(
            f"{name} gives no reasons: its score is no sum over a person's items, and what it would be without one of them "
            f"cannot be computed: {error}"
        ) from error
    effects = whole - without
    return together((items, effects, "score lost without it"), (-1, score - float(effects.sum()), "remainder"))


def _without(history: sparse.csr_matrix, places: npt.NDArray[np.int64]) -> sparse.csr_matrix:
    """The history as often as there are places, each time without the entry at one of them."""
    n = history.nnz
    kept = np.arange(n)[None] != places[:, None]
    indices, data = (np.broadcast_to(array, kept.shape)[kept] for array in (history.indices, history.data))
    return sparse.csr_matrix((data, indices, np.arange(len(places) + 1) * (n - 1)), shape=(len(places), history.shape[1]))


def _score_of(scoring: Scoring, histories: sparse.csr_matrix, item: int) -> npt.NDArray[np.float64]:
    with torch.no_grad():
        rows = scoring.people(histories)
        column = torch.full((len(rows), 1), item, dtype=torch.int64, device=scoring.device)
        return scoring.pairs(rows, column)[:, 0].double().cpu().numpy()


def people_between(table: Interactions, user: int, item: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """How many other people have met both the item and each of the user's: paths user – own item – person – item.

    Parameters
    ----------
    table : Interactions
    user, item : int
        Indices.

    Returns
    -------
    items : ndarray of int64, shape (m,)
        The user's, ascending.
    people : ndarray of int64, shape (m,)
        The person is not the user. Where the own item is the item itself, these are all others who have met it.
    """
    indptr, columns = table.structure
    others = np.setdiff1d(table.users[table.items == item], [user])
    met = np.concatenate([columns[indptr[u] : indptr[u + 1]] for u in others]) if len(others) else columns[:0]
    mine = columns[indptr[user] : indptr[user + 1]].astype(np.int64)
    return mine, np.bincount(met, minlength=table.n_items)[mine].astype(np.int64)
