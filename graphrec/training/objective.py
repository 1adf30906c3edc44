"""What every objective is, and what those of the library have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from graphrec import losses
from graphrec.data.interactions import Interactions
from graphrec.distributed.reduction import Reduction
from graphrec.errors import InputError
from graphrec.graph.neighbourhood import Neighbourhood
from graphrec.models.base import Model, Step, encoding_of
from graphrec.models.encoding import Encoding, Gathered
from graphrec.sampling.negatives import READS
from graphrec.training.options import FitOptions
from graphrec.training.terms import COLUMNS, AlignedRows, Terms, check_gradient, check_terms, total
from graphrec.training.unread import name_of, refuse_unread

__all__ = ["SAMPLED", "BuiltIn", "Objective"]

SAMPLED = frozenset().union(*READS.values())
"""Options of one or another way to draw negatives."""


class Objective(Protocol):
    """An objective of one's own, for ``loss=``: the batches it wants and what it makes of them.

    It makes its own batches and so reads none of the options of batches, negatives and penalties; the trainer takes the
    steps, looks at validation and keeps checkpoints as ever. A model's own further losses are the objective's to add::

        encoding = model.encode()
        …
        return {"loss": value, **model.auxiliary(Step(encoding, None, batch, epoch=1))}
    """

    def sampler(self, train: Interactions, generator: torch.Generator) -> Iterable[Any]:
        """Batches of one epoch, anew at each iteration.

        A batch may be anything; one with a method ``to(device)`` is brought to the model's device. What is random must come
        from `generator` alone: then trainings repeat and resume. What changes besides is kept in checkpoints by the methods
        ``state_dict`` and ``load_state_dict``, if there are any. Schedules of the learning rate need the ``len`` of batches.
        """
        ...

    def __call__(self, model: Model, batch: Any) -> Tensor | Mapping[str, Tensor]:
        """The scalar to be minimised, or several by name: their sum is, and each but ``"loss"`` has a column in the history.

        An objective with a true attribute ``takes_steps`` moves the model's parameters here by itself, say to where the
        scalar is least; it is called without gradients, no optimiser takes a step, and the scalar is what it has reached.
        """
        ...


class BuiltIn:
    """What all objectives share: the bound loss, the terms beside it, and what is checked of them in the first step.

    Attributes
    ----------
    reads : frozenset of str
        Options of batches, negatives and penalties that this kind of objective may read; :meth:`reads_of` knows which of
        them it does beside the others. What every training reads (epochs, lr, seed, …) is not among them.
    reads_ratings : bool
        Whether the training table's ratings make a difference to it.
    reads_weights : bool
        Whether its weights do.
    reads_order : bool
        Whether the order of the table's rows makes a difference to it, to its rounding for one.
    scores : int
        How many tensors the loss is given.
    by_rows : bool
        Whether a step reads the rows of the batch's users, items and negatives, and nothing else of a model's tables.
    by_columns : bool
        Whether all that a step makes of a model's rows are their scores and their penalty, see :class:`Reduction`.
    by_pairs : bool
        Whether the scores of a batch are those of its pairs, and of each pair's own negatives, so that they can be computed in
        parts, see :meth:`Reduction.share`.
    takes_steps : bool
        Whether it moves the parameters by itself, without an optimiser.
    neighbourhood : Neighbourhood or None
        What was drawn for the batch at hand; None for the whole graph.
    """

    reads: ClassVar[frozenset[str]] = frozenset()
    reads_ratings: ClassVar[bool] = False
    reads_weights: ClassVar[bool] = False
    reads_order: bool = False
    scores: ClassVar[int] = 2
    by_rows: ClassVar[bool] = False
    by_columns: ClassVar[bool] = False
    by_pairs: ClassVar[bool] = False
    takes_steps: bool = False

    def __init__(self, options: FitOptions, loss: Any) -> None:
        self.options = options
        self.loss = loss
        self.reduction = Reduction()
        self.neighbourhood: Neighbourhood | None = None
        self._log_q: Tensor | None = None
        self._fresh = True
        refuse_unread(options, self.reads_of(options.loss, options.negatives))
        self._check_arguments()

    @classmethod
    def reads_of(cls, loss: Any, negatives: Any) -> frozenset[str]:
        """The options that are read with this loss and these negatives."""
        sampled = READS.get(negatives, SAMPLED) if isinstance(negatives, str) else READS["own"]
        reads = cls.reads - (SAMPLED - sampled)
        softmax = loss in ("softmax", "shared_softmax", losses.softmax)
        corrected = softmax and isinstance(negatives, str) and negatives != "hardest"
        return reads if corrected else reads - {"log_q"}

    def sampler(self, train: Interactions, generator: torch.Generator) -> Iterable[Any]:
        """Batches of one epoch, anew at each iteration."""
        raise NotImplementedError

    def terms(self, model: Model, batch: Any, epoch: int = 1) -> Terms:
        """The loss and what is added to it, by name: ``loss``, ``l2`` and the model's own."""
        raise NotImplementedError

    def __call__(self, model: Model, batch: Any, epoch: int = 1) -> Tensor:
        """The scalar to be minimised."""
        return total(self.terms(model, batch, epoch))

    def _check_arguments(self) -> None:
        """Whether the loss takes its tensors and the options named for it, before anything is trained."""
        try:
            inspect.signature(self.loss).bind(*[None] * self.scores, **self.options.loss_options)
        except TypeError as error:
            raise InputError(
                f"loss_options {self.options.loss_options} do not suit the loss {name_of(self.loss)}, which is called with "
                f"{self.scores} tensors and these: {error}."
            ) from None
        except ValueError:
            return  # a function of C without a signature; the first step will tell
        for name, value in self.options.loss_options.items() if isinstance(self.options.loss, str) else ():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(f"loss_options[{name!r}] of the loss {self.options.loss} must be a number, got {value!r}.")

    def _encode(self, model: Model) -> Encoding:
        encoding = model.encode() if self.neighbourhood is None else model.encode_sampled(self.neighbourhood)
        return encoding_of(model, encoding) if self._fresh else encoding

    def _loss(
        self,
        *scores: Tensor | losses.Product,
        credit: Tensor | None = None,
        negatives: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """The bound loss; `negatives` are the items behind the negative scores, for the correction by log q.

        With `weights` it is a weighted mean over the batch, and is multiplied by their mean: a batch that weighs more than
        others counts for more.
        """
        loss = self.loss if credit is None else losses.partial_credit(self.loss, credit)
        options = self.options.loss_options
        if self._log_q is not None and negatives is not None:
            self._log_q = self._log_q.to(negatives.device)  # copied once
            options = {**options, "log_q": self._log_q[negatives]}
        if weights is not None:
            options = {**options, "weight": weights}
        own = self._fresh and not isinstance(self.options.loss, str) and isinstance(scores[0], Tensor)
        # A function of the caller's own is watched in its first step.
        with AlignedRows(f"the loss {name_of(self.loss)}", len(scores[0])) if own else nullcontext():
            value: Tensor = loss(*scores, **options)
        return value if weights is None else value * weights.mean()

    def _looked(
        self, model: Model, encoding: Encoding, users: Tensor, items: Tensor, score: Callable[[Tensor, Tensor], Sequence[Any]]
    ) -> tuple[Gathered, Sequence[Any], Tensor | None]:
        """Rows, their scores and their penalty, whole though each of several processes may have some columns only."""
        return self.reduction.scores(encoding, users, items, score, model.penalty if self.options.l2 else None)

    def _with_extras(self, value: Tensor, model: Model, step: Step, penalty: Tensor | None = None) -> Terms:
        terms = {"loss": value}
        if penalty is not None:
            terms["l2"] = self.options.l2 * penalty
        extra = model.auxiliary(step)
        if self._fresh:
            who = f"the loss {name_of(self.loss)}"
            check_terms(terms, who)
            check_gradient({"loss": value}, who)
            check_terms(extra, f"{type(model).__name__}.auxiliary()", COLUMNS)
            self._fresh = False
        return terms | extra if extra else terms  # type: ignore[operator]
