"""MLP: a perceptron over the joined embeddings of a user and an item."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.parts.checks import check_dropout, check_widths
from graphrec.models.parts.pair_network import PairNetwork
from graphrec.models.parts.tables import embedding
from graphrec.models.parts.two_tables import TwoTables

__all__ = ["MLP"]


class MLP(TwoTables):
    """Multi-layer perceptron on [p_u; q_i] (He et al., WWW 2017, eq. 10). Scores are log-odds.

    Parameters
    ----------
    train : Interactions
    dim : int
        Width of each embedding; the first layer sees twice as much.
    hidden : sequence of int
        Width of each hidden layer. With ``dim=32`` the default is the tower 64-32-16-8 that papers and
        notebooks write, where 64 stands for the joined embeddings.
    dropout : float
        Probability of dropping an entry of what enters each hidden layer.
    init_std : float
        Standard deviation of the initial embeddings.
    """

    defaults: ClassVar[dict[str, Any]] = GMF.defaults  # of one paper

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 32,
        hidden: Sequence[int] = (32, 16, 8),
        dropout: float = 0.0,
        init_std: float = 0.01,
    ) -> None:
        super().__init__(train)
        hidden = check_widths("hidden", hidden)
        check_dropout("dropout", dropout)
        self.users = embedding(self.n_users, dim, init_std)
        self.items = embedding(self.n_items, dim, init_std)
        # What enters the output layer is kept whole.
        self.network = PairNetwork(dim, dim, hidden, input_dropout=dropout, dropout=[dropout] * (len(hidden) - 1) + [0.0])

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Log-odds of paired rows (..., dim), shape (...)."""
        value: Tensor = self.network(u, v)
        return value

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Log-odds of u (b, dim) with all of items (m, dim), shape (b, m), in blocks of bounded memory."""
        return self.network.all_pairs(u, items)
