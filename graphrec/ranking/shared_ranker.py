"""A ranking that several processes share: each scores a part of the items, and their lists are merged."""

from __future__ import annotations

import numpy as np
import torch

from graphrec.data.interactions import Interactions
from graphrec.distributed.group import Group
from graphrec.models.base import Scorer
from graphrec.ranking.asked import Wanted
from graphrec.ranking.blocks import Blocks
from graphrec.ranking.ranker import Ranker
from graphrec.threads import even_bounds

__all__ = ["SharedRanker"]


class SharedRanker(Ranker):
    """As :class:`Ranker`, for questions that all processes of a group ask alike, in the same order and by one thread each.

    Lists of best items are found together: process r of W looks at the r-th part of the items that are to be chosen from,
    which are in ascending order, and the merged lists are those of one process (scores beyond rounding), the lower index first
    among equal scores. Everything else each process answers for itself.

    Parameters
    ----------
    model, seen
        As of :class:`Ranker`; the same in all processes.
    group : Group
    """

    def __init__(self, model: Scorer, seen: Interactions | None, group: Group) -> None:
        super().__init__(model, seen)
        self._group = group

    def _fill(self, lists: Wanted, budget: int, blocks: Blocks | None) -> None:
        chosen = [] if lists.items is None else lists.items.tolist()
        self._group.check_same({"question": [lists.people.mark(), len(lists.rows), lists.k, chosen]})
        everything = self._everything if lists.items is None else lists.items
        bounds = even_bounds(len(everything), self._group.size)
        part = Wanted(lists.people, lists.rows, lists.left_out, lists.k, None)
        if self._group.rank + 1 < len(bounds):  # of few items there are fewer parts
            part.items = everything[bounds[self._group.rank] : bounds[self._group.rank + 1]]
            super()._fill(part, budget, blocks)
        # One message: indices, the bits of scores, and whether a score was no finite number.
        mine = np.concatenate([part.best, part.scores.view(np.int32), part.bad[:, None].astype(np.int32)], axis=1)
        every = torch.stack(self._group.gathered(torch.from_numpy(mine))).numpy()
        k = lists.k
        best = np.concatenate(every[:, :, :k], axis=1)
        scores = np.concatenate(every[:, :, k : 2 * k], axis=1).view(np.float32)
        # Stable: of equal scores those of the earlier part, which has the lower indices, come first.
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        lists.best[:] = np.take_along_axis(best, order, axis=1)
        lists.scores[:] = np.take_along_axis(scores, order, axis=1)
        lists.bad[:] = every[:, :, -1].any(axis=0)
