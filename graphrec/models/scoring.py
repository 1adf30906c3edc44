"""A model made ready for ranking: the item side computed, nothing left that training or another thread could change."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.encoding import Rows

__all__ = [
    "Addends",
    "Cosines",
    "DotProduct",
    "Likeness",
    "MadeOnce",
    "People",
    "Scoring",
    "Sums",
    "TableScoring",
    "Tables",
    "addends_of",
    "as_evaluated",
    "cosines",
    "longest_row",
    "score_all_pairs",
]

Likeness = Callable[[Tensor], Tensor]
People: TypeAlias = "Callable[[sparse.csr_matrix], Tensor]"
AnyModule = TypeVar("AnyModule", bound=nn.Module)
Question = TypeVar("Question")


@dataclass(frozen=True)
class Addends:
    """What the scores of some people are sums of: their own numbers and a dot product of rows.

    A wide product rounds a score in a way that depends on what stands beside it. From these, each score can be computed by
    itself, so that equal rows have equal scores and nobody's list depends on who else is asked.

    Attributes
    ----------
    base : Tensor of float32, shape (b, n_items), or None
        What is known of each item beside the product.
    left, right : Tensor of float32, shapes (b, d) and (n_items, d)
    longest : float
        Length of the longest row of `right`.
    """

    base: Tensor | None
    left: Tensor
    right: Tensor
    longest: float

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, people: Any) -> Addends:
        return Addends(None if self.base is None else self.base[people], self.left[people], self.right, self.longest)


class Scoring(Protocol):
    """What a ranking asks of a model. Every method may be called by several threads at once and changes nothing.

    Where scores are made by products over many people at once, it also has a method ``addends(rows)``, from rows of
    :meth:`users` to :class:`Addends`, or to None where there are none of these rows.

    Attributes
    ----------
    device : torch.device
        Where indices are expected and scores come out.
    whole_rows : bool
        Whether scoring all items at once costs less than scoring them in blocks.
    """

    device: torch.device
    whole_rows: bool

    def users(self, index: Tensor) -> Tensor:
        """What is known of some users: (b,) of int64 to (b, …)."""
        ...

    def people(self, histories: sparse.csr_matrix) -> Tensor:
        """The same for people who were not there in training, from what they have met, shape (b, n_items)."""
        ...

    def scores(self, rows: Tensor, items: slice | Tensor) -> Tensor:
        """Scores of rows of :meth:`users` with a range or a list of m items, float32, shape (b, m)."""
        ...

    def pairs(self, rows: Tensor, items: Tensor) -> Tensor:
        """Scores of each row with its own items, (b, k) of int64, shape (b, k)."""
        ...

    def finite(self, rows: Tensor) -> bool:
        """Whether every score of these rows is known beforehand to be a finite number; otherwise each is looked at."""
        ...

    def similarity(self, index: Tensor) -> Tensor:
        """Similarity of some items to all, shape (b, n_items)."""
        ...


def addends_of(asked: object, rows: Any) -> Addends | None:
    """What a :class:`Scoring`, or a function from items to similarities, says that its scores are sums of; None if nothing."""
    told = getattr(asked, "addends", None)
    found: Addends | None = None if told is None else told(rows)
    return found


class Tables(NamedTuple):
    """The rows of all users (n_users, d) and items (n_items, d), and whether their dot product is the score."""

    users: Tensor
    items: Tensor
    dot_product: bool


class Sums(NamedTuple):
    """Scores that are sums of rows of a sparse matrix, s_u = Σ x_ui S_i over what user u has met; arrays on the host.

    Attributes
    ----------
    user_indptr, user_items, user_values : ndarray of int64 (n + 1,), int64 (nnz,) and float32 (nnz,) or (0,)
        X in compressed rows, shape (n, n_items). Without values all x_ui are 1.
    indptr, indices, values : ndarray of int64 (n_items + 1,), integers (nnz,) and float32 (nnz,)
        S in compressed rows, shape (n_items, n_items).
    """

    user_indptr: npt.NDArray[np.int64]
    user_items: npt.NDArray[np.int64]
    user_values: npt.NDArray[np.float32]
    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.integer[Any]]
    values: npt.NDArray[np.float32]


class DotProduct:
    """Two rows are scored by their dot product.

    Attributes
    ----------
    dot_product : bool
        False in a class that overrides it by another score.
    """

    dot_product: bool = True

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Scores of paired rows.

        Parameters
        ----------
        u, v : Tensor, shapes (..., d)
            Rows of users and of items; leading axes broadcast.

        Returns
        -------
        Tensor, shape (...)
        """
        return (u * v).sum(-1)

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Scores of every user row with every item row.

        Parameters
        ----------
        u : Tensor, shape (b, d)
        items : Tensor, shape (m, d)

        Returns
        -------
        Tensor, shape (b, m)
        """
        return u @ items.T


_PAIRED = 1 << 24  # numbers in the rows of pairs that are scored at once, 64 MB


def score_all_pairs(scorer: DotProduct, u: Tensor, items: Tensor) -> Tensor:
    """Scores of every user row with every item row by a `score` of pairs: right for any, and slower than one of its own.

    Parameters
    ----------
    scorer : DotProduct
    u : Tensor, shape (b, d)
    items : Tensor, shape (m, d)

    Returns
    -------
    Tensor, shape (b, m)
    """
    b, m = len(u), len(items)
    at_once = max(1, _PAIRED // max(1, m * u.shape[1]))
    parts = [scorer.score(rows.repeat_interleave(m, 0), items.repeat(len(rows), 1)) for rows in torch.split(u, at_once)]
    scores = torch.cat(parts)
    if scores.shape != (b * m,):
        name = type(scorer).__name__
        raise InputError(f"{name}.score() must return a score for each of {b * m} pairs of rows, got {tuple(scores.shape)}.")
    return scores.view(b, m)


class TableScoring:
    """Scores made of a row of the user and a row of the item; the items' rows lie ready.

    Parameters
    ----------
    scorer : DotProduct
        Or what overrides its two methods, such as a model; in evaluation mode for good.
    users : Rows
    items : Tensor, shape (n_items, d)
    likeness : callable
        Makes the function from item indices (b,) to similarities (b, n_items); called when it is first needed.
    people : callable
        From histories to rows of users.
    """

    whole_rows = False

    def __init__(
        self,
        scorer: DotProduct,
        users: Rows,
        items: Tensor,
        likeness: Callable[[], Likeness],
        people: Callable[[sparse.csr_matrix], Tensor],
    ) -> None:
        self.device = items.device
        self._scorer, self._users, self._items = scorer, users, items
        # |u · v| ≤ ‖u‖ ‖v‖: far from overflow, finite rows have finite scores.
        self._longest = longest_row(items) if scorer.dot_product and len(items) else math.inf
        self.similarity = MadeOnce(likeness)
        self._people = people

    def users(self, index: Tensor) -> Tensor:
        """Rows (b, d)."""
        return self._users.rows(index)

    def tables(self) -> Tables:
        """All rows that scores are made of; those of users are computed if they are made of histories."""
        return Tables(self._users.full(), self._items, self._scorer.dot_product)

    def people(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows (b, d) of people who were not there in training."""
        return self._people(histories)

    def addends(self, rows: Tensor) -> Addends | None:
        """The rows themselves where the score is their dot product."""
        plain = self._scorer.dot_product and rows.dtype == self._items.dtype == torch.float32
        return Addends(None, rows, self._items, self._longest) if plain else None

    def scores(self, rows: Tensor, items: slice | Tensor) -> Tensor:
        """Scores (b, m)."""
        return self._scorer.score_all(rows, self._items[items]).float()

    def finite(self, rows: Tensor) -> bool:
        """Where the score is a dot product: whether the rows are short enough."""
        return math.isfinite(self._longest) and float(torch.linalg.vector_norm(rows, dim=1).max()) * self._longest < 1e37

    def pairs(self, rows: Tensor, items: Tensor) -> Tensor:
        """Scores (b, k)."""
        return self._scorer.score(rows[:, None], F.embedding(items, self._items)).float()


class MadeOnce(Generic[Question]):
    """A function that is made when it is first called; many rankings never ask for it."""

    def __init__(self, make: Callable[[], Callable[[Question], Tensor]]) -> None:
        self._make = make
        self._made: Callable[[Question], Tensor] | None = None

    def __call__(self, question: Question) -> Tensor:
        return self.made(question)

    @property
    def made(self) -> Callable[[Question], Tensor]:
        """The function itself."""
        if self._made is None:  # two threads may both make it: they make the same
            self._made = self._make()
        return self._made


class Cosines:
    """The function from item indices to the cosines of their rows (n_items, d) with all rows.

    Parameters
    ----------
    rows : Tensor, shape (n_items, d)
    """

    def __init__(self, rows: Tensor) -> None:
        self._unit = F.normalize(rows.detach(), dim=1)
        self._longest = longest_row(self._unit)

    def __call__(self, index: Tensor) -> Tensor:
        return self._unit[index] @ self._unit.T

    def addends(self, index: Tensor) -> Addends | None:
        """As of :class:`Scoring`, for items."""
        plain = self._unit.dtype == torch.float32
        return Addends(None, self._unit[index], self._unit, self._longest) if plain else None


def cosines(rows: Tensor) -> Likeness:
    """See :class:`Cosines`."""
    return Cosines(rows)


def longest_row(rows: Tensor) -> float:
    """Length of the longest row (n, d); 0 of none."""
    return float(torch.linalg.vector_norm(rows.detach(), dim=1).max()) if len(rows) else 0.0


def as_evaluated(module: AnyModule) -> AnyModule:
    """The same parameters and buffers in modules of their own, which are in evaluation mode.

    A ranking must see no dropout whatever mode the caller's model is in, and must not change that mode under a
    training or another thread. The tensors are shared, not copied.

    Parameters
    ----------
    module : torch.nn.Module

    Returns
    -------
    torch.nn.Module
        Of the same class.
    """
    view = copy.copy(module)
    view._parameters, view._buffers = dict(module._parameters), dict(module._buffers)
    view._modules = {name: None if inner is None else as_evaluated(inner) for name, inner in module._modules.items()}
    view.training = False
    return view
