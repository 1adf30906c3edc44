"""Base of models that compute a row from what it interacted with: autoencoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Gathered, Table
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.scoring import Likeness, People, cosines

__all__ = ["VectorModel", "VectorRows"]


class VectorModel(Model):
    """f(x) = W h(x) + b, where x is a user's (or an item's) vector of interactions.

    The last layer is a dot product, so these models are encoders like all others: the row of a user is
    [h(x_u), 1], the row of an item [w_i, b_i], and a ranking is one matmul. What differs between them is
    :meth:`hidden`.

    Parameters
    ----------
    train : Interactions
    vectors : scipy.sparse.csr_matrix, shape (n, m)
        One input per row. Rows are users and columns items, or the other way round.
    first : int
        Width of the first layer.
    last : int
        Width of the last hidden layer, h.

    Attributes
    ----------
    first : Parameter, shape (m, first)
        Weight of the first layer; transposed, so that an input entry picks a row.
    first_bias : Parameter, shape (first,)
    output : Parameter, shape (m, last + 1)
        Weight of the last layer; its last column is the bias, which spares joining them at each step.
    """

    counts_alike = "the histories that are encoded"
    users_from_histories = True  # False in one that reads vectors of items

    def __init__(self, train: Interactions, vectors: sparse.csr_matrix, *, first: int, last: int) -> None:
        super().__init__(train)
        self.vectors = SparseRows(vectors)
        count = self.vectors.shape[1]
        self.first = nn.Parameter(nn.init.xavier_uniform_(torch.empty(count, first, dtype=torch.float32)))
        self.first_bias = nn.Parameter(torch.zeros(first, dtype=torch.float32))
        self.output = nn.Parameter(torch.zeros(count, last + 1, dtype=torch.float32))
        nn.init.xavier_uniform_(self.output.data[:, :-1])
        self.input_dropout: nn.Dropout | None = None

    def hidden(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """From the first layer to the last hidden one.

        Parameters
        ----------
        x : Tensor, shape (b, first)
            The first layer before its activation.

        Returns
        -------
        Tensor, shape (b, last)
        Tensor of shape (b, …) or None
            What else :meth:`auxiliary` needs of each row.
        """
        raise NotImplementedError(f"{type(self).__name__} must define hidden()")

    def input_of(self, histories: sparse.csr_matrix) -> sparse.csr_matrix:
        """What a table of interactions (n, m) looks like as input vectors."""
        raise NotImplementedError(f"{type(self).__name__} must define input_of()")

    def encode(self) -> Encoding:
        """Rows that are computed when they are asked for, and the output layer."""
        rows, output = VectorRows(self, remember=self.training), Table(self.output)
        return Encoding(rows, output) if self.users_from_histories else Encoding(output, rows)

    def folding(self) -> People:
        """The row of a new person is the code of the history, with the ratings that the training data would have.

        Raises
        ------
        InputError
            The model reads vectors of items: it has no input for a new user.
        """
        if not self.users_from_histories:
            raise InputError(f"this {type(self).__name__} reads vectors of items, so it cannot take in new users.")

        def people(histories: sparse.csr_matrix) -> Tensor:
            new = SparseRows(self.input_of(histories)).to(self.first.device)
            return _with_one(self.hidden(new.matmul(self.first, None, self.input_dropout) + self.first_bias)[0])

        return people

    def likeness(self) -> Likeness:
        """Cosine of the items' rows without their bias, shape (b, n_items)."""
        return cosines(self.encode().items.full()[:, :-1])

    def penalty(self, rows: Gathered) -> Tensor:
        """Half the squared norm of all weights: rows are activations here and not what a norm should shrink."""
        weights = [p[:, :-1] if p is self.output else p for p in self.parameters() if p.ndim == 2]
        return torch.stack([w.square().sum() for w in weights]).sum() / 2


class VectorRows:
    """Rows [h(x), 1] of a :class:`VectorModel`, computed on demand.

    Parameters
    ----------
    model : VectorModel
    remember : bool
        Keep the latest look-up for :meth:`distinct`, so that a further loss term sees the same random draws as the
        reconstruction did. Only for one step of training: a ranking's look-ups run on several threads.
    """

    chunk = 4096

    def __init__(self, model: VectorModel, remember: bool) -> None:
        self.model, self.remember = model, remember
        self._latest: tuple[Tensor, tuple[Tensor, Tensor | None]] | None = None

    def rows(self, index: Tensor) -> Tensor:
        """Rows of an index tensor of any shape; a row that is asked for twice is computed once."""
        distinct, position = torch.unique(index, return_inverse=True)
        made = self._compute(distinct)
        if self.remember:
            self._latest = index, made
        return F.embedding(position, made[0])

    def full(self) -> Tensor:
        """All rows, shape (n, d)."""
        everyone = torch.arange(self.model.vectors.shape[0], device=self.model.first.device)
        return torch.cat([self._compute(some)[0] for some in torch.split(everyone, self.chunk)])

    def distinct(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """What :meth:`VectorModel.hidden` says of the distinct entries of `index`: rows [h, 1] (m, d) and the rest (m, …)."""
        if self._latest is not None and self._latest[0] is index:
            return self._latest[1]
        return self._compute(torch.unique(index))

    def _compute(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        model = self.model
        hidden, more = model.hidden(model.vectors.matmul(model.first, index, model.input_dropout) + model.first_bias)
        return _with_one(hidden), more


def _with_one(rows: Tensor) -> Tensor:
    return F.pad(rows, (0, 1), value=1.0)
