"""What one would write in plain torch: the other side of the step benchmarks, and the oracle of their gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graphrec.graph.bipartite import Adjacency

warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")


def csr64(adjacency: Adjacency) -> Tensor:
    """The adjacency as a torch CSR tensor with int64 indices, which is what torch makes by default."""
    a = adjacency.csr
    return torch.sparse_csr_tensor(a.crow_indices().long(), a.col_indices().long(), a.values(), size=a.shape)


def bpr_with_l2(u: Tensor, p: Tensor, n: Tensor, ego: tuple[Tensor, ...], l2: float) -> Tensor:
    """BPR and ½‖·‖²/B of the given rows."""
    loss = F.softplus((u * n).sum(1) - (u * p).sum(1)).mean()
    return loss + l2 * sum(e.square().sum() for e in ego) / (2 * len(u))


def blocked_matmuls(users: Tensor, items: Tensor, rows: int, columns: int) -> Callable[[], None]:
    """All products of two tables in blocks, each thrown away: the least that a full ranking has to do."""
    out = torch.empty(rows, columns)

    def multiply() -> None:
        for lo in range(0, len(users), rows):
            for first in range(0, len(items), columns):
                u, v = users[lo : lo + rows], items[first : first + columns]
                torch.mm(u, v.T, out=out) if (len(u), len(v)) == out.shape else u @ v.T

    return multiply


class PlainLightGCN(nn.Module):
    """LightGCN with dense hops and dense autograd."""

    def __init__(self, adjacency: Adjacency, embedding: Tensor, n_users: int, layers: int) -> None:
        super().__init__()
        self.a, self.n_users, self.layers = csr64(adjacency), n_users, layers
        self.embedding = nn.Parameter(embedding.detach().clone())

    def loss(self, users: Tensor, items: Tensor, negatives: Tensor, l2: float) -> Tensor:
        total = layer = self.embedding
        for _ in range(self.layers):
            layer = self.a @ layer
            total = total + layer
        z = total / (self.layers + 1)
        index = users, items + self.n_users, negatives + self.n_users
        return bpr_with_l2(*(z[i] for i in index), tuple(self.embedding[i] for i in index), l2)


class PlainNGCF(nn.Module):
    """NGCF in the official code's form, with dense hops and dense autograd."""

    def __init__(self, adjacency: Adjacency, model: nn.Module, n_users: int) -> None:
        super().__init__()
        self.a, self.n_users = csr64(adjacency), n_users
        self.embedding = nn.Parameter(model.embedding.detach().clone())
        self.sums = nn.ModuleList()
        self.products = nn.ModuleList()
        for transform in model.transforms:
            for ours, theirs in ((self.sums, transform.sum), (self.products, transform.product)):
                linear = nn.Linear(theirs.in_features, theirs.out_features)
                linear.load_state_dict(theirs.state_dict())
                ours.append(linear)

    def loss(self, users: Tensor, items: Tensor, negatives: Tensor, l2: float) -> Tensor:
        e, joined = self.embedding, [self.embedding]
        for w1, w2 in zip(self.sums, self.products, strict=True):
            side = self.a @ e
            e = F.leaky_relu(w1(side), 0.2) + F.leaky_relu(w2(e * side), 0.2)
            joined.append(F.normalize(e, dim=1))
        z = torch.cat(joined, dim=1)
        rows = tuple(z[i] for i in (users, items + self.n_users, negatives + self.n_users))
        return bpr_with_l2(*rows, rows, l2)
