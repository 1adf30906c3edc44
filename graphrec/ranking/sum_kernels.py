"""Compiled ranking of scores that are sums of rows of a sparse matrix."""

from __future__ import annotations

import numba
import numpy as np

from graphrec.models.parts.cooccurrence_kernels import add_rows
from graphrec.ranking.kernels import scan

__all__ = ["best_of_sums"]


@numba.njit(nogil=True, cache=True, error_model="numpy", boundscheck=False)
def best_of_sums(lo, hi, users, sums, labels, indptr, indices, rows, best, best_scores, bad):  # type: ignore[no-untyped-def]
    """Find the best k of the people lo:hi, each of whom has a row of scores that never leaves the core's cache.

    Blocks of whole rows, as other filters need them, go out to memory and back before they are looked through: on Gowalla as
    many bytes as the similarities themselves.

    Parameters
    ----------
    users : int64 (n,)
        Row of each in `sums`, a :class:`graphrec.models.scoring.Sums`.
    labels : int64 (n_items,)
        All items, ascending.
    indptr, indices
        Items to leave out, as compressed rows; ``rows[r]`` is the row of person r.
    best, best_scores, bad
        As of :func:`graphrec.ranking.kernels.scan`, (n, k) and (n,).
    """
    scores = np.zeros((1, len(labels)), np.float32)
    for r in range(lo, hi):
        scores[0] = 0.0
        add_rows(users[r], sums, scores[0])
        one = slice(r, r + 1)
        scan(0, 1, scores, 0, labels, indptr, indices, rows[one], best[one], best_scores[one], bad[one], True)
