"""What a user of the library holds, how it is fitted, and how it lies on a disk."""

from graphrec.recommender.blend import Blend
from graphrec.recommender.loading import load
from graphrec.recommender.recommender import Recommender

__all__ = ["Blend", "Recommender", "load"]
