"""Base of models that see a user as the set of items he has met, and score all items from it at once."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.graph.buffers import BufferPool
from graphrec.models.base import ClosedForm, Encoding
from graphrec.models.parts.sparse_rows import SparseRows

__all__ = ["ItemFilter"]

# Not an attribute of the model: a lock cannot be copied, and models are.
_borrowing = threading.Lock()


class ItemFilter(ClosedForm):
    """A linear filter of a user's signal: scores s_u = x_u B, with x_u one where the user has met an item.

    The row of a user is his filtered signal s_u, which holds his score of every item; the row of an item j
    is the unit vector e_j, kept as its index. Their dot product s_u · e_j is then a look-up: :meth:`score`
    and :meth:`score_all` only pick, whatever part of the catalogue they are asked for, and a user's scores
    are computed once. Because a user is nothing but his items, new users need no training
    (:meth:`fold_in`).

    A row has n_items numbers, so rows should be asked for some hundred users at a time. On the CPU they lie in
    memory that is lent again once nobody holds it.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at and a repeated pair counts once.
    """

    scores_whole_rows: ClassVar[bool] = True

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        self.histories = SparseRows(train.to_csr("ones"))
        self._pool = BufferPool()

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Scores of all items for some rows of a table of histories.

        Parameters
        ----------
        histories : SparseRows, shape (n, n_items)
            Ones where a user has met an item.
        index : Tensor of int64, shape (b,), or None
            Which rows; None for all.

        Returns
        -------
        Tensor of float32, shape (b, n_items)
        """
        raise NotImplementedError(f"{type(self).__name__} must define filter()")

    def encode(self) -> Encoding:
        """Filtered signals of users, computed when asked for, and unit vectors of items."""
        return Encoding(_Filtered(self), _Units(self.n_items, self.histories.indptr.device))

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Scores of paired rows: entry v of u.

        Parameters
        ----------
        u : Tensor of float32, shape (..., n_items)
        v : Tensor of int64, shape (..., 1)
            Leading axes broadcast.

        Returns
        -------
        Tensor, shape (...)
        """
        lead = np.broadcast_shapes(u.shape[:-1], v.shape[:-1])
        return u.expand(*lead, u.shape[-1]).gather(-1, v.expand(*lead, 1)).squeeze(-1)

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Columns of u.

        Parameters
        ----------
        u : Tensor of float32, shape (b, n_items)
        items : Tensor of int64, shape (m, 1)

        Returns
        -------
        Tensor, shape (b, m)
            A view of `u` where the items are neighbours in increasing order, such as the whole catalogue or
            a slice of it; otherwise a copy.
        """
        wanted = items[:, 0]
        first = int(wanted[0]) if len(wanted) else 0
        if torch.equal(wanted, torch.arange(first, first + len(wanted), device=wanted.device)):
            return u[:, first : first + len(wanted)]
        return u.index_select(1, wanted)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of users who were not there in training.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)
            What they have met; only the pattern of stored entries counts.

        Returns
        -------
        Tensor of float32, shape (b, n_items)
            To be ranked by :meth:`score_all` like the rows of known users.
        """
        if histories.shape[1] != self.n_items:
            raise InputError(f"histories must have a column for each of {self.n_items:,} items, got {histories.shape[1]:,}.")
        pattern = sparse.csr_matrix(histories, dtype=np.float32, copy=True)
        pattern.data[:] = 1.0
        return self.filter(SparseRows(pattern).to(self.histories.indptr.device), None)

    def item_similarity(self, index: Tensor) -> Tensor:
        """Rows of B, shape (b, n_items): how a person would be served who has met that one item.

        Those of a user's items add up to his row.
        """
        alone = (np.ones(len(index), np.float32), index.cpu().numpy(), np.arange(len(index) + 1))
        return self.fold_in(sparse.csr_matrix(alone, shape=(len(index), self.n_items)))

    def matrix(self) -> sparse.csr_matrix:
        """The training data as scipy.sparse.csr_matrix of float32 ones, shape (n_users, n_items)."""
        arrays = (self.histories.values, self.histories.indices.int(), self.histories.indptr.int())
        return sparse.csr_matrix(tuple(array.cpu().numpy() for array in arrays), shape=self.histories.shape)

    def degrees(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Numbers of items of each user (n_users,) and of users of each item (n_items,); 1 where there is none.

        A power of it is then always finite; it never matters which, since nothing is met there.
        """
        users = self.histories.indptr.diff()
        items = torch.bincount(self.histories.indices, minlength=self.n_items)
        return users.clamp(min=1).double().cpu().numpy(), items.clamp(min=1).double().cpu().numpy()

    def _buffer(self, rows: int) -> Tensor:
        """An uninitialised CPU tensor (rows, n_items) that nobody else holds."""
        with _borrowing:
            return self._pool.take(rows, self.n_items)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # The size of what solve() finds is not known before; a state that is loaded brings its own.
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is not None and saved is not None and saved.shape != buffer.shape:
                self._buffers[name] = buffer.new_empty(saved.shape)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class _Filtered:
    """Rows of users: what the filter makes of their histories."""

    def __init__(self, model: ItemFilter) -> None:
        self.model = model

    def rows(self, index: Tensor) -> Tensor:
        """Scores of all items for an index tensor of any shape; the result has one more axis, n_items."""
        return self.model.filter(self.model.histories, index.reshape(-1)).reshape(*index.shape, self.model.n_items)

    def full(self) -> Tensor:
        """Scores of all pairs, shape (n_users, n_items); mind its size."""
        return self.model.filter(self.model.histories, None)


class _Units:
    """Rows of items: the unit vector e_j as its index j."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.count = count
        self.device = device

    def rows(self, index: Tensor) -> Tensor:
        """The index with one more axis of length 1."""
        return index.unsqueeze(-1)

    def full(self) -> Tensor:
        """All indices, shape (n_items, 1)."""
        return torch.arange(self.count, device=self.device).unsqueeze(-1)
