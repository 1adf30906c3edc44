"""Scores of listed pairs, a bounded number at a time."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from graphrec.models.base import Model

__all__ = ["pair_scores"]

_PAIRS_AT_ONCE = 262_144
_USERS_AT_ONCE = 256


def pair_scores(model: Model, users: npt.NDArray[np.integer], items: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Scores of each user with its own list of items.

    Parameters
    ----------
    model : Model
        Ranked in ``eval`` mode; its mode is put back.
    users : ndarray of int, shape (n,)
        Indices.
    items : ndarray of int, shape (n, k)
        Indices.

    Returns
    -------
    ndarray of float32, shape (n, k)
    """
    # A row of a model that scores whole rows is as wide as the catalogue.
    step = _USERS_AT_ONCE if model.scores_whole_rows else max(1, _PAIRS_AT_ONCE // items.shape[1])
    scores = np.empty(items.shape, np.float32)
    was_training = model.training
    model.eval()
    with torch.inference_mode():
        z = model.encode()
        device = next(model.parameters(), torch.empty(0)).device
        for lo in range(0, len(users), step):
            part = slice(lo, lo + step)
            u = z.users.rows(torch.from_numpy(users[part].astype(np.int64)).to(device))
            v = z.items.rows(torch.from_numpy(items[part].astype(np.int64)).to(device))
            scores[part] = model.score(u[:, None], v).cpu().numpy()
    model.train(was_training)
    return scores
