"""Ranking a test part with a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.evaluation.metrics import Metric, at_k, parse
from graphrec.evaluation.protocol import Protocol
from graphrec.evaluation.report import Report
from graphrec.evaluation.topk import BUDGET, Ranks, ranks_of, top_k
from graphrec.models.base import Model

__all__ = ["STANDARD", "check_parts", "evaluate_model"]

STANDARD = ("recall", "ndcg", "precision", "hit_rate", "map", "mrr")


def evaluate_model(
    model: Model,
    seen: Interactions,
    test: Interactions,
    k: int | Sequence[int] = 20,
    metrics: Sequence[str] | None = None,
    budget: int = BUDGET,
    warn_cold: bool = True,
    rank_seen: bool = False,
) -> Report:
    """Rank all items that a user has not seen, for every user with a test item.

    Parameters
    ----------
    model : Model
    seen : Interactions
        Pairs that are not ranked: train, and valid where there is one.
    test : Interactions
    k : int or sequence of int
        Lengths of the list for the standard metrics.
    metrics : sequence of str, optional
        Names as in :mod:`graphrec.evaluation.metrics`; the standard ones at `k` unless given.
    budget : int
        Bytes for scores; the result does not depend on it.
    warn_cold : bool
        Warn when test users have nothing in train.
    rank_seen : bool
        Rank the items in `seen` like all others.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        An unknown metric, a k beyond the catalogue, another id space, or test pairs that are in train.
    """
    ks = [k] if isinstance(k, int) else list(k)
    if not metrics:  # a k that nobody asks for need not fit the catalogue
        _check_k(ks, test.n_items)
    chosen = [parse(m) for m in (metrics or [f"{name}@{n}" for n in ks for name in STANDARD])]
    _check_k([m.k for m in chosen if m.k is not None], test.n_items)
    check_parts(seen, test)
    indptr, _ = test.structure
    users = np.flatnonzero(np.diff(indptr) > 0)
    relevant = np.diff(indptr)[users]
    values: dict[str, object] = {"user_id": test.user_ids[users]}
    depth = min(max(m.depth for m in chosen), test.n_items)
    masked = seen.select(np.zeros(0, np.int64)) if rank_seen else seen
    whole = [m for m in chosen if m.k is None]
    if whole:
        ranks, best = ranks_of(model, test, masked, budget, depth)
        values |= _whole_ranking(whole, ranks, masked, test)
    elif depth:
        best, _ = top_k(model, users, depth, seen=masked, budget=budget)
    if depth:
        _check_filled(best, masked, users)
        hits = test.has_keys(users[:, None].astype(np.int64) * test.n_items + best) & (best >= 0)
        values |= {str(m): at_k(m, hits, relevant) for m in chosen if m.k is not None}
    n_cold = int((np.diff(seen.structure[0])[users] == 0).sum())
    if n_cold and warn_cold:
        warnings.warn(f"{n_cold} of {len(users)} test users have nothing in train; their ranking says little.", stacklevel=3)
    frame = pd.DataFrame({"user_id": values.pop("user_id"), **{str(m): values[str(m)] for m in chosen}})
    ranked = "all items, those in training as well" if rank_seen else "all items but those left out"
    return Report(frame, Protocol.of(f"{ranked}; ties go to the lower item index", masked, test), n_cold)


def _check_k(ks: Sequence[int], n_items: int) -> None:
    for k in ks:
        if not 1 <= k <= n_items:
            raise InputError(f"k must be between 1 and the catalogue's {n_items} items, got {k}.")


def check_parts(seen: Interactions, test: Interactions) -> None:
    """Refuse what cannot be ranked: pairs in another id space, and pairs already seen."""
    if not seen.shares_ids_with(test):
        raise InputError(
            f"test has another id space ({test.n_users} users, {test.n_items} items) than the model was trained in "
            f"({seen.n_users}, {seen.n_items}); make both from one table with graphrec.split."
        )
    again = seen.has_keys(test.keys)
    if again.any():
        row = int(again.argmax())
        raise InputError(
            f"{again.sum():,} test pairs are in train (or validation), first at row {row}: user "
            f"{test.user_ids[test.users[row]]!s}, item {test.item_ids[test.items[row]]!s}. Evaluate on held-out pairs."
        )


def _check_filled(best: npt.NDArray[np.int32], seen: Interactions, users: npt.NDArray[np.int64]) -> None:
    """A list shorter than the items that are left means scores that cannot be ordered."""
    left = seen.n_items - np.diff(seen.structure[0])[users]
    short = (best >= 0).sum(1) < np.minimum(left, best.shape[1])
    if short.any():
        user = seen.user_ids[users[short.argmax()]]
        raise InputError(f"the model gives scores that are not finite numbers for {short.sum():,} users, first user {user!s}.")


def _whole_ranking(chosen: Sequence[Metric], ranks: Ranks, seen: Interactions, test: Interactions) -> dict[str, object]:
    indptr, _ = test.structure
    users = np.flatnonzero(np.diff(indptr) > 0)
    starts, relevant = indptr[users], np.diff(indptr)[users]
    left = test.n_items - np.diff(seen.structure[0])[users]
    result: dict[str, object] = {}
    for metric in chosen:
        if metric.name == "mrr":
            result["mrr"] = 1.0 / np.minimum.reduceat(ranks.above + ranks.ties_before + 1, starts)
        else:
            # Of the items above a test item, those that are test items themselves are no mistake.
            wrong = np.add.reduceat(ranks.above + ranks.ties / 2, starts) - relevant * (relevant - 1) / 2
            others = left - relevant
            result["auc"] = 1 - np.divide(wrong, relevant * others, out=np.zeros(len(users)), where=others > 0)
    return result
