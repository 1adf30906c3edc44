"""What a fitted recommender answers: scores, lists, reasons, likeness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError, check_flag
from graphrec.evaluation.full_ranking import check_k
from graphrec.recommender import explaining, newcomers
from graphrec.recommender.cold_start import Cold, best_items, whom
from graphrec.recommender.newcomers import Histories
from graphrec.recommender.outcome import Outcome
from graphrec.recommender.reasons import Reasons

__all__ = ["Questions"]

Ids = Sequence[Any] | npt.NDArray[Any] | str | int


class Questions(Outcome):
    """The part of a recommender that asks a fitted state and changes nothing.

    Each question takes the state once and keeps it to its end: a fit in another thread meanwhile does not mix into the answer.
    """

    def score(self, users: Ids, items: Ids) -> npt.NDArray[np.float32]:
        """Scores of paired users and items, shape (n,); one id may stand alone."""
        state = self._fitted
        rows, columns = state.built_from.user_index(users), state.built_from.item_index(items)
        if len(rows) != len(columns):
            raise InputError(f"score takes pairs: there are {len(rows)} users and {len(columns)} items.")
        return state.ranker.pairs(rows, columns[:, None])[:, 0]

    def recommend(
        self,
        users: Ids,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Ids | None = None,
        exclude: Ids | None = None,
        cold: Cold = "error",
        explain: int = 0,
    ) -> pd.DataFrame:
        """The items with the highest scores.

        Parameters
        ----------
        users : sequence
            Ids as in the training table; one may stand alone.
        k : int
            Items per user; a user with fewer left gets fewer.
        filter_seen : bool
            Leave out what the user has in training or validation, and what :meth:`fit` was given as `seen`. Other pairs that
            the table had no more, for instance after :meth:`Interactions.binarize` with ``min_rating``, are not known and may
            be recommended.
        candidates, exclude : sequence, optional
            Items to choose from, and items to leave out, for every user.
        cold : {"error", "skip", "popular"}
            What to do about users who are not in the training table, and those without any interaction there where the
            model needs one: refuse, leave them out, or give them the items with the most users, whose number is then the
            score; with weights, the items with the largest sum of weights over the mean weight.
        explain : int
            Add columns reason_1, reason_2, … with this many of the user's own items, those that raise the score most (see
            :meth:`explain`); missing where fewer do.

        Returns
        -------
        DataFrame
            user_id, item_id, score, rank (from 1); users in the order asked, best item first.

        Raises
        ------
        InputError
            An unknown item, an unknown user or one without any training interaction (for models that need one) unless `cold`
            says otherwise, an id of another type, or `k` outside 1 … n_items.
        FloatingPointError
            A score is not a finite number.

        Notes
        -----
        Of equal scores the item that comes first in the table's ids is first. Where a score is the product of a row of the
        user and a row of the item (factorisations, graph models, filters), each score of a list is computed by itself, in
        double precision and rounded once: it is the number that :meth:`score` gives, and a list of people whose rows are
        kept, or are sums over their items, depends neither on who else is asked nor on blocks and threads. Items that the
        same people have met are equal for item filters, neighbour models and iALS: of those that a person has not met they
        have one score. Networks of pairs, rows that a network makes of a history, and blends are computed for many people at
        once, and their scores are the same beyond rounding only.

        Examples
        --------
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> gr.Recommender("itemknn").fit(liked).recommend([0, 1], k=1, explain=1)
           user_id  item_id     score  rank  reason_1
        0        0        2  0.015086     1         1
        1        1        2  0.015086     1         1
        """
        if isinstance(explain, bool) or not isinstance(explain, int | np.integer) or explain < 0:
            raise InputError(f"explain is a number of reasons, 0 or more; got {explain!r}.")
        check_flag("filter_seen", filter_seen)
        state = self._fitted
        table = state.built_from
        check_k([k], table.n_items)
        items = _choice(table, candidates, exclude)
        asked = whom(state, users, cold)
        ranker = state.listing if filter_seen else state.ranker.leaving_out(None)
        best, scores = best_items(state, ranker, asked, k, items)
        row, column = np.nonzero(best >= 0)
        reasons = {}
        if explain:
            pairs = [(int(u), int(i)) for u, i in zip(asked.rows[row], best[row, column], strict=True)]
            nobody = frozenset(int(u) for u in asked.rows[asked.without])
            reasons = explaining.strongest(Reasons(state), pairs, int(explain), nobody)
        return pd.DataFrame(
            {
                "user_id": asked.ids[row],
                "item_id": table.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
                **reasons,
            }
        )

    def recommend_new(
        self,
        histories: Histories,
        k: int = 10,
        filter_seen: bool = True,
        candidates: Ids | None = None,
        exclude: Ids | None = None,
    ) -> pd.DataFrame:
        """The items with the highest scores for people who were not there in training, from what they have met.

        The model folds them in (:meth:`graphrec.models.base.Scorer.fold_in`) and stays as it is.

        Parameters
        ----------
        histories : sequence of sequences, or mapping of names to sequences
            Item ids of each person, as in the training table; a repeated one counts once. Where the model is one of ratings
            they are taken for liked: each has the mean of the training ratings that are no worse than the average.
        k : int
            Items per person; a person with fewer left gets fewer.
        filter_seen : bool
            Leave out the person's own history.
        candidates, exclude : sequence, optional
            Items to choose from, and items to leave out, for everyone.

        Returns
        -------
        DataFrame
            user_id (the position of the history from 0, or its name), item_id, score, rank (from 1).

        Raises
        ------
        InputError
            An unknown item, a history that is no list, an empty one where the model needs one, `k` outside 1 … n_items, or
            a model that cannot take in new people.
        FloatingPointError
            A score is not a finite number.

        Examples
        --------
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> gr.Recommender("ease").fit(liked).recommend_new({"somebody": [2]}, k=1)[["user_id", "item_id"]]
            user_id  item_id
        0  somebody        3
        """
        state = self._fitted
        check_k([k], state.built_from.n_items)
        items = _choice(state.built_from, candidates, exclude)
        return newcomers.recommend(state, self.name, histories, k, filter_seen, items)

    def score_new(self, histories: Histories, items: Ids) -> npt.NDArray[np.float32]:
        """Scores of paired new people and items, shape (n,): the first history with the first item, and so on."""
        return newcomers.score(self._fitted, self.name, histories, items)

    def explain(self, user: Any, item: Any) -> pd.DataFrame:
        """What the score of a user with an item is made of.

        For linear models the parts are exact: item filters and models of neighbouring items have one for each of the user's
        items;
        LightGCN (He et al., SIGIR 2020) has two, since each of its paths leaves the user through one own item first ("your
        item", the path of one step; "through other people", all longer ones), and one for the user's own embedding; with
        cosines, one for the item's popularity. For other models that can take in people anew, a part is what the score
        loses without one interaction, and "remainder" is what these leave over.

        A blend adds up what its members say. It brings each member's scores to one scale, on which the user's average item has
        0 and their best items have 1 (:class:`graphrec.models.Blend`): so each part of a member's score is divided by how far
        that member's best scores lie above its average one, and multiplied by its weight; parts of one kind through one item
        are added up; and the row "level of an average item" subtracts what an average item has on this scale. It is the same
        for all items of the user, and so no reason for or against one. A member that gives no reasons has one row: how much
        better than an average one it finds the item.

        Parameters
        ----------
        user, item : scalar
            Ids as in the training table. The item may be one that the user has met.

        Returns
        -------
        DataFrame
            Largest contribution first. item_id: the user's own item, missing where a row is not about one; contribution:
            float64, they add up to :meth:`score` beyond rounding; kind: in words; n_paths: how many other people have met
            both that item and the one explained, which are the paths of three steps over them (longer ones are not counted,
            and what a path is worth is in the contribution, not here); 0 where a row is about no item, and no sum over paths.

        Raises
        ------
        InputError
            An unknown id, or a model that gives no reasons.

        Examples
        --------
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> rec = gr.Recommender("itemknn", similarity="cosine").fit(liked)
        >>> why = rec.explain(2, 0)
        >>> bool(abs(why["contribution"].sum() - rec.score(2, 0)[0]) < 1e-6)
        True
        """
        state = self._fitted
        table = state.built_from
        rows, columns = table.user_index([user]), table.item_index([item])
        return explaining.explanation(Reasons(state), int(rows[0]), int(columns[0]))

    def similar_items(self, items: Ids, k: int = 10) -> pd.DataFrame:
        """The items most like given ones, by cosine of their representations or the model's own measure.

        Parameters
        ----------
        items : sequence
            Ids as in the training table; one may stand alone.
        k : int

        Returns
        -------
        DataFrame
            item_id, similar_id, score, rank (from 1).

        Examples
        --------
        >>> liked = gr.Interactions.from_indices([0, 0, 1, 1, 2, 2, 2], [0, 1, 0, 1, 1, 2, 3])
        >>> gr.Recommender("itemknn").fit(liked).similar_items(2, k=1)[["item_id", "similar_id"]]
           item_id  similar_id
        0        2           3
        """
        state = self._fitted
        table = state.built_from
        check_k([k], table.n_items)
        index = table.item_index(items)
        best, scores = state.ranker.similar(index, k)
        row, column = np.nonzero(best >= 0)
        return pd.DataFrame(
            {
                "item_id": table.item_ids[index[row]],
                "similar_id": table.item_ids[best[row, column]],
                "score": scores[row, column],
                "rank": column + 1,
            }
        )


def _choice(table: Interactions, candidates: Ids | None, exclude: Ids | None) -> npt.NDArray[np.int64] | None:
    """The items to choose from, ascending; None for all."""
    if candidates is None and exclude is None:
        return None
    items = np.arange(table.n_items) if candidates is None else np.unique(table.item_index(candidates)).astype(np.int64)
    return items if exclude is None else np.setdiff1d(items, table.item_index(exclude))
