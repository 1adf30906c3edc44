"""LightGCN: the mean of an embedding's propagated neighbourhoods, and nothing learnt on the way."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency, BipartiteGraph
from graphrec.graph.buffers import BufferPool
from graphrec.graph.hop_mean import HopMean
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.models.base import Model
from graphrec.models.contributions import Explaining
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_dropout
from graphrec.models.parts.cosine import CosineEncoding, log_degree
from graphrec.models.parts.dropped_users import DroppedUsers
from graphrec.models.parts.few_steps import faster_where_few
from graphrec.models.parts.fold_in import ridge
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.graph_reasons import HopMeanReasons
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.listening import listening
from graphrec.models.parts.sampled_nodes import ego_rows, hops_over, sampled_encoding
from graphrec.models.parts.svd_start import node_table
from graphrec.models.scoring import People

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
    init : {"normal", "svd"}
        Initial embeddings: random, or the leading singular vectors of the normalised interactions scaled to the
        same spread, from which training needs fewer steps.
    init_std : float
        Standard deviation of the initial embeddings; the official code uses 0.1.
    similarity : {"dot", "cosine"}
        What the score of two rows is.
    popularity : float
        For cosines: weight of an item's log degree in the ranking score, not in training; see
        :class:`~graphrec.models.cosine.CosineEncoding`.
    ranking : {"same", "dot"}
        For cosines: whether rankings are by them, too, or by dot products, in which the length of an item's row, longer for
        popular ones, counts: so the BSL paper's code ranks its LightGCN.
    dropout : float
        Share of the numbers of a looked-up user's row that are dropped in training, before a cosine.

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
        Ego embeddings, users first. The state does not depend on `layers`.
    """

    starting_options: ClassVar[tuple[str, ...]] = ("init",)
    counts_alike: ClassVar[str] = "the graph"
    idle: ClassVar[tuple[Idle, ...]] = (Idle("normalisation", layers=0), Idle("ranking", similarity="dot"))
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 2048, "lr": 1e-3, "l2": 1e-4}

    @classmethod
    def defaults_for(cls, train: Interactions) -> dict[str, Any]:
        """The paper's rate for tables as large as the paper's; five times that where an epoch has fewer than 200 steps.

        NDCG@20 within 100 epochs on the validation parts of MovieLens-100K and latest-small (35 steps an epoch): .122 and
        .089 at the paper's rate, .152 and .110 at five times that.
        """
        return faster_where_few(cls.defaults, train, 5e-3) if cls.defaults is LightGCN.defaults else cls.defaults

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: int = 3,
        normalisation: str = "sym",
        init: Literal["normal", "svd"] = "normal",
        init_std: float = 0.1,
        similarity: Literal["dot", "cosine"] = "dot",
        popularity: float = 0.0,
        ranking: Literal["same", "dot"] = "same",
        dropout: float = 0.0,
    ) -> None:
        super().__init__(train)
        if layers < 0:
            raise InputError(f"layers must be 0 or more, got {layers}.")
        words = (("similarity", similarity, ("dot", "cosine")), ("ranking", ranking, ("same", "dot")))
        for name, value, allowed in words:
            if value not in allowed:
                raise InputError(f"{name} must be {allowed[0]!r} or {allowed[1]!r}, got {value!r}.")
        self.ranks_by_cosine = similarity == "cosine" and ranking == "same"
        if popularity and not self.ranks_by_cosine:
            raise InputError("popularity is a term beside cosines; it needs similarity='cosine' and ranking='same'.")
        self.layers = layers
        self.normalisation = normalisation
        self.similarity = similarity
        self.dropout = check_dropout("dropout", dropout)
        self.popularity = popularity
        self.ranks_as_it_trains = not popularity and self.ranks_by_cosine == (similarity == "cosine")
        self.embedding = node_table(train, dim, init_std, init)
        self.register_buffer("log_degree", log_degree(train), persistent=False)
        self.log_degree: Tensor
        self._adjacency = BipartiteGraph(train).adjacency(normalisation)
        self._pool = BufferPool()

    def adjacency(self) -> Adjacency:
        """The weighted graph, on the device of the parameters."""
        self._adjacency = self._adjacency.to(self.embedding.device)
        return self._adjacency

    def encode(self) -> Encoding:
        """Propagate K−1 hops; the last one waits for the rows that are looked up."""
        return self._scored(self._propagated())

    def sampling_graph(self) -> SamplingGraph | None:
        """The mean of the hops, over drawn neighbours of each; without a hop there are none."""
        return SamplingGraph(self._adjacency, self.layers, self.embedding) if self.layers else None

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """The same mean; its expectation over the draws is that of the whole graph."""
        ego = ego_rows(self, self.embedding, neighbourhood)
        mean = torch.stack(hops_over(neighbourhood, ego)).mean(0)
        return self._scored(sampled_encoding(self, neighbourhood, mean, ego))

    def _scored(self, z: Encoding) -> Encoding:
        """Rows as training scores them."""
        z = DroppedUsers(z, self.dropout, self.columns) if self.training and self.dropout else z
        return z if self.similarity == "dot" else CosineEncoding(z)

    def column_tables(self) -> tuple[nn.Parameter, ...]:
        """The one table: a hop acts on each column alone, and so does the mean of hops."""
        return (self.embedding,)

    def folding(self) -> People:
        """A new person listens to the items met, see :func:`~graphrec.models.parts.listening.listening`; without a hop their
        row is a ridge solve against the items."""
        users, items = self.embedding[: self.n_users], self.embedding[self.n_users :]
        if self.layers == 0:
            found = ridge(items, users, self._train.to_csr("ones"))
        else:
            found = listening(self.normalisation, self.adjacency(), self.embedding.detach(), self.layers, self.n_users)
        return lambda histories: self._finished(found(histories))

    def _finished(self, users: Tensor) -> Tensor:
        """Rows of users as they are ranked."""
        if not self.ranks_by_cosine:
            return users
        z = Encoding(Table(users), Table(users))
        return (CosineEncoding(z, self.log_degree, self.popularity) if self.popularity else CosineEncoding(z)).users.full()

    def encode_for_ranking(self) -> Encoding:
        """As :meth:`encode`, with the items' popularity where it has a weight, or without cosines where `ranking` says so."""
        if self.popularity:
            return CosineEncoding(self._propagated(), self.log_degree, self.popularity)
        return self.encode() if self.ranks_as_it_trains else self._propagated()

    def explaining(self) -> Explaining | None:
        """Parts by the item through which a path leaves the user; without a hop there are no paths."""
        if self.layers == 0:
            return None
        more = self.popularity * self.log_degree[:, 0] if self.popularity else None
        ego = self.embedding.detach()
        return HopMeanReasons(self.adjacency(), ego, self.layers, self.n_users, self.ranks_by_cosine, more)

    def _propagated(self) -> Encoding:
        if self.layers == 0:
            return Encoding(Table(self.embedding[: self.n_users]), Table(self.embedding[self.n_users :]))
        nodes = HopMean(self.adjacency(), self.embedding, self.layers, self._pool)
        return GraphEncoding(nodes, self.n_users, self.n_items)
