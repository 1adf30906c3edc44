"""What a wide product leaves in doubt: scores of pairs by themselves, in double precision, and the lists that follow.

A product over many people and items rounds a score in a way that depends on the library beneath, on what stands beside it
and on the number of threads. Most of a list is clear all the same. What is not is computed again, pair by pair: a score is
then a function of the two rows alone, equal rows have equal scores, and of equal scores the lower item comes first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.models.scoring import Addends
from graphrec.ranking.asked import FloatArray, IndexArray, IntArray
from graphrec.threads import even_bounds, run_ranges, thread_count

__all__ = [
    "Arrays",
    "doubt_of",
    "reach",
    "row_scores_there",
    "settled",
    "settled_pairs",
    "settled_there",
    "wide_lists",
]

_ROUNDING = {"highest": 2.0**-24, "high": 2.0**-10, "medium": 2.0**-7}  # of one product, by torch's setting
_MORE = 2
_PAIRS_AT_ONCE = 2**22  # numbers of the largest array on a device


def reach(k: int, choices: int) -> int:
    """How many items a product is asked for so that the best k are, but for rare cases, among them."""
    return min(choices, k + max(_MORE, k // 16))


def doubt_of(parts: Addends) -> Tensor:
    """A bound on how far a product's scores are from those of single pairs, float64, shape (b,)."""
    unit, width = _ROUNDING[torch.get_float32_matmul_precision()], parts.left.shape[1]
    if parts.base is None and width <= 1 and unit == _ROUNDING["highest"]:
        return torch.zeros(len(parts), dtype=torch.float64, device=parts.left.device)  # one product is rounded once
    size = torch.linalg.vector_norm(parts.left, dim=1).double() * parts.longest
    if parts.base is not None and parts.base.shape[1]:
        size = size + parts.base.abs().amax(1).double()
    # A sum of n terms in any order: n roundings of at most the sum of the terms' sizes (Higham, 2002, section 4.2).
    bound: Tensor = size * (1.01 * (width + 4) * unit)
    return bound


class Arrays(NamedTuple):
    """Addends as the kernels read them: base (b, n_items) or (b, 0), left (b, d), right (n_items, d)."""

    base: FloatArray
    left: npt.NDArray[np.float64]  # read for every pair of its row, and turned into double precision once
    right: FloatArray

    @classmethod
    def of(cls, parts: Addends) -> Arrays:
        """Of float32 tensors on the host."""
        base = parts.left.new_empty(len(parts), 0) if parts.base is None else parts.base
        return cls(*(tensor.contiguous().numpy() for tensor in (base, parts.left.double(), parts.right)))


def settled(
    parts: Addends,
    wide: tuple[IntArray, FloatArray],
    labels: IndexArray,
    left_out: tuple[IndexArray, IntArray],
    rows: IndexArray,
    best: IntArray,
    scores: FloatArray,
) -> None:
    """Lists of the best k from those of the best few more, on the host.

    Parameters
    ----------
    parts : Addends
    wide : (ndarray of int32, ndarray of float32), shapes (b, w)
        Items and scores that a product has found.
    labels : ndarray of int64
        Items to choose from, ascending.
    left_out : (ndarray, ndarray)
        Compressed rows of what is not ranked.
    rows : ndarray of int64, shape (b,)
        Rows of `left_out`.
    best, scores : ndarray of int32 and of float32, shapes (b, k)
        Filled; they hold -1 and -inf.
    """
    from graphrec.ranking.kernels import scan
    from graphrec.ranking.settling_kernels import row_scores, settle

    arrays, left_open = Arrays.of(parts), np.zeros(len(parts), np.uint8)
    everything = wide[0].shape[1] == len(labels)
    settle(0, len(parts), *wide, doubt_of(parts).numpy(), everything, *arrays, best, scores, left_open)
    for r in np.flatnonzero(left_open):
        one = slice(r, r + 1)
        best[one], scores[one] = -1, -np.inf
        whole = np.empty((1, len(labels)), np.float32)
        row_scores(r, *arrays, labels, whole)
        scan(0, 1, whole, 0, labels, *left_out, rows[one], best[one], scores[one], left_open[one], False)


def settled_pairs(parts: Addends, items: Tensor) -> Tensor:
    """Scores of each row with its own items (b, k) of int64, float32, shape (b, k)."""
    if parts.left.device.type != "cpu":
        return _pair_scores_there(parts, items)
    from graphrec.ranking.settling_kernels import pair_scores

    arrays, out = Arrays.of(parts), torch.empty(items.shape, dtype=torch.float32)
    into, which = out.numpy(), items.contiguous().numpy()
    bounds = even_bounds(len(items), 4 * thread_count() if items.numel() > 10_000 else 1)
    run_ranges(lambda lo, hi: pair_scores(lo, hi, *arrays, which, into), bounds)
    return out


# ---- on another device, where sums in double precision differ in their last digit and, rounded, next to never ------------


def _pair_scores_there(parts: Addends, items: Tensor) -> Tensor:
    """As :func:`settled_pairs`, in plain torch."""
    step = max(1, _PAIRS_AT_ONCE // max(1, items.shape[1] * parts.left.shape[1]))
    made = []
    for lo in range(0, len(items), step):
        some = items[lo : lo + step]
        total = (parts.left[lo : lo + step, None].double() * F.embedding(some, parts.right).double()).sum(-1)
        if parts.base is not None:
            total = total + parts.base[lo : lo + step].gather(1, some).double()
        made.append(total.float())
    return torch.cat(made) if made else parts.left.new_empty(items.shape)


def row_scores_there(parts: Addends) -> Tensor:
    """Scores of all items, float32, shape (b, n_items)."""
    step, left = max(1, _PAIRS_AT_ONCE // max(1, parts.right.shape[1])), parts.left.double()
    whole = torch.cat([left @ some.double().T for some in torch.split(parts.right, step)], dim=1)
    return (whole if parts.base is None else whole + parts.base.double()).float()


def settled_there(parts: Addends, place: Tensor, found: Tensor, everything: bool, k: int) -> tuple[Tensor, Tensor, Tensor]:
    """The best k out of a few more.

    Parameters
    ----------
    parts : Addends
    place, found : Tensor of int64 and float32, shapes (b, w)
        Items and scores that a product has found; -1 and −∞ where there is none.
    everything : bool
        Whether there are no other items to choose from.
    k : int
        At most w.

    Returns
    -------
    best, scores : Tensor of int64 and float32, shapes (b, k)
    left_open : Tensor of bool, shape (b,)
        Whether an item that was not found might belong to them.
    """
    own = _pair_scores_there(parts, place.clamp(min=0)).masked_fill(place < 0, -torch.inf)
    by_item = place.masked_fill(place < 0, torch.iinfo(torch.int64).max).argsort(dim=1)
    order = by_item.gather(1, own.gather(1, by_item).argsort(dim=1, descending=True, stable=True))[:, :k]
    best, scores = place.gather(1, order), own.gather(1, order)
    clear = scores[:, -1] > found[:, -1].double() + doubt_of(parts)
    return best, scores, ~clear & (place[:, -1] >= 0) & (not everything)


def wide_lists(n: int, width: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Empty lists, shape (n, width)."""
    return np.full((n, width), -1, np.int32), np.full((n, width), -np.inf, np.float32)
