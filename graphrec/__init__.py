"""Graph-based recommendation: NGCF, LightGCN and their zero-hop relatives under one trainer and one evaluator."""

import importlib as _importlib
import os as _os
import sys as _sys
import types as _types
from typing import TYPE_CHECKING, Any

# OpenMP threads that wait by spinning take the cores away from this library's own threads; torch reads this
# when it is first imported. A value that is already set is respected.
_os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from graphrec._version import __version__

if TYPE_CHECKING:
    from graphrec import ann, graph, losses, models
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
    from graphrec.errors import InputError
    from graphrec.evaluation.evaluate import evaluate, evaluate_ratings
    from graphrec.evaluation.protocol import Protocol
    from graphrec.evaluation.report import Report
    from graphrec.evaluation.significance import compare
    from graphrec.graph.bipartite import BipartiteGraph
    from graphrec.graph.layers import LightConv, NGCFConv
    from graphrec.presets import preset
    from graphrec.recommender import Blend, Recommender, load
    from graphrec.report.paths import plot_paths
    from graphrec.search.search import search
    from graphrec.search.tune import tune

# What is imported when it is first asked for: the command line says what its options are without waiting for torch. A test
# compares this with the imports above, which type checkers read.
_FROM = {
    "BipartiteGraph": "graphrec.graph.bipartite",
    "Blend": "graphrec.recommender",
    "InputError": "graphrec.errors",
    "Interactions": "graphrec.data.interactions",
    "LightConv": "graphrec.graph.layers",
    "NGCFConv": "graphrec.graph.layers",
    "Protocol": "graphrec.evaluation.protocol",
    "Recommender": "graphrec.recommender",
    "Report": "graphrec.evaluation.report",
    "Split": "graphrec.data.split",
    "ann": "graphrec",
    "compare": "graphrec.evaluation.significance",
    "evaluate": "graphrec.evaluation.evaluate",
    "evaluate_ratings": "graphrec.evaluation.evaluate",
    "graph": "graphrec",
    "load": "graphrec.recommender",
    "load_dataset": "graphrec.data.datasets",
    "losses": "graphrec",
    "models": "graphrec",
    "open_table": "graphrec.data.mapped",
    "plot_paths": "graphrec.report.paths",
    "preset": "graphrec.presets",
    "read_csv": "graphrec.data.csv_files",
    "read_folder": "graphrec.data.folder",
    "read_lightgcn": "graphrec.data.lightgcn_files",
    "read_parquet": "graphrec.data.parquet",
    "search": "graphrec.search.search",
    "split": "graphrec.data",
    "tune": "graphrec.search.tune",
    "write_lightgcn": "graphrec.data.lightgcn_files",
    "write_table": "graphrec.data.mapped_writing",
}
__all__ = [
    "BipartiteGraph",
    "Blend",
    "InputError",
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


class _Package(_types.ModuleType):
    """This module, in which importing the folder ``search`` does not put that in the place of the function."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "search" or not isinstance(value, _types.ModuleType):
            super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import what is asked for: a name of the table above, or a room of the house."""
    place = _FROM.get(name, __name__)
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if place in (__name__, "graphrec.data"):
        try:
            value: Any = _importlib.import_module(f"{place}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{place}.{name}":
                raise  # of something else, which that module needs
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
    else:
        # Folder before file: who imports the file first holds its lock and waits for the folder's, which waits for the file's.
        _importlib.import_module(place.rpartition(".")[0])
        value = getattr(_importlib.import_module(place), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
