"""EASE: ridge regression of each item on all others, solved in one inversion, or an approximation of it."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.equal_twins import level_square
from graphrec.models.parts.gram import dense_gram, regressed_by_rank, regressed_on_nearest
from graphrec.models.parts.idle import Needs
from graphrec.models.parts.item_similarity import ItemSimilarity
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.symmetric_inverse import invert_in_place, working_bytes

__all__ = ["EASE"]


class EASE(ItemSimilarity):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019).

    B minimises ‖R − RB‖² + λ‖B‖² under diag B = 0. With P = (RᵀR + λI)⁻¹ it is B_ij = −P_ij / P_jj off the diagonal.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    l2 : float
        λ, in units of interactions; 500 is the paper's choice on MovieLens-20M, where 200 to 1000 were best by data set.
    budget : int
        Bytes that the dense n_items × n_items matrix of float32 may take. It is inverted in place, on every device, by n_items³
        operations: on one core 5,000 items take seconds, 40,000 ten minutes.
    rank : int, optional
        An approximation from so many leading singular vectors of R alone; exact where that is R's rank, and far behind in a
        long tail (Gowalla's validation, Recall@20: .154 with 512, .222 with 200 neighbours).
    neighbours : int, optional
        The approximation for large catalogues: a column of B has entries only for its item's nearest by cosine, solved exactly
        (Steck, Markov random fields for collaborative filtering, NeurIPS 2019, section 3.2: r = 0, nearest, not a threshold).
        Items that share no person are never neighbours, so that n_items of them is still no exact B, which has entries there.

    Attributes
    ----------
    weights : Tensor of float32, shape (n_items, n_items)
        B: row i holds what item i says for the others. Empty before :meth:`solve` and in the other forms.
    first, second, own : Tensor of float32, shapes (n_items, rank) twice and (n_items,)
        With a `rank`: B is first · secondᵀ + diag(own).
    indptr, indices, values : Tensor of int64 (n_items + 1,), int32 (nnz,) and float32 (nnz,)
        With `neighbours`: B in compressed rows.
    """

    idle = (Needs("budget", rank=None, neighbours=None),)

    def __init__(
        self,
        train: Interactions,
        *,
        l2: float = 500.0,
        budget: int = 2 << 30,
        rank: int | None = None,
        neighbours: int | None = None,
    ) -> None:
        if not l2 > 0:
            raise InputError(f"l2 must be above 0, got {l2!r}: without it the matrix cannot be inverted.")
        for name, value in (("budget", budget), ("rank", rank), ("neighbours", neighbours)):
            check_at_least(name, 1 if value is None else value, 1)
        if rank is not None and neighbours is not None:
            raise InputError("EASE takes a rank or neighbours, not both: they are two approximations.")
        super().__init__(train)
        need = 4 * self.n_items**2
        if rank is None and neighbours is None and need > budget:
            raise InputError(
                f"EASE needs a dense matrix of {self.n_items:,} × {self.n_items:,} items, {need / 2**30:.1f} GiB; the budget "
                f"is {budget / 2**30:.1f} GiB. Raise it, or give neighbours (200, say) for an approximation."
            )
        self.l2 = l2
        self.neighbours = neighbours
        self.rank = None if rank is None else min(rank, self.n_users, self.n_items)
        self.weights: Tensor
        self.first: Tensor
        self.second: Tensor
        self.own: Tensor
        for name in ("weights", "first", "second", "own"):
            self.register_buffer(name, torch.zeros((0,) if name == "own" else (0, 0), dtype=torch.float32))

    @staticmethod
    def dense_bytes(n_items: int) -> int:
        """What the exact solution takes at its peak."""
        return 4 * n_items**2 + working_bytes(n_items)

    def solve(self) -> None:
        """Invert the regularised Gram matrix, dense or by its leading vectors, or solve each column on its own."""
        device = self.weights.device
        if self.neighbours is not None:
            self.store(regressed_on_nearest(self.matrix(), self.neighbours, self.l2, device))
            return
        if self.rank is not None:
            self.first, self.second, self.own = regressed_by_rank(self.matrix(), self.rank, self.l2, device)
            return
        gram = dense_gram(self.matrix(), device)
        gram.diagonal().add_(self.l2)
        inverse = invert_in_place(gram)
        inverse /= -inverse.diagonal().clone()  # broadcast over rows: column j by P_jj
        self.weights = level_square(inverse.fill_diagonal_(0), self.matrix())

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Sums of rows of B, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        self._require_solution()
        if self.neighbours is not None:
            return super().filter(histories, index)
        parts = self.apart(histories, index)
        if parts is None:
            return histories.matmul(self.weights, index)
        base, left, right = parts
        return base.addmm_(left, right.T)

    def apart(self, histories: SparseRows, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
        """With a `rank`, the diagonal and the sides of the product; see :meth:`ItemFilter.apart`."""
        self._require_solution()
        if self.rank is None:
            return None
        return histories.dense(index) * self.own, histories.matmul(self.first, index), self.second

    def check_state(self) -> None:
        """Refuse a state that is not of this form and size."""
        if self.neighbours is not None:
            super().check_state()
        self._require_solution()

    def _require_solution(self) -> None:
        held = self.indptr[1:] if self.neighbours is not None else self.weights if self.rank is None else self.first
        if len(held) != self.n_items:
            raise InputError("this EASE has no weights yet: call solve() or load a state first.")
