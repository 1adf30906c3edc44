"""Questions about people who were not there in training: their histories, checked and made a matrix."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.deferred import sparse
from graphrec.errors import InputError, about
from graphrec.losses import RATING_ERRORS
from graphrec.recommender.state import State

__all__ = ["Histories", "counts_ratings", "recommend", "score"]

Histories: TypeAlias = Sequence[Sequence[Any]] | Mapping[Any, Sequence[Any]]
"""Lists of item ids, one a person; or by name."""


def recommend(
    state: State, name: str, histories: Histories, k: int, filter_seen: bool, items: npt.NDArray[np.int64] | None
) -> pd.DataFrame:
    """The best items of new people; see :meth:`graphrec.Recommender.recommend_new`.

    Parameters
    ----------
    state : State
    name : str
        Of the model, for messages.
    histories, k, filter_seen
        As there.
    items : ndarray of int64, optional
        Indices to choose from, ascending; all unless given.
    """
    names, met = _matrix(state, name, histories)
    best, scores = state.ranker.top_k_of(met, k, items, leave_out=filter_seen)
    row, column = np.nonzero(best >= 0)
    return pd.DataFrame(
        {
            "user_id": names[row],
            "item_id": state.built_from.item_ids[best[row, column]],
            "score": scores[row, column],
            "rank": column + 1,
        }
    )


def score(state: State, name: str, histories: Histories, items: Any) -> npt.NDArray[np.float32]:
    """Scores of paired new people and items, shape (n,); see :meth:`graphrec.Recommender.score_new`."""
    names, met = _matrix(state, name, histories)
    columns = state.built_from.item_index(items)
    if len(names) != len(columns):
        raise InputError(f"score_new takes pairs: there are {len(names)} histories and {len(columns)} items.")
    return state.ranker.pairs_of(met, columns[:, None])[:, 0]


def _matrix(state: State, name: str, histories: Histories) -> tuple[npt.NDArray[Any], sparse.csr_matrix]:
    """Names of the people (n,) and what they have met (n, n_items), each item once."""
    names, lists = _named(histories)
    table, indptr, indices = state.built_from, [0], [np.zeros(0, np.int32)]
    for person, items in zip(names, lists, strict=True):
        if isinstance(items, str | bytes) or not isinstance(items, Iterable):
            raise InputError(
                f"histories are lists of item ids, one list a person, and the one of {person!s} is {items!r}; "
                "for one person write [[first, second, …]]."
            )
        with about(f"history of person {person!s}"):
            met = np.unique(table.item_index(items))  # type: ignore[arg-type]
        if not len(met) and state.model.personalised:
            raise InputError(
                f"the history of person {person!s} is empty, and {name} has nothing to recommend from; "
                "a recommender of 'itempop' serves people of whom nothing is known."
            )
        indices.append(met)
        indptr.append(indptr[-1] + len(met))
    joined = np.concatenate(indices)
    values = np.full(len(joined), _value_of_liking(state, table), np.float32)
    return names, sparse.csr_matrix((values, joined, np.array(indptr)), shape=(len(names), table.n_items))


def _named(histories: object) -> tuple[npt.NDArray[Any], list[Any]]:
    if isinstance(histories, Mapping):
        return pd.Index(list(histories), tupleize_cols=False).to_numpy(), list(histories.values())
    if isinstance(histories, str | bytes | Interactions | pd.DataFrame) or not isinstance(histories, Iterable):
        raise InputError(f"histories are lists of item ids, one list a person or by name, not {type(histories).__name__}.")
    lists = list(histories)
    return np.arange(len(lists)), lists


def counts_ratings(state: State) -> bool:
    """Whether ratings make a difference to a fitted model, by what it is or by its loss."""
    return state.model.reads_ratings or state.options.get("loss") in RATING_ERRORS


def _value_of_liking(state: State, table: Interactions) -> float:
    """What an item in a history counts: 1, or where the model is one of ratings, the mean rating among those of liked items.

    A history says that its items were chosen and not how many stars they got: they are taken for liked, which is to be rated
    no worse than the average.
    """
    if table.ratings is None or not counts_ratings(state):
        return 1.0
    return float(table.ratings[table.ratings >= table.ratings.mean(dtype=np.float64)].mean(dtype=np.float64))
