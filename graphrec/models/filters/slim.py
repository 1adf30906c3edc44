"""SLIM: a sparse, non-negative regression of each item on others."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.cooccurrence import cooccurrence, over_product
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.item_similarity import ItemSimilarity
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["SLIM"]


class SLIM(ItemSimilarity):
    """Sparse linear method (Ning and Karypis, ICDM 2011) with its feature selection, fsSLIM.

    Column j of W minimises ½‖r_j − R w‖² + ½ l2 ‖w‖² + l1 ‖w‖₁ under w ≥ 0 and w_j = 0, over the items that are
    nearest to j by cosine.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    l1, l2 : float
        Strengths of the two penalties, in units of interactions.
    candidates : int
        Number of nearest items that may get a weight.
    sweeps : int
        At most so many passes over the candidates.
    tolerance : float
        A pass in which no weight moved further ends the search.

    Notes
    -----
    The defaults of l1, l2 and candidates were chosen on Gowalla's validation part. Twice the candidates cost
    twice the time and gain little.
    """

    solved_in_parts: ClassVar[bool] = True
    idle = (Idle("tolerance", sweeps=1),)

    def __init__(
        self,
        train: Interactions,
        *,
        l1: float = 0.1,
        l2: float = 50.0,
        candidates: int = 200,
        sweeps: int = 20,
        tolerance: float = 1e-3,
    ) -> None:
        check_at_least("l1", l1, 0)
        check_at_least("l2", l2, 0)
        check_at_least("candidates", candidates, 1)
        check_at_least("sweeps", sweeps, 1)
        check_at_least("tolerance", tolerance, 0)
        super().__init__(train)
        self.l1 = l1
        self.l2 = l2
        self.candidates = candidates
        self.sweeps = sweeps
        self.tolerance = tolerance

    def solve(self) -> None:
        """Choose the candidates, and regress each item on its own."""
        from graphrec.models.filters import slim_kernels

        matrix = self.matrix()
        root = np.sqrt(np.asarray(matrix.astype(np.float64).power(2).sum(0)).ravel())
        root[root == 0] = 1
        alone = np.ones(self.n_users)
        together, n = self.together, self.n_items
        nearest = cooccurrence(matrix, alone, over_product(root, root), neighbours=self.candidates, together=together)
        one = np.ones(n)
        gram = cooccurrence(matrix, alone, over_product(one, one), diagonal=True, together=together)
        first, last = (0, n) if together is None else (n * (together.rank + at) // together.size for at in (0, 1))
        penalties = (np.float32(self.l1), np.float32(self.l2), self.sweeps, np.float32(self.tolerance))
        weights = np.empty(nearest.nnz, np.float32)
        run_ranges(
            lambda lo, hi: slim_kernels.regress_items(
                lo, hi, nearest.indptr, nearest.indices, gram.indptr, gram.indices, gram.data, *penalties, weights
            ),
            [first + at for at in even_bounds(last - first, 64 * thread_count())],
        )
        if together is not None:
            mine = weights[nearest.indptr[first] : nearest.indptr[last]]
            weights = together.stacked(torch.from_numpy(mine)).numpy()
        columns = sparse.csr_matrix((weights, nearest.indices, nearest.indptr), shape=gram.shape)
        columns.eliminate_zeros()
        self.store(columns.T.tocsr())
