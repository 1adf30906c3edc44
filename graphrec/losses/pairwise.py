"""Losses that compare a positive with its negatives: ``loss(pos (n,), neg (n, k)) -> scalar``.

Negatives that a batch shares, or that are the positives of other rows, come as (n, k) all the same. Axes of
`neg` beyond the second are joined with it.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.losses.checks import negatives_of

__all__ = ["adaptive_hinge", "bce", "bpr", "ccl", "hinge", "warp"]


def bpr(pos: Tensor, neg: Tensor) -> Tensor:
    """Bayesian personalised ranking: mean of −log σ(pos − neg) over all pairs.

    Rendle et al., "BPR: Bayesian Personalized Ranking from Implicit Feedback", UAI 2009, without the L2 term.

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)

    Returns
    -------
    Tensor, scalar

    Examples
    --------
    >>> gr.losses.bpr(torch.tensor([2.0, 1.0]), torch.tensor([[0.0], [1.0]]))
    tensor(0.4100)
    """
    return F.softplus(negatives_of(pos, neg) - pos[:, None]).mean()


def hinge(pos: Tensor, neg: Tensor, margin: float = 1.0) -> Tensor:
    """Mean of max(0, margin − pos + neg) over all pairs.

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)
    margin : float
        Lead, in score units, from which on a pair costs nothing.

    Returns
    -------
    Tensor, scalar
    """
    return F.relu(negatives_of(pos, neg) - pos[:, None] + margin).mean()


def adaptive_hinge(pos: Tensor, neg: Tensor, margin: float = 1.0) -> Tensor:
    """The hinge against the highest-scored of the k negatives: mean of max(0, margin − pos + max_j neg_j).

    A cheap approximation of :func:`warp`; with more negatives the chosen one is harder.

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)
    margin : float

    Returns
    -------
    Tensor, scalar
    """
    return F.relu(negatives_of(pos, neg).amax(1) - pos + margin).mean()


def warp(pos: Tensor, neg: Tensor, margin: float = 1.0, n_items: int | None = None) -> Tensor:
    """Weighted approximate-rank pairwise loss: a hinge that counts more the lower the positive ranks.

    With v of the k negatives within the margin, the rank of the positive among all items is estimated as
    r = v / k · (n_items − 1), and the row's loss is H(r) · (mean hinge of the v violators), where
    H(r) = 1 + 1/2 + … + 1/r. This is the loss of Weston et al., "WSABIE: Scaling Up To Large Vocabulary Image
    Annotation", IJCAI 2011, eq. 3–5, in two respects changed to fit a fixed number of negatives: the rank
    comes from the share of violators instead of the number of draws up to the first, and the violators are
    averaged instead of one being drawn. H is carried on between whole numbers by the digamma function.

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)
    margin : float
    n_items : int, optional
        Size of the catalogue the negatives were drawn from. Unless given, the rank among the k + 1 scored
        items is taken, so that r = v.

    Returns
    -------
    Tensor, scalar
        The gradient takes the rank's weight as a constant.
    """
    rows = negatives_of(pos, neg)
    others = rows.shape[1] if n_items is None else n_items - 1
    if others < 1:
        raise InputError(f"n_items must be at least 2 for warp, got {n_items}.")
    violation = F.relu(rows - pos[:, None] + margin)
    violators = (violation.detach() > 0).sum(1)
    rank = violators.to(violation.dtype) * (others / rows.shape[1])
    weight = torch.digamma(rank + 1) + _EULER_GAMMA
    return (weight * violation.sum(1) / violators.clamp(min=1)).mean()


def bce(pos: Tensor, neg: Tensor) -> Tensor:
    """Binary cross-entropy of logits, positives labelled 1 and negatives 0; the mean over all n · (1 + k) of them.

    He et al., "Neural Collaborative Filtering", WWW 2017, eq. 7.

    Parameters
    ----------
    pos : Tensor, shape (n,)
        Logits: the sigmoid is in the loss.
    neg : Tensor, shape (n, k)

    Returns
    -------
    Tensor, scalar
    """
    rows = negatives_of(pos, neg)
    return (F.softplus(-pos).sum() + F.softplus(rows).sum()) / (pos.numel() + rows.numel())


def ccl(pos: Tensor, neg: Tensor, margin: float = 0.9, weight: float = 10.0) -> Tensor:
    """Cosine contrastive loss: mean over the rows of (1 − pos) + weight / k · Σ_j max(0, neg_j − margin).

    Mao et al., "SimpleX: A Simple and Strong Baseline for Collaborative Filtering", CIKM 2021, eq. 1. The
    scores are meant to be cosines (``similarity="cosine"`` of ``fit``).

    Parameters
    ----------
    pos : Tensor, shape (n,)
    neg : Tensor, shape (n, k)
    margin : float
        Cosine below which a negative costs nothing; tuned between 0 and 1 in the paper.
    weight : float
        Of the negatives' mean beside the positive.

    Returns
    -------
    Tensor, scalar
    """
    rows = negatives_of(pos, neg)
    return (1 - pos).mean() + weight * F.relu(rows - margin).mean()


_EULER_GAMMA = 0.5772156649015329  # H(r) = digamma(r + 1) + γ
