"""UserKNN: what the people most like a user have met."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.parts.checks import check_at_least, check_one_of
from graphrec.models.parts.item_filter import ItemFilter
from graphrec.models.parts.sparse_rows import SparseRows

__all__ = ["UserKNN"]

_COLUMNS = 64  # people at a time on the CPU


class UserKNN(ItemFilter):
    """User-based nearest neighbours (Resnick et al., CSCW 1994, on interactions instead of ratings).

    The score is s_uj = Σ s_uv^q x_vj over those of u's k nearest users v who have met j (the k are the same for every j), with
    x_vj = 1, or the weight, and

        s_uv = Σ_{i ∈ u ∩ v} ω_i x_ui x_vi / (√(Σ_{i ∈ u} ω_i x_ui² · Σ_{i ∈ v} ω_i x_vi²) + shrink).

    A user of the training data stands among its own neighbours, and says nothing about items that are new to itself: without
    weights it is the nearest; with weights, somebody whose weights are larger may be nearer. So somebody who was not there in
    training, and has met just what a user of the training data has, gets that user's scores. Users who are as near
    as the k-th are all taken.

    Parameters
    ----------
    train : Interactions
        Ratings are not looked at. A repeated pair counts once, or with the sum of its weights.
    neighbours : int
        k, oneself included where one is so near.
    weighting : {"none", "idf", "degree"}
        ω_i, how much an item says: 1; idf_i² with idf_i = ln(n_users / d_i), the cosine of tf-idf vectors; or 1 / d_i. Scaled
        so that its mean over all interactions is one.
    shrink : float
        Pulls similarities that rest on few items towards zero; in units of items.
    power : float
        q: above 1 the nearest count for more (Aiolli, RecSys 2013).

    Attributes
    ----------
    weights, lengths : Tensor of float32, shapes (n_items,) and (n_users,)
        ω, and √Σωx² of each user. Empty before :meth:`solve`.

    Notes
    -----
    The defaults were chosen on the validation parts of Gowalla and ML-100K.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        neighbours: int = 200,
        weighting: Literal["none", "idf", "degree"] = "idf",
        shrink: float = 5.0,
        power: float = 2.0,
    ) -> None:
        check_at_least("neighbours", neighbours, 1)
        check_one_of("weighting", weighting, ("none", "idf", "degree"))
        check_at_least("shrink", shrink, 0)
        check_at_least("power", power, 0)
        super().__init__(train)
        self.neighbours, self.weighting, self.shrink, self.power = neighbours, weighting, shrink, power
        self.flipped = SparseRows(self.matrix().T.tocsr())
        self.register_buffer("weights", torch.zeros(0, dtype=torch.float32))
        self.register_buffer("lengths", torch.zeros(0, dtype=torch.float32))
        self.weights: Tensor
        self.lengths: Tensor

    def solve(self) -> None:
        """Weigh the items, and measure the users."""
        degree = self.flipped.indptr.diff().clamp(min=1).double().cpu().numpy()
        idf = np.log(self.n_users / degree) ** 2
        weights = {"none": np.ones(self.n_items), "idf": idf, "degree": 1 / degree}[self.weighting]
        mean = np.average(weights, weights=self.flipped.indptr.diff().cpu().numpy())
        weights = weights / mean if mean else weights
        device = self.weights.device
        self.weights = torch.from_numpy(weights).float().to(device)
        self.lengths = torch.from_numpy(self.matrix().power(2) @ weights).sqrt().float().to(device)

    def filter(self, histories: SparseRows, index: Tensor | None) -> Tensor:
        """Sums over the neighbours, shape (b, n_items); see :meth:`ItemFilter.filter`."""
        if len(self.weights) != self.n_items:
            raise InputError("this UserKNN has no weights yet: call solve() or load a state first.")
        signals = histories.dense(index)
        step = _COLUMNS if signals.is_cpu else max(1, len(signals))
        for lo in range(0, len(signals), step):
            some = signals[lo : lo + step]
            some.copy_(self.flipped.times(self._nearest(some)).T)
        return signals

    def explaining(self) -> None:
        """No sum over items: who is near depends on all of them. One interaction at a time is left out instead."""

    def _nearest(self, signals: Tensor) -> Tensor:
        """s_uv^q of the neighbours v of people given by what they have met (b, n_items), else 0: (n_users, b)."""
        x = signals * self.weights
        likeness = self.histories.times(x.T)
        length = (x * signals if self.weighted else x).sum(1).sqrt()
        likeness /= (self.lengths[:, None] * length + self.shrink).clamp_(min=1e-12)
        rows = likeness.T.contiguous()
        least = rows.topk(min(self.neighbours, self.n_users)).values[:, -1]
        # Equal in exact arithmetic is equal here, whatever the order of the sums was.
        near = likeness >= least * (1 - 1e-6)
        return likeness.mul_(near) if self.power == 1 else likeness.pow_(self.power).mul_(near)
