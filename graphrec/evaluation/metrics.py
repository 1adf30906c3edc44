"""Ranking metrics per user, from ranked lists.

Let r be a user's number of test items, h_j = 1 where the item at rank j is one of them, and
DCG@k = Σ_{j ≤ k} h_j / log₂(j + 1).

===================  ==================================================================================
name                 definition
===================  ==================================================================================
recall@k             hits / r
recall_capped@k      hits / min(k, r), which some papers call recall
precision@k          hits / k
hit_rate@k           1 if there is a hit
ndcg@k               DCG@k / DCG of min(k, r) hits in front (LightGCN and most papers since)
ndcg_hits100@k       DCG@k / DCG@k of the user's top 100 with its hits moved to the front (official NGCF code)
ndcg_hits@k          DCG@k / DCG@k of the user's top k with its hits moved to the front (a copied notebook)
map@k                Σ_{j ≤ k} h_j · precision@j / min(k, r)
mrr@k                1 / rank of the first hit, 0 if it is not among the k
mrr                  1 / rank of the first hit in the whole ranking
auc                  share of (test, other) item pairs in the right order; ties count half
===================  ==================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError, unknown_name

__all__ = ["AT_K", "WHOLE", "Metric", "at_k", "check_names", "parse", "usual"]

Floats = npt.NDArray[np.float64]
Hits = npt.NDArray[np.bool_]


def _discount(n: int) -> Floats:
    return 1.0 / np.log2(np.arange(2, n + 2))


def _dcg(hits: Hits) -> Floats:
    return np.asarray(hits @ _discount(hits.shape[1]))


def _ideal(counts: npt.NDArray[np.int64], k: int) -> Floats:
    """DCG of `counts` hits in front, at most k."""
    return np.asarray(np.concatenate([[0.0], np.cumsum(_discount(k))])[np.minimum(counts, k)])


def _ratio(a: Floats, b: Floats) -> Floats:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


def _recall(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return np.asarray(hits[:, :k].sum(1) / r)


def _recall_capped(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return np.asarray(hits[:, :k].sum(1) / np.minimum(r, k))


def _precision(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return np.asarray(hits[:, :k].sum(1) / k)


def _hit_rate(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return np.asarray(hits[:, :k].any(1), dtype=np.float64)


def _ndcg(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return np.asarray(_dcg(hits[:, :k]) / _ideal(r, k))


def _ndcg_hits100(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return _ratio(_dcg(hits[:, :k]), _ideal(hits[:, :100].sum(1), k))


def _ndcg_hits(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    return _ratio(_dcg(hits[:, :k]), _ideal(hits[:, :k].sum(1), k))


def _map(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    top = hits[:, :k]
    precision = np.cumsum(top, axis=1) / np.arange(1, top.shape[1] + 1)
    return np.asarray((precision * top).sum(1) / np.minimum(r, k))


def _mrr(hits: Hits, r: npt.NDArray[np.int64], k: int) -> Floats:
    top = hits[:, :k]
    return np.where(top.any(1), 1.0 / (top.argmax(1) + 1), 0.0)


AT_K: dict[str, Callable[[Hits, npt.NDArray[np.int64], int], Floats]] = {
    "recall": _recall,
    "recall_capped": _recall_capped,
    "precision": _precision,
    "hit_rate": _hit_rate,
    "ndcg": _ndcg,
    "ndcg_hits100": _ndcg_hits100,
    "ndcg_hits": _ndcg_hits,
    "map": _map,
    "mrr": _mrr,
}
WHOLE = ("mrr", "auc")
_BEYOND = ("novelty", "diversity", "arp", "coverage", "gini", "popularity_lift")  # of graphrec.evaluation.beyond


@dataclass(frozen=True)
class Metric:
    """A metric by name; `k` is None for one over the whole ranking."""

    name: str
    k: int | None

    @property
    def depth(self) -> int:
        """How long a list it needs; 0 for one over the whole ranking."""
        if self.k is None:
            return 0
        return max(self.k, 100) if self.name == "ndcg_hits100" else self.k

    def __str__(self) -> str:
        return self.name if self.k is None else f"{self.name}@{self.k}"


def check_names(metrics: Sequence[str] | None) -> None:
    """Refuse one name in place of several, and none; None is for those that are usual."""
    if isinstance(metrics, str) or (metrics is not None and not len(metrics)):
        raise InputError(f"metrics must be a list of names, such as ['recall@20'], got {metrics!r}.")


def parse(text: str) -> Metric:
    """Read a name such as ``"ndcg@20"`` or ``"auc"``.

    Raises
    ------
    InputError
        The name is unknown, or the number after ``@`` is missing or not a positive integer.
    """
    if not isinstance(text, str):
        raise InputError(f"a metric is a name such as 'ndcg@20', not {text!r}.")
    name, at, number = text.partition("@")
    if name in _BEYOND:
        raise InputError(
            f"{text!r} measures lists apart from what is right in them: evaluate(…, beyond=True) does, at the length of every "
            "metric, and nothing is chosen by it."
        )
    if not at:
        if name in WHOLE:
            return Metric(name, None)
        if name in AT_K:
            raise InputError(f"metric {name!r} needs the length of the list, such as '{name}@20'.")
        raise unknown_name("metric", text, {*AT_K, *WHOLE})
    if name not in AT_K:
        raise unknown_name("metric", name, {*AT_K, *WHOLE})
    if not re.fullmatch(r"[1-9]\d*", number):
        raise InputError(f"metric {text!r} must have a positive whole number after the @.")
    return Metric(name, int(number))


def usual(n_items: int) -> str:
    """The metric of rankings that is chosen by where none is named."""
    return f"ndcg@{min(20, n_items)}"


def at_k(metric: Metric, hits: Hits, relevant: npt.NDArray[np.int64]) -> Floats:
    """One value per user.

    Parameters
    ----------
    metric : Metric
        With a k.
    hits : ndarray of bool, shape (n, depth)
        Whether the item at each rank is a test item; depth at least ``metric.depth``, or the whole catalogue.
    relevant : ndarray of int64, shape (n,)
        Number of test items, at least 1.

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    assert metric.k is not None
    return AT_K[metric.name](hits, relevant, metric.k)
