"""How good a fitted recommender is on held-out pairs."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Protocol as Interface

import numpy as np

from graphrec.data.interactions import Interactions
from graphrec.data.parts import Split
from graphrec.errors import InputError, check_flag
from graphrec.evaluation.full_ranking import check_parts, full_ranking
from graphrec.evaluation.ratings import rating_errors
from graphrec.evaluation.report import Report
from graphrec.evaluation.sampled import sampled_ranking
from graphrec.ranking.ranker import Ranker

__all__ = ["Fitted", "evaluate", "evaluate_ratings"]


class Fitted(Interface):
    """What an evaluation asks of a fitted recommender."""

    @property
    def ranker(self) -> Ranker:
        """The model made ready, which leaves out what people were shown in training."""
        ...

    @property
    def train(self) -> Interactions:
        """What the model was built from."""
        ...

    @property
    def valid(self) -> Interactions | None:
        """The validation part it was fitted with."""
        ...

    @property
    def selected(self) -> bool:
        """Whether anything was chosen on it."""
        ...


def evaluate(
    recommender: Fitted,
    test: Interactions | Split,
    k: int | Sequence[int] = 20,
    negatives: int | None = None,
    seed: int | None = None,
    metrics: Sequence[str] | None = None,
    filter_seen: bool = True,
) -> Report:
    """Rank held-out pairs.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    test : Interactions or Split
        Pairs in the id space of training; what the recommender has seen in training and validation is not ranked. Of a
        split the test part is ranked, and its train and validation parts are left out, whatever the recommender was
        fitted on: the same ranking for every recommender, so that their figures can be compared.
    k : int or sequence of int
        Length of the list.
    negatives : int, optional
        Rank each test item among so many drawn ones instead of the whole catalogue. The figures are not
        comparable with the others and have other names: ``hit_rate@10/99``.
    seed : int
        Of the drawn negatives; 0 unless given.
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

    Raises
    ------
    InputError
        Test pairs were trained on, there are none, or an option is of no use.
    FloatingPointError
        The model gives a score that is no finite number.

    Warns
    -----
    UserWarning
        The test pairs were the validation part, on which the model was selected.

    Examples
    --------
    >>> split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2)
    >>> report = gr.evaluate(gr.Recommender("itempop").fit(split.train), split, k=20)
    >>> round(report.mean["recall@20"], 4)
    0.1288
    >>> report.per_user.columns.tolist()
    ['user_id', 'recall@20', 'ndcg@20', 'precision@20', 'hit_rate@20', 'map@20', 'mrr@20']
    """
    check_flag("filter_seen", filter_seen)
    ranker, pairs = _to_rank(recommender, test)
    if negatives is None:
        if seed is not None:
            raise InputError("seed is of the negatives that are drawn; it does nothing without negatives=….")
        return full_ranking(ranker, pairs, k, metrics, rank_seen=not filter_seen)
    if not filter_seen:
        raise InputError("filter_seen=False is for rankings of the whole catalogue, not for the sampled protocol.")
    if metrics is not None or not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise InputError("the sampled protocol (negatives=…) takes one k and no metrics.")
    return sampled_ranking(ranker, pairs, int(k), negatives, 0 if seed is None else seed)


def evaluate_ratings(recommender: Fitted, test: Interactions | Split) -> dict[str, float]:
    """Errors of predicted ratings on held-out ones.

    Parameters
    ----------
    recommender : Recommender
        Fitted, whose score is a rating.
    test : Interactions or Split
        With ratings; of a split its test part.

    Returns
    -------
    dict
        ``rmse``, ``mae`` and ``mse``.

    Examples
    --------
    >>> train = gr.Interactions.from_indices([0, 0, 1], [0, 1, 1], ratings=[5, 3, 4], n_items=2)
    >>> test = gr.Interactions.from_indices([1], [0], ratings=[5], n_items=2)
    >>> errors = gr.evaluate_ratings(gr.Recommender("bias").fit(train), test)
    >>> {name: round(value, 4) for name, value in errors.items()}
    {'rmse': 0.9582, 'mae': 0.9582, 'mse': 0.9181}
    """
    return rating_errors(recommender.ranker, _test_part(test))


def _to_rank(recommender: Fitted, test: Interactions | Split) -> tuple[Ranker, Interactions]:
    """The ranker with the right pairs left out, and the pairs to be ranked."""
    pairs, ranker, train = _test_part(test), recommender.ranker, recommender.train
    check_parts(train, pairs)
    seen = test.train_and_valid if isinstance(test, Split) else ranker.seen
    valid = recommender.valid
    if valid is not None and (shared := valid.has_keys(pairs.keys)).any():
        if recommender.selected:
            warnings.warn(
                f"{shared.sum():,} of these pairs were the validation part on which the model was selected; "
                "figures on them are too good. Evaluate on a test part that nothing was chosen by.",
                stacklevel=3,
            )
        if seen is not None and not isinstance(test, Split):
            seen = seen.select(np.flatnonzero(~pairs.has_keys(seen.keys)))
    return (ranker if seen is ranker.seen else ranker.leaving_out(seen)), pairs


def _test_part(test: Interactions | Split) -> Interactions:
    if isinstance(test, Split):
        if test.test is None:
            raise InputError("the split has no test part.")
        return test.test
    if not isinstance(test, Interactions):
        raise InputError(f"what is evaluated on must be Interactions or a Split, not {type(test).__name__}.")
    return test
