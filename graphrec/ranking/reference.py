"""The ranking in plain torch, on any device: whole rows of scores, masked, and the best k of each in a stable order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.models.scoring import Scoring

__all__ = ["LeftOut", "best_of_rows"]


class LeftOut:
    """Pairs that are not ranked, as compressed rows on a device.

    Parameters
    ----------
    indptr, indices : ndarray, shapes (n + 1,) and (nnz,)
        Items by row.
    device : torch.device
    """

    def __init__(self, indptr: npt.NDArray[np.int64], indices: npt.NDArray[np.int32], device: torch.device) -> None:
        self.indptr = torch.tensor(indptr, device=device)
        self.indices = torch.tensor(indices, device=device)
        self._host = indptr

    def mask(self, scores: Tensor, rows: npt.NDArray[np.int64]) -> Tensor:
        """Scores (b, n_items) with −∞ where the pair is left out; `rows` says which row each belongs to."""
        lengths = self._host[rows + 1] - self._host[rows]
        total = int(lengths.sum())
        if not total:
            return scores
        device = scores.device
        count = torch.as_tensor(lengths, device=device)
        owner = torch.repeat_interleave(torch.arange(len(rows), device=device), count, output_size=total)
        start = self.indptr[torch.as_tensor(rows, device=device)] - (count.cumsum(0) - count)
        columns = self.indices[torch.arange(total, device=device) + start[owner]].long()
        return scores.index_put((owner, columns), scores.new_full((), -torch.inf))


def best_of_rows(
    scoring: Scoring, people: Tensor, rows: npt.NDArray[np.int64], k: int, left_out: LeftOut, items: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """The best items of one block of people.

    Parameters
    ----------
    scoring : Scoring
    people : Tensor, shape (b, …)
        What :meth:`Scoring.users` gives.
    rows : ndarray of int64, shape (b,)
        Their rows in `left_out`.
    k : int
        At most the number of items to choose from.
    left_out : LeftOut
    items : Tensor of int64, shape (m,), optional
        Items to choose from, ascending; all unless given.

    Returns
    -------
    best : Tensor of int64, shape (b, k)
        Best first; of equal scores the lower index. -1 where fewer are left.
    scores : Tensor of float32, shape (b, k)
        −∞ where there is no item.
    bad : Tensor of bool, shape (b,)
        Whether a score, of whatever item, was NaN or infinite.
    """
    scores = scoring.scores(people, slice(None)).float()
    considered = scores if items is None else scores[:, items]
    bad = ~torch.isfinite(considered).all(1)
    masked = left_out.mask(scores, rows)
    masked = masked if items is None else masked[:, items]
    order = _sortable(masked)
    # One key per entry, unique in its row: topk itself promises nothing about the order of equal values.
    columns = torch.arange(masked.shape[1], device=masked.device)
    keys = (order.long() << 32) | (masked.shape[1] - 1 - columns)
    top = keys.topk(k, dim=1).values
    place = masked.shape[1] - 1 - (top & 0xFFFFFFFF)
    found = masked.gather(1, place)
    best = place if items is None else items[place]
    return best.masked_fill(found == -torch.inf, -1), found, bad


def _sortable(scores: Tensor) -> Tensor:
    """int32 with the order of the float32 scores: the bits of a float, those below the sign flipped for negative ones."""
    bits = (scores + 0.0).contiguous().view(torch.int32)  # −0 becomes 0: they are equal
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
