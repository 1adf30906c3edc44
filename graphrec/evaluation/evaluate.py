"""How good a fitted recommender is on held-out pairs."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol as Interface

import numpy as np
import torch

from graphrec.data.features import Features
from graphrec.data.interactions import Interactions
from graphrec.data.parts import Split
from graphrec.errors import InputError, check_flag
from graphrec.evaluation.beyond import Beyond, from_embeddings, from_features, from_training
from graphrec.evaluation.full_ranking import check_parts, full_ranking
from graphrec.evaluation.groups import Given
from graphrec.evaluation.metrics import parse
from graphrec.evaluation.ratings import rating_errors
from graphrec.evaluation.report import Report
from graphrec.evaluation.sampled import sampled_ranking
from graphrec.models.base import Model, Scorer, encoding_of
from graphrec.models.scoring import as_evaluated
from graphrec.ranking.ranker import Ranker

__all__ = ["Fitted", "evaluate", "evaluate_ratings"]

_USUAL = 20  # items in a list


class Fitted(Interface):
    """What an evaluation asks of a fitted recommender."""

    @property
    def ranker(self) -> Ranker:
        """The model made ready, which leaves out what people were shown in training."""
        ...

    @property
    def model(self) -> Scorer:
        """The fitted model."""
        ...

    @property
    def train(self) -> Interactions:
        """What the model was built from."""
        ...

    @property
    def trained_on(self) -> Interactions:
        """What it knows from all stages of training."""
        ...

    @property
    def valid(self) -> Interactions | None:
        """The validation part it was fitted with."""
        ...

    @property
    def selected(self) -> bool:
        """Whether anything was chosen on it."""
        ...

    @property
    def chosen_on(self) -> Interactions | None:
        """Validation pairs that anything of it was chosen on, or of what it stands on."""
        ...

    @property
    def scores_are_ratings(self) -> bool:
        """Whether a score may be read as a predicted rating."""
        ...


def evaluate(
    recommender: Fitted,
    test: Interactions | Split,
    k: int | Sequence[int] | None = None,
    negatives: int | None = None,
    seed: int | None = None,
    metrics: Sequence[str] | None = None,
    filter_seen: bool = True,
    beyond: bool | str | Features = False,
    user_groups: Given | None = None,
    item_groups: Given | None = None,
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
        Length of the list; 20 unless given, and of a smaller catalogue all of it.
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
    beyond : bool, "embeddings" or Features
        True measures the lists themselves, too, at every length that the metrics have: novelty, diversity and popularity per
        user, and coverage, inequality and popularity lift of all lists together (``report.overall``); definitions in
        :mod:`graphrec.evaluation.beyond`. Popularity is that of the training part of a split, else of what the recommender
        was built from. Items count as alike, for diversity, as far as the same people have them in training, which is the
        same for every model; with ``"embeddings"`` as far as the model's own rows for them are, which cannot be compared
        between models; with features of the items, as far as these are.
    user_groups : mapping of ids to names, Series of names by id, or "history"
        Groups of people for ``report.by_user_group``: the means over each. ``"history"``: thirds by how much they have in
        training. Users with a test item who are in none make one of their own, ``"(not named)"``, and a warning counts them.
    item_groups : mapping of ids to names, Series of names by id, or "popularity"
        Groups of items for ``report.by_item_group``: how much of the lists each takes, and how many of its test items are
        found. ``"popularity"``: head, mid and tail, which have the first 20 %, the middle 60 % and the last 20 % of all
        training interactions. Items that are in none make one of their own, as users do.

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
        The test pairs were the validation part on which the model was selected, or one that it stands on.

    Examples
    --------
    >>> split = gr.split.chronological(gr.load_dataset("synthetic").interactions.binarize(), test=0.2)
    >>> report = gr.evaluate(gr.Recommender("itempop").fit(split.train), split, k=20)
    >>> round(report.mean["recall@20"], 4)
    0.1288
    >>> report.per_user.columns.tolist()
    ['user_id', 'recall@20', 'ndcg@20', 'precision@20', 'hit_rate@20', 'map@20', 'mrr@20']
    """
    recommender = copy.copy(recommender)  # as it is now, whatever another thread fits meanwhile
    if not hasattr(recommender, "ranker"):
        raise InputError(f"evaluate takes a fitted Recommender, not {type(recommender).__name__}.")
    check_flag("filter_seen", filter_seen)
    if k is not None and metrics and beyond is False and item_groups is None:
        _check_asked(k, metrics)
    ranker, pairs = _to_rank(recommender, test)
    k = _usual_length(pairs.n_items, metrics) if k is None else k
    train = test.train if isinstance(test, Split) else recommender.train
    n_trained = len(recommender.trained_on.distinct_keys)
    if negatives is None:
        if seed is not None:
            raise InputError("seed is of the negatives that are drawn; it does nothing without negatives=….")
        report = full_ranking(
            ranker,
            pairs,
            k,
            metrics,
            rank_seen=not filter_seen,
            beyond=_measured_against(recommender, train, beyond),
            user_groups=None if user_groups is None else (user_groups, train),
            item_groups=None if item_groups is None else (item_groups, train),
        )
        return replace(report, n_trained=n_trained)
    if beyond is not False or user_groups is not None or item_groups is not None:
        raise InputError("beyond and groups are of lists from the whole catalogue, not of the sampled protocol (negatives=…).")
    if not filter_seen:
        raise InputError("filter_seen=False is for rankings of the whole catalogue, not for the sampled protocol.")
    if metrics is not None or not isinstance(k, int | np.integer) or isinstance(k, bool):
        raise InputError("the sampled protocol (negatives=…) takes one k and no metrics.")
    return replace(sampled_ranking(ranker, pairs, int(k), negatives, 0 if seed is None else seed), n_trained=n_trained)


def evaluate_ratings(recommender: Fitted, test: Interactions | Split) -> dict[str, float]:
    """Errors of predicted ratings on held-out ones.

    Refused where scores are certainly no ratings: after a loss of rankings, or from a solved model that reads no ratings.

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
    recommender = copy.copy(recommender)  # as it is now, whatever another thread fits meanwhile
    if not recommender.scores_are_ratings:
        raise InputError(
            f"evaluate_ratings: {recommender!r} was not fitted to ratings, and its scores are none; "
            "fit with loss='mse', or use evaluate, which ranks."
        )
    pairs = _test_part(test)
    if recommender.train.shares_ids_with(pairs):
        known = recommender.trained_on.has_keys(pairs.keys)
        if known.any():
            warnings.warn(
                f"{known.sum():,} of these {len(pairs):,} pairs were trained on: the errors are smaller than on new ones.",
                stacklevel=2,
            )
        _say_selected(recommender, pairs, stacklevel=3)
    return rating_errors(recommender.ranker, pairs)


def _check_asked(k: int | Sequence[int], metrics: Sequence[str]) -> None:
    """Refuse lengths of lists that no metric has."""
    lengths = {str(parse(metric).k) for metric in metrics}  # a name that is none is said first
    if not lengths & {str(one) for one in np.atleast_1d(np.asarray(k, object)).tolist()}:
        raise InputError(f"k={k!r} does nothing beside metrics={list(metrics)!r}, which say their lengths; leave it out.")


def _usual_length(n_items: int, metrics: Sequence[str] | None) -> int:
    """The length of lists that nobody asks for; a warning where the catalogue has less than is usual."""
    if n_items < _USUAL and metrics is None:
        warnings.warn(f"the catalogue has {n_items} items: the lists are as long (k={n_items}), not {_USUAL}.", stacklevel=3)
    return min(_USUAL, n_items)


def _say_selected(recommender: Fitted, pairs: Interactions, stacklevel: int) -> bool:
    """Whether some pairs are of the validation part; a warning if the model, or what it stands on, was selected on any."""
    valid, chosen = recommender.valid, recommender.chosen_on
    shared = 0 if valid is None else int(valid.has_keys(pairs.keys).sum())
    selecting = 0 if chosen is None else int(chosen.has_keys(pairs.keys).sum())
    if selecting:
        by = "the model" if recommender.selected and selecting == shared else "the model, or one that it stands on,"
        warnings.warn(
            f"{selecting:,} of these pairs were the validation part on which {by} was selected; "
            "figures on them are too good. Evaluate on a test part that nothing was chosen by.",
            stacklevel=stacklevel + 1,
        )
    return shared > 0


def _measured_against(recommender: Fitted, train: Interactions, beyond: bool | str | Features) -> Beyond | None:
    if isinstance(beyond, Features):
        return from_features(train, beyond)
    if beyond is False:
        return None
    if beyond is True:
        return from_training(train)
    if not isinstance(beyond, str) or beyond != "embeddings":
        raise InputError(f"beyond takes True, False, 'embeddings' or Features of the items, got {beyond!r}.")
    model = recommender.model
    if not isinstance(model, Model):
        raise InputError(f"{type(model).__name__} has no embeddings of items; beyond=True goes by the people they share.")
    model = as_evaluated(model)
    with torch.no_grad():
        rows = encoding_of(model, model.encode_for_ranking()).items.full()
    return from_embeddings(train, rows.detach().float().cpu().numpy())


def _to_rank(recommender: Fitted, test: Interactions | Split) -> tuple[Ranker, Interactions]:
    """The ranker with the right pairs left out, and the pairs to be ranked."""
    pairs, ranker = _test_part(test), recommender.ranker
    check_parts(recommender.trained_on, pairs)
    seen = test.train_and_valid if isinstance(test, Split) else ranker.seen
    of_valid = _say_selected(recommender, pairs, stacklevel=3)
    if of_valid and seen is not None and not isinstance(test, Split):
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
