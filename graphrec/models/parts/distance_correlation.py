"""How far two sets of features depend on each other."""

from __future__ import annotations

from torch import Tensor

__all__ = ["centred_distances", "distance_correlation"]


def centred_distances(x: Tensor) -> Tensor:
    """Doubly centred distances of rows (n, d), shape (n, n)."""
    square = x.square().sum(1)
    d = (square[:, None] + square - 2 * x @ x.T).clamp_min(0).add(1e-8).sqrt()
    return d - d.mean(0) - d.mean(1, keepdim=True) + d.mean()


def distance_correlation(a: Tensor, b: Tensor) -> Tensor:
    """The distance correlation of two results of :func:`centred_distances`, a scalar (Székely et al. 2007)."""

    def covariance(x: Tensor, y: Tensor) -> Tensor:
        return ((x * y).mean().clamp_min(0) + 1e-8).sqrt()

    return covariance(a, b) / (covariance(a, a) * covariance(b, b) + 1e-10).sqrt()
