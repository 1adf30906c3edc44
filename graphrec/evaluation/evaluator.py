"""What ``fit`` measures on the validation part after an epoch: rankings, sampled rankings and errors of ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphrec.data.interactions import Interactions
from graphrec.distributed.group import Group
from graphrec.errors import InputError
from graphrec.evaluation.full_ranking import check_k, check_parts, full_ranking
from graphrec.evaluation.metrics import parse, usual
from graphrec.evaluation.ratings import rating_errors
from graphrec.evaluation.sampled import sampled_ranking
from graphrec.models.base import Scorer
from graphrec.ranking.ranker import Ranker
from graphrec.ranking.shared_ranker import SharedRanker

__all__ = ["ERRORS", "Evaluator", "metric_of"]

ERRORS = ("rmse", "mae", "mse")
_SAMPLED = re.compile(r"(?:(?:hit_rate|ndcg)@([1-9]\d*)|mrr)/([1-9]\d*)")


class Evaluator:
    """Measures named metrics of a model; the names are read before training begins, not after its first epoch.

    Parameters
    ----------
    metrics : sequence of str
        Rankings of the whole catalogue as in :mod:`graphrec.evaluation.metrics` (``"ndcg@20"``), the sampled protocol
        (``"hit_rate@10/100"``, ``"ndcg@10/100"``, ``"mrr/100"``), and errors of ratings (``"rmse"``, ``"mae"``, ``"mse"``).
    seen : Interactions
        Items that are not ranked.
    with_loss : bool
        Give ``valid_loss`` beside an error of ratings: the mean squared error, where that is what is trained.
    seed : int
        Of the items drawn for the sampled protocol, which are the same at every evaluation.
    group : Group, optional
        Processes that rank together, each a part of the items; all evaluate at the same time.

    Raises
    ------
    InputError
        An unknown metric, or a list longer than the catalogue.
    """

    def __init__(
        self, metrics: Sequence[str], seen: Interactions, with_loss: bool = False, seed: int = 0, group: Group | None = None
    ) -> None:
        self.metrics = list(metrics)
        self.seen = seen
        self.seed = seed
        self.group = group
        self._errors = any(metric in ERRORS for metric in metrics)
        self._with_loss = with_loss and self._errors
        self._sampled: dict[tuple[int, int], list[str]] = {}
        self._whole: list[str] = []
        for metric in metrics:
            if "/" in metric:
                self._sampled.setdefault(_sizes(metric), []).append(metric)
            elif metric not in ERRORS:
                parsed = parse(metric)
                check_k([] if parsed.k is None else [parsed.k], seen.n_items)
                self._whole.append(str(parsed))

    def check(self, held_out: Interactions) -> None:
        """Refuse pairs that a ranking would leave out, before anything is trained."""
        if self._whole or self._sampled:
            check_parts(self.seen, held_out, "validation")

    def __call__(self, model: Scorer, held_out: Interactions) -> dict[str, float]:
        """The metrics on held-out pairs, in the order of their names, ``valid_loss`` before them."""
        ranker = Ranker(model, self.seen) if self.group is None else SharedRanker(model, self.seen, self.group)
        values: dict[str, float] = {}
        if self._errors:
            values |= rating_errors(ranker, held_out)
        if self._whole:
            values |= full_ranking(ranker, held_out, metrics=self._whole, warn_cold=False).mean
        for k, negatives in self._sampled:
            values |= sampled_ranking(ranker, held_out, k, negatives, self.seed).mean
        loss = {"valid_loss": values["mse"]} if self._with_loss else {}
        return {**loss, **{metric: values[metric] for metric in self.metrics}}


def _sizes(metric: str) -> tuple[int, int]:
    """The length of the list and the number of drawn items: ``"ndcg@10/100"`` is (10, 100)."""
    found = _SAMPLED.fullmatch(metric)
    if found is None:
        raise InputError(
            f"metric {metric!r} is none of the sampled protocol, which has 'hit_rate@10/100', 'ndcg@10/100' and 'mrr/100'."
        )
    return int(found[1] or 1), int(found[2])


def metric_of(given: str | None, n_items: int, who: str) -> str:
    """What is chosen by, if it is a metric of a list that can be made; `who` chooses: ``"a search chooses"``."""
    metric = usual(n_items) if given is None else given
    k = None if isinstance(metric, str) and metric in ERRORS else parse(metric).k
    if k is None:
        raise InputError(f"{who} by a metric of a list, such as 'ndcg@20', not by {metric!r}.")
    if k > n_items:
        raise InputError(f"metric {metric!r} is of lists of {k:,}, and there are {n_items:,} items.")
    return metric
