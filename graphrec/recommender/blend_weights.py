"""Weights of a blend, chosen on validation: a grid over the simplex, then each weight up and down in halved steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.evaluation.metrics import at_k, parse
from graphrec.models import Scorer
from graphrec.models.hybrids.blend import Levelled
from graphrec.ranking.ranker import Ranker

__all__ = ["MemberScores", "best_weights", "forward_selection", "people_of"]

Weights = npt.NDArray[np.float64]
_MOST_USERS = 10_000
_MOST_POINTS = 70
_LEAST_GAIN = 1e-3  # relative; a member must be worth its cost at every question


def people_of(valid: Interactions, most: int, seed: int) -> npt.NDArray[np.int64]:
    """The people of a table, ascending: all, or so many that are drawn."""
    users = np.flatnonzero(np.diff(valid.structure[0]) > 0)
    return users if len(users) <= most else np.sort(np.random.default_rng(seed).choice(users, most, replace=False))


class MemberScores:
    """What models score for the items that a blend of them could recommend to the people of a validation part.

    An item that stands beyond the `depth` best of every member is hardly among the first of a blend; for each person the
    union of the members' best items is kept, and every mixture is ranked from that.

    Parameters
    ----------
    models : sequence of Scorer
        The members, fitted on `train`.
    train, valid : Interactions
        What is left out of rankings, and what is to be found.
    metric : str
        With the length of a list, such as ``"ndcg@20"``.
    top : int
        Of the normalisation; see :class:`graphrec.models.hybrids.blend.Blend`.
    seed : int
        Of the 10,000 people that are looked at where there are more.
    """

    def __init__(
        self, models: Sequence[Scorer], train: Interactions, valid: Interactions, metric: str, top: int = 50, seed: int = 0
    ) -> None:
        self.metric = parse(metric)
        if self.metric.k is None:
            raise InputError(f"the weights of a blend are chosen on a metric of a list, such as 'ndcg@20', not on {metric!r}.")
        found, users = np.diff(valid.structure[0]), people_of(valid, _MOST_USERS, seed)
        self._relevant = found[users].astype(np.int64)
        self._depth = min(self.metric.depth, train.n_items)
        rankers = [Ranker(Levelled(train, model, top, place), train) for place, model in enumerate(models)]
        depth = min(max(100, 2 * self._depth) if len(models) > 1 else self._depth, train.n_items)
        items = np.sort(np.concatenate([ranker.top_k(users, depth)[0] for ranker in rankers], axis=1), axis=1)
        items[:, 1:][items[:, 1:] == items[:, :-1]] = -1  # each once
        items = -np.sort(-items, axis=1)[:, : max(1, int((items >= 0).sum(1).max()))]
        items = np.sort(np.where(items < 0, train.n_items, items), axis=1)  # of equal scores the lower index comes first
        self._none = torch.from_numpy(items == train.n_items)
        items[items == train.n_items] = 0
        self._hits = torch.from_numpy(valid.has_keys(users[:, None].astype(np.int64) * valid.n_items + items)) & ~self._none
        self._scores = [torch.from_numpy(ranker.pairs(users, items)) for ranker in rankers]

    def __len__(self) -> int:
        return len(self._scores)

    def figure(self, weights: Weights) -> float:
        """The metric of a blend with some weights, shape (n_members,)."""
        total = torch.zeros_like(self._scores[0])
        for weight, scores in zip(weights.tolist(), self._scores, strict=True):
            if weight > 0:
                total.add_(scores, alpha=weight)
        total.masked_fill_(self._none, -math.inf)
        best = total.topk(min(self._depth, total.shape[1]), 1).indices
        hits: Tensor = self._hits.gather(1, best)
        missing = self._depth - hits.shape[1]
        padded = np.pad(hits.numpy(), ((0, 0), (0, missing)))
        return float(at_k(self.metric, padded, self._relevant).mean())


def best_weights(scores: MemberScores, members: Sequence[int] | None = None) -> Weights:
    """The weights of all members, shape (n_members,), whose sum is 1; the grid's corners are the members alone.

    Parameters
    ----------
    scores : MemberScores
    members : sequence of int, optional
        Those that may have a weight; all unless given.
    """
    chosen = list(range(len(scores))) if members is None else list(members)

    def spread(part: Weights) -> Weights:
        whole: Weights = np.zeros(len(scores))
        whole[chosen] = part / part.sum()
        return whole

    parts = max((d for d in range(1, 11) if math.comb(d + len(chosen) - 1, d) <= _MOST_POINTS), default=1)
    points = [np.array(point) / parts for point in _simplex(parts, len(chosen))]
    figures = [scores.figure(spread(point)) for point in points]
    # Of mixtures that are as good, the one of the fewest members: who adds nothing gets nothing.
    at = max(range(len(points)), key=lambda i: (figures[i], -np.count_nonzero(points[i])))
    best, _ = _refined(lambda w: scores.figure(spread(w)), points[at], figures[at], 0.5 / parts)
    return spread(best)


def forward_selection(scores: MemberScores, most: int) -> Weights:
    """Weights of a few members: the best one first, then whoever adds the most beside those that are there.

    Parameters
    ----------
    scores : MemberScores
    most : int
        So many members at most; fewer where the next adds less than a thousandth.
    """
    weights: Weights = max((np.eye(len(scores))[m] for m in range(len(scores))), key=scores.figure)
    figure = scores.figure(weights)
    while np.count_nonzero(weights) < min(most, len(scores)):
        mixtures = [
            (1 - share) * weights + share * np.eye(len(scores))[m]
            for m in np.flatnonzero(weights == 0)
            for share in (0.1, 0.25, 0.5)
        ]
        figures = [scores.figure(mixture) for mixture in mixtures]
        if max(figures) <= figure * (1 + _LEAST_GAIN):
            break
        weights, figure = mixtures[int(np.argmax(figures))], max(figures)
    return weights


def _simplex(parts: int, n: int) -> Iterator[tuple[int, ...]]:
    """All ways to hand `parts` equal shares to n members."""
    for bars in itertools.combinations(range(parts + n - 1), n - 1):
        edges = (-1, *bars, parts + n - 1)
        yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def _refined(figure: Callable[[Weights], float], weights: Weights, best: float, step: float) -> tuple[Weights, float]:
    """Each coordinate up and down, in steps that are halved three times."""
    for size in (step, step / 2, step / 4):
        for m, sign in itertools.product(range(len(weights)), (1.0, -1.0)):
            moved = weights.copy()
            moved[m] = max(0.0, moved[m] + sign * size)
            if moved.sum() <= 0 or (moved == weights).all():
                continue
            moved /= moved.sum()
            if (value := figure(moved)) > best:
                weights, best = moved, value
    return weights, best
