"""From a batch to the number that is minimised: which rows a loss looks at, and how they are scored."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec import losses
from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.graph.row_sparse import NodeIndex
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Gathered
from graphrec.sampling import PairBatch, PairSampler, UserBatch, UserSampler
from graphrec.training.options import FitOptions

__all__ = ["Objective", "objective"]

Batch = PairBatch | UserBatch


class Objective(Protocol):
    """How one loss is trained: the batches it wants and what it makes of them."""

    def sampler(self, train: Interactions, generator: torch.Generator) -> Iterable[Any]:
        """Batches of one epoch, anew at each iteration."""
        ...

    def __call__(self, model: Model, batch: Any) -> Tensor:
        """The scalar to be minimised."""
        ...


def objective(options: FitOptions) -> Objective:
    """The objective that an option ``loss`` names; a callable counts as a pairwise loss."""
    if callable(options.loss):
        return Pairwise(options, options.loss)
    name = options.loss
    for kind, names in _KINDS.items():
        if name in names:
            if options.credit is not None and kind is not Pairwise:
                raise InputError(
                    f"credit is for negatives of pairwise losses ({', '.join(losses.PAIRWISE)}), not for {name!r}."
                )
            return kind(options, getattr(losses, name))
    raise unknown_name("loss", name, [name for names in _KINDS.values() for name in names])


class _Objective:
    """What all objectives share: the bound loss, and the terms beside it."""

    def __init__(self, options: FitOptions, loss: Callable[..., Tensor]) -> None:
        self.options = options
        self.loss = loss
        if options.log_q and (loss not in (losses.softmax, losses.shared_softmax) or options.negatives == "hardest"):
            raise InputError(
                "log_q corrects the losses 'softmax' and 'shared_softmax' for how their negatives are drawn; "
                f"it does nothing for loss={getattr(loss, '__name__', loss)!r} with negatives={options.negatives!r}."
            )
        self._log_q: Tensor | None = None

    def _loss(self, *scores: Tensor | losses.Product, credit: Tensor | None = None, negatives: Tensor | None = None) -> Tensor:
        """The bound loss; `negatives` are the items behind the negative scores, for the correction by log q."""
        loss = self.loss if credit is None else losses.partial_credit(self.loss, credit)
        options = self.options.loss_options
        if self._log_q is not None and negatives is not None:
            options = {**options, "log_q": self._log_q.to(negatives.device)[negatives]}
        try:
            return loss(*scores, **options)
        except TypeError as error:
            if "argument" not in str(error):
                raise
            raise InputError(
                f"loss_options {self.options.loss_options} do not suit the loss {self.loss.__name__}: {error}."
            ) from None

    def _with_extras(self, value: Tensor, model: Model, encoding: Encoding, rows: Gathered | None, batch: Any) -> Tensor:
        if rows is not None and self.options.l2:
            value = value + self.options.l2 * model.penalty(rows)
        extra = model.auxiliary(encoding, batch.users, batch.items)
        return value if extra is None else value + extra


class Pairwise(_Objective):
    """A positive against negatives: ``loss(pos (b,), neg (b, k))``."""

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        o = self.options
        if o.credit is not None and len(o.credit.codes) != train.n_items:
            raise InputError(f"credit describes {len(o.credit.codes):,} items and the training table has {train.n_items:,}.")
        sampler = PairSampler(
            train,
            o.batch_size,
            pairs=o.pairs,
            negatives=None if o.negatives == "in-batch" else o.negatives,
            n_negatives=o.n_negatives,
            shared=o.shared_negatives,
            popularity_power=o.popularity_power,
            saturated=o.saturated,
            generator=generator,
        )
        self._log_q = sampler.log_q if o.log_q else None
        return sampler

    def __call__(self, model: Model, batch: PairBatch) -> Tensor:
        encoding = model.encode()
        b = len(batch.users)
        items = batch.items if batch.negatives is None else torch.cat([batch.items, batch.negatives.reshape(-1)])
        rows = encoding.gather(batch.users, items)
        u, v = rows.users, rows.items
        pos = model.score(u, v[:b])
        if batch.negatives is None:
            neg = _others_of_batch(model.score_all(u, v), batch.items)
        elif batch.negatives.ndim == 1:
            neg = model.score_all(u, v[b:])
        else:
            neg = model.score(u[:, None], v[b:].view(b, batch.negatives.shape[1], -1))
        drawn, credit = batch.items if batch.negatives is None else batch.negatives, None
        if self.options.credit is not None:
            credit = self.options.credit.between(batch.items, drawn)
        if self.options.negatives == "hardest":
            neg, place = neg.max(dim=1, keepdim=True)
            credit = None if credit is None else credit.gather(1, place)
        return self._with_extras(self._loss(pos, neg, credit=credit, negatives=drawn), model, encoding, rows, batch)


def _others_of_batch(scores: Tensor, items: Tensor) -> Tensor:
    """Scores (b, b) with every occurrence of a row's own positive made harmless."""
    return scores.masked_fill(items[:, None] == items[None, :], torch.finfo(scores.dtype).min)


class Rating(_Objective):
    """Predicted against given ratings: ``loss(prediction (b,), rating (b,))``."""

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        if train.ratings is None:
            raise InputError(f"the loss {self.loss.__name__!r} needs ratings, and the training table has none.")
        return PairSampler(
            train, self.options.batch_size, pairs="interaction", negatives=None, with_ratings=True, generator=generator
        )

    def __call__(self, model: Model, batch: PairBatch) -> Tensor:
        encoding = model.encode()
        rows = encoding.gather(batch.users, batch.items)
        assert batch.ratings is not None
        return self._with_extras(self._loss(model.score(rows.users, rows.items), batch.ratings), model, encoding, rows, batch)


class Rowwise(_Objective):
    """Whole rows of scores against the pairs that occur: ``loss(scores (b, n_items), ones or zeros (b, n_items))``."""

    def sampler(self, train: Interactions, generator: torch.Generator) -> UserSampler:
        return UserSampler(train, self.options.batch_size, negatives=None, generator=generator)

    def __call__(self, model: Model, batch: UserBatch) -> Tensor:
        encoding = model.encode()
        scores = model.score_all(encoding.users.rows(batch.users), encoding.items.full())
        target = torch.zeros_like(scores)
        target[batch.owner, batch.items] = self._values(batch)
        return self._with_extras(self._loss(scores, target), model, encoding, None, batch)

    def _values(self, batch: UserBatch) -> Tensor | float:
        return 1.0


class Reconstruction(Rowwise):
    """Whole rows of scores against the ratings: as :class:`Rowwise`, with the rating of each pair in place of one."""

    def _values(self, batch: UserBatch) -> Tensor | float:
        return 1.0 if batch.ratings is None else batch.ratings


class SharedNegatives(_Objective):
    """All items of a batch of users against negatives that the batch shares.

    ``loss(pos (nnz,), owner (nnz,), neg (b, m))``.
    """

    def sampler(self, train: Interactions, generator: torch.Generator) -> UserSampler:
        o = self.options
        sampler = UserSampler(
            train,
            o.batch_size,
            n_negatives=o.n_negatives,
            negatives=o.negatives,
            popularity_power=o.popularity_power,
            generator=generator,
        )
        self._log_q = sampler.log_q if o.log_q else None
        return sampler

    def __call__(self, model: Model, batch: UserBatch) -> Tensor:
        encoding = model.encode()
        assert batch.negatives is not None
        # Many users share an item: each distinct one is encoded once.
        index = NodeIndex(torch.cat([batch.items, batch.negatives]), model.n_items)
        rows = encoding.gather(batch.users, index.distinct)
        positive, negative = index.position[: len(batch.items)], index.position[len(batch.items) :]
        pos = model.score_pairs(rows.users, rows.items, batch.owner, positive)
        neg = model.score_matrix(rows.users, F.embedding(negative, rows.items))
        return self._with_extras(self._loss(pos, batch.owner, neg, negatives=batch.negatives), model, encoding, rows, batch)


class Alignment(_Objective):
    """Positive pairs only, as rows: ``loss(users (b, d), items (b, d))``."""

    def sampler(self, train: Interactions, generator: torch.Generator) -> PairSampler:
        return PairSampler(train, self.options.batch_size, pairs=self.options.pairs, negatives=None, generator=generator)

    def __call__(self, model: Model, batch: PairBatch) -> Tensor:
        encoding = model.encode()
        rows = encoding.gather(batch.users, batch.items)
        return self._with_extras(self._loss(rows.users, rows.items), model, encoding, rows, batch)


_KINDS: dict[Callable[[FitOptions, Callable[..., Tensor]], Objective], tuple[str, ...]] = {
    Pairwise: losses.PAIRWISE,
    Rating: losses.POINTWISE,
    Rowwise: ("multinomial",),
    Reconstruction: ("masked_mse",),
    SharedNegatives: losses.SHARED,
    Alignment: losses.EMBEDDING,
}
