"""LightGCN: the mean of an embedding's propagated neighbourhoods, and nothing learnt on the way."""

from __future__ import annotations

from typing import Any, ClassVar

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency, BipartiteGraph
from graphrec.graph.buffers import BufferPool
from graphrec.graph.hop_mean import HopMean
from graphrec.models.base import Encoding, Model, Table, embedding
from graphrec.models.graph_encoding import GraphEncoding

__all__ = ["LightGCN"]


class LightGCN(Model):
    """Light graph convolution (He et al., SIGIR 2020, eq. 3 to 8).

    Parameters
    ----------
    train : Interactions
        Its distinct pairs are the edges.
    dim : int
        Width of the embeddings.
    layers : int
        Number of hops K; 0 is matrix factorisation with the same parameters.
    normalisation : str
        Name of the adjacency's weights, see :mod:`graphrec.graph.normalise`.
    init_std : float
        Standard deviation of the initial embeddings; the official code uses 0.1.

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
        Ego embeddings, users first. The state does not depend on `layers`.
    """

    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 1e-3, "l2": 1e-4}

    def __init__(
        self, train: Interactions, *, dim: int = 64, layers: int = 3, normalisation: str = "sym", init_std: float = 0.1
    ) -> None:
        super().__init__(train)
        if layers < 0:
            raise InputError(f"layers must be 0 or more, got {layers}.")
        self.layers = layers
        self.embedding = embedding(self.n_users + self.n_items, dim, init_std)
        self._adjacency = BipartiteGraph(train).adjacency(normalisation)
        self._pool = BufferPool()

    def adjacency(self) -> Adjacency:
        """The weighted graph, on the device of the parameters."""
        self._adjacency = self._adjacency.to(self.embedding.device)
        return self._adjacency

    def encode(self) -> Encoding:
        """Propagate K−1 hops; the last one waits for the rows that are looked up."""
        if self.layers == 0:
            return Encoding(Table(self.embedding[: self.n_users]), Table(self.embedding[self.n_users :]))
        return GraphEncoding(HopMean(self.adjacency(), self.embedding, self.layers, self._pool), self.n_users)
