"""Principal components of embeddings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from graphrec.errors import InputError

__all__ = ["PrincipalComponents", "principal_components"]

FloatArray = npt.NDArray[np.float64]


class PrincipalComponents(NamedTuple):
    """The directions in which vectors differ most, strongest first.

    Attributes
    ----------
    scores : ndarray of float64, shape (n, k)
        Where each vector lies along each direction; every column has mean 0.
    directions : ndarray of float64, shape (k, d)
        Orthonormal rows.
    explained : ndarray of float64, shape (k,)
        Share of the total variance along each direction.
    """

    scores: FloatArray
    directions: FloatArray
    explained: FloatArray


def principal_components(vectors: npt.ArrayLike | torch.Tensor, k: int | None = None) -> PrincipalComponents:
    """Principal components by a singular value decomposition of the centred vectors.

    A direction and its opposite describe the same component; the one is taken that puts the vector furthest
    from the centre on the positive side, so that the same vectors give the same picture everywhere.

    Parameters
    ----------
    vectors : array_like or Tensor, shape (n, d)
        Such as ``model.encode().items.full()``.
    k : int, optional
        Number of components, at most min(n, d); all of them unless given.

    Returns
    -------
    PrincipalComponents

    Raises
    ------
    InputError
        `vectors` is not a table of finite numbers or all its rows are equal, or `k` is out of range.
    """
    x = np.array(vectors.detach().cpu().numpy() if isinstance(vectors, torch.Tensor) else vectors, np.float64)
    if x.ndim != 2 or not x.size:
        raise InputError(f"vectors must have the shape (n, d) with at least one row, got {x.shape}.")
    if not np.isfinite(x).all():
        row = int(np.flatnonzero(~np.isfinite(x).all(1))[0])
        raise InputError(f"vectors must be finite numbers; row {row} has another value.")
    most = min(x.shape)
    k = most if k is None else k
    if not 1 <= k <= most:
        raise InputError(f"k must be from 1 to {most} for vectors of shape {x.shape}, got {k}.")
    if (x == x[0]).all():
        raise InputError("all vectors are equal, so they have no principal component.")
    x -= x.mean(0)
    left, sizes, directions = np.linalg.svd(x, full_matrices=False)
    scores = left[:, :k] * sizes[:k]
    signs = np.sign(scores[np.abs(scores).argmax(0), np.arange(k)])
    signs[signs == 0] = 1.0
    return PrincipalComponents(scores * signs, directions[:k] * signs[:, None], (sizes**2 / (sizes**2).sum())[:k])
