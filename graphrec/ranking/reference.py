"""The ranking in plain torch, on any device: whole rows of scores, masked, and the best k of each in a stable order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.models.scoring import Addends, Scoring, addends_of
from graphrec.ranking.settling import reach, row_scores_there, settled_there

__all__ = ["Held", "LeftOut", "best_of_rows", "copied", "most_alike", "ranks_of_rows", "settled_row"]

Lists = tuple[Tensor, Tensor, Tensor]


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
        ends = torch.as_tensor(lengths, device=device).cumsum(0)
        place = torch.arange(total, device=device)
        owner = torch.searchsorted(ends, place, right=True)  # as repeat_interleave, for which the host may have to wait
        start = self.indptr[torch.as_tensor(rows, device=device)] - ends.roll(1).index_fill(0, ends.new_zeros(1), 0)
        columns = self.indices[place + start[owner]].long()
        return scores.index_put((owner, columns), scores.new_full((), -torch.inf))


def copied(made: Sequence[tuple[Tensor, ...]]) -> list[npt.NDArray[Any]]:
    """What several blocks have made, piece by piece joined on the device: one copy to the host of each, at the end."""
    return [torch.cat(parts).cpu().numpy() for parts in zip(*made, strict=True)]


def best_of_rows(
    scoring: Scoring, people: Tensor, rows: npt.NDArray[np.int64], k: int, left_out: LeftOut, items: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
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
    left_open : Tensor of bool, shape (b,)
        Whether rounding leaves the list in doubt: :func:`settled_row` then finds it.
    """
    scores = scoring.scores(people, slice(None)).float()
    considered = scores if items is None else scores[:, items]
    bad = ~torch.isfinite(considered).all(1)
    choices, parts = considered.shape[1], addends_of(scoring, people)
    if parts is None:
        return *_best_of_scores(scores, rows, k, left_out, items), bad, torch.zeros_like(bad)
    width = reach(k, choices)
    best, found, left_open = settled_there(
        parts, *_best_of_scores(scores, rows, width, left_out, items), width == choices, min(k, width)
    )
    return best, found, bad, left_open


def settled_row(
    scoring: Scoring, people: Tensor, rows: npt.NDArray[np.int64], k: int, left_out: LeftOut, items: Tensor | None
) -> tuple[Tensor, Tensor]:
    """As :func:`best_of_rows`, from the pairs' own scores of all items."""
    parts = addends_of(scoring, people)
    assert parts is not None
    return _best_of_scores(row_scores_there(parts), rows, k, left_out, items)


def _best_of_scores(
    scores: Tensor, rows: npt.NDArray[np.int64], k: int, left_out: LeftOut, items: Tensor | None
) -> tuple[Tensor, Tensor]:
    masked = left_out.mask(scores, rows)
    masked = masked if items is None else masked[:, items]
    place, found = _best(masked, _keys(masked).topk(k, dim=1).values)
    return place if items is None else items[place.clamp(min=0)].masked_fill(place < 0, -1), found


def most_alike(values: Tensor, parts: Addends | None, itself: Tensor, k: int) -> Lists:
    """The k items most like each of some items, itself left out.

    Parameters
    ----------
    values : Tensor, shape (b, n_items)
        Similarities.
    parts : Addends or None
        What they are sums of; they are then computed from these, where that is so.
    itself : Tensor of int64, shape (b,)
        The column of each row's own item.
    k : int
        At most the number of items.

    Returns
    -------
    best, scores, bad
        As of :func:`best_of_rows`.
    """
    values = values.float() if parts is None else row_scores_there(parts)
    bad = ~torch.isfinite(values).all(1)
    masked = values.scatter(1, itself[:, None], -torch.inf)
    return *_best(masked, _keys(masked).topk(k, dim=1).values), bad


class Held(NamedTuple):
    """The test items of one block of users: which entries they are, and where each stands in a table of the block.

    Attributes
    ----------
    rows, places : ndarray of int64, shape (e,)
        Row of the block, and place among the row's test items.
    items : ndarray of int64, shape (e,)
    """

    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]

    @classmethod
    def of(cls, indptr: npt.NDArray[np.int64], items: npt.NDArray[np.int32], users: npt.NDArray[np.int64]) -> Held:
        """Those of some users, from compressed rows."""
        lengths = indptr[users + 1] - indptr[users]
        first = np.cumsum(lengths) - lengths
        places = np.arange(lengths.sum()) - np.repeat(first, lengths)
        entries = np.repeat(indptr[users], lengths) + places
        return cls(np.repeat(np.arange(len(users)), lengths), places, items[entries].astype(np.int64))


def ranks_of_rows(
    scoring: Scoring, people: Tensor, rows: npt.NDArray[np.int64], held: Held, left_out: LeftOut, k: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Where test items stand in the whole rankings of one block of people.

    Parameters
    ----------
    scoring, people, rows, left_out, k
        As of :func:`best_of_rows`.
    held : Held
        The test items, none of which is left out.

    Returns
    -------
    ranks : Tensor of int64, shape (e, 3)
        Ranked items above each of them, level with it, and level at a lower index.
    best, scores, bad
        As of :func:`best_of_rows`.
    """
    parts = addends_of(scoring, people)
    scores = scoring.scores(people, slice(None)).float() if parts is None else row_scores_there(parts)
    bad = ~torch.isfinite(scores).all(1)
    masked = left_out.mask(scores, rows)
    keys = _keys(masked)
    n, device = masked.shape[1], masked.device
    order = keys.sort(dim=1).values
    of, place, items = (torch.as_tensor(part, device=device) for part in held)
    # A row of the block for each user, as long as the longest: searchsorted looks into row r for row r's keys.
    mine = keys.new_zeros(len(rows), int(held.places.max(initial=-1)) + 1).index_put((of, place), keys[of, items])
    lowest, highest = mine & ~0xFFFFFFFF, mine | 0xFFFFFFFF
    up_to_mine, up_to_level, below_level = (
        torch.searchsorted(order, bound, right=right) for bound, right in ((mine, True), (highest, True), (lowest, False))
    )
    ranks = torch.stack([n - up_to_level, up_to_level - below_level - 1, up_to_level - up_to_mine], dim=-1)
    return ranks[of, place], *_best(masked, order[:, n - k :].flip(1)), bad


def _keys(scores: Tensor) -> Tensor:
    """An int64 for each score, larger for a better item and unique in its row: of equal scores the lower index is better.

    ``topk`` and ``sort`` themselves promise nothing about the order of equal values.
    """
    columns = torch.arange(scores.shape[1], device=scores.device)
    return (_sortable(scores).long() << 32) | (scores.shape[1] - 1 - columns)


def _best(scores: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and scores behind some keys (b, k); -1 and −∞ for what is left out."""
    place = scores.shape[1] - 1 - (keys & 0xFFFFFFFF)
    found = scores.gather(1, place)
    return place.masked_fill(found == -torch.inf, -1), found


def _sortable(scores: Tensor) -> Tensor:
    """int32 with the order of the float32 scores: the bits of a float, those below the sign flipped for negative ones."""
    bits = (scores + 0.0).contiguous().view(torch.int32)  # −0 becomes 0: they are equal
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
