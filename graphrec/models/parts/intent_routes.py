"""Edges that are routed to intents: the graph's own, and those of people who join it as listeners."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency
from graphrec.models.parts.fold_in import pairs_of

__all__ = ["Turns", "routed_in", "shared"]


class Turns(NamedTuple):
    """What a layer's nodes send, from the point of view of who listens.

    Attributes
    ----------
    parts : list of Tensor, shape (n, d) each
        The rows at the start of the layer, a part for each intent.
    scales : list of Tensor, shape (intents, n) each
        Of each turn: (Σ of the shares of a node's edges)^-½, by intent.
    """

    parts: list[Tensor]
    scales: list[Tensor]


def shared(adjacency: Adjacency, share: Tensor) -> tuple[Adjacency, Tensor]:
    """An intent's part of the edges, S weighed D^-½ S D^-½ by their shares (nnz,), and the diagonal of D^-½, (n,)."""
    sender, receiver = adjacency.edge_index[0]
    scale = _scale(receiver, share, adjacency.n_nodes)
    return adjacency.with_values(share * scale[receiver] * scale[sender]), scale


def routed_in(layers: list[Turns], n_users: int, histories: sparse.csr_matrix) -> Tensor:
    """What new people take in over all layers, their edges being routed as anybody's.

    Parameters
    ----------
    layers : list of Turns
        Of all nodes, users first.
    n_users : int
    histories : scipy.sparse.csr_matrix, shape (b, n_items)

    Returns
    -------
    Tensor, shape (b, dim)
        The sum of the layers, without an ego row.
    """
    first, b = layers[0], histories.shape[0]
    person, item, _ = pairs_of(histories, first.parts[0].device)
    node = item + n_users
    logits = torch.ones(len(first.parts), len(node), device=node.device, dtype=torch.float32)
    total = torch.zeros(b, sum(p.shape[1] for p in first.parts), device=node.device, dtype=torch.float32)
    for parts, scales in layers:
        sent = [F.embedding(node, p) for p in parts]
        before = [F.normalize(p, dim=1).tanh() for p in sent]
        for scale in scales:
            after = []
            for k, share in enumerate(logits.softmax(0)):
                weight = share * _scale(person, share, b)[person] * scale[k, node]
                heard = torch.zeros(b, sent[k].shape[1], device=node.device, dtype=torch.float32)
                after.append(heard.index_add_(0, person, weight[:, None] * sent[k]))
                logits[k] += (F.embedding(person, F.normalize(after[k], dim=1)) * before[k]).sum(1)
        total = total + torch.cat(after, dim=1)
    return total


def _scale(receiver: Tensor, share: Tensor, n: int) -> Tensor:
    degree = torch.zeros(n, device=share.device, dtype=torch.float32).index_add_(0, receiver, share)
    return degree.clamp_min(1e-12).rsqrt()
