"""The options of a fit as type checkers read them. Written by ``python -m graphrec.training.signature``: change
:class:`graphrec.training.options.FitOptions` instead, which has the defaults and says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from graphrec.sampling import Negatives
from graphrec.training.credit import Credit
from graphrec.training.schedules import Schedule

__all__ = ["FitKeywords"]


class FitKeywords(TypedDict, total=False):
    """Keywords of :meth:`graphrec.Recommender.fit`; every one may be left out."""

    loss: Any
    loss_options: dict[str, Any]
    negatives: str | Negatives | None
    n_negatives: int
    shared_negatives: bool
    popularity_power: float
    log_q: bool
    credit: Credit | None
    pairs: str
    saturated: str
    epochs: int
    batch_size: int
    hogwild: bool
    lr: float
    l2: float
    weight_decay: float
    optimizer: str
    parameter_groups: dict[str, dict[str, Any]]
    schedule: str | dict[str, Any] | Schedule | None
    seed: int
    eval_every: int
    metric: str | Sequence[str] | None
    patience: int | None
    min_delta: float
    device: str
    precision: str | None
    fanout: int | Sequence[int] | None
    progress: bool
