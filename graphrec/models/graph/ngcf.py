"""NGCF: propagation with a learnt transformation per hop; all hops are concatenated."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency, BipartiteGraph
from graphrec.graph.dropout import GraphDropout
from graphrec.graph.neighbourhood import Neighbourhood, SamplingGraph
from graphrec.graph.newcomers import Listeners
from graphrec.graph.propagate import propagate, propagate_rows
from graphrec.graph.row_sparse import NodeIndex
from graphrec.graph.transform import NGCFTransform
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding
from graphrec.models.factors import OwnedRows
from graphrec.models.parts.checks import check_dropout, check_one_of, check_widths
from graphrec.models.parts.fold_in import linear_guess
from graphrec.models.parts.graph_encoding import GraphEncoding
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.sampled_nodes import ego_rows, sampled_encoding
from graphrec.models.parts.tables import embedding
from graphrec.models.scoring import People

__all__ = ["NGCF"]

_FORMS: dict[str, dict[str, Any]] = {
    "official": {"normalisation": "ngcf", "normalise_layers": True, "l2_on": "propagated"},
    "paper": {"normalisation": "sym", "normalise_layers": False, "l2_on": "ego"},
}


class NGCF(Model):
    """Neural graph collaborative filtering (Wang et al., SIGIR 2019).

    Two forms exist and differ: the paper's equations and the authors' code. Each choice that differs is an
    option of its own; `form` sets those that are not given.

    ==================  ==========================================  ==========================================
    option              ``form="official"``                         ``form="paper"``
    ==================  ==========================================  ==========================================
    layer               LeakyReLU(W₁s + b₁) + LeakyReLU(W₂(s⊙e)+b₂)  LeakyReLU(W₁(s + e) + W₂(s ⊙ e))
    normalisation       ``"ngcf"``: D⁻¹(A + I)                      ``"sym"``: D^-½ A D^-½
    normalise_layers    each layer to length 1 before joining       no
    l2_on               propagated rows of the batch                ego rows of the batch
    ==================  ==========================================  ==========================================

    Parameters
    ----------
    train : Interactions
    dim : int
        Width of the ego embeddings.
    layers : sequence of int
        Width of each layer; its length is the number of hops.
    node_dropout : float
        Probability of dropping parts of the graph while training.
    dropout_kind : {"edge", "node"}
        What `node_dropout` drops: entries of Â (the official code) or whole senders (the paper).
    message_dropout : float
        Probability of dropping an entry of a layer's output while training.
    form : {"official", "paper"}
    normalisation, normalise_layers
        See the table.
    l2_on : {"ego", "propagated"}, optional
        Which rows of a batch the penalty looks at, see the table.
    slope : float
        Of LeakyReLU for negative arguments; 0.2 in the official code.

    Attributes
    ----------
    embedding : Parameter of float32, shape (n_users + n_items, dim)
        Ego embeddings, users first. An encoded row has ``dim + sum(layers)`` entries.
    """

    counts_alike: ClassVar[str] = "the graph"
    idle = (Idle("dropout_kind", node_dropout=0),)
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 1024, "lr": 1e-3, "l2": 1e-5}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        layers: Sequence[int] = (64, 64, 64),
        node_dropout: float = 0.0,
        dropout_kind: Literal["edge", "node"] = "edge",
        message_dropout: float = 0.1,
        form: Literal["official", "paper"] = "official",
        normalisation: str | None = None,
        normalise_layers: bool | None = None,
        l2_on: Literal["ego", "propagated"] | None = None,
        slope: float = 0.2,
    ) -> None:
        super().__init__(train)
        check_one_of("form", form, tuple(_FORMS))
        chosen = _FORMS[form]
        check_one_of("dropout_kind", dropout_kind, ("edge", "node"))
        check_one_of("l2_on", "ego" if l2_on is None else l2_on, ("ego", "propagated"))
        self.l2_on = chosen["l2_on"] if l2_on is None else l2_on
        self.normalise_layers = chosen["normalise_layers"] if normalise_layers is None else normalise_layers
        self.normalisation = chosen["normalisation"] if normalisation is None else normalisation
        self._adjacency = BipartiteGraph(train).adjacency(self.normalisation)
        # Xavier's rule for each table by itself, as the official code has it.
        tables = [embedding(n, dim, init="xavier").data for n in (self.n_users, self.n_items)]
        self.embedding = nn.Parameter(torch.cat(tables))
        widths = [dim, *check_widths("layers", layers)]
        self.transforms = nn.ModuleList(NGCFTransform(a, b, form, slope) for a, b in itertools.pairwise(widths))
        self.graph_dropout = GraphDropout(check_dropout("node_dropout", node_dropout), dropout_kind)
        self.message_dropout = nn.Dropout(check_dropout("message_dropout", message_dropout))

    def encode(self) -> Encoding:
        """Propagate through all layers but the last, which waits for the rows that are looked up."""
        self._adjacency = self._adjacency.to(self.embedding.device)
        return GraphEncoding(_Layers(self, self.graph_dropout(self._adjacency)), self.n_users, self.n_items)

    def sampling_graph(self) -> SamplingGraph:
        """All layers, over drawn neighbours of each."""
        if self.graph_dropout.p:
            raise InputError("node_dropout leaves out edges in every step, and so does fanout: choose one of them.")
        return SamplingGraph(self._adjacency, len(self.transforms), self.embedding)

    def encode_sampled(self, neighbourhood: Neighbourhood) -> Encoding:
        """All layers for the nodes of a batch; what is drawn goes through LeakyReLU, so that rows have a bias."""
        s, layers = len(neighbourhood.seeds), [ego_rows(self, self.embedding, neighbourhood)]
        for transform, hop in zip(self.transforms, neighbourhood.hops, strict=True):
            heard = hop(layers[-1])
            layers.append(self.message_dropout(transform(layers[-1][: len(heard)], heard)))
        return sampled_encoding(self, neighbourhood, self._joined([e[:s] for e in layers]), layers[0])

    def _joined(self, layers: list[Tensor]) -> Tensor:
        """All layers of some nodes side by side, (b, width)."""
        if self.normalise_layers:
            layers = [layers[0], *(F.normalize(e, dim=1) for e in layers[1:])]
        return torch.cat(layers, dim=1)

    def owned_rows(self) -> OwnedRows:
        """The embedding; the transformations are everybody's."""
        return OwnedRows(nodes=(self.embedding,))

    def folding(self) -> People:
        """One inductive pass: a new person listens to the given items' layers, and is transformed as any node.

        The ego row, which nobody has trained, is the linear function of what is heard from the items' ego rows that fits the
        trained users best.
        """
        adjacency = self._adjacency.to(self.embedding.device)
        passed = _Layers(self, adjacency)
        sent = [layer[self.n_users :] for layer in passed.layers]
        heard = propagate(adjacency, F.pad(torch.cat(sent, 1), (0, 0, self.n_users, 0)))[: self.n_users]
        listeners = Listeners(self.normalisation, adjacency, self.n_users)
        guess = linear_guess(heard, self.embedding[: self.n_users])

        def people(histories: sparse.csr_matrix) -> Tensor:
            to_items, to_self = listeners.edges(histories)
            messages = [to_items @ layer for layer in sent]
            layers = [torch.cat(messages, 1) @ guess]
            for message, transform in zip(messages, self.transforms, strict=True):
                layers.append(transform(layers[-1], message + to_self * layers[-1]))
            return passed.join(layers)

        return people


class _Layers:
    """The nodes of one forward pass. Dropout is drawn once per node and look-up, not per repeated row."""

    def __init__(self, model: NGCF, adjacency: Adjacency) -> None:
        self.model, self.adjacency = model, adjacency
        self.layers: list[Tensor] = [model.embedding]
        for transform in list(model.transforms)[:-1]:
            e = self.layers[-1]
            self.layers.append(model.message_dropout(transform(e, propagate(adjacency, e))))

    def join(self, layers: list[Tensor]) -> Tensor:
        """All layers of some nodes side by side, (b, width)."""
        return self.model._joined(layers)

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Joined layers of some nodes, (b,) to (b, width), and their first columns, the ego embedding."""
        index = NodeIndex(nodes, self.adjacency.n_nodes)
        model, e = self.model, self.layers[-1]
        before = [F.embedding(index.distinct, layer) for layer in self.layers]
        last = model.transforms[-1](before[-1], propagate_rows(self.adjacency, e, index.distinct))
        rows = F.embedding(index.position, self.join([*before, model.message_dropout(last)]))
        return rows, rows[:, : model.embedding.shape[1]]

    def full(self) -> Tensor:
        """Joined layers of all nodes."""
        model, e = self.model, self.layers[-1]
        last = model.message_dropout(model.transforms[-1](e, propagate(self.adjacency, e)))
        return self.join([*self.layers, last])
