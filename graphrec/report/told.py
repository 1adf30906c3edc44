"""What pictures and pages ask of a fitted recommender; they know nothing else of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd

__all__ = ["Told"]


class Told(Protocol):
    """A fitted recommender, by what it tells; see :class:`graphrec.Recommender` for each."""

    name: str
    titles: pd.Series[str] | None

    @property
    def train(self) -> Interactions:
        """What the model was built from."""
        ...

    @property
    def valid(self) -> Interactions | None:
        """The validation part it was fitted with."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """How the model was trained."""
        ...

    @property
    def history(self) -> pd.DataFrame:
        """A row per epoch."""
        ...

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights are kept."""
        ...

    def _identity(self) -> dict[str, Any]:
        """The name of the model and its options, as plain data."""
        ...

    def recommend(self, users: Any, k: int = ..., *, cold: Literal["popular"]) -> pd.DataFrame:
        """user_id, item_id, score, rank."""
        ...

    def explain(self, user: Any, item: Any) -> pd.DataFrame:
        """item_id, contribution, kind, n_paths."""
        ...

    def similar_items(self, items: Any, k: int = ...) -> pd.DataFrame:
        """item_id, similar_id, score, rank."""
        ...
