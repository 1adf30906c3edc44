"""A constant sparse matrix inside a model, and its product with a weight for the rows that are asked for."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.threads import balanced_bounds, run_ranges, thread_count

__all__ = ["SparseRows", "times_columns"]


def times_columns(matrix: Tensor, columns: Tensor) -> Tensor:
    """A sparse matrix of torch's times dense columns (m, b), each of which has the same result whatever is beside it.

    A sparse product may add a column up in another order among few others than among many: they are never few.
    """
    product: Tensor = matrix @ F.pad(columns, (0, -columns.shape[1] % 64))
    return product[:, : columns.shape[1]]


class SparseRows(nn.Module):
    """Input vectors that are mostly zero: interaction histories, one-hot features.

    A layer on such an input costs one row of its weight per stored entry, not per column.

    Parameters
    ----------
    matrix : scipy.sparse.csr_matrix, shape (n, m)
        Held in buffers that move with the model but are not part of its state: a model is rebuilt from its
        training data before its state is loaded.
    """

    def __init__(self, matrix: sparse.csr_matrix) -> None:
        super().__init__()
        self.shape: tuple[int, int] = (int(matrix.shape[0]), int(matrix.shape[1]))
        arrays = {
            "indptr": matrix.indptr.astype(np.int64),
            "indices": matrix.indices.astype(np.int64),
            "values": matrix.data.astype(np.float32),
        }
        for name, array in arrays.items():
            self.register_buffer(name, torch.from_numpy(array), persistent=False)
        self.indptr: Tensor
        self.indices: Tensor
        self.values: Tensor

    def host(self) -> sparse.csr_matrix:
        """The matrix as scipy.sparse.csr_matrix of float32, shape (n, m)."""
        arrays = (self.values, self.indices.int(), self.indptr.int())
        return sparse.csr_matrix(tuple(array.cpu().numpy() for array in arrays), shape=self.shape)

    def matmul(self, weight: Tensor, index: Tensor | None = None, dropout: nn.Dropout | None = None) -> Tensor:
        """Rows of the matrix times a weight.

        Parameters
        ----------
        weight : Tensor, shape (m, h)
        index : Tensor of int64, shape (b,), optional
            Which rows; all of them unless given.
        dropout : nn.Dropout, optional
            Applied to the stored entries, which is dropout on the dense vector: zeros stay zeros.

        Returns
        -------
        Tensor, shape (b, h) or (n, h)
        """
        columns, offsets, values = self._select(index)
        if dropout is not None:
            values = dropout(values)
        return F.embedding_bag(columns, weight, offsets, mode="sum", per_sample_weights=values, include_last_offset=True)

    def times(self, columns: Tensor) -> Tensor:
        """The matrix times dense columns, one for each person or factor.

        Parameters
        ----------
        columns : Tensor of float32, shape (m, b)

        Returns
        -------
        Tensor of float32, shape (n, b)
            Without a gradient.
        """
        if columns.is_cpu:
            from graphrec.graph import kernels

            out = torch.empty(self.shape[0], columns.shape[1], dtype=torch.float32)
            arrays = self.indptr.numpy(), self.indices.numpy(), self.values.numpy()
            source, target = columns.contiguous().numpy(), out.numpy()
            bounds = balanced_bounds(arrays[0], 4 * thread_count())
            run_ranges(lambda lo, hi: kernels.hop(lo, hi, *arrays, source, target), bounds)
            return out
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
            rows, where = (self.indptr, self.indices, self.values), self.values.device
            matrix = torch.sparse_csr_tensor(*rows, size=self.shape, device=where, check_invariants=False)
            return times_columns(matrix, columns)

    def dense(self, index: Tensor | None = None) -> Tensor:
        """The matrix, or some of its rows, in full: (n, m) or (b, m)."""
        columns, offsets, values = self._select(index)
        count = len(offsets) - 1
        row = torch.arange(count, device=columns.device).repeat_interleave(offsets.diff(), output_size=len(columns))
        return values.new_zeros(count, self.shape[1]).index_put((row, columns), values)

    def _select(self, index: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        if index is None:
            return self.indices, self.indptr, self.values
        starts = self.indptr[index]
        lengths = self.indptr[index + 1] - starts
        offsets = F.pad(lengths.cumsum(0), (1, 0))
        # Position p of row r's entries: its start in the matrix plus how far p lies into the row.
        total = int(offsets[-1])
        first = (starts - offsets[:-1]).repeat_interleave(lengths, output_size=total)
        positions = torch.arange(total, device=index.device) + first
        return self.indices[positions], offsets, self.values[positions]
