"""Turbo-CF: a polynomial graph filter without a matrix decomposition."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.cooccurrence import MAX_ENTRIES, cooccurrence_rows, over_product
from graphrec.models.parts.item_similarity import ItemSimilarity

__all__ = ["TurboCF"]


class TurboCF(ItemSimilarity):
    """Polynomial low-pass filter on the graph of items (Park et al., SIGIR 2024).

    R̃ = D_U^-α R D_I^(α-1), P = (R̃ᵀ R̃)^∘s with the power s taken entry by entry, and the filter is

    =====  ==========================================
    order  matrix
    =====  ==========================================
    1      P
    2      2P − P²
    3      P + 0.01 (−P³ + 10 P² − 29 P)
    =====  ==========================================

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    alpha : float
        Between 0 and 1: how much of the normalisation falls to users. The authors' code has 0.6.
    power : float
        s; the authors' code has 0.7.
    order : {1, 2, 3}
        Orders above 1 are dense and for small catalogues. The authors use 1 on Gowalla and Amazon-book, and 2 with
        s = 1 on Yelp2018: 2λ − λ² is a low-pass filter only while the eigenvalues of P stay below 1.
    """

    solved_in_parts: ClassVar[bool] = True

    def __init__(self, train: Interactions, *, alpha: float = 0.6, power: float = 0.7, order: int = 1) -> None:
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha must lie between 0 and 1, got {alpha!r}.")
        if not power > 0:
            raise InputError(f"power must be above 0, got {power!r}.")
        if order not in (1, 2, 3):
            raise InputError(f"order must be 1, 2 or 3, got {order!r}.")
        if order == 2 and power < 1:
            raise InputError(f"order=2 needs a power of at least 1, got {power!r}: with less it is no low-pass filter.")
        super().__init__(train)
        if order > 1 and self.n_items**2 > MAX_ENTRIES:
            raise InputError(
                f"order={order} makes a dense matrix of {self.n_items:,} × {self.n_items:,} items, more than the "
                f"{MAX_ENTRIES:,} entries allowed; use order=1."
            )
        self.alpha = alpha
        self.power = power
        self.order = order

    def solve(self) -> None:
        """Form P, and its polynomial where the order asks for one."""
        users, items = self.degrees()
        scale = items ** (1 - self.alpha)
        ratio = over_product(scale, scale, power=self.power)
        p = cooccurrence_rows(self.matrix(), users ** (-2 * self.alpha), ratio, diagonal=True, together=self.together)
        if self.order > 1:
            dense = torch.from_numpy(p.matrix().toarray()).to(self.values.device)
            self.store(sparse.csr_matrix(_polynomial(dense, self.order).cpu().numpy()))
        else:
            self.store(p)


def _polynomial(p: Tensor, order: int) -> Tensor:
    square = p @ p
    if order == 2:
        return 2 * p - square
    return p + 0.01 * (10 * square - square @ p - 29 * p)
