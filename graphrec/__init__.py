"""Graph-based recommendation: NGCF, LightGCN and their zero-hop relatives under one trainer and one evaluator."""

from graphrec import models
from graphrec._version import __version__
from graphrec.data.interactions import Interactions
from graphrec.graph.bipartite import BipartiteGraph

__all__ = ["BipartiteGraph", "Interactions", "__version__", "models"]
