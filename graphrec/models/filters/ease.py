"""EASE: ridge regression of each item on all others, solved in one inversion."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.data.twins import twin_columns
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.truncated_svd import truncated_svd

__all__ = ["EASE"]

_ROWS = 1024  # of a square that is mirrored at a time


class EASE(ItemFilter):
    """Embarrassingly shallow autoencoder (Steck, WWW 2019).

    B minimises ‖R − RB‖² + λ‖B‖² under diag B = 0. With P = (RᵀR + λI)⁻¹ it is B_ij = −P_ij / P_jj off the
    diagonal.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    l2 : float
        λ, in units of interactions; 500 is the paper's choice on MovieLens-20M, where 200 to 1000 were best by data set.
    budget : int
        Bytes that one dense n_items × n_items matrix of float32 may take. On the CPU it is inverted in place, on another
        device two of them are held, and it costs n_items³ operations: 5,000 items take seconds on two cores, 40,000 minutes.
    rank : int, optional
        An approximation for large catalogues instead of the dense matrix: RᵀR of its so many leading singular vectors alone,
        λP ≈ 1 − V diag(s² / (s² + λ)) Vᵀ. Exact where `rank` is that of R.

    Attributes
    ----------
    weights : Tensor of float32, shape (n_items, n_items)
        B: row i holds what item i says for the others. Empty before :meth:`solve` and with a `rank`.
    first, second, own : Tensor of float32, shapes (n_items, rank) twice and (n_items,)
        With a `rank`: B is first · secondᵀ + diag(own).
    """

    def __init__(self, train: Interactions, *, l2: float = 500.0, budget: int = 2 << 30, rank: int | None = None) -> None:
        if not l2 > 0:
            raise InputError(f"l2 must be above 0, got {l2!r}: without it the matrix cannot be inverted.")
        check_at_least("budget", budget, 1)
        check_at_least("rank", 1 if rank is None else rank, 1)
        super().__init__(train)
        need = 4 * self.n_items**2
        if rank is None and need > budget:
            raise InputError(
                f"EASE needs a dense matrix of {self.n_items:,} × {self.n_items:,} items, {need / 2**30:.1f} GiB; the "
                f"budget is {budget / 2**30:.1f} GiB. Raise the option budget, give a rank (512, say) for an approximation, or "
                "use slim, rp3beta or gfcf, which stay sparse."
            )
        self.l2 = l2
        self.rank = None if rank is None else min(rank, self.n_users, self.n_items)
        for name, shape in (("weights", (0, 0)), ("first", (0, 0)), ("second", (0, 0)), ("own", (0,))):
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float32))
        self.weights: Tensor
        self.first: Tensor
        self.second: Tensor
        self.own: Tensor

    def solve(self) -> None:
        """Invert the regularised Gram matrix, dense or by its leading vectors."""
        device = self.weights.device
        if self.rank is not None:
            _, s, v = truncated_svd(self.matrix(), self.rank)
            v = self.levelled(v)
            share = s.square() / (s.square() + self.l2)
            left = 1 - v.square() @ share  # the diagonal of λP
            self.first, self.second = v.to(device), (v * share / left.unsqueeze(1)).to(device)
            self.own = (1 - 1 / left).to(device)
            return
        matrix = self.matrix()
        gram = (matrix.T @ matrix).toarray().astype(np.float32, copy=False)
        gram[np.diag_indices(self.n_items)] += np.float32(self.l2)
        if device.type == "cpu":
            inverse = _inverted_in_place(gram)
        else:
            there = torch.from_numpy(gram).to(device)
            inverse = torch.cholesky_inverse(torch.linalg.cholesky(there, out=there), out=there)
        inverse /= -inverse.diagonal().clone()  # broadcast over rows: column j by P_jj
        inverse.fill_diagonal_(0)
        self.weights = self._with_equal_twins(inverse)

    def _with_equal_twins(self, weights: Tensor) -> Tensor:
        """B with equal rows and columns for items that the same people have met, but for what they say for each other."""
        twins, firsts = (torch.from_numpy(index).to(weights.device) for index in twin_columns(self.matrix()))
        if not len(twins):
            return weights
        each_other = weights[firsts, twins]
        weights[:, twins] = weights[:, firsts]
        weights[twins] = weights[firsts]
        for first in np.unique(firsts.cpu()).tolist():
            mine = firsts == first
            members = torch.cat([firsts[mine][:1], twins[mine]])
            weights[members[:, None], members] = each_other[mine][0]
        return weights.fill_diagonal_(0)

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Sums of rows of B, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        parts = self.apart(histories, index)
        if parts is None:
            return histories.matmul(self.weights, index)
        base, left, right = parts
        return base.addmm_(left, right.T)

    def apart(self, histories: SparseRows, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
        """With a `rank`, the diagonal and the sides of the product; see :meth:`ItemFilter.apart`."""
        if max(len(self.weights), len(self.first)) != self.n_items:
            raise InputError("this EASE has no weights yet: call solve() or load a state first.")
        if self.rank is None:
            return None
        return histories.dense(index) * self.own, histories.matmul(self.first, index), self.second


def _inverted_in_place(matrix: np.ndarray) -> Tensor:
    """The inverse of a symmetric positive definite matrix of float32, in its own memory."""
    from scipy.linalg import lapack

    columns = matrix.T  # LAPACK's order of the same numbers
    for routine, name in ((lapack.spotrf, "factor"), (lapack.spotri, "inverse")):
        columns, info = routine(columns, lower=1, **{"overwrite_a" if name == "factor" else "overwrite_c": 1})
        if info:
            raise InputError("the matrix of EASE is not positive definite in single precision; raise l2.")
    n, rows = len(columns), columns.T  # its upper half is the inverse
    for lo in range(0, n, _ROWS):
        hi = min(lo + _ROWS, n)
        square = rows[lo:hi, lo:hi]
        square[:] = np.triu(square) + np.triu(square, 1).T
        rows[hi:, lo:hi] = rows[lo:hi, hi:].T
    return torch.from_numpy(rows)
