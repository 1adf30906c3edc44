"""An encoding of a batch's own nodes, computed over the neighbours that were drawn for it."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from graphrec.errors import InputError
from graphrec.graph.neighbourhood import Neighbourhood
from graphrec.models.base import Model
from graphrec.models.parts.graph_encoding import GraphEncoding

__all__ = ["ego_rows", "hops_over", "sampled_encoding"]


def ego_rows(model: Model, table: Tensor, neighbourhood: Neighbourhood) -> Tensor:
    """Rows (m, d) of a table of all nodes (n, d) with which the first hop begins; the gradient is of these rows only."""
    return F.embedding(neighbourhood.nodes, table, sparse=model.sparse_gradients)


def hops_over(neighbourhood: Neighbourhood, ego: Tensor) -> list[Tensor]:
    """Estimates of X, ÂX, …, Â^K·X for the seeds, each (s, d), from `ego` (m, d)."""
    s, h = len(neighbourhood.seeds), ego
    found = [h[:s]]
    for hop in neighbourhood.hops:
        h = hop(h)
        found.append(h[:s])
    return found


def sampled_encoding(model: Model, neighbourhood: Neighbourhood, rows: Tensor, ego: Tensor) -> GraphEncoding:
    """The encoding of the seeds.

    Parameters
    ----------
    model : Model
    neighbourhood : Neighbourhood
    rows : Tensor, shape (s, d)
        What the model makes of the seeds.
    ego : Tensor, shape (m, dim)
        Of :func:`ego_rows`: what penalties look at.
    """
    return GraphEncoding(_SampledNodes(neighbourhood, rows, ego), model.n_users, model.n_items)


class _SampledNodes:
    """Nodes of which the seeds alone have rows."""

    def __init__(self, neighbourhood: Neighbourhood, propagated: Tensor, ego: Tensor) -> None:
        self.neighbourhood, self.propagated, self.ego = neighbourhood, propagated, ego

    def rows(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """See :class:`graphrec.models.parts.graph_encoding.Nodes`."""
        place = self.neighbourhood.position(nodes)
        return F.embedding(place, self.propagated), F.embedding(place, self.ego)

    def full(self) -> Tensor:
        """There are no others."""
        raise InputError("a sampled step knows the rows of its own batch only, and was asked for all rows.")
