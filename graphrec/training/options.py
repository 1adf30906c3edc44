"""The options of ``fit``: their names, defaults and checks in one place."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from graphrec.errors import InputError, unknown_name
from graphrec.training.credit import Credit
from graphrec.training.schedules import Schedule

__all__ = ["FitOptions"]


@dataclass(frozen=True)
class FitOptions:
    """How a model is trained. ``Recommender.fit`` takes every field as a keyword.

    Attributes
    ----------
    loss : str
        A loss by name (:mod:`graphrec.losses`) or a callable of the same form as ``losses.bpr``.
    loss_options : dict
        Further arguments of the loss: ``{"temperature": 0.2}``.
    negatives : str or None
        ``"uniform"`` (exact), ``"approximate"`` (a positive may slip in), ``"popularity"``, ``"hardest"`` (of
        `n_negatives` uniform ones) or ``"in-batch"`` (the batch's other positives).
    n_negatives : int
        Per positive; for the losses over whole users, and with `shared_negatives`, for the whole batch.
    shared_negatives : bool
        One set of negatives for a batch of pairs. It may contain items that some of its users have met.
    popularity_power : float
        Exponent of the degree for ``negatives="popularity"``; 0.75 is word2vec's.
    log_q : bool
        For the softmax losses: correct the scores of negatives by the log-probability with which they are
        drawn, so that popular items are not punished for being drawn more often (Yi et al., RecSys 2019).
    credit : Credit or None
        Punish a negative less that shares metadata with its positive; for pairwise losses. See
        :class:`graphrec.training.credit.Credit`.
    pairs : {"user", "interaction"}
        An epoch draws as many pairs as there are in training: a user and one of its items, each uniform
        (LightGCN's official code), or every pair once in random order.
    saturated : {"error", "skip"}
        What to do about users who have met every item, for whom there is no negative.
    epochs, batch_size : int
    lr : float
        Learning rate.
    l2 : float
        λ of the penalty on the rows a step looks at, ``λ · ½‖·‖² / batch``.
    weight_decay : float
        The optimiser's own decay of all parameters.
    optimizer : str
        ``"adam"``, ``"adamw"``, ``"adagrad"``, ``"rmsprop"``, ``"sgd"`` or ``"sparse_adam"``.
    parameter_groups : dict
        Learning options of parameters whose name contains the key: ``{"bias": {"optimizer": "sgd", "lr": 0.1}}``.
    schedule : str, dict, Schedule, callable or None
        Learning-rate schedule by name, with its options as a table, as an object, or as a function from the optimiser
        to a scheduler of torch's; see :mod:`graphrec.training.schedules`.
    seed : int
        Of the initial weights, the batches and dropout.
    eval_every : int
        Epochs between two looks at the validation part.
    metric : str or sequence of str
        What is selected on; larger is better, but for ``"rmse"``, ``"mae"`` and ``"mse"``. Of several the first selects,
        and all are recorded in the history. See :class:`graphrec.evaluation.validation.Validation` for the names.
    patience : int or None
        Stop after so many evaluations without a gain; None trains to the end.
    min_delta : float
        Least difference that counts as a gain.
    device : str
        ``"auto"`` takes a GPU where there is one.
    progress : bool
        Show a progress bar.
    """

    loss: str | Callable[..., Any] = "bpr"
    loss_options: dict[str, Any] = field(default_factory=dict)
    negatives: str | None = "uniform"
    n_negatives: int = 1
    shared_negatives: bool = False
    popularity_power: float = 1.0
    log_q: bool = False
    credit: Credit | None = None
    pairs: str = "user"
    saturated: str = "error"
    epochs: int = 100
    batch_size: int = 2048
    lr: float = 1e-3
    l2: float = 1e-4
    weight_decay: float = 0.0
    optimizer: str = "adam"
    parameter_groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedule: str | dict[str, Any] | Schedule | Callable[..., Any] | None = None
    seed: int = 0
    eval_every: int = 1
    metric: str | Sequence[str] = "ndcg@20"
    patience: int | None = None
    min_delta: float = 0.0
    device: str = "auto"
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_negatives", "eval_every"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise InputError(f"{name} must be a whole number of at least 1, got {value!r}.")
        for name, least_open in (
            ("lr", True),
            ("l2", False),
            ("weight_decay", False),
            ("min_delta", False),
            ("popularity_power", False),
        ):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not math.isfinite(value) or value < 0 or (least_open and value == 0):
                raise InputError(f"{name} must be a finite number {'above' if least_open else 'of at least'} 0, got {value!r}.")
        if self.patience is not None and (not isinstance(self.patience, int) or self.patience < 1):
            raise InputError(f"patience must be a whole number of at least 1, or None; got {self.patience!r}.")
        if not self.metrics or not all(isinstance(name, str) for name in self.metrics):
            raise InputError(f"metric must be a name or a list of names, got {self.metric!r}.")
        if self.credit is not None and not isinstance(self.credit, Credit):
            raise InputError(f"credit must be a graphrec.training.credit.Credit, got {type(self.credit).__name__}.")
        for name, allowed in (
            ("pairs", ("user", "interaction")),
            ("saturated", ("error", "skip")),
        ):
            if getattr(self, name) not in allowed:
                raise unknown_name(f"value of {name}", getattr(self, name), allowed)

    @property
    def metrics(self) -> list[str]:
        """Every metric that is measured on validation."""
        return [self.metric] if isinstance(self.metric, str) else list(self.metric)

    @property
    def selected_on(self) -> str:
        """The metric that chooses the epoch."""
        return self.metrics[0]

    @property
    def smaller_is_better(self) -> bool:
        """Whether that metric is an error."""
        return self.selected_on in ("rmse", "mae", "mse")

    @classmethod
    def names(cls) -> list[str]:
        """Every option's name."""
        return [f.name for f in fields(cls)]

    @classmethod
    def of(cls, model_defaults: Mapping[str, Any], given: Mapping[str, Any]) -> FitOptions:
        """The caller's options over the model's defaults over the library's; unknown names are refused."""
        known = cls.names()
        for name in given:
            if name not in known:
                raise unknown_name("option of fit", name, known)
        return cls(**{**model_defaults, **given})

    def to_dict(self) -> dict[str, Any]:
        """A form that can be written as JSON."""
        values = asdict(self)
        if callable(self.loss):
            values["loss"] = getattr(self.loss, "__name__", repr(self.loss))
        own = self.schedule.name if isinstance(self.schedule, Schedule) else self.schedule
        if callable(own):
            values["schedule"] = getattr(own, "__name__", repr(own))
        if self.credit is not None:
            values["credit"] = self.credit.to_dict()
        return values
