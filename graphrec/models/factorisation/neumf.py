"""NeuMF: GMF and MLP, added before the sigmoid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.factorisation.gmf import GMF
from graphrec.models.factorisation.mlp import MLP
from graphrec.models.factors import OwnedRows, RowTables
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.idle import Idle, Needs
from graphrec.models.parts.joined import Joined

__all__ = ["NeuMF"]


class NeuMF(Model):
    """Neural matrix factorisation (He et al., WWW 2017, eq. 12). Scores are log-odds.

    The paper joins p_u ⊙ q_i and the last hidden layer of the MLP and weights them by one vector h. A dot
    product with a joined vector is the sum of two: NeuMF is the sum of a GMF's score and an MLP's, each
    with its own embeddings.

    Parameters
    ----------
    train : Interactions
    dim : int
        Number of factors of GMF.
    mlp_dim : int, optional
        Width of each embedding of the MLP; `dim` unless given.
    hidden, dropout
        Of the MLP, see :class:`MLP`.
    init_std : float
        Standard deviation of the initial embeddings.
    gmf, mlp : GMF and MLP, optional
        Trained models of the same sizes to start from (section 3.4.1 of the paper); both or neither.
    alpha : float
        Weight of GMF in the output when starting from trained models; the MLP has 1 − alpha (eq. 13).

    Raises
    ------
    InputError
        Only one trained model was given, one has other sizes, or alpha is outside [0, 1].
    """

    starting_options: ClassVar[tuple[str, ...]] = ("gmf", "mlp", "alpha")
    defaults: ClassVar[dict[str, Any]] = {**GMF.defaults, "epochs": 10}
    idle = (Idle("alpha", gmf=None), Needs("init_std", gmf=None))

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 32,
        mlp_dim: int | None = None,
        hidden: Sequence[int] = (32, 16, 8),
        dropout: float = 0.0,
        init_std: float = 0.01,
        gmf: GMF | None = None,
        mlp: MLP | None = None,
        alpha: float = 0.5,
    ) -> None:
        super().__init__(train)
        self.dim = dim
        mlp_dim = dim if mlp_dim is None else mlp_dim
        check_at_least("dim", dim, 1)
        check_at_least("mlp_dim", mlp_dim, 1)
        self.gmf = GMF(train, dim=dim, init_std=init_std)
        self.mlp = MLP(train, dim=mlp_dim, hidden=hidden, dropout=dropout, init_std=init_std)
        if (gmf is None) != (mlp is None):
            raise InputError("NeuMF starts from a trained GMF and a trained MLP together: give both gmf and mlp, or neither.")
        if gmf is not None and mlp is not None:
            self._start_from(gmf, mlp, alpha)

    @classmethod
    def from_pretrained(cls, train: Interactions, gmf: GMF, mlp: MLP, *, alpha: float = 0.5, dropout: float = 0.0) -> NeuMF:
        """A NeuMF of the sizes of two trained models, starting from their weights.

        Parameters
        ----------
        train : Interactions
            What `gmf` and `mlp` were trained on.
        gmf, mlp : GMF and MLP
        alpha : float
            Weight of GMF in the output, in [0, 1].
        dropout : float
            As in :class:`MLP`.

        Returns
        -------
        NeuMF
        """
        hidden = [layer.out_features for layer in mlp.network.layers if isinstance(layer, nn.Linear)]
        sizes: dict[str, Any] = {"dim": gmf.users.shape[1], "mlp_dim": mlp.users.shape[1], "hidden": hidden}
        return cls(train, **sizes, dropout=dropout, gmf=gmf, mlp=mlp, alpha=alpha)

    @torch.no_grad()
    def _start_from(self, gmf: GMF, mlp: MLP, alpha: float) -> None:
        if not 0 <= alpha <= 1:
            raise InputError(f"alpha must lie in [0, 1], got {alpha!r}.")
        for name, mine, trained, weight in (("gmf", self.gmf, gmf, alpha), ("mlp", self.mlp, mlp, 1 - alpha)):
            want = {key: tuple(value.shape) for key, value in mine.state_dict().items()}
            have = {key: tuple(value.shape) for key, value in trained.state_dict().items()}
            if want != have:
                key = next(k for k in [*want, *have] if want.get(k) != have.get(k))
                raise InputError(f"{name} has other sizes than this NeuMF: {key} is {have.get(key)}, not {want.get(key)}.")
            mine.load_state_dict(trained.state_dict())
            out = mine.out if isinstance(mine, GMF) else mine.network.out
            out.weight.mul_(weight)
            out.bias.mul_(weight)

    def encode(self) -> Encoding:
        """GMF's rows and the MLP's, side by side."""
        sparse = self.sparse_gradients
        return Encoding(
            Joined(Table(self.gmf.users, sparse), Table(self.mlp.users, sparse)),
            Joined(Table(self.gmf.items, sparse), Table(self.mlp.items, sparse)),
        )

    def row_tables(self) -> RowTables:
        """The four tables."""
        return RowTables((self.gmf.users, self.mlp.users), (self.gmf.items, self.mlp.items))

    def owned_rows(self) -> OwnedRows:
        """The four tables; the rest is everybody's."""
        return OwnedRows(*self.row_tables())

    def score(self, u: Tensor, v: Tensor) -> Tensor:
        """Log-odds of paired rows (..., dim + mlp_dim), shape (...)."""
        d = self.dim
        return self.gmf.score(u[..., :d], v[..., :d]) + self.mlp.score(u[..., d:], v[..., d:])

    def score_all(self, u: Tensor, items: Tensor) -> Tensor:
        """Log-odds of u (b, dim + mlp_dim) with all of items (m, dim + mlp_dim), shape (b, m)."""
        d = self.dim
        return self.gmf.score_all(u[:, :d], items[:, :d]) + self.mlp.score_all(u[:, d:], items[:, d:])
