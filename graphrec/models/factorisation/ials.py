"""iALS: matrix factorisation of all pairs at once, each side solved exactly while the other stands still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.models.encoding import Encoding, Table
from graphrec.models.parts.checks import check_at_least
from graphrec.models.parts.idle import Idle
from graphrec.models.parts.ridge_rows import LeastSquares, RowProblems, Sides, solve_rows
from graphrec.models.parts.tables import embedding

__all__ = ["IALS"]


def _all_at_once(told: Mapping[str, Any], _: Interactions | None) -> str:
    """For blocks that are no smaller than the whole."""
    return f"with dim={told['dim']}" if told["block"] is not None and told["block"] >= told["dim"] else ""


class IALS(Model):
    """Implicit alternating least squares (Hu et al., ICDM 2008, in the form of Rendle et al., RecSys 2022).

    With a row of factors for each user and each item, an epoch lowers

        Σ_{(u, i) seen} w_ui (1 − p_u · q_i)² + α₀ Σ_{all u, i} (p_u · q_i)²
            + λ Σ_u (d_u + α₀ n_items)^ν ‖p_u‖² + λ Σ_i (d_i + α₀ n_users)^ν ‖q_i‖²

    with w_ui = 1 and d the numbers of interactions, or the pairs' weights (Hu et al.'s confidence) and their sums,
    by solving all items for the users that there are, and then all users for these items. There is no learning rate: an
    epoch of training is one such pass, and the trainer looks at validation, keeps the best epoch and writes checkpoints.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    dim : int
        Number of factors.
    unobserved : float
        α₀, the weight of a pair that was not seen; above 0.
    l2 : float
        λ.
    frequency : float
        ν: 0 penalises every row alike, 1 by how much is known of it.
    block : int, optional
        Solve so many factors at a time, the others standing still (iALS++, Rendle et al., 2021): an epoch's cost then grows
        with dim² and not with dim³ for rows of few interactions. All at once unless given; below dim.
    init_std : float
        Factors start from N(0, init_std² / dim); those of users and items without an interaction from zero.

    Notes
    -----
    A row without an interaction in the table that is being fitted stays as it is. The defaults of unobserved, l2 and dim were
    chosen on the validation parts of ML-100K and Gowalla; those of frequency and init_std are Rendle et al.'s.
    """

    reads_weights: ClassVar[bool] = True
    idle = (Idle("block", when=_all_at_once),)
    defaults: ClassVar[dict[str, Any]] = {"loss": LeastSquares(), "epochs": 16}

    def __init__(
        self,
        train: Interactions,
        *,
        dim: int = 64,
        unobserved: float = 0.03,
        l2: float = 0.003,
        frequency: float = 1.0,
        block: int | None = None,
        init_std: float = 0.1,
    ) -> None:
        check_at_least("dim", dim, 1)
        check_at_least("frequency", frequency, 0)
        check_at_least("block", dim if block is None else block, 1)
        for name, value in (("unobserved", unobserved), ("l2", l2), ("init_std", init_std)):
            if not value > 0:
                raise InputError(f"{name} must be above 0, got {value!r}.")
        super().__init__(train)
        self.unobserved, self.l2, self.frequency, self.block = unobserved, l2, frequency, block
        matrix = train.to_csr("ones")
        self.users = embedding(self.n_users, dim, init_std / dim**0.5)
        self.items = embedding(self.n_items, dim, init_std / dim**0.5)
        with torch.no_grad():
            self.users[torch.from_numpy(np.diff(matrix.indptr) == 0)] = 0
            self.items[torch.from_numpy(np.bincount(matrix.indices, minlength=self.n_items) == 0)] = 0

    def encode(self) -> Encoding:
        """The factors themselves."""
        return Encoding(Table(self.users), Table(self.items))

    def alternate(self, sides: Sides) -> tuple[Tensor, Tensor]:
        """Solve the items, then the users, in place; the squares of the sum above and its penalties, as reached."""
        users, items = sides.users, sides.items
        solve_rows(self.items, self.users, items, self.unobserved, self.penalties(items), self.block)
        self.items[sides.twins] = self.items[sides.firsts]  # one problem has one solution, but for rounding
        of_users, of_items = self.penalties(users), self.penalties(items)
        error = solve_rows(self.users, self.items, users, self.unobserved, of_users, self.block)
        return error, (of_users @ self.users.square().sum(1)) + (of_items @ self.items.square().sum(1))

    def penalties(self, problems: RowProblems) -> Tensor:
        """λ (d + α₀ n)^ν of each row, float32, shape (n_rows,)."""
        return self.l2 * (problems.counts + self.unobserved * problems.width).pow(self.frequency)

    def fold_in(self, histories: sparse.csr_matrix) -> Tensor:
        """Factors of people who were not there in training, solved in full for the items' factors, shape (b, dim)."""
        if histories.shape[1] != self.n_items:
            raise InputError(f"histories must have a column for each of {self.n_items:,} items, got {histories.shape[1]:,}.")
        problems = RowProblems.of(histories).to(self.items.device)
        rows = self.items.new_zeros(histories.shape[0], self.items.shape[1])
        solve_rows(rows, self.items.detach(), problems, self.unobserved, self.penalties(problems))
        return rows
