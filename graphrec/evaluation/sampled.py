"""The sampled protocol: each test item is ranked among a few drawn ones. It is another metric, and named so."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.evaluation.full_ranking import check_parts
from graphrec.evaluation.protocol import Protocol
from graphrec.evaluation.report import Report
from graphrec.ranking.ranker import Ranker

__all__ = ["draw_candidates", "sampled_ranking"]


def draw_candidates(seen: Interactions | None, test: Interactions, negatives: int, seed: int) -> npt.NDArray[np.int64]:
    """For each row of `test`, distinct items that its user has neither in `seen` nor in `test`.

    Returns
    -------
    ndarray of int64, shape (len(test), negatives)

    Raises
    ------
    InputError
        A user has too few such items.
    """
    known = np.unique(test.keys) if seen is None else np.union1d(seen.keys, test.keys)
    taken = np.bincount((known // test.n_items).astype(np.int64), minlength=test.n_users)
    short = np.flatnonzero(test.n_items - taken[test.users] < negatives)
    if len(short):
        user = test.users[short[0]]
        raise InputError(
            f"user {test.user_ids[user]!s} has only {test.n_items - taken[user]} items that are in neither train nor test, "
            f"fewer than negatives={negatives}."
        )
    g = np.random.default_rng(seed)
    drawn = g.integers(0, test.n_items, (len(test), negatives))
    base = test.users.astype(np.int64)[:, None] * test.n_items
    while True:
        # Draw again what is known or repeats an earlier column, until nothing is.
        order = np.argsort(drawn, axis=1, kind="stable")
        ordered = np.take_along_axis(drawn, order, axis=1)
        repeats = np.zeros(drawn.shape, bool)
        np.put_along_axis(repeats, order[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
        place = np.searchsorted(known, base + drawn)
        bad = repeats | (known[np.minimum(place, len(known) - 1)] == base + drawn)
        if not bad.any():
            return drawn
        drawn[bad] = g.integers(0, test.n_items, int(bad.sum()))


def sampled_ranking(ranker: Ranker, test: Interactions, k: int = 10, negatives: int = 99, seed: int = 0) -> Report:
    """Rank each test item among `negatives` items that its user has not met (He et al., WWW 2017).

    Parameters
    ----------
    ranker : Ranker
    test : Interactions
    k : int
        Length of the list, at most ``negatives + 1``.
    negatives : int
        Items drawn for each test pair, uniform and distinct.
    seed : int
        Of the draw.

    Returns
    -------
    Report
        ``hit_rate@k/negatives``, ``ndcg@k/negatives`` and ``mrr/negatives``: the mean over a user's test pairs.
        An item that scores as much as the test item counts half a rank.
    """
    if isinstance(negatives, bool) or not isinstance(negatives, int | np.integer):
        raise InputError(f"negatives must be a whole number, got {negatives!r}.")
    if negatives < 1 or not 1 <= k <= negatives + 1:
        raise InputError(f"k must be between 1 and negatives + 1, got k={k} and negatives={negatives}.")
    check_parts(ranker.seen, test)
    test = test.select(np.argsort(test.keys, kind="stable"))  # what is drawn for a pair must not depend on the rows' order
    drawn = draw_candidates(ranker.seen, test, negatives, seed)
    scores = ranker.pairs(test.users, np.concatenate([test.items[:, None], drawn], axis=1))
    own, others = scores[:, :1], scores[:, 1:]
    rank = (others > own).sum(1) + 0.5 * (others == own).sum(1) + 1
    frame = pd.DataFrame(
        {
            "user_id": test.user_ids[test.users],
            f"hit_rate@{k}/{negatives}": (rank <= k).astype(float),
            f"ndcg@{k}/{negatives}": np.where(rank <= k, 1 / np.log2(rank + 1), 0.0),
            f"mrr/{negatives}": 1 / rank,
        }
    )
    candidates = pd.DataFrame(
        {
            "user_id": test.user_ids[test.users],
            "item_id": test.item_ids[test.items],
            "negatives": list(test.item_ids[drawn]),
        }
    )
    return Report(
        frame.groupby("user_id", sort=False, as_index=False).mean(),
        Protocol.of(
            "each test item among items drawn from those its user has not met; equal scores count half a rank",
            ranker.seen,
            test,
            int(negatives),
            seed,
        ),
        candidates=candidates,
    )
