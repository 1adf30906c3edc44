"""What a fitted recommender's scores are made of: by its model, and of a blend by what each of its members says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models import Blend
from graphrec.models.contributions import Contributions, merged, together
from graphrec.models.hybrids.levelled import level
from graphrec.recommender.newcomers import counts_ratings
from graphrec.recommender.state import State

__all__ = ["AVERAGE", "Reasons"]

AVERAGE = "level of an average item"
"""What a blend takes away from each member's score: its mean over all items."""


class Reasons:
    """The function from a user and an item to what their score is a sum of.

    A blend's score is Σ_m w_m (s_m − μ_m) / (t_m − μ_m) over its members, see :class:`graphrec.models.Blend`. Each part of s_m,
    as the member alone would tell it, counts w_m / (t_m − μ_m) of what it is there; parts of one kind through one item are
    added up. What is subtracted, Σ_m w_m μ_m / (t_m − μ_m), is one part that is about no item. What a member says that gives no
    reasons is one part, too: what it finds the item better than an average one.

    Parameters
    ----------
    state : State

    Attributes
    ----------
    table : Interactions
        The training table as the model sees it: without ratings and weights where it reads none, for histories are then ones.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._members = [Reasons(member) for member in state.members]
        table = state.built_from if counts_ratings(state) else replace(state.built_from, ratings=None)
        self.table: Interactions = table if state.model.reads_weights else replace(table, weights=None)

    def __call__(self, user: int, item: int) -> Contributions:
        """The parts of a score, by the indices of the user and the item.

        Raises
        ------
        InputError
            The model gives no reasons; of a blend, none of its members does.
        FloatingPointError
            A member's scores are not finite.
        """
        model = self._state.model
        if not isinstance(model, Blend):
            return self._state.ranker.explain(self.table, user, item)
        asked = [(w, member) for w, member in zip(model.weights.tolist(), self._members, strict=True) if w > 0]
        if len(asked) == 1 and not model.levels_one:
            return asked[0][1](user, item)
        parts, average, refusals = list[Contributions](), 0.0, list[InputError]()
        for weight, member in asked:
            scores = member._scores(user)
            mean, reach = level(scores, model.top)
            try:
                said = member(user, item)
            except InputError as error:
                refusals.append(error)
                name = type(member._state.model).__name__
                parts.append(together((-1, weight * (scores[item] - mean) / reach, f"{name}, which gives no reasons")))
                continue
            parts.append(replace(said, values=weight / reach * said.values))
            average -= weight * mean / reach
        if len(refusals) == len(asked):
            raise refusals[0]
        return merged([*parts, together((-1, average, AVERAGE))])

    def _scores(self, user: int) -> npt.NDArray[np.float64]:
        """A user's scores of all items, shape (n_items,)."""
        everything = np.arange(self.table.n_items)[None]
        return np.asarray(self._state.ranker.pairs(np.array([user]), everything)[0], np.float64)
