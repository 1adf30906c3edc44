"""All models, one file each, and the table of their names."""

from graphrec.models.autoencoders.autoencoder import Autoencoder
from graphrec.models.autoencoders.multvae import MultDAE, MultVAE
from graphrec.models.base import Model, Scorer, Solved, Step
from graphrec.models.baselines.itempop import ItemPop
from graphrec.models.baselines.random_ import Random
from graphrec.models.encoding import Encoding, Gathered, Rows, Table
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.factorisation.ials import IALS
from graphrec.models.factorisation.mf import MF
from graphrec.models.factorisation.mlp import MLP
from graphrec.models.factorisation.ncf import NCF
from graphrec.models.factorisation.neumf import NeuMF
from graphrec.models.filters.bspm import BSPM
from graphrec.models.filters.chebycf import ChebyCF
from graphrec.models.filters.ease import EASE
from graphrec.models.filters.gfcf import GFCF
from graphrec.models.filters.puresvd import PureSVD
from graphrec.models.filters.slim import SLIM
from graphrec.models.filters.turbocf import TurboCF
from graphrec.models.graph.lightgcn import LightGCN
from graphrec.models.graph.ngcf import NGCF
from graphrec.models.hybrids.hybrid import Hybrid
from graphrec.models.neighbours.itemknn import ItemKNN
from graphrec.models.neighbours.p3alpha import P3alpha
from graphrec.models.neighbours.rp3beta import RP3beta
from graphrec.models.neighbours.userknn import UserKNN
from graphrec.models.parts.tables import embedding
from graphrec.models.ratings.bias import Bias
from graphrec.models.ratings.collabfnet import CollabFNet
from graphrec.models.ratings.embeddingnet import EmbeddingNet
from graphrec.models.scoring import Scoring

__all__ = [
    "BSPM",
    "COMPOSED",
    "EASE",
    "GFCF",
    "GMF",
    "IALS",
    "MF",
    "MLP",
    "MODELS",
    "NCF",
    "NGCF",
    "SLIM",
    "Autoencoder",
    "Bias",
    "ChebyCF",
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
    "P3alpha",
    "PureSVD",
    "RP3beta",
    "Random",
    "Rows",
    "Scorer",
    "Scoring",
    "Solved",
    "Step",
    "Table",
    "TurboCF",
    "UserKNN",
    "embedding",
]

# The table of names: for the string form of Recommender, the command line and presets.
MODELS: dict[str, type[Scorer]] = {
    "autoencoder": Autoencoder,
    "bias": Bias,
    "bspm": BSPM,
    "chebycf": ChebyCF,
    "collabfnet": CollabFNet,
    "ease": EASE,
    "embeddingnet": EmbeddingNet,
    "gfcf": GFCF,
    "gmf": GMF,
    "ials": IALS,
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
    "p3alpha": P3alpha,
    "puresvd": PureSVD,
    "random": Random,
    "rp3beta": RP3beta,
    "slim": SLIM,
    "turbocf": TurboCF,
    "userknn": UserKNN,
}

# Models over other models and tables of features: Recommender knows their names; the command line cannot give what they need.
COMPOSED: dict[str, type[Scorer]] = {"hybrid": Hybrid}
