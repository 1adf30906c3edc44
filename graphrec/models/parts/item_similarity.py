"""Base of models whose filter is a sparse matrix of item similarities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.parts.cooccurrence import Rows
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows, times_columns
from graphrec.models.scoring import Sums
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = ["ItemSimilarity"]

_SIGNED = {2: np.int16, 4: np.int32}


class ItemSimilarity(ItemFilter):
    """s_u = Σ of the similarity rows S_i of the items i that user u has met, times their weights where there are some.

    Subclasses define :meth:`solve`, which ends in :meth:`store`.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.

    Attributes
    ----------
    indptr, indices, values : Tensor of int64 (n_items + 1,), int16 or int32 (nnz,) and float32 (nnz,)
        S in compressed rows: row i holds what i says for other items. Empty before :meth:`solve`. Numbers of 16 bits are
        without a sign (torch pickles no such tensors): they are what ``indices.long() & 0xFFFF`` says.
    """

    def __init__(self, train: Interactions) -> None:
        super().__init__(train)
        self.register_buffer("indptr", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("indices", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("values", torch.zeros(0, dtype=torch.float32))
        self.indptr: Tensor
        self.indices: Tensor
        self.values: Tensor

    def store(self, similarity: sparse.csr_matrix | Rows) -> None:
        """Take S, shape (n_items, n_items), into the buffers."""
        if not isinstance(similarity, Rows):
            short = np.uint16 if self.n_items <= 2**16 else np.int32
            similarity = Rows(similarity.indptr, similarity.indices.astype(short, copy=False), similarity.data)
        device = self.indptr.device
        self.indptr = torch.from_numpy(similarity.indptr.astype(np.int64, copy=False)).to(device)
        self.indices = torch.from_numpy(similarity.indices.view(_SIGNED[similarity.indices.dtype.itemsize])).to(device)
        self.values = torch.from_numpy(similarity.values.astype(np.float32, copy=False)).to(device)

    def similarity(self) -> sparse.csr_matrix:
        """S as scipy.sparse.csr_matrix of float32, shape (n_items, n_items)."""
        self._require_solution()
        return Rows(self.indptr.cpu().numpy(), self._columns(), self.values.cpu().numpy()).matrix()

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Sums of similarity rows, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        self._require_solution()
        if self.values.is_cuda:
            return self._filter_on_device(histories, index)
        from graphrec.models.parts import cooccurrence_kernels as kernels

        # On the CPU, cpu() does nothing; on a device without compressed rows it makes this right rather than fast.
        rows = (torch.arange(histories.shape[0]) if index is None else index.cpu()).numpy()
        out, sums = self._buffer(len(rows)), self._as_sums(histories)
        target, bounds = out.numpy(), even_bounds(len(rows), 8 * thread_count())
        run_ranges(lambda lo, hi: kernels.add_similar(lo, hi, rows, sums, target), bounds)
        return out.to(self.values.device)

    def sums(self, histories: SparseRows) -> Sums | None:
        """Scores as sums of rows of S; see :meth:`ItemFilter.sums`.

        A class that defines `filter` is taken for one where they are not, unless it says so itself.
        """
        self._require_solution()
        return self._as_sums(histories) if self.values.device.type == "cpu" else None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "filter" in vars(cls) and "sums" not in vars(cls):
            cls.sums = ItemFilter.sums  # type: ignore[method-assign]

    def _as_sums(self, histories: SparseRows) -> Sums:
        weights = histories.values.cpu().numpy() if self.weighted else np.zeros(0, np.float32)
        users = histories.indptr.cpu().numpy(), histories.indices.cpu().numpy(), weights
        return Sums(*users, self.indptr.cpu().numpy(), self._columns(), self.values.cpu().numpy())

    def _columns(self) -> npt.NDArray[np.integer[Any]]:
        """The indices on the host: uint16 or int32."""
        indices: npt.NDArray[np.integer[Any]] = self.indices.cpu().numpy()
        return indices.view(np.uint16) if indices.dtype == np.int16 else indices

    def _filter_on_device(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """(Sᵀ Xᵀ)ᵀ: a sparse matrix times the people's signals as dense columns."""
        return times_columns(self._transposed(), histories.dense(index).T).T.contiguous()

    def _transposed(self) -> Tensor:
        """Sᵀ in compressed rows, made once for the values that are there now."""
        held: tuple[Tensor, Tensor] | None = self.__dict__.get("_held")
        if held is None or held[0] is not self.values:
            row = torch.arange(self.n_items, device=self.values.device).repeat_interleave(
                self.indptr.diff(), output_size=len(self.values)
            )
            columns = self.indices.long() & (0xFFFF if self.indices.dtype == torch.int16 else -1)
            order = columns.argsort(stable=True)
            counts = torch.zeros(self.n_items + 1, dtype=torch.int32, device=self.values.device)
            counts.index_add_(0, columns + 1, torch.ones_like(columns, dtype=torch.int32))
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
                flipped = torch.sparse_csr_tensor(
                    counts.cumsum(0, dtype=torch.int32),
                    row[order].int(),
                    self.values[order],
                    size=(self.n_items, self.n_items),
                    device=self.values.device,
                    check_invariants=False,
                )
            held = self.__dict__["_held"] = self.values, flipped
        return held[1]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_held")}

    def check_state(self) -> None:
        """Refuse rows and columns that are not those of an n_items × n_items matrix."""
        self._require_solution()
        starts = self.indptr
        if int(starts[0]) or int(starts[-1]) != len(self.indices) or bool((starts.diff() < 0).any()):
            raise InputError("the rows of the stored similarities are not in order.")
        columns = self._columns()
        if len(columns) != len(self.values) or (len(columns) and not 0 <= columns.min() <= columns.max() < self.n_items):
            raise InputError(f"the stored similarities name an item outside of 0 … {self.n_items - 1}.")

    def _require_solution(self) -> None:
        if len(self.indptr) != self.n_items + 1:
            raise InputError(f"this {type(self).__name__} has no similarities yet: call solve() or load a state first.")
