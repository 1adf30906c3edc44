"""The nodes that a hop must know so that the next hop can be computed for a batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from graphrec.graph.bipartite import Pattern
from graphrec.graph.row_sparse import NodeIndex

__all__ = ["receptive_field"]

# From this share of the edges on, a hop for listed rows is no faster than a whole hop (measured).
_WIDEST_FIELD = 0.8
# A batch whose own rows hold a twelfth of the edges has neighbours with nine tenths of them: no need to look.
_WIDEST_BATCH = 1 / 12


def receptive_field(
    index: NodeIndex, pattern: Pattern, widest_batch: float = _WIDEST_BATCH, widest_field: float = _WIDEST_FIELD
) -> NodeIndex | None:
    """The nodes of a batch and their neighbours, in ascending order.

    Parameters
    ----------
    index : NodeIndex
        Of the batch, on the CPU.
    pattern : Pattern
    widest_batch, widest_field : float
        The largest shares of the edges, in the batch's rows and in the field's, for which a field is worth listing.

    Returns
    -------
    NodeIndex or None
        None when one of the shares is larger.
    """
    from graphrec.graph import kernels

    def share(nodes: npt.NDArray[np.int64]) -> float:
        return float(pattern.entries(nodes).sum() / max(1, len(pattern.indices)))

    batch = index.distinct.numpy()
    if share(batch) > widest_batch:
        return None
    mark = np.zeros(index.n, np.bool_)
    kernels.mark_neighbours(batch, pattern.indptr, pattern.indices, mark)
    nodes = np.flatnonzero(mark)
    return NodeIndex(torch.from_numpy(nodes), index.n) if share(nodes) <= widest_field else None
