"""A linear graph model's score as a sum over the paths that leave the user through each of the user's items."""

from __future__ import annotations

import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.products import spmm
from graphrec.models.contributions import Contributions, together

__all__ = ["HopMeanReasons"]


class HopMeanReasons:
    """The parts of u·v, where the rows are means of K hops (LightGCN, eq. 4 and 8).

    With E the ego embeddings and z = (E + ÂE + … + Â^K E) / (K+1), every hop after the zeroth leaves the user u through
    one neighbour i first:

        (K+1) z_u = E_u + Σ_i Â_ui (E_i + Σ_{k=1}^{K−1} (Â^k E)_i).

    The dot product of each term with z_v is what it contributes. E_i is what the item says by itself; the hops of i are what
    the people say who have met it, and what else they have met. For cosines every part is divided by ‖z_u‖ ‖z_v‖, and the
    item's popularity is one part more.

    Parameters
    ----------
    adjacency : Adjacency, n × n
    ego : Tensor, shape (n, d)
        E.
    hops : int
        K >= 1.
    n_users : int
    cosine : bool
    popularity : Tensor, shape (n_items,), optional
        What is added to the score of each item.
    with_ego : bool
        Whether the mean has the zeroth hop; without it z is the mean of hops 1 … K, and a node says nothing by itself.
    """

    def __init__(
        self,
        adjacency: Adjacency,
        ego: Tensor,
        hops: int,
        n_users: int,
        cosine: bool = False,
        popularity: Tensor | None = None,
        with_ego: bool = True,
    ) -> None:
        self._adjacency, self._ego, self._hops, self._n_users = adjacency, ego, hops, n_users
        self._cosine, self._popularity, self._with_ego = cosine, popularity, with_ego
        # What a neighbour passes on beyond its ego embedding: the sum of its hops 1 to K−1.
        self._passed = torch.zeros_like(ego)
        layer = ego
        for _ in range(hops - 1):
            layer = spmm(adjacency, layer)
            self._passed += layer

    def __call__(self, user: int, item: int) -> Contributions:
        """See :class:`Contributions`; two parts for each of the user's items."""
        _, v = self._terms(self._n_users + item)
        neighbours, u = self._terms(user)
        scale = float(u.norm() * v.norm()) if self._cosine else 1.0
        direct, passed, own = (part @ v / self._count / (scale or 1.0) for part in self._parts(user, neighbours))
        loop = neighbours == user  # with self-loops, paths may stay at the user first
        items = (neighbours[~loop] - self._n_users).cpu().numpy()
        parts: list[tuple[npt.ArrayLike, npt.ArrayLike, str]] = [
            (items, direct[~loop].cpu().numpy(), "your item"),
            (items, passed[~loop].cpu().numpy(), "through other people"),
            (-1, float(own[0] + direct[loop].sum() + passed[loop].sum()), "own embedding"),
        ]
        if self._popularity is not None:
            parts.append((-1, float(self._popularity[item]), "popularity"))
        return together(*parts)

    def _neighbours(self, node: int) -> tuple[Tensor, Tensor]:
        lo, hi = (int(end) for end in self._adjacency.pattern.indptr[node : node + 2])
        there = torch.as_tensor(self._adjacency.pattern.indices[lo:hi], device=self._ego.device).long()
        return there, self._adjacency.values[lo:hi].double().unsqueeze(1)

    def _parts(self, node: int, neighbours: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, weights = self._neighbours(node)
        ego, passed = self._ego[neighbours].double(), self._passed[neighbours].double()
        return weights * ego, weights * passed, self._ego[node : node + 1].double() * self._with_ego

    def _terms(self, node: int) -> tuple[Tensor, Tensor]:
        """The neighbours of a node, and its propagated row (d,)."""
        neighbours, _ = self._neighbours(node)
        parts = self._parts(node, neighbours)
        return neighbours, sum((part.sum(0) for part in parts), parts[0].new_zeros(parts[0].shape[1])) / self._count

    @property
    def _count(self) -> int:
        """How many hops the mean is of."""
        return self._hops + self._with_ego
