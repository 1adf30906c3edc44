"""Which pairs a training step looks at, and which negatives."""

from graphrec.sampling.batches import PairBatch, UserBatch
from graphrec.sampling.negatives import NegativeSampler
from graphrec.sampling.samplers import PairSampler, UserSampler

__all__ = ["NegativeSampler", "PairBatch", "PairSampler", "UserBatch", "UserSampler"]
