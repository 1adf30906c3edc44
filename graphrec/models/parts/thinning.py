"""A graph without some of its nodes or edges."""

from __future__ import annotations

from typing import Literal

import torch

from graphrec.graph.bipartite import Adjacency

__all__ = ["thinned"]


def thinned(whole: Adjacency, left_out: Literal["edges", "nodes"], share: float) -> Adjacency:
    """The graph without a share of its edges, or of its nodes with all their edges, normalised by the degrees that remain.

    Each edge or node is drawn by itself from torch's current generator, on the device of the graph.

    Parameters
    ----------
    whole : Adjacency
        Of a bipartite graph, users first.
    left_out : {"edges", "nodes"}
    share : float

    Returns
    -------
    Adjacency
        D^-½ A D^-½ of what remains, on the pattern of the whole.
    """
    if not share:
        return whole
    starts, columns = whole.pattern.on(whole.device)
    half, n = len(columns) // 2, whole.n_nodes  # users' rows come first and hold each edge once
    degree = starts.diff()
    rows = torch.repeat_interleave(torch.arange(n, device=whole.device), degree, output_size=len(columns))
    if left_out == "nodes":
        kept = torch.empty(n, device=whole.device, dtype=torch.float32).bernoulli_(1 - share)
        mask = kept[rows] * kept[columns]
    else:
        once = torch.empty(half, device=whole.device, dtype=torch.float32).bernoulli_(1 - share)
        mask = torch.cat([once, once[whole.pattern.reverse_on(whole.device)[half:]]])
    scale = torch.zeros(n, device=whole.device, dtype=torch.float32).index_add_(0, rows, mask).clamp(min=1).rsqrt()
    return whole.with_values(mask * scale[rows] * scale[columns], symmetric=True)
