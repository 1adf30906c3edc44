"""Questions about users some of whom have no history: who they are, and their lists."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError, unknown_name
from graphrec.ranking.asked import Lists
from graphrec.ranking.ranker import Ranker
from graphrec.recommender.state import State

__all__ = ["Cold", "Whom", "best_items", "whom"]

Cold = Literal["error", "skip", "popular"]


class Whom(NamedTuple):
    """Users in the order asked.

    Attributes
    ----------
    ids : ndarray, shape (n,)
    rows : ndarray of int32, shape (n,)
        Indices; -1 for an unknown id.
    without : ndarray of int64
        Places of those of whom nothing is known.
    """

    ids: npt.NDArray[Any]
    rows: npt.NDArray[np.int32]
    without: npt.NDArray[np.int64]


def whom(state: State, users: Any, cold: Cold) -> Whom:
    """The users that are asked about, without those that `cold` leaves out.

    Raises
    ------
    InputError
        `cold` is no such word; or it is ``"error"``, and a user is unknown or has no interaction where the model needs one.
    """
    if cold not in get_args(Cold):
        raise unknown_name("value of cold", cold, get_args(Cold))
    table = state.built_from
    index, ids = table.find_users(users)
    if cold == "error" and (index < 0).any():
        table.user_index(users)  # says which
    nothing = index < 0
    if state.model.personalised:
        nothing |= state.has_nothing[index]
    without = np.flatnonzero(nothing)
    if len(without) and cold == "error":
        raise InputError(
            f"user {table.user_ids[index[without[0]]]!s} has no training interaction to recommend from; "
            "cold='skip' leaves such users out and cold='popular' gives them what most people have."
        )
    if len(without) and cold == "skip":
        index = np.delete(index, without)
        return Whom(table.user_ids[index], index, without[:0])
    return Whom(ids, index, without)


def best_items(state: State, ranker: Ranker, asked: Whom, k: int, items: npt.NDArray[np.int64] | None) -> Lists:
    """Items and scores (n, k), best first: what most people have for those of whom nothing is known.

    Parameters
    ----------
    state : State
    ranker : Ranker
        Leaves out what shall be left out.
    asked : Whom
    k : int
    items : ndarray of int64, optional
        Indices to choose from, ascending; all unless given.
    """
    rows, without = asked.rows, asked.without
    warm = np.delete(np.arange(len(rows)), without)
    best, scores = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, np.float32)
    best[warm], scores[warm] = ranker.top_k(rows[warm], k, items)
    if len(without):
        popular = state.popularity.leaving_out(ranker.seen)
        known, unknown = without[rows[without] >= 0], without[rows[without] < 0]
        best[known], scores[known] = popular.top_k(rows[known], k, items)
        if len(unknown):  # one list for all of them who have seen nothing
            common = popular.leaving_out(None)
            best[unknown], scores[unknown] = common.top_k(np.zeros(1, np.int64), k, items)
            for place in unknown.tolist() if ranker.seen is state.left_out else []:
                if len(met := state.seen_by_stranger(asked.ids[place])):
                    others = np.setdiff1d(np.arange(ranker.n_items) if items is None else items, met)
                    best[place], scores[place] = -1, -np.inf
                    if len(others):
                        best[place], scores[place] = common.top_k(np.zeros(1, np.int64), k, others)
    return best, scores
