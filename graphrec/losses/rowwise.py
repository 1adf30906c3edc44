"""Losses over whole rows of a reconstruction: ``loss(scores (b, n_items), observed (b, n_items)) -> scalar``."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.losses.checks import same_shape
from graphrec.losses.log_sum_exp import log_sum_exp

__all__ = ["gaussian_kl", "masked_mse", "multinomial"]


def multinomial(logits: Tensor, observed: Tensor) -> Tensor:
    """Multinomial negative log-likelihood: the mean over the rows of −Σ_i x_i log softmax(logits)_i.

    Liang et al., "Variational Autoencoders for Collaborative Filtering", WWW 2018, eq. 2.

    Parameters
    ----------
    logits : Tensor, shape (b, n_items)
    observed : Tensor, shape (b, n_items)
        x: 1 where the user has met the item and 0 elsewhere, or counts.

    Returns
    -------
    Tensor, scalar
    """
    same_shape("logits", logits, "observed", observed)
    x = observed.to(logits.dtype)
    return (x.sum(1) * log_sum_exp(logits) - (x * logits).sum(1)).mean()


def masked_mse(prediction: Tensor, target: Tensor, observed: Tensor | None = None) -> Tensor:
    """Mean squared error over the observed entries alone.

    Sedhain et al., "AutoRec: Autoencoders Meet Collaborative Filtering", WWW 2015, eq. 1, without the L2 term.

    Parameters
    ----------
    prediction, target : Tensor, shape (b, n_items)
    observed : Tensor, shape (b, n_items), optional
        True or non-zero where `target` is known; where `target` is not 0 unless given.

    Returns
    -------
    Tensor, scalar
        0 where nothing is observed.
    """
    same_shape("prediction", prediction, "target", target)
    mask = target if observed is None else observed
    same_shape("prediction", prediction, "observed", mask)
    mask = mask != 0
    error = torch.where(mask, prediction - target, 0.0)
    return error.square().sum() / mask.sum().clamp(min=1)


def gaussian_kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """Mean over the rows of KL( N(μ, diag e^logvar) ‖ N(0, I) ) = ½ Σ (μ² + e^logvar − 1 − logvar).

    Kingma and Welling, "Auto-Encoding Variational Bayes", ICLR 2014, appendix B.

    Parameters
    ----------
    mu, logvar : Tensor, shape (b, d)

    Returns
    -------
    Tensor, scalar
    """
    same_shape("mu", mu, "logvar", logvar)
    # expm1: exp(v) − 1 − v has no digit left where the posterior is close to the prior
    return 0.5 * (mu.square() + torch.expm1(logvar) - logvar).sum(1).mean()
