"""P3α: a random walk of three steps on the graph of users and items."""

from __future__ import annotations

from graphrec.data.interactions import Interactions
from graphrec.models.neighbours.rp3beta import RP3beta

__all__ = ["P3alpha"]


class P3alpha(RP3beta):
    """Three-step walk (Cooper et al., WWW 2014): :class:`~graphrec.models.neighbours.rp3beta.RP3beta` with β = 0.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    alpha : float
        Exponent of the transition probabilities.
    neighbours : int, optional
        Keep this many of the strongest similarities of each item; all unless given. Fewer make ranking faster.

    Notes
    -----
    The default of alpha was chosen on the validation parts of Gowalla and ML-100K, from 0.6, 0.8, … 1.8: 0.6 is best on
    the latter and 1.0 on the former.
    """

    def __init__(self, train: Interactions, *, alpha: float = 0.8, neighbours: int | None = None) -> None:
        super().__init__(train, alpha=alpha, beta=0.0, neighbours=neighbours)
