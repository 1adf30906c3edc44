"""The options of ``fit``: their names, defaults and checks in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np
import torch

from graphrec.errors import InputError, check_flag
from graphrec.losses import RATING_ERRORS
from graphrec.sampling import Negatives
from graphrec.training.credit import Credit
from graphrec.training.fingerprint import as_json
from graphrec.training.option_types import check_seed, instance, number, table, whole, word
from graphrec.training.schedules import Schedule

__all__ = ["FitOptions"]


@dataclass(frozen=True)
class FitOptions:
    """How a model is trained. ``Recommender.fit`` takes every field but `given` as a keyword.

    Types are checked here, and numbers of NumPy become Python's. Whether an option means anything beside the others is
    checked by :func:`graphrec.training.choose.choose`.

    Attributes
    ----------
    loss : str, callable or Objective
        A loss by name (:mod:`graphrec.losses`); a function of the same form as ``losses.bpr``, of positive scores (b,) and
        negative ones (b, k) to a scalar; or an objective of one's own (:class:`graphrec.training.objective.Objective`),
        which makes its own batches.
    loss_options : dict
        Further arguments of the loss: ``{"temperature": 0.2}``.
    negatives : str, Negatives or None
        ``"uniform"`` (exact), ``"approximate"`` (a positive may slip in), ``"popularity"``, ``"hardest"`` (of
        `n_negatives` uniform ones), ``"in-batch"`` (the batch's other positives), or a sampler of one's own
        (:class:`graphrec.sampling.Negatives`). In a batch a row's own positive, wherever it comes again, is given the lowest
        score of its type (−3.4e38) and no gradient: a loss of one's own must fall with it, as log Σ exp and max do and a mean
        does not.
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
        (LightGCN's official code), or every pair once in random order. With weights that differ, the items of a user, or
        the pairs, come up in proportion to them.
    saturated : {"error", "skip"}
        What to do about users who have met every item, for whom there is no negative. Where none is drawn by user it has
        nothing to say.
    epochs : int
        Passes over the training part, at most.
    batch_size : int
        Pairs in a step; people, for the losses over whole rows of scores.
    hogwild : bool
        Steps of one pair each, taken by all threads (``torch.set_num_threads``) at once and without locks (Niu et al., NIPS
        2011); ``batch_size`` is then how many pairs are dealt out at a time, 262,144 unless given. For MF with ``"sgd"`` or
        ``"row_adagrad"``, on the CPU, which ``device="auto"`` then means. On one thread a seed fixes the weights, on several
        it does not.
    lr : float
        Learning rate. A model's own default goes with the model's own optimiser: a rate that is given alone is Adam's.
    l2 : float
        λ of the penalty on the rows a step looks at, ``λ · ½‖·‖² / batch``.
    weight_decay : float
        The optimiser's own decay of all parameters.
    optimizer : str
        ``"adam"``, ``"adamw"``, ``"adagrad"``, ``"rmsprop"``, ``"sgd"``, ``"sparse_adam"`` (no steps for rows without a
        gradient) or ``"row_adagrad"`` (:class:`graphrec.training.row_optimizers.RowAdagrad`: one sum of squares a row). Adam
        and plain SGD touch only the rows of a batch, with the results of dense ones, where a model says that training reads
        no others (MF, GMF, MLP, NeuMF) and it is on the CPU.
    parameter_groups : dict
        Learning options of parameters whose name contains the key: ``{"bias": {"optimizer": "sgd", "lr": 0.1}}``.
    schedule : str, dict, Schedule or None
        Learning-rate schedule by name, with its options as a table, or as an object; see :mod:`graphrec.training.schedules`.
    seed : int
        Of the initial weights, the batches and dropout; from 0 to 2**63 − 1. On the CPU the same seed gives the same
        weights, bit for bit, under the same number of threads (``torch.set_num_threads``). Under another number the
        batches are the same, but torch adds up products in another order: what most models learn, or find in closed form by
        a decomposition or an inverse, then differs by rounding errors, which grow while a model trains.
    eval_every : int
        Epochs between two looks at the validation part.
    metric : str, sequence of str or None
        What is selected on; larger is better, but for ``"rmse"``, ``"mae"`` and ``"mse"``. Of several the first selects,
        and all are recorded in the history. See :class:`graphrec.evaluation.validation.Validation` for the names. None
        follows the loss: ``"rmse"`` where that is an error of ratings, else ``"ndcg@20"`` (``"ndcg@n"`` of a smaller
        catalogue of n items).
    patience : int or None
        Stop after so many evaluations without a gain; None trains to the end.
    min_delta : float
        Least difference that counts as a gain.
    device : str
        ``"auto"`` takes a CUDA device where there is one; else ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, or a
        ``torch.device``.
    precision : {"bf16", "fp16"} or None
        Type in which the hops of training read their table, rounded from float32; sums, parameters, optimiser and rankings
        stay in float32. For models that propagate. It halves what a GPU reads in a hop and has run on none yet; on the CPU
        it is there for comparison and costs time, because what is read lies in the caches already.
    fanout : int, sequence of int or None
        Compute a batch's rows over drawn neighbours instead of the whole graph, for graphs too large to be propagated whole in
        every step: so many at most of each node, for the last hop, the one before it, and so on (PyG's order); −1 takes all
        of them, one number stands for every hop. Edges count by the whole graph's weights over the probability with which
        they are drawn: without anything between the hops (LightGCN) the expectation is the exact row. Rankings, validation
        included, are made over the whole graph. For LightGCN, NGCF, PinSage and the like, and losses that look at the rows of
        a batch. PyG's loader draws, with torch-sparse or pyg-lib. See :class:`graphrec.graph.neighbours.Neighbours`.
    progress : bool
        Show how far the training is: a bar in a terminal and in a notebook, and a line every ten seconds elsewhere.
    given : frozenset of str or None
        No option: the names of those that somebody chose, and which must therefore mean something. None stands for all that
        are not the library's defaults.

    Raises
    ------
    InputError
        A value of the wrong type or out of range; the message names the option.
    """

    loss: Any = "bpr"
    loss_options: dict[str, Any] = field(default_factory=dict)
    negatives: str | Negatives | None = "uniform"
    n_negatives: int = 1
    shared_negatives: bool = False
    popularity_power: float = 1.0
    log_q: bool = False
    credit: Credit | None = None
    pairs: str = "user"
    saturated: str = "error"
    epochs: int = 100
    batch_size: int = 2048
    hogwild: bool = False
    lr: float = 1e-3
    l2: float = 1e-4
    weight_decay: float = 0.0
    optimizer: str = "adam"
    parameter_groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    schedule: str | dict[str, Any] | Schedule | None = None
    seed: int = 0
    eval_every: int = 1
    metric: str | Sequence[str] | None = None
    patience: int | None = None
    min_delta: float = 0.0
    device: str = "auto"
    precision: str | None = None
    fanout: int | Sequence[int] | None = None
    progress: bool = True
    given: frozenset[str] | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __post_init__(self) -> None:
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.given is None:
            object.__setattr__(self, "given", frozenset(n for n in self.names() if not _is_default(n, getattr(self, n))))

    @property
    def metrics(self) -> list[str]:
        """Every metric that is measured on validation."""
        if self.metric is None:
            return ["rmse" if self.of_ratings else "ndcg@20"]
        return [self.metric] if isinstance(self.metric, str) else list(self.metric)

    @property
    def of_ratings(self) -> bool:
        """Whether the loss is an error of ratings."""
        return isinstance(self.loss, str) and self.loss in RATING_ERRORS

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
        return [f.name for f in fields(cls) if f.name != "given"]

    def to_dict(self) -> dict[str, Any]:
        """A form that can be written as JSON; objects of the caller's own are there by name."""
        return {name: as_json(getattr(self, name)) for name in self.names()}


def _loss(name: str, value: object) -> object:
    if isinstance(value, str) or (callable(value) and not isinstance(value, type)):
        return value
    return instance(name, value, "sampler", "a name, a function of positive and negative scores, or an objective")


def _negatives(name: str, value: object) -> object:
    if value is None or isinstance(value, str):
        return value
    return instance(name, value, "draw", "a name or an object with the method draw(users, k, seed)")


def _metric(name: str, value: object) -> object:
    several = isinstance(value, Sequence) and len(value) > 0 and all(isinstance(one, str) and one for one in value)
    if value is not None and not several:
        raise InputError(f"{name} must be a name or a list of names, got {value!r}.")
    return value if value is None or isinstance(value, str) else list(value)  # type: ignore[call-overload]


def _credit(name: str, value: object) -> object:
    if value is not None and not isinstance(value, Credit):
        raise InputError(f"{name} must be a graphrec.training.credit.Credit, got {type(value).__name__}.")
    return value


def _schedule(name: str, value: Any) -> object:
    if value is not None:
        Schedule.of(value)  # refuses what is none, before anything is built
    return value


def _fanout(name: str, value: object) -> object:
    if value is None:
        return None
    several = [value] if isinstance(value, int | np.integer) else value
    if isinstance(several, str) or not isinstance(several, Sequence) or not several:
        raise InputError(f"{name} must be a number of neighbours or a list of them, one for each hop, got {value!r}.")
    counts = [-1 if type(one) is not bool and one == -1 else whole(f"{name} (of a hop; -1 for all)", one) for one in several]
    return counts if several is value else counts[0]


def _device(name: str, value: object) -> str:
    return str(value) if isinstance(value, torch.device) else word(name, value)


def _groups(name: str, value: object) -> dict[str, Any]:
    groups = {part: table(f"{name}[{part!r}]", settings) for part, settings in table(name, value).items()}
    for part, settings in groups.items():
        for option, one in settings.items():
            if option in ("lr", "weight_decay", "optimizer"):
                settings[option] = _CHECKS[option](f"{option} of {name}[{part!r}]", one)
    return groups


_CHECKS: dict[str, Callable[[str, Any], object]] = {
    "loss": _loss,
    "loss_options": table,
    "negatives": _negatives,
    "n_negatives": whole,
    "shared_negatives": check_flag,
    "popularity_power": number,
    "log_q": check_flag,
    "credit": _credit,
    "pairs": partial(word, known=("user", "interaction")),
    "saturated": partial(word, known=("error", "skip")),
    "epochs": whole,
    "batch_size": whole,
    "hogwild": check_flag,
    "lr": partial(number, above_zero=True),
    "l2": number,
    "weight_decay": number,
    "optimizer": word,
    "parameter_groups": _groups,
    "schedule": _schedule,
    "seed": lambda name, value: check_seed(value),
    "eval_every": whole,
    "metric": _metric,
    "patience": lambda name, value: None if value is None else whole(name, value),
    "min_delta": number,
    "device": _device,
    "precision": lambda name, value: None if value is None else word(name, value, known=("bf16", "fp16")),
    "fanout": _fanout,
    "progress": check_flag,
}


def _is_default(name: str, value: object) -> bool:
    default = FitOptions.__dataclass_fields__[name]
    plain = default.default_factory() if callable(default.default_factory) else default.default
    return value is plain or (type(value) is type(plain) and value == plain)
