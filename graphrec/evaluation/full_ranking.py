"""Ranking the whole catalogue for every user of a test part."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.evaluation.beyond import Beyond
from graphrec.evaluation.groups import Given, by_item_group, by_user_group, group_items, group_users
from graphrec.evaluation.metrics import Metric, at_k, check_names, parse
from graphrec.evaluation.protocol import Protocol
from graphrec.evaluation.report import Report
from graphrec.ranking.asked import Ranks
from graphrec.ranking.blocks import BUDGET
from graphrec.ranking.ranker import Ranker

__all__ = ["STANDARD", "check_parts", "full_ranking"]

STANDARD = ("recall", "ndcg", "precision", "hit_rate", "map", "mrr")


def full_ranking(
    ranker: Ranker,
    test: Interactions,
    k: int | Sequence[int] = 20,
    metrics: Sequence[str] | None = None,
    budget: int = BUDGET,
    warn_cold: bool = True,
    rank_seen: bool = False,
    beyond: Beyond | None = None,
    user_groups: tuple[Given, Interactions] | None = None,
    item_groups: tuple[Given, Interactions] | None = None,
) -> Report:
    """Rank all items that the ranker does not leave out, for every user with a test item.

    Parameters
    ----------
    ranker : Ranker
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
        Rank what the ranker leaves out like all other items.
    beyond : Beyond, optional
        What the lists are measured against apart from the test pairs, at the lengths that the metrics have.
    user_groups, item_groups : (groups, Interactions), optional
        As of :func:`graphrec.evaluate`, with the training table that they go by.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        An unknown metric, a k beyond the catalogue, another id space, no test pair, or test pairs that are in train.
    FloatingPointError
        The model gives a score that is no finite number.
    """
    of_lists = beyond is not None or item_groups is not None
    chosen, lengths = _asked(k, metrics, of_lists, test.n_items)
    seen = ranker.seen
    check_parts(seen, test)
    users, _ = _tested(test)
    # Before anything is ranked: they may be refused.
    people = None if user_groups is None else group_users(*user_groups, users)
    things = None if item_groups is None else group_items(*item_groups)
    if rank_seen:
        ranker = ranker.leaving_out(None)
    depth = min(max([m.depth for m in chosen] + (lengths if of_lists else [])), test.n_items)
    columns, best, hits = _ranked(ranker, test, chosen, depth, budget)
    if beyond is not None:
        columns |= beyond.per_user(best, lengths)
    n_cold = 0 if seen is None else int((np.diff(seen.structure[0])[users] == 0).sum())
    if n_cold and warn_cold:
        warnings.warn(f"{n_cold} of {len(users)} test users have nothing in train; their ranking says little.", stacklevel=3)
    asked_first = dict.fromkeys([*map(str, chosen), *columns])
    table = {"user_id": test.user_ids[users], **{name: columns[name] for name in asked_first}}
    ranked = "all items, those in training as well" if rank_seen else "all items but those left out"
    means = None if people is None else by_user_group(people, pd.DataFrame(table))
    if beyond is not None and people is not None and means is not None:
        for n in lengths:
            means[f"popularity_lift@{n}"] = [beyond.lift(best[at, :n], users[at]) for at in (people == g for g in means.index)]
    return Report(
        table,
        Protocol.of(f"{ranked}; ties go to the lower item index", ranker.seen, test),
        n_cold,
        overall={} if beyond is None else beyond.overall(best, lengths, users),
        basis={} if beyond is None else beyond.basis,
        by_user_group=means,
        by_item_group=None if things is None else by_item_group(things, best, hits, lengths, test),
    )


def _asked(
    k: int | Sequence[int], metrics: Sequence[str] | None, of_lists: bool, n_items: int
) -> tuple[list[Metric], list[int]]:
    """The metrics, and the lengths that lists have; `of_lists` says whether something else is measured at these."""
    check_names(metrics)
    asked: Any = k
    several = isinstance(asked, Sequence | np.ndarray) and not isinstance(asked, str) and len(asked) > 0
    ks = list(asked) if several else [asked]
    if not metrics or of_lists:  # a k that nobody asks for need not fit the catalogue
        check_k(ks, n_items)
    chosen = [parse(m) for m in (metrics or [f"{name}@{n}" for n in ks for name in STANDARD])]
    check_k([m.k for m in chosen if m.k is not None], n_items)
    return chosen, list(dict.fromkeys(m.k for m in chosen if m.k is not None)) or [int(k) for k in ks]


def _tested(test: Interactions) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The users with a test item, ascending, and how many each has."""
    counts = np.diff(test.structure[0])
    users = np.flatnonzero(counts > 0)
    return users, counts[users]


def _ranked(
    ranker: Ranker, test: Interactions, chosen: Sequence[Metric], depth: int, budget: int
) -> tuple[dict[str, object], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
    """Values of the metrics user by user, the best items (n, depth), and which of these are test items."""
    users, relevant = _tested(test)
    columns: dict[str, object] = {}
    whole = [m for m in chosen if m.k is None]
    if whole:
        ranks, best = ranker.ranks_of(test, depth, budget)
        columns |= _of_whole_rankings(whole, ranks, ranker.seen, test)
    else:
        best, _ = ranker.top_k(users, depth, budget=budget)
    hits = test.has_keys(users[:, None].astype(np.int64) * test.n_items + best) & (best >= 0)
    columns |= {str(m): at_k(m, hits, relevant) for m in chosen if m.k is not None}
    return columns, best, hits


def check_k(ks: Sequence[int], n_items: int) -> None:
    """Refuse lengths of lists that the catalogue does not have."""
    for k in ks:
        if isinstance(k, bool) or not isinstance(k, int | np.integer):
            raise InputError(f"k must be a whole number, got {k!r}.")
        if not 1 <= k <= n_items:
            raise InputError(f"k must be between 1 and the catalogue's {n_items} items, got {k}.")


def check_parts(seen: Interactions | None, test: Interactions, part: str = "test") -> None:
    """Refuse what cannot be ranked: no pair, pairs in another id space, and pairs already seen; `part` is for messages."""
    if not len(test):
        raise InputError("there is no pair to evaluate on: the table is empty.")
    if seen is None:
        return
    if not seen.shares_ids_with(test):
        raise InputError(
            f"test has another id space ({test.n_users} users, {test.n_items} items) than the model was trained in "
            f"({seen.n_users}, {seen.n_items}); make both from one table with graphrec.split. A table of which rows were left "
            "out keeps their ids until compact()."
        )
    again = seen.has_keys(test.keys)
    if again.any():
        row = int(again.argmax())
        raise InputError(
            f"{again.sum():,} {part} pairs are in train{' (or validation)' if part == 'test' else ''}, first at row {row}: "
            f"user {test.user_ids[test.users[row]]!s}, item {test.item_ids[test.items[row]]!s}. "
            f"{'Evaluate' if part == 'test' else 'Select'} on held-out pairs."
        )


def _of_whole_rankings(
    chosen: Sequence[Metric], ranks: Ranks, left_out: Interactions | None, test: Interactions
) -> dict[str, object]:
    """Metrics that need the rank of every test item."""
    users, relevant = _tested(test)
    starts = test.structure[0][users]
    left = test.n_items - (0 if left_out is None else np.diff(left_out.structure[0])[users])
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
