"""Errors of predicted ratings."""

from __future__ import annotations

import numpy as np
import torch

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model

__all__ = ["rating_errors"]

_PAIRS_AT_ONCE = 262_144


def rating_errors(model: Model, test: Interactions) -> dict[str, float]:
    """Root mean squared and mean absolute error over all test ratings.

    Parameters
    ----------
    model : Model
        Whose score is a rating.
    test : Interactions
        With ratings.

    Returns
    -------
    dict
        ``rmse`` and ``mae``.
    """
    if test.ratings is None:
        raise InputError("evaluate_ratings needs ratings, and the test table has none.")
    if (test.n_users, test.n_items) != (model.n_users, model.n_items):
        raise InputError(
            f"test has another id space ({test.n_users} users, {test.n_items} items) than the model "
            f"({model.n_users}, {model.n_items})."
        )
    was_training = model.training
    model.eval()
    predicted = np.empty(len(test), np.float32)
    with torch.inference_mode():
        z = model.encode()
        for lo in range(0, len(test), _PAIRS_AT_ONCE):
            part = slice(lo, lo + _PAIRS_AT_ONCE)
            u, i = (torch.from_numpy(column[part].astype(np.int64)) for column in (test.users, test.items))
            predicted[part] = model.score(z.users.rows(u), z.items.rows(i)).numpy()
    model.train(was_training)
    off = predicted.astype(np.float64) - test.ratings
    return {"rmse": float(np.sqrt((off**2).mean())), "mae": float(np.abs(off).mean())}
