"""Losses on rows of positive pairs, without negatives: ``loss(users (n, d), items (n, d)) -> scalar``."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.losses.checks import same_shape
from graphrec.losses.log_sum_exp import log_sum_exp

__all__ = ["directau", "mawu", "uniformity"]


def directau(users: Tensor, items: Tensor, gamma: float = 1.0) -> Tensor:
    """Alignment and uniformity on the unit sphere: mean ‖u − v‖² + γ · ½ (uniformity(U) + uniformity(V)).

    Wang et al., "Towards Representation Alignment and Uniformity in Collaborative Filtering" (DirectAU),
    KDD 2022, eq. 5–7.

    Parameters
    ----------
    users, items : Tensor, shape (n, d)
        The two rows of each positive pair; normalised here.
    gamma : float
        γ, weight of uniformity; 0.2 to 10 in the paper.

    Returns
    -------
    Tensor, scalar
    """
    u, v = _normalised(users, items)
    alignment = (u - v).square().sum(1).mean()
    return alignment + gamma * 0.5 * (uniformity(u) + uniformity(v))


def mawu(
    users: Tensor,
    items: Tensor,
    user_margin: Tensor | float = 0.0,
    item_margin: Tensor | float = 0.0,
    gamma_user: float = 1.0,
    gamma_item: float = 1.0,
) -> Tensor:
    """Margin-aware alignment and weighted uniformity: −mean cos(θ + M_u + M_i) + γ_u · unif(U) + γ_i · unif(V).

    Park et al., "Toward a Better Understanding of Loss Functions for Collaborative Filtering", CIKM 2023. θ is
    the angle between the two rows of a pair; a margin demands that it be smaller by as much. With margins 0
    the first term is ½ mean ‖u − v‖² − 1, so that the loss is ½ · :func:`directau` − 1 for γ_u = γ_i = γ / 4.

    Parameters
    ----------
    users, items : Tensor, shape (n, d)
        Normalised here.
    user_margin, item_margin : Tensor, shape (n,), or float
        Angles in radians, each pair's own or one for all; they may be learnt. θ + M is cut off at π.
    gamma_user, gamma_item : float
        Weights of the two uniformities.

    Returns
    -------
    Tensor, scalar
    """
    u, v = _normalised(users, items)
    # The derivative of arccos is infinite at ±1: the cosine is kept a few rounding errors away.
    limit = 1 - 4 * torch.finfo(u.dtype).eps
    angle = torch.arccos((u * v).sum(1).clamp(-limit, limit))
    alignment = -torch.cos((angle + user_margin + item_margin).clamp(max=math.pi)).mean()
    return alignment + gamma_user * uniformity(u) + gamma_item * uniformity(v)


def uniformity(rows: Tensor, t: float = 2.0) -> Tensor:
    """log of the mean of exp(−t ‖x − y‖²) over all pairs of different rows.

    Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and Uniformity on the
    Hypersphere", ICML 2020.

    Parameters
    ----------
    rows : Tensor, shape (n, d)
        Of length one.
    t : float

    Returns
    -------
    Tensor, scalar
        0 for a single row, so that a last batch of one pair trains on.
    """
    n = len(rows)
    if n < 2:
        return rows.new_zeros(())
    # ‖x − y‖² = 2 − 2 x·y for unit rows: a matrix product instead of pairwise distances, whose gradient at 0 is nan
    cosine = (rows @ rows.T).fill_diagonal_(-torch.inf)
    total = torch.logsumexp(log_sum_exp(cosine, 1 / (2 * t)), 0)
    return total - 2 * t - math.log(n * (n - 1))


def _normalised(users: Tensor, items: Tensor) -> tuple[Tensor, Tensor]:
    same_shape("users", users, "items", items)
    if users.ndim != 2 or not len(users):
        raise InputError(f"users and items must be rows of positive pairs, shape (n, d); got {tuple(users.shape)}.")
    return F.normalize(users, dim=1), F.normalize(items, dim=1)
