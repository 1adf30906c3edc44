"""The inverse of a large symmetric matrix in the memory of the matrix itself."""

from __future__ import annotations

import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["invert_in_place", "not_definite", "working_bytes"]

_BLOCK = 512  # columns that are swept at a time
_PANEL = 1024  # rows that are updated, or mirrored, at a time
_LAPACK = 30_000**2  # entries: OpenBLAS's Cholesky of 41,000 columns by two threads ends the process (scipy 1.17)


def working_bytes(n: int) -> int:
    """What inverting an n × n matrix takes beside the matrix."""
    return 12 * n * min(_BLOCK, n) + 16 * min(_PANEL, n) ** 2


def invert_in_place(matrix: Tensor) -> Tensor:
    """Put the inverse of a symmetric positive definite matrix where the matrix is, by n³ operations.

    On the CPU by LAPACK's Cholesky decomposition; on another device, and for more than 30,000 columns, by sweeping.

    Parameters
    ----------
    matrix : Tensor of float32, shape (n, n), contiguous
        Only the upper triangle is read.

    Returns
    -------
    Tensor
        `matrix` itself.

    Raises
    ------
    InputError
        It is not positive definite, as far as single precision tells. What stood in `matrix` is lost.
    """
    if matrix.is_cpu and matrix.numel() < _LAPACK:
        _by_cholesky(matrix)
    else:
        _by_sweeping(matrix)
    n = len(matrix)
    for lo in range(0, n, _PANEL):
        hi = min(lo + _PANEL, n)
        square = matrix[lo:hi, lo:hi]
        square.copy_(square.triu() + square.triu(1).T)
        matrix[hi:, lo:hi] = matrix[lo:hi, hi:].T
    return matrix


def _by_cholesky(matrix: Tensor) -> None:
    """The upper half of the inverse."""
    from scipy.linalg import lapack

    columns = matrix.numpy().T  # the order in which LAPACK reads the same numbers, where upper is lower
    _, failed = lapack.spotrf(columns, lower=1, clean=0, overwrite_a=1)
    if not failed:
        _, failed = lapack.spotri(columns, lower=1, overwrite_c=1)
    if failed:
        raise not_definite()


def _by_sweeping(matrix: Tensor) -> None:
    """The upper half of the inverse, by the sweep operator on blocks (Lange, Numerical Analysis for Statisticians, ch. 7).

    With D the inverse of the block A_kk, all else becomes A_ij − A_ik D A_kj, and the block's own columns A_ik D; after all
    blocks the matrix is −A⁻¹. Nearly all of it is a product of matrices, which every device does best.
    """
    n = len(matrix)
    for lo in range(0, n, _BLOCK):
        hi = min(lo + _BLOCK, n)
        column = matrix.new_zeros(n, hi - lo)  # zero in the block itself, whose rows are set below
        column[:lo], column[hi:] = matrix[:lo, lo:hi], matrix[lo:hi, hi:].T
        inverse = _small_inverse(matrix[lo:hi, lo:hi])
        scaled = column @ inverse
        for first in range(0, n, _PANEL):
            rows = slice(first, min(first + _PANEL, n))
            matrix[rows, first:].addmm_(scaled[rows], column[first:].T, alpha=-1)
        matrix[:lo, lo:hi], matrix[lo:hi, hi:] = scaled[:lo], scaled[hi:].T
        matrix[lo:hi, lo:hi] = -inverse
    matrix.neg_()


def _small_inverse(block: Tensor) -> Tensor:
    """Of a symmetric block whose upper triangle counts; in double precision on the host, for it is small."""
    factor, failed = torch.linalg.cholesky_ex(block.to("cpu", torch.float64), upper=True)
    if failed:
        raise not_definite()
    return torch.cholesky_inverse(factor, upper=True).to(block)


def not_definite() -> InputError:
    """The error for a matrix that has no inverse in single precision."""
    return InputError("the matrix of EASE is not positive definite in single precision; raise l2.")
