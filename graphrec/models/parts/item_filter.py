"""Base of models that see a user as the set of items met, and score all items from it at once."""

from __future__ import annotations

import threading
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.graph.buffers import BufferPool
from graphrec.models.base import Solved
from graphrec.models.contributions import Contributions, Explaining, together
from graphrec.models.parts.equal_twins import level_rows
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.whole_rows import WholeRows
from graphrec.models.scoring import Addends, Likeness, MadeOnce, Scoring, Sums, addends_of, as_evaluated, longest_row

__all__ = ["ItemFilter"]

# Not an attribute of the model: a lock cannot be copied, and models are.
_borrowing = threading.Lock()
_ALONE_AT_ONCE = 64  # signals, of n_items numbers each


class ItemFilter(Solved):
    """A linear filter of a user's signal: scores s_u = x_u B, with x_u one where the user has met an item.

    Where there are weights and they differ, x_u holds those of the user's pairs, divided by the mean over all pairs; a pair
    of weight 0 is then as one that is not there.

    What is known of a user is the filtered signal s_u, which holds the score of every item. Because a user is nothing
    but items, people who were not there in training need none (:meth:`fold_in`).

    A signal has n_items numbers, so some hundred users are filtered at a time. On the CPU signals lie in memory that
    is lent again once nobody holds it.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    """

    reads_weights: ClassVar[bool] = True

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        matrix = train.to_csr("relative" if self.reads_weights else "ones")
        self.weighted = self.reads_weights and train.pair_weights is not None
        if self.weighted:
            matrix.eliminate_zeros()
        self.histories = SparseRows(matrix)
        self._pool = BufferPool()

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Scores of all items for some rows of a table of histories.

        Parameters
        ----------
        histories : SparseRows, shape (n, n_items)
            What users have met: ones, or weights.
        index : Tensor of int64, shape (b,), or None
            Which rows; None for all.

        Returns
        -------
        Tensor of float32, shape (b, n_items)
        """
        raise NotImplementedError(f"{type(self).__name__} must define filter()")

    def sums(self, histories: SparseRows) -> Sums | None:
        """The scores for a table of histories as sums of rows of a sparse matrix on the host; None if they are no such sums.

        A ranking then makes a row of scores at a time, which stays in the cache while it is looked through.
        """
        return None

    def apart(self, histories: SparseRows, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
        """What :meth:`filter` gives as base (b, n_items), left (b, d) and right (n_items, d): base + left · rightᵀ.

        For filters that multiply by a thin matrix; None in others.
        """
        return None

    def said(self, items: Tensor, item: int) -> Tensor:
        """What each of some items (b,) says for one item, shape (b,): entries of a column of B."""
        ones, index = np.ones(_ALONE_AT_ONCE, np.float32), items.cpu().numpy()
        columns = [torch.zeros(0, device=items.device, dtype=torch.float32)]
        for lo in range(0, len(index), _ALONE_AT_ONCE):
            some = index[lo : lo + _ALONE_AT_ONCE]
            alone = sparse.csr_matrix((ones[: len(some)], some, np.arange(len(some) + 1)), shape=(len(some), self.n_items))
            columns.append(self.fold_in(alone)[:, item])
        return torch.cat(columns)

    def explaining(self) -> Explaining | None:
        """One part for each of the user's items: the filter is linear."""
        starts, histories, values = self.histories.indptr.tolist(), self.histories.indices, self.histories.values

        def explain(user: int, item: int) -> Contributions:
            part = slice(starts[user], starts[user + 1])
            mine = histories[part].long()
            said = self.said(mine, item).double() * values[part]
            return together((mine.cpu().numpy(), said.cpu().numpy(), "your item"))

        return explain

    def scoring(self) -> Scoring:
        """Signals of users, computed when they are asked for."""
        return _Signals(as_evaluated(self))

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Rows of users who were not there in training.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (b, n_items)
            What they have met; only the pattern of stored entries counts, unless there were weights in training.

        Returns
        -------
        Tensor of float32, shape (b, n_items)
            Their signals.
        """
        return self.filter(self.pattern(histories), None)

    def pattern(self, histories: sparse.csr_matrix) -> SparseRows:
        """Ones (with weights, what is stored) where there is an entry, checked, where the model is."""
        if histories.shape[1] != self.n_items:
            raise InputError(f"histories must have a column for each of {self.n_items:,} items, got {histories.shape[1]:,}.")
        ones = sparse.csr_matrix(histories, dtype=np.float32, copy=True)
        if not self.weighted:
            ones.data[:] = 1.0
        return SparseRows(ones).to(self.histories.indptr.device)

    def likeness(self) -> Likeness:
        """Rows of B, shape (b, n_items): how a person would be served who has met that one item.

        Those of a user's items add up to the user's signal.
        """
        return _Alone(self.scoring(), self.n_items)

    def matrix(self) -> sparse.csr_matrix:
        """The training data as scipy.sparse.csr_matrix of float32, shape (n_users, n_items): ones, or the weights."""
        return self.histories.host()

    def levelled(self, rows: Tensor) -> Tensor:
        """A table of the items' rows (n_items, k), changed in place: items that the same people have met have equal rows.

        Solving leaves them different by rounding, or by how far a decomposition has converged. Theirs is then the mean.
        """
        return level_rows(rows, self.matrix())

    def degrees(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Numbers of items of each user (n_users,) and of users of each item (n_items,), or sums of weights; 1 for none.

        A power of it is then always finite; it never matters which, since nothing is met there.
        """
        if self.weighted:
            matrix = self.matrix().astype(np.float64)
            sums = (np.asarray(matrix.sum(axis)).ravel() for axis in (1, 0))
            of_users, of_items = (np.where(one > 0, one, 1.0) for one in sums)
            return of_users, of_items
        users = self.histories.indptr.diff()
        items = torch.bincount(self.histories.indices, minlength=self.n_items)
        return users.clamp(min=1).double().cpu().numpy(), items.clamp(min=1).double().cpu().numpy()

    def _buffer(self, rows: int) -> Tensor:
        """An uninitialised CPU tensor (rows, n_items) that nobody else holds."""
        with _borrowing:
            return self._pool.take(rows, self.n_items)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: object) -> None:
        # The size of what solve() finds is not known before, nor the width of its indices; a loaded state brings its own.
        for name, buffer in self._buffers.items():
            saved = state_dict.get(prefix + name)
            if buffer is None or saved is None:
                continue
            kind = saved.dtype if {saved.dtype, buffer.dtype} == {torch.int16, torch.int32} else buffer.dtype
            if saved.shape != buffer.shape or kind != buffer.dtype:
                self._buffers[name] = buffer.new_empty(saved.shape, dtype=kind)
        super()._load_from_state_dict(state_dict, prefix, *args)


class _Signals(WholeRows):
    """Scores of a filter: a user's signal is computed once and then only looked into.

    Where it is a sum with a product by a thin matrix, the sum is put off until scores are asked for.
    """

    def __init__(self, model: ItemFilter) -> None:
        self.model = model
        self.device = model.histories.indptr.device
        self.similarity = MadeOnce(model.likeness)
        self._longest: float | None = None

    def users(self, index: Tensor) -> Any:
        """Signals (b, n_items), or :class:`Addends`."""
        return self._signals(self.model.histories, index)

    def people(self, histories: sparse.csr_matrix) -> Any:
        """The same of people who were not there in training."""
        return self._signals(self.model.pattern(histories), None)

    def sums(self, histories: sparse.csr_matrix | None) -> Sums | None:
        """The scores of users, or of people who were not there in training, as sums of rows of a sparse matrix."""
        return self.model.sums(self.model.histories if histories is None else self.model.pattern(histories))

    def _signals(self, histories: SparseRows, index: Tensor | None) -> Any:
        parts = self.model.apart(histories, index)
        if parts is None:
            return self.model.filter(histories, index)
        if self._longest is None:  # two threads may both find it: they find the same
            self._longest = longest_row(parts[2])
        return Addends(*parts, self._longest)

    def addends(self, rows: Any) -> Addends | None:
        """The rows, where they are such."""
        return rows if isinstance(rows, Addends) else None

    def scores(self, rows: Any, items: slice | Tensor) -> Tensor:
        """Columns of the signals (b, m): a view where the items are a range and nothing is to be added."""
        if not isinstance(rows, Addends):
            return super().scores(rows, items)
        assert rows.base is not None
        base, right = rows.base[:, items], rows.right[items]
        if base.shape != rows.base.shape or not base.is_cpu:
            return torch.addmm(base, rows.left, right.T)
        return torch.addmm(base, rows.left, right.T, out=self.model._buffer(len(base)))

    def pairs(self, rows: Any, items: Tensor) -> Tensor:
        """Entries of the signals (b, k)."""
        if not isinstance(rows, Addends):
            return super().pairs(rows, items)
        assert rows.base is not None
        return rows.base.gather(1, items) + (rows.left[:, None] * F.embedding(items, rows.right)).sum(-1)


class _Alone:
    """Scores of people who have met one item each, from the item."""

    def __init__(self, scoring: Scoring, n_items: int) -> None:
        self._scoring, self._n_items = scoring, n_items

    def __call__(self, index: Tensor) -> Tensor:
        return self._scoring.scores(self._rows(index), slice(None))

    def addends(self, index: Tensor) -> Addends | None:
        """As of :class:`graphrec.models.scoring.Scoring`, for items."""
        return addends_of(self._scoring, self._rows(index))

    def _rows(self, index: Tensor) -> Any:
        alone = (np.ones(len(index), np.float32), index.cpu().numpy(), np.arange(len(index) + 1))
        return self._scoring.people(sparse.csr_matrix(alone, shape=(len(index), self._n_items)))
