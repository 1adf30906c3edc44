"""The contract of a model: an encoder of users and items, and how two of its rows are scored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.pair_dot import pair_dot
from graphrec.losses.log_sum_exp import Product
from graphrec.sampling import PairBatch, UserBatch

__all__ = ["ClosedForm", "Encoding", "Gathered", "Model", "Rows", "Step", "Table"]


class Rows(Protocol):
    """A look-up of representations; computing a row may be put off until it is asked for."""

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor (n,), shape (n, d)."""
        ...

    def full(self) -> Tensor:
        """All rows, shape (N, d)."""
        ...


class Table:
    """Rows that lie ready in a matrix: an embedding table is its own encoding.

    Parameters
    ----------
    weight : Tensor, shape (N, d)
    sparse : bool
        Whether the gradient of :meth:`rows` is a sparse tensor.
    """

    def __init__(self, weight: Tensor, sparse: bool = False) -> None:
        self.weight = weight
        self.sparse = sparse

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor of any shape; the result has one more axis, d."""
        # F.embedding and not weight[index]: the backward of fancy indexing is several times slower.
        return F.embedding(index, self.weight, sparse=self.sparse)

    def full(self) -> Tensor:
        """The matrix itself, shape (N, d)."""
        return self.weight


class Gathered(NamedTuple):
    """The rows one training step looks at, and the parameters (ego embeddings) they came from."""

    users: Tensor
    items: Tensor
    ego_users: Tensor
    ego_items: Tensor


class Encoding:
    """What a model makes of all users and items: two look-ups.

    Parameters
    ----------
    users, items : Rows
    ego_users, ego_items : Rows, optional
        The embeddings before propagation, for penalties on them; the encoding itself unless given.
    """

    def __init__(self, users: Rows, items: Rows, ego_users: Rows | None = None, ego_items: Rows | None = None) -> None:
        self.users = users
        self.items = items
        self._ego_users = ego_users
        self._ego_items = ego_items

    def gather(self, users: Tensor, items: Tensor) -> Gathered:
        """Both sides of a training step in one call, so that a model can share the work between them.

        Parameters
        ----------
        users : Tensor of int64, shape (b,)
        items : Tensor of int64, shape (m,)

        Returns
        -------
        Gathered
            Rows (b, d) and (m, d), before and after propagation.
        """
        u, i = self.users.rows(users), self.items.rows(items)
        return Gathered(
            u,
            i,
            u if self._ego_users is None else self._ego_users.rows(users),
            i if self._ego_items is None else self._ego_items.rows(items),
        )


class Step(NamedTuple):
    """What one training step has looked at, for a model's extra losses.

    Attributes
    ----------
    encoding : Encoding
    rows : Gathered or None
        The rows that the loss gathered: the batch's users, and its items and then its negatives, of which those over whole
        users take each distinct one once. None for a loss over whole rows of scores.
    batch : PairBatch or UserBatch
        On the model's device, with its negatives.
    epoch : int
        From 1.
    """

    encoding: Encoding
    rows: Gathered | None
    batch: PairBatch | UserBatch
    epoch: int


class Model(nn.Module):
    """Base of all models. A new model needs a constructor and :meth:`encode`.

    Parameters
    ----------
    train : Interactions
        What the model is built for; it fixes the id space and, for graph models, the graph.

    Attributes
    ----------
    defaults : dict
        Options of ``Recommender.fit`` that suit this model, used where the caller names none.
    l2_on : {"ego", "propagated"}
        Which rows :meth:`penalty` looks at.
    sparse_gradients : bool
        Whether look-ups give sparse gradients, which dense optimisers refuse.
    personalised : bool
        Whether a user without any interaction cannot be served.
    scores_whole_rows : bool
        Whether scoring all items at once costs less than scoring them in blocks.
    starting_options : tuple of str
        Options of the constructor that only say where training starts. A saved model has no need of them.
    """

    defaults: ClassVar[dict[str, Any]] = {}
    needs_training: ClassVar[bool] = True
    l2_on: str = "ego"
    sparse_gradients: bool = False
    personalised: ClassVar[bool] = True
    scores_whole_rows: ClassVar[bool] = False
    starting_options: ClassVar[tuple[str, ...]] = ()

    def __init__(self, train: Interactions) -> None:
        super().__init__()
        if not len(train):
            raise InputError(f"{type(self).__name__} cannot be built from an empty table of interactions.")
        self.n_users = train.n_users
        self.n_items = train.n_items
        # The caller's ids: what tells two id spaces of one size apart.
        self.user_ids = train.user_ids
        self.item_ids = train.item_ids

    def encode(self) -> Encoding:
        """Representations of all users and items; called once per training step and once per ranking."""
        raise NotImplementedError(f"{type(self).__name__} must define encode()")

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

    def score_pairs(self, u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Scores of listed pairs of rows, without a copy of a row for each pair where the score is the dot product.

        Parameters
        ----------
        u, v : Tensor, shapes (a, d) and (m, d)
        left, right : Tensor of int64, shape (e,)
            Rows of `u` and of `v`.

        Returns
        -------
        Tensor, shape (e,)
        """
        if type(self).score is Model.score:
            return pair_dot(u, v, left, right)
        return self.score(F.embedding(left, u), F.embedding(right, v))

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

    def score_matrix(self, u: Tensor, items: Tensor) -> Tensor | Product:
        """:meth:`score_all` for a loss: the product is left to the loss where the score is the dot product."""
        return Product(u, items) if type(self).score_all is Model.score_all else self.score_all(u, items)

    def penalty(self, rows: Gathered) -> Tensor:
        """Half the squared norm of the looked-at rows, per example: ½‖·‖² / b (LightGCN, eq. 15).

        Parameters
        ----------
        rows : Gathered
            One training step's rows; with b users and (1 + k)·b items every row counts once.

        Returns
        -------
        Tensor, scalar
        """
        u, i = (rows.ego_users, rows.ego_items) if self.l2_on == "ego" else (rows.users, rows.items)
        return (u.square().sum() + i.square().sum()) / (2 * len(u))

    def auxiliary(self, step: Step) -> Mapping[str, Tensor]:
        """Further losses of a training step (contrastive views and the like).

        Parameters
        ----------
        step : Step

        Returns
        -------
        mapping of str to Tensor, scalars
            Added to the loss, weighted as they are; each has a column of its own in the history. None unless overridden.
        """
        return {}

    def item_similarity(self, index: Tensor) -> Tensor:
        """Similarity of some items to all: cosine of their rows unless a model knows better.

        Parameters
        ----------
        index : Tensor of int64, shape (b,)

        Returns
        -------
        Tensor, shape (b, n_items)
        """
        rows = F.normalize(self.encode().items.full(), dim=1)
        return rows[index] @ rows.T


class ClosedForm(Model):
    """A model that is computed from the training data instead of being trained step by step.

    Subclasses register buffers in the constructor (so that they can be saved) and fill them in
    :meth:`solve`; they are ranked by the same evaluator as every other model.

    Attributes
    ----------
    reads : frozenset of str
        Options of ``Recommender.fit`` that may be given; every other one is refused.
    """

    needs_training: ClassVar[bool] = False
    # Of the options of fit: a seed and silence are promised where nothing is drawn and nothing shown, too.
    reads: ClassVar[frozenset[str]] = frozenset({"seed", "progress"})

    def solve(self) -> None:
        """Compute the buffers from the training data."""
        raise NotImplementedError(f"{type(self).__name__} must define solve()")


def embedding(count: int, dim: int, std: float) -> nn.Parameter:
    """An embedding table drawn from N(0, std²) with torch's current generator, shape (count, dim)."""
    if dim < 1:
        raise InputError(f"dim must be at least 1, got {dim}.")
    return nn.Parameter(torch.randn(count, dim) * std)
