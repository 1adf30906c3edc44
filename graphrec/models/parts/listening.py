"""Rows of people who join a graph as listeners: the model's own layers, over what the graph's nodes send at each hop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency
from graphrec.graph.propagate import propagate
from graphrec.models.parts.fold_in import evenly_spaced, linear_guess
from graphrec.models.scoring import People

__all__ = ["Hop", "ego_from", "listening"]


class Hop(Protocol):
    """From the rows of nodes to what the nodes of the next layer hear, such as a call of :func:`propagate`."""

    def __call__(self, x: Tensor, /) -> Tensor: ...


class _Edges(Protocol):
    """Such as :class:`graphrec.graph.newcomers.Listeners`."""

    def edges(self, histories: sparse.csr_matrix) -> tuple[Tensor, Tensor]: ...


def listening(
    passed: Callable[[Tensor, Sequence[Hop]], Tensor],
    embedding: Tensor,
    hops: Sequence[Adjacency],
    listeners: _Edges,
    train: Interactions,
) -> People:
    """Rows of new people, as the model's layers make those of any node.

    The layers run once over the whole graph, and what the nodes send at each hop is kept. New people listen to it over the
    edges that such people would have, and send nothing: nobody else's row changes. Their ego rows, which nobody has trained,
    are the linear function of what is heard at all hops that fits the trained people best; what follows from them is exact.

    Parameters
    ----------
    passed : callable
        The layers: from ego rows (n, d) and a callable for each hop to the rows of the first so many nodes as the last hop
        gives. A hop must be asked once, in order.
    embedding : Tensor, shape (n_users + n_items, d)
        Ego rows, users first.
    hops : sequence of Adjacency
    listeners : object with a method ``edges``
        From histories (b, n_items) to the weights of edges to the last m nodes, a sparse tensor (b, m), and to themselves
        (b, 1).
    train : Interactions
        What the trained people have met; at most 2,000 of them are looked at for the ego rows.

    Returns
    -------
    callable
        From histories (b, n_items) to rows (b, d').
    """
    sent: list[Tensor] = []

    def recorded(adjacency: Adjacency, x: Tensor) -> Tensor:
        sent.append(x.detach())
        return propagate(adjacency, x)

    passed(embedding, [partial(recorded, adjacency) for adjacency in hops])

    def heard(histories: sparse.csr_matrix) -> Tensor:
        edges, to_self = (weights.to(embedding.device) for weights in listeners.edges(histories))
        return torch.cat([*(edges @ x[-edges.shape[1] :] for x in sent), to_self], 1)

    ego_of, widths = ego_from(heard, embedding[: train.n_users], train), [x.shape[1] for x in sent]

    def people(histories: sparse.csr_matrix) -> Tensor:
        ego, found = ego_of(histories)
        *messages, to_self = torch.split(found, [*widths, 1], dim=1)
        return passed(ego, [partial(_hear, message, to_self) for message in messages])

    return people


def ego_from(heard: People, users: Tensor, train: Interactions) -> Callable[[sparse.csr_matrix], tuple[Tensor, Tensor]]:
    """Ego rows of new people: the linear function of what they hear that fits the trained people best.

    Parameters
    ----------
    heard : callable
        From histories (b, n_items) to rows (b, d').
    users : Tensor, shape (n_users, d)
        Ego rows of the trained people.
    train : Interactions
        What these have met; at most 2,000 of them, evenly spaced, are looked at.

    Returns
    -------
    callable
        From histories to ego rows (b, d) and what is heard (b, d').
    """
    known = train.to_csr("ones")
    some = evenly_spaced(known)
    guess = linear_guess(heard(known[some]), users[torch.as_tensor(some, device=users.device)])

    def people(histories: sparse.csr_matrix) -> tuple[Tensor, Tensor]:
        rows = heard(histories)
        return rows @ guess, rows

    return people


def _hear(message: Tensor, to_self: Tensor, rows: Tensor) -> Tensor:
    """What people hear from others (b, d), and from themselves with the weight `to_self` (b, 1)."""
    return message + to_self * rows
