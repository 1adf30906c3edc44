"""Losses that compare a prediction with what was observed: ``loss(prediction (n,), target (n,)) -> scalar``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.losses.checks import same_shape

__all__ = ["bce_labels", "mse"]


def mse(prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error, or its weighted mean Σ w (prediction − target)² / Σ w.

    Parameters
    ----------
    prediction, target : Tensor, shape (n,)
        In the units of the ratings.
    weight : Tensor, shape (n,), optional
        Not negative; where all are 0 the loss is 0.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    InputError
        The shapes differ, even if they would broadcast.
    """
    same_shape("prediction", prediction, "target", target)
    if weight is None:
        return F.mse_loss(prediction, target)
    same_shape("prediction", prediction, "weight", weight)
    total = weight.sum().clamp(min=torch.finfo(prediction.dtype).tiny)
    return (weight * (prediction - target).square()).sum() / total


def bce_labels(logits: Tensor, labels: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean binary cross-entropy of logits against labels, which may be probabilities, or its weighted mean.

    Parameters
    ----------
    logits, labels : Tensor, shape (n,)
        Labels are between 0 and 1.
    weight : Tensor, shape (n,), optional
        Not negative; where all are 0 the loss is 0.

    Returns
    -------
    Tensor, scalar

    Raises
    ------
    InputError
        The shapes differ, or a label is outside [0, 1], as a rating of 4 is.
    """
    same_shape("logits", logits, "labels", labels)
    if not bool(((labels >= 0) & (labels <= 1)).all()):
        raise InputError(
            f"bce_labels needs labels from 0 to 1, got values from {float(labels.min()):g} to {float(labels.max()):g}; "
            f"binarize the ratings, or use the loss 'mse'."
        )
    if weight is None:
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    same_shape("logits", logits, "weight", weight)
    total = weight.sum().clamp(min=torch.finfo(logits.dtype).tiny)
    return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype), weight, reduction="sum") / total
