"""Which pairs a training step looks at, and which negatives."""

from graphrec.sampling.batches import PairBatch, UserBatch
from graphrec.sampling.negatives import NegativeSampler, SeenItems, draw_negatives
from graphrec.sampling.own import Negatives
from graphrec.sampling.reference import reference_negatives
from graphrec.sampling.samplers import PairSampler, UserSampler
from graphrec.sampling.seeds import draw_seed

__all__ = [
    "NegativeSampler",
    "Negatives",
    "PairBatch",
    "PairSampler",
    "SeenItems",
    "UserBatch",
    "UserSampler",
    "draw_negatives",
    "draw_seed",
    "reference_negatives",
]
