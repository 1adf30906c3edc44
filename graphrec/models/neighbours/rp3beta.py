"""RP3β: a random walk of three steps on the graph of users and items, with popular items discounted."""

from __future__ import annotations

from typing import ClassVar

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.cooccurrence import cooccurrence_rows, over_product
from graphrec.models.parts.item_similarity import ItemSimilarity
from graphrec.models.parts.sparse_rows import SparseRows

__all__ = ["RP3beta"]


class RP3beta(ItemSimilarity):
    """Three-step walk with discounted popularity (Paudel et al., TiiS 2017; P3α is β = 0).

    A walk user → item → user → item, each transition probability to the power α, and the end divided by
    its item's degree to the power β. Up to a factor of the user, with degrees d:

        s_uj = Σ_{i ∈ u} d_i^-α · (Rᵀ D_U^-α R)_ij · d_j^-β

    without i = j: that a walk comes back is no news. With weights a step is taken in proportion to them: d are sums of weights,
    and R and the user's row hold weight^α.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    alpha : float
        Exponent of the transition probabilities.
    beta : float
        Exponent of the discount. Where the exponents are so large that a similarity is too small for float32, solving refuses.
    neighbours : int, optional
        Keep this many of the strongest similarities of each item; all unless given. Fewer make ranking faster.

    Notes
    -----
    The defaults of alpha and beta were chosen on Gowalla's validation part, from the grid 0.5, 0.6, … 0.9 and
    0.1, 0.2, … 0.5. Implementations in circulation start from α = 1, β = 0.6 and 100 neighbours, which is
    weaker there.
    """

    solved_in_parts: ClassVar[bool] = True

    def __init__(self, train: Interactions, *, alpha: float = 0.7, beta: float = 0.3, neighbours: int | None = None) -> None:
        check_at_least("alpha", alpha, 0)
        check_at_least("beta", beta, 0)
        if neighbours is not None:
            check_at_least("neighbours", neighbours, 1)
        super().__init__(train)
        self._sums = self.degrees()
        if self.weighted:
            stepped = self.matrix().copy()
            stepped.data = stepped.data**alpha  # SciPy's power refuses 0
            self.histories = SparseRows(stepped)
        self.alpha = alpha
        self.beta = beta
        self.neighbours = neighbours

    def solve(self) -> None:
        """Weigh the co-occurrences by degrees."""
        users, items = self._sums
        ratio = over_product(items**self.alpha, items**self.beta)
        weight, together = users**-self.alpha, self.together
        similar = cooccurrence_rows(self.matrix(), weight, ratio, neighbours=self.neighbours, together=together)
        if len(similar.values) and not similar.values.min() > 0:
            raise InputError(
                f"alpha={self.alpha:g} and beta={self.beta:g} make similarities that are too small for float32; exponents "
                "from 0 to 2 are usual."
            )
        self.store(similar)
