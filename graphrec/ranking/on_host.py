"""Lists and ranks where the compiled kernels can read the scores: blocks of people on Python threads."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.models.parts.whole_rows import whole_rows_of
from graphrec.models.scoring import Addends, Scoring, Sums, addends_of
from graphrec.ranking.asked import FloatArray, IndexArray, IntArray, Ranks, Wanted
from graphrec.ranking.blocks import Blocks
from graphrec.ranking.settling import Arrays, doubt_of, reach, settled, wide_lists
from graphrec.threads import even_bounds, run_alone, run_ranges, thread_count

__all__ = ["fill_from_sums", "fill_lists", "fill_ranks", "fill_similar"]


def fill_from_sums(lists: Wanted, sums: Sums, users: IndexArray) -> None:
    """Find the best items of scores that are sums of rows of a sparse matrix, from these rows alone."""
    from graphrec.ranking.sum_kernels import best_of_sums

    out = lists.best, lists.scores, lists.bad

    def some(lo: int, hi: int) -> None:
        best_of_sums(lo, hi, users, sums, *lists.left_out, lists.rows, *out)

    run_ranges(some, even_bounds(len(users), 32 * thread_count()))


def fill_lists(scoring: Scoring, lists: Wanted, everything: IndexArray, blocks: Blocks) -> None:
    """Find the best items by scores of a block of people with a block of items at a time.

    `everything` has the index of every item.
    """
    from graphrec.ranking.kernels import scan

    labels = everything if lists.items is None else lists.items
    chosen = None if lists.items is None else torch.from_numpy(lists.items)
    step = len(labels) if scoring.whole_rows else blocks.items

    def block(lo: int, hi: int) -> None:
        with torch.inference_mode():
            u, rows = lists.people.rows(lo, hi), lists.rows[lo:hi]
            check, parts = not scoring.finite(u), addends_of(scoring, u)
            mine = lists.best[lo:hi], lists.scores[lo:hi]
            found = mine if parts is None else wide_lists(hi - lo, reach(lists.k, len(labels)))
            for first in range(0, len(labels), step):
                part = slice(first, first + step) if chosen is None else chosen[first : first + step]
                scores = scoring.scores(u, part).contiguous().numpy()
                scan(0, hi - lo, scores, first, labels, *lists.left_out, rows, *found, lists.bad[lo:hi], check)
                del scores  # so that the next block lies at the same place, which is still in the cache
            if parts is not None:
                settled(parts, found, labels, lists.left_out, rows, *mine)

    run_alone(block, [*range(0, len(lists.rows), blocks.users), len(lists.rows)])


def fill_ranks(
    scoring: Scoring, lists: Wanted, ranks: Ranks, test: Interactions, everything: IndexArray, blocks: Blocks
) -> None:
    """Count what stands above each test item, and find the best items, by whole rows of scores."""
    from graphrec.ranking.kernels import count_above, not_finite, scan
    from graphrec.ranking.settling_kernels import settled_ranks

    counts = ranks.above, ranks.ties, ranks.ties_before

    def block(lo: int, hi: int) -> None:
        rows, bad, mine = lists.rows[lo:hi], lists.bad[lo:hi], (lists.best[lo:hi], lists.scores[lo:hi])
        with torch.inference_mode():
            u = lists.people.rows(lo, hi)
            parts, scores = addends_of(scoring, u), whole_rows_of(scoring, u, len(everything)).numpy()
        not_finite(0, hi - lo, scores, bad)
        found = mine if parts is None else wide_lists(hi - lo, reach(lists.k, len(everything)))
        if lists.k:
            scan(0, hi - lo, scores, 0, everything, *lists.left_out, rows, *found, bad, False)
        if parts is None:
            count_above(0, hi - lo, scores, *lists.left_out, rows, *test.structure, *counts)
            return
        if lists.k:
            settled(parts, found, everything, lists.left_out, rows, *mine)
        doubt = doubt_of(parts).numpy()
        settled_ranks(0, hi - lo, scores, doubt, *Arrays.of(parts), *lists.left_out, rows, *test.structure, *counts)

    run_alone(block, [*range(0, len(lists.rows), blocks.users), len(lists.rows)])


def fill_similar(
    values: Tensor,
    parts: Addends | None,
    items: IndexArray,
    labels: IndexArray,
    best: IntArray,
    scores: FloatArray,
    bad: npt.NDArray[np.uint8],
) -> None:
    """Find the items most like each of `items`, without itself, from rows of likeness with all of them."""
    from graphrec.ranking.kernels import scan

    itself, rows = (np.arange(len(items) + 1), items.astype(np.int32)), np.arange(len(items))
    found = (best, scores) if parts is None else wide_lists(len(items), reach(best.shape[1], len(labels)))
    scan(0, len(items), values.float().contiguous().numpy(), 0, labels, *itself, rows, *found, bad, True)
    if parts is not None:
        settled(parts, found, labels, itself, rows, best, scores)
