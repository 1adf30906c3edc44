"""Sums of rows that are weighed by attention, each over the neighbours of a node."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.graph.bipartite import Pattern
from graphrec.graph.pair_dot import pair_dot

__all__ = ["attended"]


def attended(pattern: Pattern, nodes: Tensor, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Σ_i a_ui v_i over the neighbours i of each node u, with a_u the softmax of q_u · k_i over them.

    Parameters
    ----------
    pattern : Pattern
        Of n nodes.
    nodes : Tensor of int64, shape (b,)
    queries : Tensor, shape (b, d)
        One for each of `nodes`.
    keys, values : Tensor, shapes (n, d) and (n, d')

    Returns
    -------
    Tensor, shape (b, d')
        Zero for a node without neighbours.
    """
    starts, columns = pattern.on(values.device)
    first, count = starts[nodes].long(), (starts[nodes + 1] - starts[nodes]).long()
    owner = torch.repeat_interleave(torch.arange(len(nodes), device=nodes.device), count)
    within = torch.arange(len(owner), device=nodes.device) - (count.cumsum(0) - count)[owner]
    other = columns[first[owner] + within].long()
    logits = pair_dot(queries, keys, owner, other)
    # The largest of a node is a constant here: it cancels, and only keeps exp within range.
    top = logits.new_full((len(nodes),), -torch.inf).scatter_reduce(0, owner, logits.detach(), "amax")
    weight = (logits - top[owner]).exp()
    total = torch.zeros_like(top).index_add(0, owner, weight)
    share = weight / total[owner]
    return values.new_zeros(len(nodes), values.shape[1]).index_add(0, owner, share[:, None] * F.embedding(other, values))
