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

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["NORMALISATIONS", "SELF_LOOPS", "edge_values"]

FloatArray = npt.NDArray[np.float32]
Degrees = npt.NDArray[np.float64]
Nodes = npt.NDArray[np.integer]
Weights = Callable[[Nodes, Nodes], Degrees]
"""From the rows and the columns of some edges to their weights."""

_BLOCK = 1 << 22  # entries, nearly, that are weighed at a time


def _power(degree: Degrees, exponent: float) -> Degrees:
    """degree ** exponent with 0 for isolated nodes."""
    result = np.zeros_like(degree)
    np.power(degree, exponent, out=result, where=degree > 0)
    return result


def _none(degree: Degrees) -> Weights:
    return lambda row, column: np.ones(len(row))


def _symmetric(degree: Degrees) -> Weights:
    scale = _power(degree, -0.5)
    return lambda row, column: scale[row] * scale[column]


def _row(degree: Degrees) -> Weights:
    scale = _power(degree, -1.0)
    return lambda row, column: scale[row]


def _symmetric_then_self(degree: Degrees) -> Weights:
    symmetric = _symmetric(degree - 1.0)
    return lambda row, column: np.where(row == column, 1.0, symmetric(row, column))


NORMALISATIONS: dict[str, Callable[[Degrees], Weights]] = {
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
    lengths = np.diff(indptr)
    weigh = NORMALISATIONS[name](lengths.astype(np.float64))
    values = np.empty(len(indices), np.float32)
    # A block of rows at a time: the double precision of all of them would take six times the room of the result.
    edges = np.unique(np.searchsorted(indptr, np.arange(0, len(indices) + _BLOCK, _BLOCK)).clip(max=len(lengths)))
    for lo, hi in itertools.pairwise(np.unique([0, *edges, len(lengths)]).tolist()):
        row = np.repeat(np.arange(lo, hi, dtype=np.int32), lengths[lo:hi])
        part = slice(int(indptr[lo]), int(indptr[hi]))
        values[part] = weigh(row, indices[part])
    return values
