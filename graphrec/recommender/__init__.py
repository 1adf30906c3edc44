"""What a user of the library holds, how it is fitted, and how it lies on a disk."""

from graphrec.recommender.recommender import Recommender, load

__all__ = ["Recommender", "load"]
