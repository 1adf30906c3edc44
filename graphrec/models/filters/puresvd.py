"""PureSVD: a user's interactions projected on the leading singular vectors of all."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.truncated_svd import row_space
from graphrec.models.scoring import DotProduct, Scoring, TableScoring

__all__ = ["PureSVD"]


class PureSVD(ItemFilter):
    """s_u = x_u V Vᵀ, with V the leading right singular vectors of the interactions (Cremonesi et al., RecSys 2010, eq. 5).

    A user's row is x_u V, so that people who were not there in training are served like those who were, and a score is a
    dot product of few numbers.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    rank : int
        Number of singular vectors; as many as there are if that is less.
    item_power : float
        p: the columns of the interactions are divided by their items' degrees to this power before they are decomposed and
        before a user is projected, and scores are multiplied by it. 0 is the paper's; 1/2 takes most weight from the popular
        items.
    effort : int
        Of the decomposition; see :func:`graphrec.models.parts.truncated_svd.truncated_svd`.

    Attributes
    ----------
    into, out_of : Tensor of float32, shape (n_items, rank)
        D_I^-p V and D_I^p V. Empty before :meth:`solve`.
    """

    def __init__(self, train: Interactions, *, rank: int = 50, item_power: float = 0.0, effort: int = 4) -> None:
        check_at_least("rank", rank, 1)
        check_at_least("item_power", item_power, 0)
        check_at_least("effort", effort, 2)
        super().__init__(train)
        self.rank = min(rank, self.n_users, self.n_items)
        self.item_power, self.effort = item_power, effort
        self.register_buffer("into", torch.zeros(0, 0, dtype=torch.float32))
        self.register_buffer("out_of", torch.zeros(0, 0, dtype=torch.float32))
        self.into: Tensor
        self.out_of: Tensor

    def solve(self) -> None:
        """Decompose the interactions."""
        scale = self.degrees()[1] ** self.item_power
        weighted = (self.matrix() @ sparse.diags_array(1 / scale)).astype("float32").tocsr()
        v = self.levelled(row_space(weighted, self.rank, effort=self.effort)[1])
        column = torch.from_numpy(scale).float().unsqueeze(1)
        device = self.into.device
        self.into, self.out_of = (v / column).to(device), (v * column).to(device)

    def at_full_rank(self) -> str:
        """See :meth:`Solved.at_full_rank`: on all directions that there are, a person's row is projected to itself."""
        return "what people have not met scores 0 alike" if self.rank == self.full_rank else ""

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Scores of all items, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        return self._rows(histories, index) @ self.out_of.T

    def scoring(self) -> Scoring:
        """Rows of users, computed when they are asked for, against those of the items."""
        self._require_solution()
        people = _Projected(self)
        return TableScoring(DotProduct(), people, self.out_of, self.likeness, people.of)

    def _rows(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        self._require_solution()
        return histories.matmul(self.into, index)

    def _require_solution(self) -> None:
        if len(self.into) != self.n_items:
            raise InputError("this PureSVD has no vectors yet: call solve() or load a state first.")


class _Projected:
    """x_u D_I^-p V for some users or all, (b, rank), from the tables that the model has when this is made."""

    def __init__(self, model: PureSVD) -> None:
        self._histories, self._into, self._model = model.histories, model.into, model

    def rows(self, index: Tensor) -> Tensor:
        return self._histories.matmul(self._into, index)

    def full(self) -> Tensor:
        return self._histories.matmul(self._into)

    def of(self, histories: sparse.csr_matrix) -> Tensor:
        return self._model.pattern(histories).matmul(self._into)
