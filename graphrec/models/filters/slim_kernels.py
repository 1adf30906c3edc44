"""Compiled coordinate descent for SLIM, for the items ``lo:hi`` (see graphrec.threads)."""

from __future__ import annotations

import numba
import numpy as np

from graphrec.models.parts.gram_kernels import gather_square

__all__ = ["regress_items"]

_compile = numba.njit(nogil=True, cache=True, fastmath={"contract", "nsz"}, error_model="numpy", boundscheck=False)


@_compile
def regress_items(lo, hi, start, regressors, indptr, indices, counts, l1, l2, sweeps, tolerance, weights):  # type: ignore[no-untyped-def]
    """Non-negative elastic net of each item j in lo:hi on regressors[start[j]:start[j + 1]].

    `indptr`, `indices`, `counts` are G = RᵀR in compressed rows with its diagonal, all that is needed of R:
    the gradient at w is G_·j − G w. Results go to the same places of `weights`.
    """
    n_items = len(indptr) - 1
    slot = np.full(n_items, -1, np.int32)
    widest = 0
    for j in range(lo, hi):
        widest = max(widest, start[j + 1] - start[j])
    gram = np.empty((widest, widest + 1), np.float32)
    for j in range(lo, hi):
        m = start[j + 1] - start[j]
        gather_square(j, regressors[start[j] : start[j + 1]], indptr, indices, counts, slot, gram)
        _descend(gram, m, l1, l2, sweeps, tolerance, weights, start[j])  # column m holds the right-hand side


@_compile
def _descend(gram, m, l1, l2, sweeps, tolerance, weights, at):  # type: ignore[no-untyped-def]
    """Minimise ½ wᵀGw − bᵀw + ½ l2 ‖w‖² + l1 ‖w‖₁ over w ≥ 0, one coordinate at a time; b is column m of `gram`."""
    gradient = gram[:m, m].copy()
    w = weights[at : at + m]
    w[:] = 0.0
    for _ in range(sweeps):
        largest = np.float32(0.0)
        for c in range(m):
            new = max(np.float32(0.0), gradient[c] + gram[c, c] * w[c] - l1) / (gram[c, c] + l2)
            step = new - w[c]
            if step != 0.0:
                for k in range(m):
                    gradient[k] -= step * gram[c, k]
                w[c] = new
                largest = max(largest, abs(step))
        if largest <= tolerance:
            return
