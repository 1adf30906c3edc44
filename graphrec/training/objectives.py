"""From a batch to the number that is minimised: which rows a loss looks at, and how they are scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec import losses
from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.models.base import Model, Step
from graphrec.sampling import PairBatch, PairSampler, UserBatch, UserSampler
from graphrec.training.in_batch import without_own
from graphrec.training.objective import SAMPLED, BuiltIn
from graphrec.training.options import FitOptions
from graphrec.training.terms import COLUMNS, Terms, check_gradient, check_terms
from graphrec.training.unread import name_of

__all__ = ["Alignment", "kind_of", "objective", "reads"]

_FEW = 32  # pairs of a batch that may be all of one item, which leaves no negatives
_OF_THE_OPTIMISER = ("lr", "optimizer", "weight_decay", "parameter_groups", "schedule", "precision")


def kind_of(loss: Any) -> type[BuiltIn]:
    """How a value of the option ``loss`` is trained."""
    if callable(getattr(loss, "sampler", None)):
        return Own
    if callable(loss):
        return Pairwise
    for kind, names in _KINDS.items():
        if loss in names:
            return kind
    raise unknown_name("loss", loss, [name for names in _KINDS.values() for name in names])


def reads(what: Literal["ratings", "weights"], loss: Any) -> bool:
    """Whether a value of the option ``loss`` reads a table's ratings or weights; a loss of one's own may say it for itself."""
    return bool(getattr(loss, f"reads_{what}", getattr(kind_of(loss), f"reads_{what}")))


def objective(options: FitOptions) -> BuiltIn:
    """The objective that an option ``loss`` asks for.

    Raises
    ------
    InputError
        No loss has this name, an option was given that it does not read, or its further arguments do not suit it.
    """
    loss = options.loss
    return kind_of(loss)(options, getattr(losses, loss) if isinstance(loss, str) else loss)


class Pairwise(BuiltIn):
    """A positive against negatives: ``loss(pos (b,), neg (b, k))``.

    Positives come up in proportion to their weights instead of having their losses multiplied by them: the expected loss is
    the same, and no heavy pair makes a step that is larger than all others (Zhao and Zhang, ICML 2015; Needell et al., NIPS
    2014).
    """

    reads = frozenset({"loss_options", "negatives", "log_q", "credit", "pairs", "batch_size", "l2", "fanout"}) | SAMPLED
    reads_weights = True
    by_rows = True
    by_columns = True
    by_pairs = True

    def __init__(self, options: FitOptions, loss: Any) -> None:
        super().__init__(options, loss)
        if options.negatives is None:
            raise InputError(f"the loss {name_of(loss)!r} needs negatives, and negatives=None draws none.")
        if options.negatives == "hardest" and options.n_negatives == 1:
            raise InputError("negatives='hardest' keeps the hardest of n_negatives, which is 1: give more of them.")
        if isinstance(loss, nn.Module) and any(parameter.requires_grad for parameter in loss.parameters()):
            raise InputError(f"the loss {name_of(loss)} has parameters, which would not be trained; only the model's are.")

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        o = self.options
        if o.credit is not None and len(o.credit.codes) != train.n_items:
            raise InputError(f"credit describes {len(o.credit.codes):,} items and the training table has {train.n_items:,}.")
        if o.negatives == "in-batch" and (o.batch_size == 1 or bool((train.items == train.items[0]).all())):
            why = "batch_size=1" if o.batch_size == 1 else "all pairs of train are of one item"
            raise InputError(f"negatives='in-batch' are the other items of a batch, and there are none: {why}.")
        sampler = PairSampler(
            train,
            o.batch_size,
            pairs=o.pairs,
            negatives=None if o.negatives == "in-batch" else o.negatives,
            n_negatives=o.n_negatives,
            shared=o.shared_negatives,
            popularity_power=o.popularity_power,
            saturated=o.saturated,
            weighted=True,
            generator=generator,
        )
        self._log_q = sampler.log_q if o.log_q else None
        return sampler

    def terms(self, model: Model, batch: PairBatch, epoch: int = 1) -> Terms:
        """See :class:`BuiltIn`."""
        encoding = self._encode(model)
        mine = self.reduction.share(batch)
        negatives, own = mine.negatives, len(mine.users)
        items = mine.items if negatives is None else torch.cat([mine.items, negatives.reshape(-1)])
        place = None
        if negatives is not None and negatives.ndim == 2 and self._may_share(model, len(items)):
            items, place = _distinct(items, model.n_items)

        def score(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
            if place is not None and negatives is not None:
                left = torch.arange(own, device=place.device)
                neg = model.score_pairs(u, v, left.repeat_interleave(negatives.shape[1]), place[own:])
                return model.score_pairs(u, v, left, place[:own]), neg.view(negatives.shape)
            pos = model.score(u, v[:own])
            if negatives is None:
                return pos, model.score_all(u, v)
            if negatives.ndim == 1:
                return pos, model.score_all(u, v[own:])
            return pos, model.score(u[:, None], v[own:].view(*negatives.shape, v.shape[-1]))

        rows, (pos, neg), penalty = self._looked(model, encoding, mine.users, items, score)
        b = len(batch.users)
        if batch.negatives is None:
            if b < _FEW and bool((batch.items == batch.items[0]).all()):  # the last batch of an epoch, mostly
                return self._with_extras(pos.sum() * 0.0, model, Step(encoding, rows, batch, epoch), penalty)
            neg = without_own(neg, batch.items, in_place=model.dot_product and self.reduction.whole)
        drawn, credit = batch.items if batch.negatives is None else batch.negatives, None
        step = Step(encoding, rows, batch, epoch, None if batch.negatives is None else (pos, neg))
        if self.options.credit is not None:
            credit = self.options.credit.between(batch.items, drawn)
        if self.options.negatives == "hardest":
            neg, place = neg.max(dim=1, keepdim=True)
            credit = None if credit is None else credit.gather(1, place)
        if self._fresh and (pos.shape != (b,) or neg.ndim != 2 or len(neg) != b):
            raise InputError(
                f"{type(model).__name__} must score {b} pairs by a tensor of shape ({b},) and their negatives by ({b}, k); "
                f"got {tuple(pos.shape)} and {tuple(neg.shape)}."
            )
        return self._with_extras(self._loss(pos, neg, credit=credit, negatives=drawn), model, step, penalty)

    def _may_share(self, model: Model, asked: int) -> bool:
        """Whether each distinct item is looked up once: more are asked for than there are, and nothing else reads the rows.

        A penalty counts a row as often as it occurs, and a further loss of the model's may look at the rows by their places.
        """
        by_scores = model.extras_by_scores or type(model).auxiliary is Model.auxiliary
        return asked > model.n_items and model.dot_product and not self.options.l2 and by_scores


def _distinct(items: Tensor, n_items: int) -> tuple[Tensor, Tensor]:
    """The distinct ones of many items, rising, and the place of each item among them; without a sort."""
    met = torch.zeros(n_items, dtype=torch.bool, device=items.device)
    met[items] = True
    return met.nonzero()[:, 0], (met.cumsum(0) - 1)[items]


class Rating(BuiltIn):
    """Predicted against given ratings: ``loss(prediction (b,), rating (b,))``, each error times the weight of its row."""

    reads_order = True  # an epoch shuffles the rows as they stand
    reads = frozenset({"loss_options", "batch_size", "l2", "fanout"})
    reads_ratings = True
    reads_weights = True
    by_rows = True
    by_columns = True
    by_pairs = True

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        if train.ratings is None:
            raise InputError(f"the loss {self.loss.__name__!r} needs ratings, and the training table has none.")
        return PairSampler(
            train,
            self.options.batch_size,
            pairs="interaction",
            negatives=None,
            with_ratings=True,
            weighted=True,
            generator=generator,
        )

    def terms(self, model: Model, batch: PairBatch, epoch: int = 1) -> Terms:
        """See :class:`BuiltIn`."""
        encoding = self._encode(model)
        assert batch.ratings is not None
        mine = self.reduction.share(batch)
        rows, (predicted,), penalty = self._looked(model, encoding, mine.users, mine.items, lambda u, v: (model.score(u, v),))
        loss = self._loss(predicted, batch.ratings, weights=batch.weights)
        return self._with_extras(loss, model, Step(encoding, rows, batch, epoch), penalty)


class Rowwise(BuiltIn):
    """Whole rows of scores against the pairs that occur: ``loss(scores (b, n_items), ones or zeros (b, n_items))``.

    A pair with a weight has that in place of one: counts, as the likelihood takes them.
    """

    reads = frozenset({"loss_options", "batch_size"})
    reads_weights = True

    def sampler(self, train: Interactions, generator: torch.Generator) -> UserSampler:
        return UserSampler(train, self.options.batch_size, negatives=None, weighted=self.reads_weights, generator=generator)

    def terms(self, model: Model, batch: UserBatch, epoch: int = 1) -> Terms:
        """See :class:`BuiltIn`."""
        encoding = self._encode(model)
        scores = model.score_all(encoding.users.rows(batch.users), encoding.items.full())
        target = torch.zeros_like(scores)
        target[batch.owner, batch.items] = self._values(batch)
        return self._with_extras(self._loss(scores, target), model, Step(encoding, None, batch, epoch))

    def _values(self, batch: UserBatch) -> Tensor | float:
        return 1.0 if batch.weights is None else batch.weights


class Reconstruction(Rowwise):
    """Whole rows of scores against the ratings: as :class:`Rowwise`, with the rating of each pair in place of one."""

    reads_ratings = True
    reads_weights = False

    def _values(self, batch: UserBatch) -> Tensor | float:
        return 1.0 if batch.ratings is None else batch.ratings


class SharedNegatives(BuiltIn):
    """All items of a batch of users against negatives that the batch shares.

    ``loss(pos (nnz,), owner (nnz,), neg (b, m))``, with the weights of the items where they do not all count alike.
    """

    reads_weights = True
    reads = frozenset({"loss_options", "negatives", "n_negatives", "popularity_power", "log_q", "batch_size", "l2", "fanout"})
    by_rows = True
    by_columns = True
    scores = 3

    def sampler(self, train: Interactions, generator: torch.Generator) -> UserSampler:
        o = self.options
        if o.negatives not in ("uniform", "popularity"):
            raise unknown_name("kind of shared negatives", name_of(o.negatives), ("uniform", "popularity"))
        sampler = UserSampler(
            train,
            o.batch_size,
            n_negatives=o.n_negatives,
            negatives=str(o.negatives),
            popularity_power=o.popularity_power,
            weighted=True,
            generator=generator,
        )
        self._log_q = sampler.log_q if o.log_q else None
        return sampler

    def terms(self, model: Model, batch: UserBatch, epoch: int = 1) -> Terms:
        """See :class:`BuiltIn`."""
        encoding = self._encode(model)
        assert batch.negatives is not None
        # Many users share an item: each distinct one is encoded once.
        assert batch.distinct is not None
        assert batch.position is not None
        positive, negative = batch.position[: len(batch.items)], batch.position[len(batch.items) :]

        def score(u: Tensor, v: Tensor) -> tuple[Tensor, Tensor | losses.Product]:
            return model.score_pairs(u, v, batch.owner, positive), model.score_matrix(u, F.embedding(negative, v))

        rows, (pos, neg), penalty = self._looked(model, encoding, batch.users, batch.distinct, score)
        loss = self._loss(pos, batch.owner, neg, negatives=batch.negatives, weights=batch.weights)
        return self._with_extras(loss, model, Step(encoding, rows, batch, epoch), penalty)


class Alignment(BuiltIn):
    """Positive pairs only, as rows: ``loss(users (b, d), items (b, d))``; they come up in proportion to their weights."""

    reads = frozenset({"loss_options", "pairs", "batch_size", "l2", "fanout"})
    reads_weights = True
    by_rows = True

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        o = self.options
        return PairSampler(train, o.batch_size, pairs=o.pairs, negatives=None, weighted=True, generator=generator)

    def terms(self, model: Model, batch: PairBatch, epoch: int = 1) -> Terms:
        """See :class:`BuiltIn`."""
        encoding = self._encode(model)
        rows = encoding.gather(batch.users, batch.items)
        penalty = model.penalty(rows) if self.options.l2 else None
        return self._with_extras(self._loss(rows.users, rows.items), model, Step(encoding, rows, batch, epoch), penalty)


class Own(BuiltIn):
    """An objective of the caller's own, see :class:`Objective`: `loss` is that object."""

    reads_ratings = reads_weights = True  # it sees the table, and may

    def __init__(self, options: FitOptions, loss: Any) -> None:
        super().__init__(options, loss)
        self.takes_steps = bool(getattr(loss, "takes_steps", False))
        self.reads_order = bool(getattr(loss, "reads_order", True))  # it sees the table, and may
        for name in _OF_THE_OPTIMISER if self.takes_steps else ():
            if name in (options.given or ()) and getattr(options, name):
                raise InputError(
                    f"{name} is about steps along a gradient, and {name_of(loss)} takes its steps by itself; leave it out."
                )

    def _check_arguments(self) -> None:
        if not callable(self.loss):
            name = type(self.loss).__name__
            raise InputError(f"the objective {name} must be callable: objective(model, batch) gives what is minimised.")

    def sampler(self, train: Interactions, generator: torch.Generator) -> Iterable[Any]:
        """See :class:`Objective`."""
        batches: Iterable[Any] = self.loss.sampler(train, generator)
        return batches

    def terms(self, model: Model, batch: Any, epoch: int = 1) -> Terms:
        """What the object returns, with a name."""
        given = self.loss(model, batch)
        terms = dict(given) if isinstance(given, Mapping) else {"loss": given}
        if self._fresh:
            who = f"the objective {name_of(self.loss)}"
            check_terms(terms, who, COLUMNS - {"loss", "l2"})
            if not self.takes_steps:
                check_gradient(terms, who)
            self._fresh = False
        return terms


_KINDS: dict[type[BuiltIn], tuple[str, ...]] = {
    Pairwise: losses.PAIRWISE,
    Rating: losses.POINTWISE,
    Rowwise: ("multinomial",),
    Reconstruction: ("masked_mse",),
    SharedNegatives: losses.SHARED,
    Alignment: losses.EMBEDDING,
}
