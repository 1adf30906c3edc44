"""Many small ridge regressions at once: the rows of one side of a factorisation, while the other side stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.data.twins import twin_columns
from graphrec.deferred import sparse

__all__ = ["LeastSquares", "RowProblems", "Sides", "solve_rows"]

_NUMBERS = 1 << 22  # floats of the largest array of a chunk


@dataclass(frozen=True)
class RowProblems:
    """Who has met what, from one side.

    Attributes
    ----------
    indptr, indices : Tensor of int64, shapes (n + 1,) and (nnz,)
        Compressed rows.
    counts : Tensor of float32, shape (n,)
        Entries of each row, or the sum of their weights.
    lengths : ndarray of int64, shape (n,)
        The same on the host.
    width : int
        Number of columns.
    weights : Tensor of float32, shape (nnz,), or None
        How much each entry counts, where they are not all ones.
    """

    indptr: Tensor
    indices: Tensor
    counts: Tensor
    lengths: np.ndarray[Any, np.dtype[np.int64]]
    width: int
    weights: Tensor | None = None

    @classmethod
    def of(cls, matrix: sparse.csr_matrix) -> RowProblems:
        """Of a matrix whose entries are the weights."""
        matrix = matrix.tocsr()
        lengths = np.diff(matrix.indptr).astype(np.int64)
        indptr, indices = (torch.from_numpy(array.astype(np.int64)) for array in (matrix.indptr, matrix.indices))
        if (matrix.data == 1).all():
            return cls(indptr, indices, torch.from_numpy(lengths.astype(np.float32)), lengths, matrix.shape[1])
        weights, sums = matrix.data.astype(np.float32), np.asarray(matrix.astype(np.float64).sum(1)).ravel()
        counts = torch.from_numpy(sums.astype(np.float32))
        return cls(indptr, indices, counts, lengths, matrix.shape[1], torch.from_numpy(weights))

    def to(self, device: torch.device) -> RowProblems:
        """The same on a device."""
        moved = {name: getattr(self, name).to(device) for name in ("indptr", "indices", "counts")}
        moved["weights"] = None if self.weights is None else self.weights.to(device)
        return replace(self, **moved)

    def chunks(self, dim: int) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
        """Rows of similar length (b,), their columns (b, longest), padded by `width`, and the weights of these, padded by 0.

        Rows without any are left out.
        """
        order = np.argsort(self.lengths, kind="stable")
        order = order[np.searchsorted(self.lengths[order], 1) :]
        lo = 0
        while lo < len(order):
            # Ascending lengths: the last row of a chunk is the longest, and no row is padded to more than twice its length.
            hi = int(np.searchsorted(self.lengths[order], 2 * self.lengths[order[lo]], side="right"))
            longest = int(self.lengths[order[hi - 1]])
            hi = min(hi, lo + max(1, _NUMBERS // (dim * max(dim, longest))))
            longest = int(self.lengths[order[hi - 1]])
            rows = torch.from_numpy(order[lo:hi]).to(self.indptr.device)
            place = torch.arange(longest, device=rows.device)
            there = place < (self.indptr[rows + 1] - self.indptr[rows])[:, None]
            at = (self.indptr[rows][:, None] + place).clamp_(max=len(self.indices) - 1)
            weights = None if self.weights is None else torch.where(there, self.weights[at], 0)
            yield rows, torch.where(there, self.indices[at], self.width), weights
            lo = hi


def solve_rows(
    rows: Tensor, fixed: Tensor, problems: RowProblems, unobserved: float, penalties: Tensor, block: int | None = None
) -> Tensor:
    """Set each row t that has an entry to the least of Σ_{c seen} w_c (1 − t·f_c)² + α₀ Σ_{all c} (t·f_c)² + penalty ‖t‖².

    Parameters
    ----------
    rows : Tensor of float32, shape (n, d)
        Written in place.
    fixed : Tensor of float32, shape (width, d)
        f.
    problems : RowProblems
        With their weights w; 1 unless there are some.
    unobserved : float
        α₀.
    penalties : Tensor of float32, shape (n,)
    block : int, optional
        Columns that are solved at a time, the others standing still; all unless given.

    Returns
    -------
    Tensor, scalar
        The squares that are left, summed over the rows that have an entry.
    """
    dim = rows.shape[1]
    step = min(block or dim, dim)
    gram = unobserved * fixed.T @ fixed
    padded = torch.cat([fixed, fixed.new_zeros(1, dim)])
    left = rows.new_zeros((), dtype=torch.float64)
    for index, columns, w in problems.chunks(dim):
        met, t, penalty = padded[columns], rows[index], penalties[index]
        there = columns < problems.width
        for lo in range(0, dim, step):
            part = slice(lo, lo + step)
            some = met[:, :, part]
            counted = some if w is None else some * w[:, :, None]
            hessian = gram[part, part] + counted.mT @ some
            hessian.diagonal(dim1=1, dim2=2).add_(penalty[:, None])
            missing = there.to(t.dtype) - (met @ t[:, :, None])[:, :, 0]
            downhill = (counted.mT @ missing[:, :, None])[:, :, 0] - t @ gram[:, part] - penalty[:, None] * t[:, part]
            factor = torch.linalg.cholesky_ex(hessian)[0]
            t[:, part] += torch.cholesky_solve(downhill[:, :, None], factor)[:, :, 0]
        rows[index] = t
        missing = there.to(t.dtype) - (met @ t[:, :, None])[:, :, 0]
        squares = missing.square() if w is None else w * missing.square()
        left += squares.sum().double() + ((t @ gram) * t).sum().double()
    return left


@dataclass(frozen=True)
class Sides:
    """Both sides of a table, the one batch of an epoch.

    Attributes
    ----------
    users, items : RowProblems
    twins, firsts : Tensor of int64, shape (t,)
        Items that the same people have met as an earlier one: see :func:`graphrec.data.twins.twin_columns`.
    """

    users: RowProblems
    items: RowProblems
    twins: Tensor
    firsts: Tensor

    def to(self, device: torch.device) -> Sides:
        """The same on a device."""
        return Sides(self.users.to(device), self.items.to(device), self.twins.to(device), self.firsts.to(device))


class LeastSquares:
    """The objective of models that alternate between two sides; see :class:`graphrec.training.objective.Objective`."""

    takes_steps = True
    reads_order = False
    reads_ratings = False
    reads_weights = True

    def __repr__(self) -> str:
        return "LeastSquares()"

    def sampler(self, train: Interactions, generator: torch.Generator) -> list[Sides]:
        """One batch with everything; nothing is drawn."""
        matrix = train.to_csr("relative")
        twins = (torch.from_numpy(index) for index in twin_columns(matrix))
        return [Sides(RowProblems.of(matrix), RowProblems.of(matrix.T.tocsr()), *twins)]

    def __call__(self, model: Any, batch: Sides) -> dict[str, Tensor]:
        """Alternate once; what is left of the squares and the penalty, for each pair of the table."""
        error, penalty = model.alternate(batch)
        pairs = max(len(batch.users.indices), 1)
        return {"loss": error / pairs, "l2": penalty.double() / pairs}
