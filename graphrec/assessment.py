"""How good a fitted recommender is on held-out pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.evaluation.evaluate import evaluate_model
from graphrec.evaluation.ratings import rating_errors
from graphrec.evaluation.report import Report
from graphrec.evaluation.sampled import evaluate_sampled
from graphrec.recommender import Recommender

__all__ = ["evaluate", "evaluate_ratings"]


def evaluate(
    recommender: Recommender,
    test: Interactions,
    k: int | Sequence[int] = 20,
    negatives: int | None = None,
    seed: int = 0,
    metrics: Sequence[str] | None = None,
    filter_seen: bool = True,
) -> Report:
    """Rank held-out pairs.

    Parameters
    ----------
    recommender : Recommender
        Fitted. What it has seen in training and validation is not ranked.
    test : Interactions
        In the id space of training.
    k : int or sequence of int
        Length of the list.
    negatives : int, optional
        Rank each test item among so many drawn ones instead of the whole catalogue. The figures are not
        comparable with the others and have other names: ``hit_rate@10/99``.
    seed : int
        Of the drawn negatives.
    metrics : sequence of str, optional
        Names as in :mod:`graphrec.evaluation.metrics`; recall, ndcg, precision, hit_rate, map and mrr at `k`
        unless given.
    filter_seen : bool
        False ranks the items of training, too, as some libraries and notebooks do: a model that knows them well then
        looks worse. The report's protocol says so, and the figures are not comparable with the others.

    Returns
    -------
    Report
        ``report.mean["recall@20"]``, ``report.per_user``, ``report.interval()``.

    Warns
    -----
    UserWarning
        The test pairs were the validation part, on which the model was selected.
    """
    valid = recommender.valid
    if valid is not None and valid.shares_ids_with(test) and (shared := test.has_keys(valid.keys)).any():
        warnings.warn(
            f"{shared.sum():,} of these pairs were the validation part on which the model was selected; "
            "figures on them are too good. Evaluate on a test part that nothing was chosen by.",
            stacklevel=2,
        )
        seen = recommender.seen(but=test)
    else:
        seen = recommender.seen()
    if not filter_seen:
        if negatives is not None:
            raise InputError("filter_seen=False is for rankings of the whole catalogue, not for the sampled protocol.")
        return evaluate_model(recommender.model, seen, test, k, metrics, rank_seen=True)
    if negatives is None:
        return evaluate_model(recommender.model, seen, test, k, metrics)
    if metrics is not None or not isinstance(k, int):
        raise InputError("the sampled protocol (negatives=…) takes one k and no metrics.")
    return evaluate_sampled(recommender.model, seen, test, k, negatives, seed)


def evaluate_ratings(recommender: Recommender, test: Interactions) -> dict[str, float]:
    """Errors of predicted ratings on held-out ones: ``{"rmse": …, "mae": …, "mse": …}``."""
    return rating_errors(recommender.model, test)
