"""Interactions as one graph of users and items, and its weighted adjacency matrices."""

from __future__ import annotations

import warnings
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.devices import with_number
from graphrec.errors import InputError, unknown_name
from graphrec.graph.normalise import NORMALISATIONS, SELF_LOOPS, edge_values

if TYPE_CHECKING:
    from graphrec.graph.row_sparse import RowSparse

__all__ = ["Adjacency", "BipartiteGraph", "Pattern"]


class Pattern:
    """Where a structurally symmetric square matrix has entries, in compressed rows.

    Parameters
    ----------
    indptr : ndarray of int64, shape (n + 1,)
    indices : ndarray of int32, shape (nnz,)
        Column indices, sorted within each row.

    Attributes
    ----------
    reverse : ndarray of int32, shape (nnz,)
        Position of the entry (j, i) for each entry (i, j): permutes values into those of the transpose.
    """

    def __init__(self, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32]) -> None:
        if len(indices) >= np.iinfo(np.int32).max:
            raise InputError(f"the graph has {len(indices):,} directed edges; more than 2^31 - 1 are not supported.")
        self.indptr = indptr
        self.indices = indices

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Both arrays as tensors of int32 on a device, where they are copied once."""
        held: dict[torch.device, tuple[Tensor, Tensor]] = self.__dict__.setdefault("_held", {})
        if device not in held:  # two threads may both copy them: they copy the same
            held[device] = (
                torch.tensor(self.indptr, dtype=torch.int32, device=device),
                torch.tensor(self.indices, device=device),
            )
        return held[device]

    def reverse_on(self, device: torch.device) -> Tensor:
        """:attr:`reverse` as a tensor on a device."""
        held: dict[torch.device, Tensor] = self.__dict__.setdefault("_reverse_held", {})
        if device not in held:
            held[device] = torch.tensor(self.reverse, device=device)
        return held[device]

    def __getstate__(self) -> dict[str, Any]:
        return {"indptr": self.indptr, "indices": self.indices}

    def entries(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Number of entries in each of some rows."""
        return self.indptr[rows + 1] - self.indptr[rows]

    @cached_property
    def reverse(self) -> npt.NDArray[np.int32]:
        n = len(self.indptr) - 1
        numbered = sparse.csr_matrix((np.arange(len(self.indices), dtype=np.int32), self.indices, self.indptr), shape=(n, n))
        return np.asarray(numbered.tocsc().data)


class Adjacency:
    """A weighted, structurally symmetric sparse matrix Â of all nodes: users first, then items.

    Parameters
    ----------
    pattern : Pattern
    values : Tensor of float32, shape (nnz,)
    symmetric : bool
        Whether Â equals its transpose in value, too.
    storage : torch.dtype, optional
        The type of 16 bits in which products store the table that they read; float32 unless given.
    """

    def __init__(self, pattern: Pattern, values: Tensor, symmetric: bool, storage: torch.dtype | None = None) -> None:
        self.pattern = pattern
        self.values = values
        self.symmetric = symmetric
        self.storage = storage

    @property
    def n_nodes(self) -> int:
        """Number of rows and of columns."""
        return len(self.pattern.indptr) - 1

    @property
    def n_columns(self) -> int:
        """Number of columns, where it is another one than of rows: see :class:`graphrec.distributed.own_rows.OwnRows`."""
        return self.n_nodes

    @property
    def device(self) -> torch.device:
        """Where the values lie."""
        return self.values.device

    def senders(self, x: Tensor) -> Tensor:
        """The rows of all columns, for a product with `x`: `x` itself, where nobody else has some of them."""
        return x

    def senders_among(self, rows: RowSparse) -> RowSparse:
        """The same of a table that is zero but for some rows."""
        return rows

    def thinned(self, keep: float, by_sender: bool = False) -> Adjacency:
        """Each entry, or all of a column together, kept with this probability and then divided by it.

        Random numbers come from torch's current default generator.
        """
        if by_sender:
            senders = self.pattern.on(self.device)[1]
            scale = torch.empty(self.n_nodes, device=self.device, dtype=torch.float32).bernoulli_(keep)[senders]
        else:
            scale = torch.empty_like(self.values).bernoulli_(keep)
        return self.with_values(self.values * scale / keep)

    @cached_property
    def t(self) -> Adjacency:
        """The transpose; the matrix itself when it is symmetric. It shares the pattern."""
        if self.symmetric:
            return self
        flipped = self.with_values(self.values[self.pattern.reverse_on(self.device)])
        flipped.__dict__["t"] = self
        return flipped

    def with_values(self, values: Tensor, symmetric: bool = False) -> Adjacency:
        """The same pattern with other values, such as those that dropout leaves."""
        return Adjacency(self.pattern, values, symmetric, self.storage)

    def stored_as(self, storage: torch.dtype | None) -> Adjacency:
        """The same matrix whose products read their table in this type; see :mod:`graphrec.graph.products`."""
        if storage == self.storage:
            return self
        held: dict[torch.dtype | None, Adjacency] = self.__dict__.setdefault("_stored", {})
        if storage not in held:
            held[storage] = Adjacency(self.pattern, self.values, self.symmetric, storage)
        return held[storage]

    def to(self, device: torch.device | str) -> Adjacency:
        """The same matrix on another device, where it is copied once for as long as this one lives."""
        if device == self.device:
            return self
        device = with_number(device)
        if device == self.device:
            return self
        held: dict[torch.device, Adjacency] = self.__dict__.setdefault("_held", {})
        if device not in held:
            held[device] = Adjacency(self.pattern, self.values.to(device), self.symmetric, self.storage)
        return held[device]

    def __getstate__(self) -> dict[str, Any]:
        # What was derived from these is derived again.
        return {name: getattr(self, name) for name in ("pattern", "values", "symmetric", "storage")}

    def __deepcopy__(self, memo: dict[int, Any]) -> Adjacency:
        return self  # never changed in place, and copies of a model may share it

    # ---- other libraries' forms -----------------------------------------------------------------

    @cached_property
    def csr(self) -> Tensor:
        """A torch sparse CSR tensor with int32 indices."""
        with warnings.catch_warnings():
            # torch announces that CSR tensors are new; a user of this library cannot act on it.
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta state")
            return torch.sparse_csr_tensor(
                *self.pattern.on(self.device),
                self.values,
                size=(self.n_nodes, self.n_columns),
                device=self.device,
                check_invariants=False,
            )

    @cached_property
    def edge_index(self) -> tuple[Tensor, Tensor]:
        """PyG's form: edge_index (2, nnz) of int64, source row then target row, and edge_weight (nnz,).

        Messages go from a column of Â (source) to a row (target).
        """
        target = np.repeat(np.arange(self.n_nodes), np.diff(self.pattern.indptr))
        both = torch.as_tensor(np.stack([self.pattern.indices.astype(np.int64), target]), device=self.device)
        return both, self.values

    @cached_property
    def sparse_tensor(self) -> Any:
        """torch-sparse's ``SparseTensor``; needs the extra ``sparse``."""
        try:
            from torch_sparse import SparseTensor
        except ImportError:
            raise InputError("torch-sparse is not installed; pip install --no-build-isolation 'graphrec[sparse]'.") from None
        return SparseTensor(
            rowptr=torch.tensor(self.pattern.indptr, device=self.device),
            col=torch.tensor(self.pattern.indices, dtype=torch.int64, device=self.device),
            value=self.values,
            sparse_sizes=(self.n_nodes, self.n_columns),
            is_sorted=True,
            trust_data=True,
        )

    def to_dense(self) -> Tensor:
        """The matrix in full, shape (n_nodes, n_nodes)."""
        edges, weight = self.edge_index
        dense = torch.zeros(self.n_nodes, self.n_nodes, dtype=weight.dtype, device=self.device)
        dense[edges[1], edges[0]] = weight
        return dense

    def __repr__(self) -> str:
        return f"Adjacency({self.n_nodes:,} nodes, {len(self.values):,} entries, {self.device})"


class BipartiteGraph:
    """The graph of an interaction table: an edge between a user and an item for every distinct pair.

    Node ``u`` is user ``u``; node ``n_users + i`` is item ``i``. Repeated pairs are one edge.

    Parameters
    ----------
    interactions : Interactions
    """

    def __init__(self, interactions: Interactions) -> None:
        self.n_users = interactions.n_users
        self.n_items = interactions.n_items
        self._interactions = interactions
        self._adjacencies: dict[str, Adjacency] = {}

    @property
    def n_nodes(self) -> int:
        """Users and items together."""
        return self.n_users + self.n_items

    @cached_property
    def pattern(self) -> Pattern:
        """Edges in both directions, without self-loops."""
        return Pattern(*self._interactions.node_structure())

    @cached_property
    def pattern_with_loops(self) -> Pattern:
        """The same with the diagonal stored: first in a user's row, last in an item's."""
        plain = self.pattern
        nodes = np.arange(self.n_nodes, dtype=np.int32)
        before = np.concatenate([plain.indptr[: self.n_users], plain.indptr[self.n_users + 1 :]])
        return Pattern(plain.indptr + np.arange(self.n_nodes + 1), np.insert(plain.indices, before, nodes))

    def adjacency(self, normalisation: str = "sym") -> Adjacency:
        """The weighted adjacency matrix, made once per name.

        Parameters
        ----------
        normalisation : str
            ``"sym"``, ``"row"``, ``"sym+self"``, ``"ngcf"``, ``"sym,self"`` or ``"none"``; see
            :mod:`graphrec.graph.normalise`.

        Returns
        -------
        Adjacency
            On the CPU; see :meth:`Adjacency.to`.

        Examples
        --------
        >>> inter = gr.Interactions.from_indices([0, 0], [0, 1])
        >>> gr.BipartiteGraph(inter).adjacency("sym").to_dense()
        tensor([[0.0000, 0.7071, 0.7071],
                [0.7071, 0.0000, 0.0000],
                [0.7071, 0.0000, 0.0000]])
        """
        if normalisation not in NORMALISATIONS:
            raise unknown_name("normalisation", normalisation, NORMALISATIONS)
        if normalisation not in self._adjacencies:
            pattern = self.pattern_with_loops if normalisation in SELF_LOOPS else self.pattern
            values = torch.from_numpy(edge_values(normalisation, pattern.indptr, pattern.indices))
            self._adjacencies[normalisation] = Adjacency(pattern, values, symmetric=normalisation not in ("row", "ngcf"))
        return self._adjacencies[normalisation]
