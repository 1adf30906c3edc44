"""Base of models whose filter is a polynomial of the item graph and a product of two thin matrices."""

from __future__ import annotations

import numpy as np
import torch
from numpy.polynomial import Chebyshev
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows
from graphrec.models.parts.truncated_svd import row_space

__all__ = ["ALL_PASSES", "PolynomialFilter", "as_good_below"]

# What becomes of an ideal filter at full rank; see Solved.at_full_rank.
ALL_PASSES = "its ideal filter lets everything pass and selects nothing"

_ROUNDING = 1e-6  # of the largest value: what single precision leaves of a score anyway

_COLUMNS = 64  # people at a time on the CPU: a row of a dense factor is then four lines of the cache


class PolynomialFilter(ItemFilter):
    """s_u = x_u (D_I^-β p(P) D_I^β + F Gᵀ), with P = R̃ᵀR̃ and R̃ = D_U^-½ R D_I^-½, whose eigenvalues lie in [0, 1].

    P is never formed: p(P) = p(0) + R̃ᵀ q(R̃R̃ᵀ) R̃ with q(λ) = (p(λ) − p(0)) / λ, by Clenshaw's recurrence on Chebyshev
    polynomials, each step of which is two products of R̃ with a block of people.

    Subclasses define :meth:`solve`, which ends in :meth:`store`.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    item_power : float
        β.

    Attributes
    ----------
    series : Tensor of float64, shape (degree,)
        Coefficients of q on the Chebyshev polynomials of 2λ − 1. Empty before :meth:`solve`.
    at_zero : Tensor of float64, shape (1,)
        p(0).
    first, second : Tensor of float32, shape (n_items, rank)
        F and G.
    rank : int
        k of the ideal filter, which subclasses set; 0 without it.
    """

    rank: int

    def __init__(self, train: Interactions, item_power: float = 0.0) -> None:
        super().__init__(train)
        users, items = self.degrees()
        matrix = (sparse.diags_array(users**-0.5) @ self.matrix() @ sparse.diags_array(items**-0.5)).astype(np.float32)
        self.normal, self.flipped = SparseRows(matrix.tocsr()), SparseRows(matrix.T.tocsr())
        self.register_buffer("scale", torch.from_numpy(items**item_power).float(), persistent=False)
        self.register_buffer("series", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("at_zero", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("first", torch.zeros(0, 0, dtype=torch.float32))
        self.register_buffer("second", torch.zeros(0, 0, dtype=torch.float32))
        self.scale: Tensor
        self.series: Tensor
        self.at_zero: Tensor
        self.first: Tensor
        self.second: Tensor

    def at_full_rank(self) -> str:
        """See :meth:`Solved.at_full_rank`; without the ideal filter the rank is 0."""
        return ALL_PASSES if self.rank == self.full_rank else ""

    def leading(self, rank: int, effort: int) -> tuple[Tensor, Tensor]:
        """The largest eigenvalues of P, decreasing, (k,), and their vectors, (n_items, k), on the CPU; k may be 0.

        Zero where P has no more; see :func:`graphrec.models.parts.truncated_svd.row_space`.
        """
        if not rank:
            return torch.zeros(0, dtype=torch.float32), torch.zeros(self.n_items, 0, dtype=torch.float32)
        s, v = row_space(self.normal.host(), rank, effort=effort)
        return s.square(), self.levelled(v)

    def store(self, polynomial: Chebyshev, first: Tensor, second: Tensor) -> None:
        """Take p, over [0, 1], and F and G of shape (n_items, rank) into the buffers."""
        polynomial = polynomial.trim(1e-12)
        device, degree = self.scale.device, max(polynomial.degree(), 1)
        at_zero = float(polynomial(0.0))
        quotient = Chebyshev.interpolate(lambda x: (polynomial(x) - at_zero) / x, degree - 1, domain=[0, 1])
        self.series = torch.from_numpy(quotient.coef).to(device)
        self.at_zero = torch.tensor([at_zero], dtype=torch.float64, device=device)
        self.first, self.second = first.to(device), second.to(device)

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Both terms together, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        parts = self.apart(histories, index)
        if parts is None:
            return self._smoothed(histories, index)
        base, left, right = parts
        return base.addmm_(left, right.T)

    def apart(self, histories: SparseRows, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor] | None:
        """The polynomial, and the sides of the product; None without one. See :meth:`ItemFilter.apart`."""
        if not self.first.shape[1]:  # torch looks nothing up in rows without an entry
            return None
        return self._smoothed(histories, index), histories.matmul(self.first, index), self.second

    def _smoothed(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        if not len(self.series):
            raise InputError(f"this {type(self).__name__} is not solved yet: call solve() or load a state first.")
        signals = histories.dense(index)
        step = _COLUMNS if signals.is_cpu else max(1, len(signals))
        for lo in range(0, len(signals), step):
            some = signals[lo : lo + step]
            some.copy_(self._polynomial((some / self.scale).T).T).mul_(self.scale)
        return signals

    def _polynomial(self, y: Tensor) -> Tensor:
        """p(P) y for columns (n_items, b)."""
        at_zero, series = float(self.at_zero), self.series.tolist()
        z = self.normal.times(y)
        new, old = series[-1] * z, torch.zeros_like(z)
        for k in range(len(series) - 2, -1, -1):
            # b_k = c_k z + 2 M b_{k+1} − b_{k+2} with M = 2 R̃R̃ᵀ − 1; the last one, k = 0, takes M once.
            twice = 2.0 if k else 1.0
            moved = self.normal.times(self.flipped.times(new)).mul_(2 * twice).sub_(new, alpha=twice)
            new, old = moved.sub_(old).add_(z, alpha=series[k]), new
        return self.flipped.times(new).add_(y, alpha=at_zero)


def as_good_below(polynomial: Chebyshev, cut: float) -> Chebyshev:
    """The polynomial of least degree that is the same to rounding on [0, cut], over [0, 1]."""
    if cut <= 0:  # nothing is left but directions in which the graph is zero
        return Chebyshev([float(polynomial(0.0))], domain=[0, 1])
    x = np.linspace(0, cut, 1001)
    allowed = _ROUNDING * np.abs(polynomial(np.linspace(0, 1, 1001))).max()
    for degree in range(polynomial.degree()):
        lower = Chebyshev.interpolate(polynomial, degree, domain=[0, cut])
        if np.abs(lower(x) - polynomial(x)).max() <= allowed:
            return lower.convert(domain=[0, 1], kind=Chebyshev)
    return polynomial
