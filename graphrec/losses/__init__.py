"""Losses as pure functions of scores: means over the batch, finite for every finite score.

The tuples of names say what a loss eats: :data:`PAIRWISE` ``(pos (n,), neg (n, k))``, :data:`POINTWISE`
``(prediction (n,), target (n,))``, :data:`ROWWISE` ``(scores (b, n_items), observed (b, n_items))``,
:data:`SHARED` ``(pos (nnz,), owner (nnz,), neg (b, m))`` and :data:`EMBEDDING` ``(users (n, d), items (n, d))``;
:data:`RATING_ERRORS` are those that say how far off predicted ratings are, :data:`OF_RANKINGS` all others.
"""

from __future__ import annotations

from graphrec.losses.alignment import directau, mawu, uniformity
from graphrec.losses.contrastive import info_nce, info_nce_among
from graphrec.losses.credit import metadata_credit, partial_credit
from graphrec.losses.log_sum_exp import Product
from graphrec.losses.pairwise import adaptive_hinge, bce, bpr, ccl, hinge, warp
from graphrec.losses.pointwise import bce_labels, mse
from graphrec.losses.rowwise import gaussian_kl, masked_mse, multinomial
from graphrec.losses.sampled_softmax import bsl, shared_bsl, shared_softmax, softmax

__all__ = [
    "EMBEDDING",
    "OF_RANKINGS",
    "PAIRWISE",
    "POINTWISE",
    "RATING_ERRORS",
    "ROWWISE",
    "SHARED",
    "Product",
    "adaptive_hinge",
    "bce",
    "bce_labels",
    "bpr",
    "bsl",
    "ccl",
    "directau",
    "gaussian_kl",
    "hinge",
    "info_nce",
    "info_nce_among",
    "masked_mse",
    "mawu",
    "metadata_credit",
    "mse",
    "multinomial",
    "partial_credit",
    "shared_bsl",
    "shared_softmax",
    "softmax",
    "uniformity",
    "warp",
]

PAIRWISE = ("bpr", "bce", "hinge", "adaptive_hinge", "warp", "softmax", "bsl", "ccl")
POINTWISE = ("mse", "bce_labels")
ROWWISE = ("multinomial", "masked_mse")
SHARED = ("shared_softmax", "shared_bsl")
EMBEDDING = ("directau", "mawu")
# Of those, the errors of predicted ratings, and those after which a score is no rating.
RATING_ERRORS = ("mse", "masked_mse")
OF_RANKINGS = frozenset((*PAIRWISE, *POINTWISE, *ROWWISE, *SHARED, *EMBEDDING)).difference(RATING_ERRORS)
