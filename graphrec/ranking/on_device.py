"""Lists and ranks where the scores lie on a device: torch's operators on blocks of people, and one copy to the host."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.models.scoring import Scoring
from graphrec.ranking.asked import Ranks, Wanted
from graphrec.ranking.blocks import Blocks
from graphrec.ranking.reference import Held, LeftOut, best_of_rows, copied, ranks_of_rows, settled_row

__all__ = ["fill_lists", "fill_ranks"]


def fill_lists(scoring: Scoring, lists: Wanted, left_out: LeftOut, n_items: int, blocks: Blocks) -> None:
    """Find the best items; `left_out` are the pairs of the lists that are not ranked, on the device."""
    chosen = None if lists.items is None else torch.as_tensor(lists.items, device=scoring.device)
    width = min(lists.k, n_items if chosen is None else len(chosen))
    made: list[tuple[Tensor, ...]] = []
    with torch.inference_mode():
        for lo in range(0, len(lists.rows), blocks.users):
            hi = min(lo + blocks.users, len(lists.rows))
            people = lists.people.rows(lo, hi)
            *found, bad, left_open = best_of_rows(scoring, people, lists.rows[lo:hi], width, left_out, chosen)
            made.append((*found, bad.byte() + 2 * left_open.byte()))  # one copy to the host of both
        lists.best[:, :width], lists.scores[:, :width], marks = copied(made)
        lists.bad[:] = marks & 1
        for r in np.flatnonzero(marks & 2).tolist():
            one = scoring, lists.people.rows(r, r + 1), lists.rows[r : r + 1], width, left_out, chosen
            lists.best[r, :width], lists.scores[r, :width] = copied([settled_row(*one)])


def fill_ranks(
    scoring: Scoring, lists: Wanted, ranks: Ranks, test: Interactions, left_out: LeftOut, n_items: int, blocks: Blocks
) -> None:
    """Count what stands above each test item, and find the best items."""
    rows, k = lists.rows, min(lists.k, n_items)
    made: list[tuple[Tensor, ...]] = []
    with torch.inference_mode():
        for lo in range(0, len(rows), blocks.users):
            some = rows[lo : lo + blocks.users]
            people, held = lists.people.rows(lo, lo + len(some)), Held.of(*test.structure, some)
            made.append(ranks_of_rows(scoring, people, some, held, left_out, k))
        counts, lists.best[:, :k], lists.scores[:, :k], lists.bad[:] = copied(made)
    starts = test.structure[0]
    here = slice(int(starts[rows[0]]), int(starts[rows[-1] + 1]))  # nobody between them has a test item
    ranks.above[here], ranks.ties[here], ranks.ties_before[here] = counts.T
