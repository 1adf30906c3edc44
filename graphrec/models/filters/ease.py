"""EASE: ridge regression of each item on all others, solved in one inversion."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows

__all__ = ["EASE"]


class EASE(ItemFilter):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019).

    B minimises ‖R − RB‖² + λ‖B‖² under diag B = 0. With P = (RᵀR + λI)⁻¹ it is B_ij = −P_ij / P_jj off the
    diagonal.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at and a repeated pair counts once.
    l2 : float
        λ, in units of interactions; 500 is the paper's choice on MovieLens-20M, where 200 to 1000 were best by data set.
    budget : int
        Bytes that one dense n_items × n_items matrix of float32 may take. Solving holds two of them and
        costs n_items³ operations: 5,000 items take seconds on two cores, 20,000 a few minutes.

    Attributes
    ----------
    weights : Tensor of float32, shape (n_items, n_items)
        B: row i holds what item i says for the others. Empty before :meth:`solve`.
    """

    def __init__(self, train: Interactions, *, l2: float = 500.0, budget: int = 2 << 30) -> None:
        if not l2 > 0:
            raise InputError(f"l2 must be above 0, got {l2!r}: without it the matrix cannot be inverted.")
        check_at_least("budget", budget, 1)
        super().__init__(train)
        need = 4 * self.n_items**2
        if need > budget:
            raise InputError(
                f"EASE needs a dense matrix of {self.n_items:,} × {self.n_items:,} items, {need / 2**30:.1f} GiB; the "
                f"budget is {budget / 2**30:.1f} GiB. Raise the option budget, or use slim, rp3beta or gfcf, which stay sparse."
            )
        self.l2 = l2
        self.register_buffer("weights", torch.zeros(0, 0))
        self.weights: Tensor

    def solve(self) -> None:
        """Invert the regularised Gram matrix by its Cholesky factor."""
        matrix = self.matrix()
        gram = torch.from_numpy((matrix.T @ matrix).toarray().astype(np.float32, copy=False)).to(self.weights.device)
        gram.diagonal().add_(self.l2)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram, out=gram), out=gram)
        inverse /= -inverse.diagonal().clone()  # broadcast over rows: column j by P_jj
        inverse.fill_diagonal_(0)
        self.weights = inverse

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Sums of rows of B, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        if len(self.weights) != self.n_items:
            raise InputError("this EASE has no weights yet: call solve() or load a state first.")
        return histories.matmul(self.weights, index)
