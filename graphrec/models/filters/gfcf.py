"""GF-CF: two low-pass filters on the graph of items, one linear and one ideal."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.cooccurrence import cooccurrence_rows, over_product
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.item_similarity import ItemSimilarity
from graphrec.models.parts.polynomial_filter import ALL_PASSES
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.truncated_svd import row_space

__all__ = ["GFCF"]


class GFCF(ItemSimilarity):
    """Graph filter based collaborative filtering (Shen et al., CIKM 2021, as in the authors' code).

    With R̃ = D_U^-½ R D_I^-½ and its leading right singular vectors V,

        s_u = x_u (R̃ᵀ R̃ + α D_I^-½ V Vᵀ D_I^½).

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    alpha : float
        Weight of the ideal low-pass filter; 0.3 in the authors' code. 0 leaves the linear filter alone.
    rank : int
        Number of frequencies that pass, 256 in the authors' code; as many as there are if that is less.
    effort : int
        Of the decomposition; see :func:`graphrec.models.parts.truncated_svd.truncated_svd`.

    Attributes
    ----------
    first, second : Tensor of float32, shape (n_items, rank)
        √α D_I^-½ V and √α D_I^½ V. Empty before :meth:`solve`.
    """

    solved_in_parts: ClassVar[bool] = True
    idle = (Idle("rank", "effort", alpha=0),)

    def __init__(self, train: Interactions, *, alpha: float = 0.3, rank: int = 256, effort: int = 4) -> None:
        check_at_least("alpha", alpha, 0)
        check_at_least("rank", rank, 1)
        check_at_least("effort", effort, 2)
        super().__init__(train)
        self.alpha = alpha
        self.rank = min(rank, self.n_users, self.n_items)
        self.effort = effort
        self.register_buffer("first", torch.zeros(0, 0, dtype=torch.float32))
        self.register_buffer("second", torch.zeros(0, 0, dtype=torch.float32))
        self.first: Tensor
        self.second: Tensor

    def solve(self) -> None:
        """Form the linear filter, and decompose the normalised interactions for the ideal one."""
        matrix = self.matrix()
        users, items = self.degrees()
        root = items**0.5
        together = self.together
        self.store(cooccurrence_rows(matrix, 1 / users, over_product(root, root), diagonal=True, together=together))
        normalised = (sparse.diags_array(users**-0.5) @ matrix @ sparse.diags_array(1 / root)).astype("float32").tocsr()

        def vectors() -> Tensor:
            return self.levelled(row_space(normalised, self.rank, effort=self.effort)[1])

        v = vectors() if together is None else together.once(vectors)
        v = v.to(self.first.device) * self.alpha**0.5
        scale = torch.from_numpy(root).to(v).unsqueeze(1)
        self.first, self.second = v / scale, v * scale

    def at_full_rank(self) -> str:
        """See :meth:`Solved.at_full_rank`."""
        return ALL_PASSES if self.alpha and self.rank == self.full_rank else ""

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Both filters together, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        base, left, right = self.apart(histories, index)
        return base.addmm_(left, right.T)

    def apart(self, histories: SparseRows, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """The linear filter, and the sides of the ideal one; see :meth:`ItemFilter.apart`."""
        return super().filter(histories, index), histories.matmul(self.first, index), self.second
