"""What candidates take: rough counts of seconds (of one core) and bytes; see :class:`graphrec.search.budget.Costs`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.models import EASE

__all__ = [
    "Facts",
    "Work",
    "by_factors",
    "by_items",
    "by_pairs",
    "coded",
    "facts_of",
    "of_epochs",
    "of_shared_softmax",
    "of_tables",
    "ridge",
    "ridge_bytes",
    "sparse",
]


@dataclass(frozen=True)
class Facts:
    """Sizes of a training table: numbers of users, items and pairs, and Σ d_u² over the users' numbers of items."""

    users: int
    items: int
    pairs: int
    squares: float

    @property
    def widest(self) -> int:
        """The largest rank that still compresses: a quarter of the smaller side."""
        return max(1, min(self.users, self.items) // 4)

    def rank(self, wanted: int) -> int:
        """A number of factors, where the table has so many."""
        return min(wanted, self.widest)


def facts_of(train: Interactions) -> Facts:
    """Count."""
    degrees = np.diff(train.structure[0]).astype(np.float64)
    return Facts(train.n_users, train.n_items, len(train), float((degrees**2).sum()))


Work = Callable[[Facts, Mapping[str, Any]], float]


def by_pairs(facts: Facts, _: Mapping[str, Any]) -> float:
    """Counting who met what with what."""
    return 2e-8 * facts.squares + 2e-7 * facts.pairs


def by_factors(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """A truncated decomposition (span of four times the rank), and the co-occurrences."""
    span = 4.0 * float(hyper.get("rank", 256))
    return by_pairs(facts, hyper) + 4e-9 * facts.pairs * span + 2e-10 * (facts.users + facts.items) * span**2


def ridge(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """EASE: one inversion, or a small regression for each item."""
    if "neighbours" in hyper:
        return 1e-3 * facts.items + 4e-8 * facts.squares
    return 1e-11 * facts.items**3 + 4e-8 * facts.squares


def by_items(facts: Facts, _: Mapping[str, Any]) -> float:
    """A small regression for each item."""
    return 5e-4 * facts.items + 2e-7 * facts.squares


def sparse(facts: Facts, _: Mapping[str, Any]) -> float:
    """Item-to-item weights where there are co-occurrences, twice while they are built."""
    return 24.0 * min(facts.squares, float(facts.items) ** 2)


def ridge_bytes(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """EASE: a dense matrix, or the weights of neighbours."""
    return sparse(facts, hyper) if "neighbours" in hyper else float(EASE.dense_bytes(facts.items))


def of_tables(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """Embeddings with their gradients, two moments, a copy of the best and a checkpoint."""
    return 28.0 * (facts.users + facts.items) * float(hyper.get("dim", 64)) + 64.0 * facts.pairs


def of_epochs(hops: float, per_pair: float = 1e-6) -> Work:
    """An epoch of a trained model: steps of 2,048 pairs, each with some passes over the edges, 64 columns wide."""

    def seconds(facts: Facts, hyper: Mapping[str, Any]) -> float:
        wide = float(hyper.get("dim", 64)) / 64
        return wide * facts.pairs * (per_pair + hops * 2e-8 * facts.pairs / 2048)

    return seconds


def coded(facts: Facts, _: Mapping[str, Any]) -> float:
    """An epoch of an autoencoder: everybody's row over all items."""
    return 5e-8 * facts.users * facts.items


def of_shared_softmax(facts: Facts, hyper: Mapping[str, Any]) -> float:
    """All 30 epochs of `lightgcn-fast`: a few large products, and everybody against 4,096 negatives."""
    wide = float(hyper.get("dim", 64)) / 64
    return wide * (2e-5 * facts.pairs + 3e-4 * facts.users) + 1.0
