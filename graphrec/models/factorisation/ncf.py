"""NCF: the two-layer network of the introductory notebooks."""

from __future__ import annotations

from collections.abc import Sequence

from graphrec.data.interactions import Interactions
from graphrec.models.factorisation.mlp import MLP

__all__ = ["NCF"]


class NCF(MLP):
    """Neural collaborative filtering in its simplest form: embeddings of 8 and an MLP 64-32-1.

    This is :class:`MLP` (He et al., WWW 2017) under the settings that are usual where the method is first
    taught: small embeddings and two hidden layers that are wider than they are.

    Parameters
    ----------
    train : Interactions
    dim, hidden, dropout, init_std
        See :class:`MLP`.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 8,
        hidden: Sequence[int] = (64, 32),
        dropout: float = 0.0,
        init_std: float = 0.01,
    ) -> None:
        super().__init__(train, dim=dim, hidden=hidden, dropout=dropout, init_std=init_std)
