"""The named ways to weigh the edges of the bipartite graph.

=============  =======================================  ==================================================
name           matrix                                   where it comes from
=============  =======================================  ==================================================
``none``       A                                        plain adjacency
``sym``        D^-½ A D^-½                              LightGCN (He et al. 2020, eq. 3); NGCF's paper
``row``        D⁻¹ A                                    random walk: the mean of the neighbours
``sym+self``   (D+I)^-½ (A+I) (D+I)^-½                  GCN (Kipf & Welling 2017)
``ngcf``       (D+I)⁻¹ (A+I)                            official NGCF code, its default ``norm`` setting
``sym,self``   D^-½ A D^-½ + I                          a widely copied NGCF notebook
=============  =======================================  ==================================================

A node without an edge has a row of zeros (besides its self-loop, where the name adds one).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["NORMALISATIONS", "SELF_LOOPS", "edge_values"]

FloatArray = npt.NDArray[np.float32]
Weigh = Callable[[npt.NDArray[np.float64], npt.NDArray[np.integer], npt.NDArray[np.integer]], npt.NDArray[np.float64]]


def _power(degree: npt.NDArray[np.float64], exponent: float) -> npt.NDArray[np.float64]:
    """degree ** exponent with 0 for isolated nodes."""
    result = np.zeros_like(degree)
    np.power(degree, exponent, out=result, where=degree > 0)
    return result


def _none(
    degree: npt.NDArray[np.float64], row: npt.NDArray[np.integer], column: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    return np.ones(len(row))


def _symmetric(
    degree: npt.NDArray[np.float64], row: npt.NDArray[np.integer], column: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    scale = _power(degree, -0.5)
    values: npt.NDArray[np.float64] = scale[row] * scale[column]
    return values


def _row(
    degree: npt.NDArray[np.float64], row: npt.NDArray[np.integer], column: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = _power(degree, -1.0)[row]
    return values


def _symmetric_then_self(
    degree: npt.NDArray[np.float64], row: npt.NDArray[np.integer], column: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    loops = row == column
    return np.where(loops, 1.0, _symmetric(degree - 1.0, row, column))


NORMALISATIONS: dict[str, Weigh] = {
    "none": _none,
    "sym": _symmetric,
    "row": _row,
    "sym+self": _symmetric,
    "ngcf": _row,
    "sym,self": _symmetric_then_self,
}
SELF_LOOPS = frozenset({"sym+self", "ngcf", "sym,self"})


def edge_values(name: str, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32]) -> FloatArray:
    """Weights of the stored entries of a square adjacency pattern.

    Parameters
    ----------
    name : str
        A key of :data:`NORMALISATIONS`; those in :data:`SELF_LOOPS` expect a pattern with the diagonal stored.
    indptr, indices : ndarray, shapes (n + 1,) and (nnz,)
        Compressed rows.

    Returns
    -------
    ndarray of float32, shape (nnz,)
    """
    degree = np.diff(indptr).astype(np.float64)
    row = np.repeat(np.arange(len(degree), dtype=np.int32), np.diff(indptr))
    return NORMALISATIONS[name](degree, row, indices).astype(np.float32)
