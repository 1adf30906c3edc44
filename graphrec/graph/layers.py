"""The propagation layers as PyTorch Geometric layers, for graphs of any form.

The models of this library call the same product and the same transformation directly; these classes are for
people who compose layers of their own. Importing this module imports PyTorch Geometric.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from torch import Tensor, nn
from torch_geometric.nn.conv import MessagePassing
from torch_geometric.utils import spmm

from graphrec.graph.bipartite import Adjacency
from graphrec.graph.propagate import propagate
from graphrec.graph.transform import NGCFTransform

__all__ = ["LightConv", "NGCFConv"]

Graph: TypeAlias = Any  # Adjacency | edge_index Tensor (2, nnz) | torch sparse Tensor | torch_sparse.SparseTensor


class _HopConv(MessagePassing):  # type: ignore[misc]
    """The sum over neighbours that both layers share, for every form of graph."""

    def __init__(self) -> None:
        super().__init__(aggr="add")

    def hop(self, x: Tensor, graph: Graph, edge_weight: Tensor | None) -> Tensor:
        """Â·X, shape (n, d)."""
        if isinstance(graph, Adjacency):
            return propagate(graph, x)
        # PyG takes a sparse matrix as adj_t, whose rows are the targets: Â as it stands.
        result: Tensor = self.propagate(graph, x=x, edge_weight=edge_weight)
        return result

    def message(self, x_j: Tensor, edge_weight: Tensor | None) -> Tensor:
        """The source's row, weighed: shape (nnz, d)."""
        return x_j if edge_weight is None else edge_weight.view(-1, 1) * x_j

    def message_and_aggregate(self, graph: Graph, x: Tensor) -> Tensor:
        """Message and sum in one sparse product, without a tensor of the size nnz × d."""
        product: Tensor = spmm(graph, x, reduce="sum")
        return product


class LightConv(_HopConv):
    """One hop Â·X (LightGCN, eq. 3).

    The graph may be this library's :class:`~graphrec.graph.bipartite.Adjacency`, a torch-sparse
    ``SparseTensor`` or torch sparse tensor that holds Â, or an edge index (2, nnz) with `edge_weight`
    (nnz,), whose messages go from row 0 to row 1. All give the same result. Edges are weighed
    beforehand, by ``BipartiteGraph.adjacency(name)``: the layer does not normalise.

    Examples
    --------
    >>> graph = gr.BipartiteGraph(gr.Interactions.from_indices([0, 0, 1], [0, 1, 1]))
    >>> gr.LightConv()(torch.ones(4, 1), graph.adjacency("row")).flatten()
    tensor([1., 1., 1., 1.])
    """

    def forward(self, x: Tensor, graph: Graph, edge_weight: Tensor | None = None) -> Tensor:
        """Propagate one hop.

        Parameters
        ----------
        x : Tensor, shape (n, d)
        graph : Adjacency, SparseTensor, torch sparse Tensor or edge index
        edge_weight : Tensor, shape (nnz,), optional
            For an edge index only; ones unless given.

        Returns
        -------
        Tensor, shape (n, d)
        """
        return self.hop(x, graph, edge_weight)


class NGCFConv(_HopConv):
    """One NGCF layer: a hop, the transformation, message dropout (NGCF, eq. 7).

    Parameters
    ----------
    width_in, width_out : int
    form : {"paper", "official"}
        See :class:`~graphrec.graph.transform.NGCFTransform`.
    slope : float
        Of LeakyReLU for negative arguments.
    message_dropout : float
        Probability of dropping an entry of the output while training.
    """

    def __init__(
        self,
        width_in: int,
        width_out: int,
        form: Literal["paper", "official"] = "official",
        slope: float = 0.2,
        message_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.transform = NGCFTransform(width_in, width_out, form, slope)
        self.dropout = nn.Dropout(message_dropout)

    def forward(self, x: Tensor, graph: Graph, edge_weight: Tensor | None = None) -> Tensor:
        """As :meth:`LightConv.forward`, with a result of shape (n, width_out)."""
        result: Tensor = self.dropout(self.transform(x, self.hop(x, graph, edge_weight)))
        return result
