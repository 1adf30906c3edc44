"""What is measured on the validation part after an epoch: rankings, sampled rankings and errors of ratings."""

from __future__ import annotations

import re
from collections.abc import Sequence

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.evaluation.evaluate import evaluate_model
from graphrec.evaluation.metrics import parse
from graphrec.evaluation.ratings import rating_errors
from graphrec.evaluation.sampled import evaluate_sampled
from graphrec.models.base import Model

__all__ = ["ERRORS", "Validation"]

ERRORS = ("rmse", "mae", "mse")
_SAMPLED = re.compile(r"(?:(?:hit_rate|ndcg)@([1-9]\d*)|mrr)/([1-9]\d*)")


class Validation:
    """Measures named metrics of a model; the names are read before training begins, not after its first epoch.

    Parameters
    ----------
    metrics : sequence of str
        Rankings of the whole catalogue as in :mod:`graphrec.evaluation.metrics` (``"ndcg@20"``), the sampled protocol
        (``"hit_rate@10/100"``, ``"ndcg@10/100"``, ``"mrr/100"``), and errors of ratings (``"rmse"``, ``"mae"``, ``"mse"``).
    train : Interactions
        Items that are not ranked.
    seed : int
        Of the items drawn for the sampled protocol, which are the same at every look.

    Raises
    ------
    InputError
        An unknown metric.
    """

    def __init__(self, metrics: Sequence[str], train: Interactions, seed: int = 0) -> None:
        self.metrics = list(metrics)
        self.train = train
        self.seed = seed
        self._sampled: dict[tuple[int, int], list[str]] = {}
        self._whole: list[str] = []
        for metric in metrics:
            if "/" in metric:
                self._sampled.setdefault(_sizes(metric), []).append(metric)
            elif metric not in ERRORS:
                self._whole.append(str(parse(metric)))

    def __call__(self, model: Model, held_out: Interactions) -> dict[str, float]:
        """The metrics on held-out pairs, in the order of their names."""
        values: dict[str, float] = {}
        if any(metric in ERRORS for metric in self.metrics):
            values |= rating_errors(model, held_out)
        if self._whole:
            values |= evaluate_model(model, self.train, held_out, k=(), metrics=self._whole, warn_cold=False).mean
        for k, negatives in self._sampled:
            values |= evaluate_sampled(model, self.train, held_out, k, negatives, self.seed).mean
        return {metric: values[metric] for metric in self.metrics}


def _sizes(metric: str) -> tuple[int, int]:
    """The length of the list and the number of drawn items: ``"ndcg@10/100"`` is (10, 100)."""
    found = _SAMPLED.fullmatch(metric)
    if found is None:
        raise InputError(
            f"metric {metric!r} is none of the sampled protocol, which has 'hit_rate@10/100', 'ndcg@10/100' and 'mrr/100'."
        )
    return int(found[1] or 1), int(found[2])
