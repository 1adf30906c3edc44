"""Collaborative memory networks: attention over the people who met an item."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.joined import Joined
from graphrec.models.parts.svd_start import node_table
from graphrec.models.parts.tables import embedding
from graphrec.models.scoring import Likeness, People, cosines

__all__ = ["CMN"]

_BLOCK = 1 << 21  # entries of a block's rows: what a few passes find in the cache again


class CMN(Model):
    """Collaborative memory network (Ebesu et al., SIGIR 2018, eq. 1 to 6).

    With N(i) the people beside u who met item i, z¹ = m_u + e_i, attention p_v = softmax over v ∈ N(i) of z^h · m_v and
    o^h = Σ p_v c_v, a further hop asks z^{h+1} = ReLU(W z^h + o^h + b). The score is v · ReLU(U(m_u ⊙ e_i) + W' o^H + b').

    The paper's N(i) has u as well. A training pair then finds the person's own row there, and little else is learnt: our u is
    left out. The paper starts from a trained GMF; ``init="svd"`` is such a start without training.

    Parameters
    ----------
    train : Interactions
    dim : int
    hops : int
        H, at least 1.
    neighbours : int
        At most so many people of an item are attended to, drawn once from `draw_seed`; the paper attends to all.
    draw_seed : int
        The same people are drawn again when a stored model is loaded.
    init : {"normal", "svd"}
        The tables of people and items start at random, or as the leading singular vectors of the interactions, and U then as
        the identity and v as ones: near their dot product.
    init_std : float
    """

    starting_options: ClassVar[tuple[str, ...]] = ("init",)
    counts_alike: ClassVar[str] = "the neighbourhoods"
    # Ours, not searched for; better than ItemPop on the validation part of ML-100K.
    defaults: ClassVar[dict[str, Any]] = {"loss": "bpr", "batch_size": 512, "lr": 3e-3, "l2": 1e-3}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 32,
        hops: int = 2,
        neighbours: int = 32,
        draw_seed: int = 0,
        init: Literal["normal", "svd"] = "normal",
        init_std: float = 0.1,
    ) -> None:
        super().__init__(train)
        for name, value, low in (("hops", hops, 1), ("neighbours", neighbours, 1), ("draw_seed", draw_seed, 0)):
            check_at_least(name, value, low)
        start = node_table(train, dim, init_std, init)
        self.users, self.items = (nn.Parameter(part.clone()) for part in torch.split(start.data, [self.n_users, self.n_items]))
        self.memory = embedding(self.n_users, dim, init_std)  # c
        self.maps = nn.ModuleList(nn.Linear(dim, dim, dtype=torch.float32) for _ in range(hops - 1))
        self.of_product, self.of_memory = (
            nn.Linear(dim, dim, bias=False, dtype=torch.float32),
            nn.Linear(dim, dim, dtype=torch.float32),
        )
        self.out = nn.Linear(dim, 1, bias=False, dtype=torch.float32)
        if init == "svd":
            nn.init.eye_(self.of_product.weight)
            nn.init.ones_(self.out.weight)
        pattern, g = BipartiteGraph(train).pattern, np.random.default_rng(draw_seed)
        width = min(neighbours, int(np.diff(pattern.indptr)[self.n_users :].max()))  # nobody has more
        people = np.zeros((self.n_items, width), np.int64)
        absent = np.ones((self.n_items, width), np.bool_)
        for i in range(self.n_items):
            met = pattern.indices[pattern.indptr[self.n_users + i] : pattern.indptr[self.n_users + i + 1]]
            met = met if len(met) <= neighbours else g.choice(met, neighbours, replace=False)
            people[i, : len(met)], absent[i, : len(met)] = met, False
        self.register_buffer("people", torch.from_numpy(people), persistent=False)
        self.register_buffer("absent", torch.from_numpy(absent), persistent=False)
        self.register_buffer("user_numbers", _as_columns(self.n_users), persistent=False)
        self.register_buffer("item_numbers", _as_columns(self.n_items), persistent=False)
        self.people: Tensor
        self.absent: Tensor
        self.user_numbers: Tensor
        self.item_numbers: Tensor

    def encode(self) -> Encoding:
        """The tables; rows end with their number in two columns, by which the score finds an item's people but for the user."""
        users, items = Table(self.users), Table(self.items)
        return Encoding(Joined(users, Table(self.user_numbers)), Joined(items, Table(self.item_numbers)), users, items)

    def folding(self) -> People:
        """As of any model; new people are nobody's."""
        found = super().folding()

        def people(histories: sparse.csr_matrix) -> Tensor:
            rows = found(histories)
            return torch.cat([rows[:, :-2], torch.full_like(rows[:, -2:], -1.0)], dim=1)

        return people

    def _answer(self, u: Tensor, items: Tensor) -> Tensor:
        """Scores of u (b, m or 1, dim + 2) with items (m, dim + 2), of the shape (b, m); each item's memory is read once."""
        person, index = _numbers(u), _numbers(items)
        u, e = u[..., :-2], items[:, :-2]
        people = self.people[index]
        closed = self.absent[index][:, None] | (people[:, None] == person.T[..., None])  # (m, b, k)
        keys, values = F.embedding(people, self.users), F.embedding(people, self.memory)  # (m, k, dim)
        u, e = u.transpose(0, 1), e[:, None]  # (m or 1, b, dim) and (m, 1, dim)
        z = u + e
        alone = closed.all(2, keepdim=True)  # nobody to attend to: nothing is read
        # The last map is of a mean of values: of the values themselves where these are fewer than those who ask.
        early, bare = z.shape[1] > people.shape[1], self.of_memory.weight
        for hop in range(len(self.maps) + 1):
            weights = torch.bmm(z, keys.transpose(1, 2)).masked_fill(closed & ~alone, -torch.inf).softmax(2)
            last = hop == len(self.maps)
            o = torch.bmm(weights.masked_fill(alone, 0.0), F.linear(values, bare) if last and early else values)
            z = z if last else (self.maps[hop](z) + o).relu()
        read = o + self.of_memory.bias if early else self.of_memory(o)
        hidden = self.of_product(u * e) + read
        scores: Tensor = self.out(hidden.relu())
        return scores[:, :, 0].T

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Scores of paired rows (..., dim + 2), shape (...)."""
        shape = (u[..., 0] + v[..., 0]).shape
        u, v = u.expand(*shape, u.shape[-1]), v.expand(*shape, v.shape[-1])
        return self._answer(u.reshape(1, -1, u.shape[-1]), v.reshape(-1, v.shape[-1]))[0].reshape(shape)

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Scores of all pairs of u (b, dim + 2) and items (m, dim + 2), shape (b, m), in blocks of bounded memory."""
        width = max(1, _BLOCK // max(1, len(u) * (self.people.shape[1] + 2 * self.users.shape[1])))
        return torch.cat([self._answer(u[:, None], part) for part in torch.split(items, width)], dim=1)

    def likeness(self) -> Likeness:
        """Cosines of the items' embeddings."""
        return cosines(self.items)


def _as_columns(n: int) -> Tensor:
    """The numbers 0 to n − 1 in two columns of float32, which has no room for all of them in one."""
    number = torch.arange(n, dtype=torch.float64)[:, None]
    return torch.cat([number.div(4096, rounding_mode="floor"), number.remainder(4096)], 1).to(torch.float32)


def _numbers(rows: Tensor) -> Tensor:
    """What :func:`_as_columns` has made of numbers, from the last two columns."""
    columns = rows[..., -2:].detach().long()
    return columns[..., 0] * 4096 + columns[..., 1]
