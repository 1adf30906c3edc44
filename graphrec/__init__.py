"""Graph-based recommendation: NGCF, LightGCN and their zero-hop relatives under one trainer and one evaluator."""

import os as _os
from typing import TYPE_CHECKING, Any

# OpenMP threads that wait by spinning take the cores away from this library's own threads; torch reads this
# when it is first imported. A value that is already set is respected.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from graphrec import graph, losses, models
from graphrec._version import __version__
from graphrec.data import split
from graphrec.data.csv_files import read_csv
from graphrec.data.datasets import load_dataset
from graphrec.data.folder import read_folder
from graphrec.data.interactions import Interactions
from graphrec.data.lightgcn_files import read_lightgcn, write_lightgcn
from graphrec.data.mapped import open_table
from graphrec.data.mapped_writing import write_table
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

if TYPE_CHECKING:
    from graphrec import ann
    from graphrec.graph.layers import LightConv, NGCFConv

__all__ = [
    "BipartiteGraph",
    "Blend",
    "Interactions",
    "LightConv",
    "NGCFConv",
    "Protocol",
    "Recommender",
    "Report",
    "Split",
    "__version__",
    "ann",
    "compare",
    "evaluate",
    "evaluate_ratings",
    "graph",
    "load",
    "load_dataset",
    "losses",
    "models",
    "open_table",
    "plot_paths",
    "preset",
    "read_csv",
    "read_folder",
    "read_lightgcn",
    "read_parquet",
    "search",
    "split",
    "tune",
    "write_lightgcn",
    "write_table",
]


def __getattr__(name: str) -> Any:
    """What imports other libraries is imported when it is first asked for."""
    if name in ("LightConv", "NGCFConv"):
        return getattr(graph, name)
    if name == "ann":
        import importlib

        return importlib.import_module("graphrec.ann")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
