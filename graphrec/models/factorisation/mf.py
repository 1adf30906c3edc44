"""Matrix factorisation: the encoder that looks zero hops far."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Rows, Table
from graphrec.models.factors import Factors, OwnedRows, RowTables
from graphrec.models.parts.checks import check_dropout
from graphrec.models.parts.fold_in import either, ridge, ridge_of_ratings, stepped
from graphrec.models.parts.idle import Idle, Needs, without_ratings
from graphrec.models.parts.rating_range import RatingRange
from graphrec.models.parts.tables import embedding
from graphrec.models.scoring import Likeness, People, cosines

__all__ = ["MF"]


class MF(Model):
    """Matrix factorisation for rankings or ratings (Koren et al. 2009; with BPR: Rendle et al. 2009).

    Parameters
    ----------
    train : Interactions
    dim : int
        Number of factors.
    bias : bool
        Add a bias of the user, of the item and a global one.
    centre : bool
        Whether the global bias is the mean rating, where there are ratings; otherwise it is 0.
    rating_range : (float, float), optional
        Squash scores into this range with a sigmoid, for rating prediction.
    init : {"normal", "uniform", "he_normal"}
        Where the factors start: N(0, init_std²), uniform over `init_range`, or N(0, 2/n) for a table of n rows (He's rule
        as Keras applies it to embeddings).
    init_std : float
    init_range : (float, float)
    sparse : bool
        Sparse gradients, for optimisers that take them (SGD, SparseAdam).
    dropout : float
        Probability of dropping an entry of a looked-up row during training.
    """

    dot_product = True  # without a rating range
    # Chosen on the validation parts of Gowalla and ML-100K among Adam and row-wise Adagrad, several rates and penalties.
    defaults: ClassVar[dict[str, Any]] = {
        "loss": "bpr",
        "batch_size": 2048,
        "optimizer": "row_adagrad",
        "lr": 0.05,
        "l2": 0.03,
    }
    idle = (
        Needs("init_std", init="normal"),
        Needs("init_range", init="uniform"),
        Needs("centre", bias=True, rating_range=None),
        Idle("centre", when=without_ratings),
    )

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        bias: bool = False,
        centre: bool = True,
        rating_range: tuple[float, float] | None = None,
        init: Literal["normal", "uniform", "he_normal"] = "normal",
        init_std: float = 0.1,
        init_range: tuple[float, float] = (0.0, 0.05),
        sparse: bool = False,
        dropout: float = 0.0,
    ) -> None:
        super().__init__(train)
        self.squash, self.sparse_gradients = RatingRange(rating_range), sparse
        self.dot_product = self.dot_product and rating_range is None  # a subclass with scores of its own has lowered it
        self.users = embedding(self.n_users, dim, init_std, init=init, bounds=init_range)
        self.items = embedding(self.n_items, dim, init_std, init=init, bounds=init_range)
        self.dropout = nn.Dropout(check_dropout("dropout", dropout))
        self.user_bias = nn.Parameter(torch.zeros(self.n_users, 1, dtype=torch.float32)) if bias else None
        self.item_bias = nn.Parameter(torch.zeros(self.n_items, 1, dtype=torch.float32)) if bias else None
        # A range centres the score by itself; without one the mean rating is where a prediction starts.
        centred = bias and centre and train.ratings is not None and rating_range is None
        mean = float(train.ratings.mean()) if centred and train.ratings is not None else 0.0
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.mean: Tensor

    def encode(self) -> Encoding:
        """The tables themselves; biases ride along as two more columns of the dot product."""
        users, items = Table(self.users, self.sparse_gradients), Table(self.items, self.sparse_gradients)
        if self.user_bias is None or self.item_bias is None:
            return Encoding(_Dropped(users, self.dropout), _Dropped(items, self.dropout), users, items)
        return Encoding(
            _WithBias(_Dropped(users, self.dropout), Table(self.user_bias, self.sparse_gradients), self.mean, bias_first=True),
            _WithBias(_Dropped(items, self.dropout), Table(self.item_bias, self.sparse_gradients), None, bias_first=False),
            users,
            items,
        )

    def row_tables(self) -> RowTables:
        """All tables."""
        if self.user_bias is None or self.item_bias is None:
            return RowTables((self.users,), (self.items,))
        return RowTables((self.users, self.user_bias), (self.items, self.item_bias))

    def column_tables(self) -> tuple[nn.Parameter, ...] | None:
        """The two tables, where there is nothing else: no bias, sigmoid or dropout, which draws anew for each column."""
        return (self.users, self.items) if self.dot_product and self.user_bias is None and not self.dropout.p else None

    def owned_rows(self) -> OwnedRows | None:
        """All tables, where no dropout draws anew for each look-up."""
        return None if self.dropout.p else OwnedRows(*self.row_tables())

    def factors(self) -> Factors | None:
        """The tables, unless a sigmoid or dropout stands between them and the score."""
        if not self.dot_product or self.dropout.p:
            return None
        return Factors(self.users, self.items, self.user_bias, self.item_bias, self.mean)

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Dot product, squashed into the rating range where there is one."""
        return self.squash(super().score(u, v))

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Dot products of all pairs, squashed into the rating range where there is one."""
        return self.squash(super().score_all(u, items))

    def folding(self) -> People:
        """A ridge solve against the items (:mod:`graphrec.models.parts.fold_in`); steps where a sigmoid is in between.

        Ones are an implicit history, for which a bias of the user changes no order: it is the mean of the trained ones. For
        ratings it is solved for along with the factors.
        """
        if not self.dot_product:
            return stepped(self)
        known = self._train.to_csr("ones")
        if self.user_bias is None or self.item_bias is None:
            return either(ridge_of_ratings(self.items, self.users), ridge(self.items, self.users, known))
        implicit = ridge(self.items, self.users, known)
        usual, offset = float(self.user_bias.mean()), self.item_bias.squeeze(1) + self.mean
        joined = torch.cat([self.users, self.user_bias], 1), F.pad(self.items, (0, 1), value=1.0)
        with_bias = ridge_of_ratings(joined[1], joined[0], offset)
        found = either(with_bias, lambda histories: F.pad(implicit(histories), (0, 1), value=usual))

        def people(histories: sparse.csr_matrix) -> Tensor:
            p = found(histories)
            return torch.cat([p[:, :-1], p[:, -1:] + self.mean, torch.ones_like(p[:, :1])], 1)

        return people

    def likeness(self) -> Likeness:
        """Cosine of the factors alone: biases say how liked an item is, not what it is like."""
        return cosines(self.items.detach())


class _Dropped:
    """Rows with dropout on what a training step looks up; `full` is for ranking and stays whole."""

    def __init__(self, rows: Rows, dropout: nn.Dropout) -> None:
        self._rows, self._dropout = rows, dropout

    def rows(self, index: Tensor) -> Tensor:
        rows: Tensor = self._dropout(self._rows.rows(index))
        return rows

    def full(self) -> Tensor:
        return self._rows.full()


class _WithBias:
    """[p, b + mean, 1] for users and [q, 1, b] for items: their dot product is p·q + b_u + b_i + mean."""

    def __init__(self, rows: Rows, bias: Rows, mean: Tensor | None, bias_first: bool) -> None:
        self._rows, self._bias, self._mean, self._bias_first = rows, bias, mean, bias_first

    def _join(self, rows: Tensor, bias: Tensor) -> Tensor:
        bias = bias if self._mean is None else bias + self._mean
        one = torch.ones_like(bias)
        return torch.cat([rows, bias, one] if self._bias_first else [rows, one, bias], dim=-1)

    def rows(self, index: Tensor) -> Tensor:
        return self._join(self._rows.rows(index), self._bias.rows(index))

    def full(self) -> Tensor:
        return self._join(self._rows.full(), self._bias.full())
