"""A graph of items along which the nearest ones by inner product are found: usearch's, with what an inner product needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.errors import InputError

__all__ = ["SearchGraph"]

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_HOW = ("connectivity", "expansion_add", "expansion_search")


class SearchGraph:
    """A hierarchical navigable small world graph (Malkov and Yashunin, TPAMI 2018) over the rows of items.

    Such graphs want distances, and an inner product is none. "Lifted" rows v have one more number, √(M² − ‖v‖²) with M the
    longest of all, and queries a zero (Bachrach et al., RecSys 2014): products stay as they are, and all items are equally
    long. Whether that finds more than the rows as they are depends on how their lengths differ: on MovieLens-100K the plain
    graph finds .88 of LightGCN's best 20 items and all of PureSVD's, the lifted one all and .83. So :meth:`share_found` is
    asked.

    Attributes
    ----------
    lifted : bool
    """

    def __init__(self, graph: Any, lifted: bool) -> None:
        self._graph, self.lifted = graph, lifted

    @classmethod
    def of(cls, items: FloatArray, lifted: bool, connectivity: int, effort: int, search: int, threads: int) -> SearchGraph:
        """The graph of rows (n, d)."""
        graph = _empty(items.shape[1] + lifted, connectivity, effort, search)
        rows = items
        if lifted:
            squares = np.square(items.astype(np.float64)).sum(1)
            rows = np.column_stack([items, np.sqrt(squares.max() - squares)]).astype(np.float32)
        graph.add(np.arange(len(rows), dtype=np.uint64), np.ascontiguousarray(rows), threads=threads)
        return cls(graph, lifted)

    def __len__(self) -> int:
        return len(self._graph)

    def nearest(self, rows: FloatArray, width: int) -> IntArray:
        """Items (n, width) with nearly the highest inner products with some rows (n, d); −1 where the search ended early."""
        if self.lifted:
            rows = np.column_stack([rows, np.zeros(len(rows), np.float32)])
        found = self._graph.search(np.ascontiguousarray(rows), width)
        keys: IntArray = np.full((len(rows), width), -1, np.int64)
        if len(rows) == 1:  # usearch then gives no batch
            keys[0, : len(found.keys)] = found.keys
        else:
            there = np.arange(width) < np.asarray(found.counts).reshape(-1, 1)
            keys[there] = np.asarray(found.keys)[there]
        return keys

    def share_found(self, rows: FloatArray, items: FloatArray, k: int = 20) -> float:
        """The share of the k items with the highest inner products that a search finds, over some rows (n, d)."""
        k, found = min(k, len(items)), 0
        for row in rows:
            exact = np.argpartition(-(items @ row), k - 1)[:k]
            found += len(np.intersect1d(exact, self.nearest(row[None], k)))
        return found / max(k * len(rows), 1)

    def pack(self) -> tuple[Tensor, dict[str, Any]]:
        """The graph as bytes, and what must be known to read them."""
        how = {name: int(getattr(self._graph, name)) for name in _HOW}
        return torch.frombuffer(bytearray(self._graph.save()), dtype=torch.uint8), {**how, "lifted": self.lifted}

    @classmethod
    def unpack(cls, body: Tensor, how: Mapping[str, Any], width: int) -> SearchGraph:
        """What :meth:`pack` gave, for rows of `width` numbers."""
        lifted = bool(how["lifted"])
        graph = _empty(width + lifted, *(how[name] for name in _HOW))
        graph.load(body.numpy().tobytes())
        return cls(graph, lifted)


def _empty(width: int, connectivity: int, effort: int, search: int) -> Any:
    try:
        from usearch.index import Index
    except ImportError:
        raise InputError("a search index needs usearch: pip install 'graphrec[ann]'.") from None
    return Index(ndim=width, metric="ip", dtype="f32", connectivity=connectivity, expansion_add=effort, expansion_search=search)
