"""ItemKNN: an item is recommended by its nearest neighbours among what the user has met."""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError, unknown_name
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.cooccurrence import Ratio, cooccurrence, over_product, over_sum
from graphrec.models.parts.idle import Needs
from graphrec.models.parts.item_similarity import ItemSimilarity
from graphrec.models.scoring import Likeness

__all__ = ["ItemKNN"]

Similarity = Literal["cosine", "asymmetric", "jaccard", "dice"]
_SIMILARITIES = ("cosine", "asymmetric", "jaccard", "dice")
_WEIGHTINGS = ("none", "idf", "degree")


class ItemKNN(ItemSimilarity):
    """Item-based nearest neighbours (Sarwar et al., WWW 2001; Deshpande and Karypis, TOIS 2004).

    s_uj = Σ_{i ∈ u ∩ N_k(j)} x_ui s_ij, where N_k(j) are the k items most similar to j and x_ui is 1, or the weight. With
    c_ij = Σ ω_u x_ui x_uj over the users who have met both, and n_i = c_ii:

    ============  =====================================================================
    similarity    s_ij
    ============  =====================================================================
    cosine        c_ij / (√(n_i n_j) + shrink)
    asymmetric    c_ij / (n_i^a n_j^(1-a) + shrink), Aiolli, RecSys 2013
    jaccard       c_ij / (n_i + n_j − c_ij + shrink)
    dice          2 c_ij / (n_i + n_j + shrink)
    ============  =====================================================================

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    neighbours : int
        k.
    similarity : {"cosine", "asymmetric", "jaccard", "dice"}
    shrink : float
        Pulls similarities that rest on few users towards zero; in units of users.
    weighting : {"none", "idf", "degree"}
        ω_u, how much a user says, scaled so that its mean over all interactions is one: 1; idf_u² with
        idf_u = ln(n_items / d_u), which is the cosine of tf-idf vectors (BM25's further factor belongs to the
        item and cancels in the cosine); or 1 / Σ_i x_ui², Deshpande and Karypis' rows of unit length.
    asymmetry : float
        a of the asymmetric cosine, between 0 and 1.

    Notes
    -----
    The defaults of neighbours, shrink and weighting were chosen on Gowalla's validation part. The plain cosine
    (``shrink=0, weighting="none"``), which is what comparisons often mean by ItemKNN, is much weaker there.
    """

    solved_in_parts: ClassVar[bool] = True
    idle = (Needs("asymmetry", similarity="asymmetric"),)

    def __init__(
        self,
        train: Interactions,
        *,
        neighbours: int = 200,
        similarity: Similarity = "cosine",
        shrink: float = 50.0,
        weighting: Literal["none", "idf", "degree"] = "degree",
        asymmetry: float = 0.5,
    ) -> None:
        check_at_least("neighbours", neighbours, 1)
        check_at_least("shrink", shrink, 0)
        if similarity not in _SIMILARITIES:
            raise unknown_name("similarity", similarity, _SIMILARITIES)
        if weighting not in _WEIGHTINGS:
            raise unknown_name("weighting", weighting, _WEIGHTINGS)
        if not 0 <= asymmetry <= 1:
            raise InputError(f"asymmetry must lie between 0 and 1, got {asymmetry!r}.")
        super().__init__(train)
        self.neighbours = neighbours
        self.similarity_name = similarity
        self.shrink = shrink
        self.weighting = weighting
        self.asymmetry = asymmetry

    def solve(self) -> None:
        """Find the neighbours of each item j, and turn them into rows of what each item i says."""
        matrix = self.matrix()
        weight, together = self._weights(), self.together
        ratio = self._ratio(matrix.power(2).T @ weight)
        nearest = cooccurrence(matrix, weight, ratio, neighbours=self.neighbours, together=together)
        self.store(nearest.T.tocsr())

    def likeness(self) -> Likeness:
        """Similarities of each item's own neighbours, zero for all others, shape (b, n_items)."""
        nearest = self.similarity().T.tocsr()
        return lambda index: torch.from_numpy(nearest[index.cpu().numpy()].toarray()).to(index.device)

    def _weights(self) -> npt.NDArray[np.float64]:
        matrix = self.matrix().astype(np.float64)
        sums = (np.asarray(entries.sum(1), np.float64).ravel() for entries in (matrix != 0, matrix.power(2)))
        degree, square = (np.where(one > 0, one, 1.0) for one in sums)
        weights: npt.NDArray[np.float64] = {
            "none": np.ones(self.n_users),
            "idf": np.log(self.n_items / degree) ** 2,
            "degree": 1 / square,
        }[self.weighting]
        mean = np.average(weights, weights=self.histories.indptr.diff().cpu())
        return weights / mean if mean else weights

    def _ratio(self, n: npt.NDArray[np.float64]) -> Ratio:
        match self.similarity_name:
            case "jaccard":
                return over_sum(n + self.shrink, n, overlap=1.0)
            case "dice":
                return over_sum((n + self.shrink) / 2, n / 2)
        # Rows are the items j whose neighbours are sought, so the left side is the one that is recommended.
        share = self.asymmetry if self.similarity_name == "asymmetric" else 0.5
        return over_product(n ** (1 - share), n**share, shrink=self.shrink)
