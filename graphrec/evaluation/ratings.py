"""Errors of predicted ratings."""

from __future__ import annotations

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.ranking.ranker import Ranker

__all__ = ["rating_errors"]


def rating_errors(ranker: Ranker, test: Interactions) -> dict[str, float]:
    """Root mean squared, mean absolute and mean squared error over all test ratings.

    Parameters
    ----------
    ranker : Ranker
        Of a model whose score is a rating.
    test : Interactions
        With ratings.

    Returns
    -------
    dict
        ``rmse``, ``mae`` and ``mse``.
    """
    if test.ratings is None:
        raise InputError("errors of ratings need ratings, and the held-out table has none.")
    if not len(test):
        raise InputError("there is no pair to evaluate on: the table is empty.")
    if (test.n_users, test.n_items) != (ranker.n_users, ranker.n_items):
        raise InputError(
            f"test has another id space ({test.n_users} users, {test.n_items} items) than the model "
            f"({ranker.n_users}, {ranker.n_items})."
        )
    predicted = ranker.pairs(test.users, test.items[:, None])[:, 0]
    off = predicted.astype(np.float64) - test.ratings
    mse = float((off**2).mean())
    return {"rmse": mse**0.5, "mae": float(np.abs(off).mean()), "mse": mse}
