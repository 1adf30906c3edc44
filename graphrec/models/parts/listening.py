"""People who were not there in training, in a model whose rows are means of hops."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.graph.bipartite import Adjacency
from graphrec.graph.newcomers import Listeners
from graphrec.graph.propagate import hops, propagate
from graphrec.models.parts.fold_in import linear_guess
from graphrec.models.scoring import People

__all__ = ["listening"]


def listening(normalisation: str, adjacency: Adjacency, ego: Tensor, layers: int, n_users: int) -> People:
    """Rows of people who listen to the items they met and send nothing themselves.

    With c = Σ_i a_i (e_i⁰ + … + e_i^{K−1}), a_i the weight of the edge, the row is (e⁰ + c) / (K+1); where the adjacency
    has self-loops a hop of the person's own row is added as for any node. e⁰, which nobody has trained, is the linear
    function of c that fits the trained users best.

    Parameters
    ----------
    normalisation : str
        Name of the adjacency's weights.
    adjacency : Adjacency
    ego : Tensor of float32, shape (n_users + n_items, d)
        Rows before any hop, users first.
    layers : int
        K, at least 1.
    n_users : int
    """
    sent = [hop[n_users:] for hop in hops(ego, [adjacency] * (layers - 1))]
    total = torch.stack(sent).sum(0)
    heard = propagate(adjacency, F.pad(total, (0, 0, n_users, 0)))[:n_users]
    listeners, guess = Listeners(normalisation, adjacency, n_users), linear_guess(heard, ego[:n_users])

    def people(histories: sparse.csr_matrix) -> Tensor:
        to_items, to_self = listeners.edges(histories)
        rows = e = (to_items @ total) @ guess
        for hop in sent:
            e = to_items @ hop + to_self * e
            rows = rows + e
        return rows / (layers + 1)

    return people
