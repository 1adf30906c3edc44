"""What a fit left behind, as a recommender tells it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.models import Scorer
from graphrec.ranking.ranker import Ranker
from graphrec.recommender.state import State

__all__ = ["Outcome"]


class Outcome:
    """The part of a recommender that tells of its latest fit.

    Attributes
    ----------
    name : str
        Of the model, for messages.
    kind : type
        The model's class.
    """

    name: str
    kind: type[Scorer]
    _state: State | None

    @property
    def _fitted(self) -> State:
        state = self._state  # once: another thread may fit meanwhile
        if state is None:
            raise InputError("this recommender is not fitted yet; call fit first.")
        return state

    @property
    def model(self) -> Scorer:
        """The fitted model."""
        return self._fitted.model

    @property
    def ranker(self) -> Ranker:
        """The fitted model made ready for questions; it leaves out what was shown."""
        return self._fitted.ranker

    @property
    def train(self) -> Interactions:
        """What the model was built from: the training part, and the validation part after a refit."""
        return self._fitted.built_from

    @property
    def valid(self) -> Interactions | None:
        """The validation part of the latest fit."""
        state = self._state
        return None if state is None else state.valid

    @property
    def trained_on(self) -> Interactions:
        """Pairs that the model knows: those of :attr:`train`, of every other stage, and of what it stands on.

        Validation pairs are among them where a stage trained on them.
        """
        return self._fitted.trained_on

    @property
    def selected(self) -> bool:
        """Whether the weights were chosen on the validation part."""
        state = self._state
        return state is not None and state.selected

    @property
    def chosen_on(self) -> Interactions | None:
        """Validation pairs that anything of it was chosen on: its weights, those of a recommender that it stands on, such as
        a member of a blend, or itself among others; before a refit or an update, too. None where nothing was chosen."""
        state = self._state
        return None if state is None else state.chosen_on

    @property
    def scores_are_ratings(self) -> bool:
        """Whether a score may be read as a predicted rating, by the model and the loss."""
        return self._fitted.scores_are_ratings

    @property
    def options(self) -> Mapping[str, Any]:
        """How the model was trained: every option of fit as plain data; empty for a solved model."""
        state = self._state
        return {} if state is None else copy.deepcopy(dict(state.options))

    @property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        state = self._state
        return pd.DataFrame([] if state is None else [dict(row) for row in state.history])

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights are kept; None when there was no validation part."""
        state = self._state
        return None if state is None else state.best_epoch

    @property
    def origin(self) -> Mapping[str, Any]:
        """How the command line read and split the table that the model was fitted on; empty where it did not."""
        state = self._state
        return {} if state is None else copy.deepcopy(dict(state.origin))

    @property
    def fit_device(self) -> str:
        """Where the latest fit ran, such as ``"cpu"`` or ``"cuda:0"``; a run of an earlier version says ``"cpu"``."""
        return self._fitted.device

    @property
    def n_without_history(self) -> int:
        """How many users have no training interaction to recommend from, where the model needs one."""
        return int(self._fitted.has_nothing.sum()) if self.kind.personalised else 0
