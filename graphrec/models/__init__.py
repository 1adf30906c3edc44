"""All models, one file each, and the table of their names."""

from graphrec.models.autoencoder import Autoencoder
from graphrec.models.base import ClosedForm, Encoding, Gathered, Model, Rows, Table
from graphrec.models.collabfnet import CollabFNet
from graphrec.models.ease import EASE
from graphrec.models.embeddingnet import EmbeddingNet
from graphrec.models.gfcf import GFCF
from graphrec.models.gmf import GMF
from graphrec.models.hybrid import Hybrid
from graphrec.models.itemknn import ItemKNN
from graphrec.models.itempop import ItemPop
from graphrec.models.lightgcn import LightGCN
from graphrec.models.mf import MF
from graphrec.models.mlp import MLP
from graphrec.models.multvae import MultDAE, MultVAE
from graphrec.models.ncf import NCF
from graphrec.models.neumf import NeuMF
from graphrec.models.ngcf import NGCF
from graphrec.models.random_ import Random
from graphrec.models.rp3beta import RP3beta
from graphrec.models.slim import SLIM
from graphrec.models.turbocf import TurboCF

__all__ = [
    "EASE",
    "GFCF",
    "GMF",
    "MF",
    "MLP",
    "MODELS",
    "NCF",
    "NGCF",
    "SLIM",
    "Autoencoder",
    "ClosedForm",
    "CollabFNet",
    "EmbeddingNet",
    "Encoding",
    "Gathered",
    "Hybrid",
    "ItemKNN",
    "ItemPop",
    "LightGCN",
    "Model",
    "MultDAE",
    "MultVAE",
    "NeuMF",
    "RP3beta",
    "Random",
    "Rows",
    "Table",
    "TurboCF",
]

# The only table of names: for the string form of Recommender, the command line and presets. Hybrid is not in
# it: it needs a trained model and feature tables, which a name cannot give.
MODELS: dict[str, type[Model]] = {
    "autoencoder": Autoencoder,
    "collabfnet": CollabFNet,
    "ease": EASE,
    "embeddingnet": EmbeddingNet,
    "gfcf": GFCF,
    "gmf": GMF,
    "itemknn": ItemKNN,
    "itempop": ItemPop,
    "lightgcn": LightGCN,
    "mf": MF,
    "mlp": MLP,
    "multdae": MultDAE,
    "multvae": MultVAE,
    "ncf": NCF,
    "neumf": NeuMF,
    "ngcf": NGCF,
    "random": Random,
    "rp3beta": RP3beta,
    "slim": SLIM,
    "turbocf": TurboCF,
}
