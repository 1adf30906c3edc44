"""Scores on one scale: each member's, shifted and stretched for each user, and their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.deferred import sparse
from graphrec.models.base import Scorer
from graphrec.models.parts.whole_rows import WholeRows, by_columns, whole_rows_of
from graphrec.models.scoring import Likeness, MadeOnce, Scoring, addends_of

__all__ = ["LevelledSum", "add_levelled", "level"]


def add_levelled(scores: Tensor, top: int, weight: float, out: Tensor) -> None:
    """Add a member's scores to a blend's, on the scale of the user: ``out += w (s − μ) / (t − μ)``.

    Parameters
    ----------
    scores : Tensor of float32, shape (b, n_items)
        μ is the mean of a row and t the mean of its `top` highest.
    top : int
    weight : float
    out : Tensor of float32, shape (b, n_items)
    """
    if scores.device.type == "cpu":
        from graphrec.models.hybrids import blend_kernels as kernels

        kernels.add_levelled(0, len(scores), scores.numpy(), top, weight, out.numpy())
        return
    mean = scores.mean(1, keepdim=True)
    reach = scores.topk(top, 1, sorted=False).values.mean(1, keepdim=True) - mean
    flat = reach <= 1e-12 * (mean.abs() + 1e-30)
    out.add_((scores - mean) / torch.where(flat, torch.inf, reach), alpha=weight)


def level(scores: npt.NDArray[np.float64], top: int) -> tuple[float, float]:
    """μ and t − μ of one row of scores, shape (n_items,); the second is infinite for a row without a spread."""
    mean = float(scores.mean())
    reach = float(np.partition(scores, -top)[-top:].mean()) - mean
    return mean, np.inf if reach <= 1e-12 * (abs(mean) + 1e-30) else reach


class LevelledSum(WholeRows):
    """How a blend scores: what is known of a user is the sum of the members' levelled scores of every item.

    Parameters
    ----------
    weights : sequence of float
        One a member.
    members : sequence of Scorer
    top, n_items : int
    device : torch.device
        Where the sum is made.
    likeness : callable
        The blend's similarities, made when they are first asked for.
    """

    def __init__(
        self,
        weights: Sequence[float],
        members: Sequence[Scorer],
        top: int,
        n_items: int,
        device: torch.device,
        likeness: Callable[[], Likeness],
    ) -> None:
        self.device = device
        self._n_items, self._top, self._weights = n_items, top, list(weights)
        self._members = [member.scoring() for member in members]
        self.similarity = MadeOnce(likeness)
        self._equal: dict[int, tuple[Tensor, Tensor, Tensor]] = {}

    def users(self, index: Tensor) -> Tensor:
        """Scores (b, n_items)."""
        return self._sum(member.users(index) for member in self._members)

    def people(self, histories: sparse.csr_matrix) -> Tensor:
        """Scores (b, n_items) of people who were not there in training."""
        return self._sum([member.people(histories) for member in self._members])

    def _sum(self, rows: Any) -> Tensor:
        out = None
        for weight, member, some in zip(self._weights, self._members, rows, strict=True):
            out = torch.zeros(len(some), self._n_items, device=self.device, dtype=torch.float32) if out is None else out
            add_levelled(self._whole(member, some), self._top, weight, out)
        assert out is not None
        return out

    def _whole(self, member: Scoring, rows: Tensor) -> Tensor:
        """A member's scores of all items."""
        parts = addends_of(member, rows)
        if parts is None:
            return whole_rows_of(member, rows, self._n_items)
        left, right = parts.left, parts.right
        scores = by_columns(lambda part: left @ right[part].T, len(left), self._n_items, self.device)
        # A product rounds equal columns differently; as addends of one score they must not be told apart.
        twins, firsts = self._equal_rows(right)
        scores[:, twins] = scores[:, firsts]
        return scores if parts.base is None else scores.add_(parts.base)

    def _equal_rows(self, right: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of a member's table that are equal to an earlier one, and that one."""
        if id(right) not in self._equal:
            whole = right.cpu().contiguous().numpy()
            _, first, kind = np.unique(
                whole.view(np.dtype((np.void, whole.strides[0]))), return_index=True, return_inverse=True
            )
            firsts = first[kind.reshape(-1)]
            twins = np.flatnonzero(firsts != np.arange(len(firsts)))
            found = torch.from_numpy(twins).to(self.device), torch.from_numpy(firsts[twins]).to(self.device)
            self._equal[id(right)] = right, *found  # the table as well: what is gone may leave its number to another
        return self._equal[id(right)][1:]
