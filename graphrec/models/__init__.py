"""All models, one file each, and the table of their names."""

from graphrec.models.base import ClosedForm, Encoding, Gathered, Model, Rows, Table
from graphrec.models.itempop import ItemPop
from graphrec.models.lightgcn import LightGCN
from graphrec.models.mf import MF
from graphrec.models.ngcf import NGCF
from graphrec.models.random_ import Random

__all__ = ["MF", "MODELS", "NGCF", "ClosedForm", "Encoding", "Gathered", "ItemPop", "LightGCN", "Model", "Random", "Rows", "Table"]

# The only table of names: for the string form of Recommender, the command line and presets.
MODELS: dict[str, type[Model]] = {
    "itempop": ItemPop,
    "lightgcn": LightGCN,
    "mf": MF,
    "ngcf": NGCF,
    "random": Random,
}
