"""All models, one file each, and the table of their names."""

from graphrec.models.autoencoders.autoencoder import Autoencoder
from graphrec.models.autoencoders.multvae import MultDAE, MultVAE
from graphrec.models.base import Model, Scorer, Solved, Step
from graphrec.models.baselines.itempop import ItemPop
from graphrec.models.baselines.random_ import Random
from graphrec.models.encoding import Encoding, Gathered, Rows, Table
from graphrec.models.factorisation.cmn import CMN
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.factorisation.hoprec import HOPRec
from graphrec.models.factorisation.ials import IALS
from graphrec.models.factorisation.mf import MF
from graphrec.models.factorisation.mlp import MLP
from graphrec.models.factorisation.ncf import NCF
from graphrec.models.factorisation.neumf import NeuMF
from graphrec.models.factorisation.ultragcn import UltraGCN
from graphrec.models.filters.bspm import BSPM
from graphrec.models.filters.chebycf import ChebyCF
from graphrec.models.filters.ease import EASE
from graphrec.models.filters.gfcf import GFCF
from graphrec.models.filters.puresvd import PureSVD
from graphrec.models.filters.slim import SLIM
from graphrec.models.filters.turbocf import TurboCF
from graphrec.models.graph.dgcf import DGCF
from graphrec.models.graph.gcmc import GCMC
from graphrec.models.graph.lightgcn import LightGCN
from graphrec.models.graph.lightgcnlw import LightGCNLW
from graphrec.models.graph.lightgcnpp import LightGCNPP
from graphrec.models.graph.lrgccf import LRGCCF
from graphrec.models.graph.mgdcf import MGDCF
from graphrec.models.graph.ncl import NCL
from graphrec.models.graph.nescl import NESCL
from graphrec.models.graph.ngcf import NGCF
from graphrec.models.graph.pinsage import PinSage
from graphrec.models.graph.sgl import SGL
from graphrec.models.graph.simgcl import SimGCL
from graphrec.models.graph.simplex import SimpleX
from graphrec.models.graph.xsimgcl import XSimGCL
from graphrec.models.hybrids.blend import Blend
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
    "CMN",
    "COMPOSED",
    "DGCF",
    "EASE",
    "GCMC",
    "GFCF",
    "GMF",
    "IALS",
    "LRGCCF",
    "MF",
    "MGDCF",
    "MLP",
    "MODELS",
    "NCF",
    "NCL",
    "NESCL",
    "NGCF",
    "SGL",
    "SLIM",
    "Autoencoder",
    "Bias",
    "Blend",
    "ChebyCF",
    "CollabFNet",
    "EmbeddingNet",
    "Encoding",
    "Gathered",
    "HOPRec",
    "Hybrid",
    "ItemKNN",
    "ItemPop",
    "LightGCN",
    "LightGCNLW",
    "LightGCNPP",
    "Model",
    "MultDAE",
    "MultVAE",
    "NeuMF",
    "P3alpha",
    "PinSage",
    "PureSVD",
    "RP3beta",
    "Random",
    "Rows",
    "Scorer",
    "Scoring",
    "SimGCL",
    "SimpleX",
    "Solved",
    "Step",
    "Table",
    "TurboCF",
    "UltraGCN",
    "UserKNN",
    "XSimGCL",
    "embedding",
]

# The table of names: for the string form of Recommender, the command line and presets.
MODELS: dict[str, type[Scorer]] = {
    "autoencoder": Autoencoder,
    "bias": Bias,
    "bspm": BSPM,
    "chebycf": ChebyCF,
    "cmn": CMN,
    "collabfnet": CollabFNet,
    "dgcf": DGCF,
    "ease": EASE,
    "embeddingnet": EmbeddingNet,
    "gcmc": GCMC,
    "gfcf": GFCF,
    "gmf": GMF,
    "ials": IALS,
    "hoprec": HOPRec,
    "itemknn": ItemKNN,
    "itempop": ItemPop,
    "lightgcn": LightGCN,
    "lightgcnlw": LightGCNLW,
    "lightgcnpp": LightGCNPP,
    "lrgccf": LRGCCF,
    "mf": MF,
    "mgdcf": MGDCF,
    "mlp": MLP,
    "multdae": MultDAE,
    "multvae": MultVAE,
    "ncf": NCF,
    "ncl": NCL,
    "nescl": NESCL,
    "neumf": NeuMF,
    "ngcf": NGCF,
    "p3alpha": P3alpha,
    "puresvd": PureSVD,
    "pinsage": PinSage,
    "random": Random,
    "rp3beta": RP3beta,
    "sgl": SGL,
    "simgcl": SimGCL,
    "simplex": SimpleX,
    "slim": SLIM,
    "turbocf": TurboCF,
    "userknn": UserKNN,
    "ultragcn": UltraGCN,
    "xsimgcl": XSimGCL,
}

# Models over other models and tables of features: Recommender knows their names; the command line cannot give what they need.
COMPOSED: dict[str, type[Scorer]] = {"blend": Blend, "hybrid": Hybrid}
