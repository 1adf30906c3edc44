"""Graph-based recommendation: NGCF, LightGCN and their zero-hop relatives under one trainer and one evaluator."""

import os as _os

# OpenMP threads that wait by spinning take the cores away from this library's own threads; torch reads this
# when it is first imported. A value that is already set is respected.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from graphrec import losses, models
from graphrec._version import __version__
from graphrec.data import split
from graphrec.data.datasets import load_dataset
from graphrec.data.formats import read_csv, read_lightgcn, write_lightgcn
from graphrec.data.interactions import Interactions
from graphrec.data.parquet import read_parquet
from graphrec.data.split import Split
from graphrec.evaluation.evaluate import evaluate, evaluate_ratings
from graphrec.evaluation.protocol import Protocol
from graphrec.evaluation.report import Report
from graphrec.evaluation.significance import compare
from graphrec.graph.bipartite import BipartiteGraph
from graphrec.presets import preset
from graphrec.recommender import Blend, Recommender, load
from graphrec.report.paths import plot_paths
from graphrec.search import search, tune

__all__ = [
    "BipartiteGraph",
    "Blend",
    "Interactions",
    "Protocol",
    "Recommender",
    "Report",
    "Split",
    "__version__",
    "compare",
    "evaluate",
    "evaluate_ratings",
    "load",
    "load_dataset",
    "losses",
    "models",
    "plot_paths",
    "preset",
    "read_csv",
    "read_lightgcn",
    "read_parquet",
    "search",
    "split",
    "tune",
    "write_lightgcn",
]
