"""The best recommender for a table within a budget: what is tried, in which order, and what came of it."""

from graphrec.search.search import search
from graphrec.search.tune import tune

__all__ = ["search", "tune"]
