"""All models, one file each, and the table of their names."""

from graphrec.models.autoencoder import Autoencoder
from graphrec.models.base import ClosedForm, Encoding, Gathered, Model, Rows, Table
from graphrec.models.bias import Bias
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
    "COMPOSED",
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
    "Bias",
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

# The table of names: for the string form of Recommender, the command line and presets.
MODELS: dict[str, type[Model]] = {
    "autoencoder": Autoencoder,
    "bias": Bias,
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

# Models over other models and tables of features: Recommender knows their names; the command line cannot give what they need.
COMPOSED: dict[str, type[Model]] = {"hybrid": Hybrid}
