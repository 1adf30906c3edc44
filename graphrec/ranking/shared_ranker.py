"""A ranking that several processes share: each scores a part of the items, or of the people, and their lists are merged."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.distributed.group import Group
from graphrec.models.base import Scorer
from graphrec.ranking.asked import Ranks, Wanted
from graphrec.ranking.blocks import Blocks, plan_blocks, plan_device_blocks
from graphrec.ranking.ranker import Ranker
from graphrec.threads import even_bounds

__all__ = ["SharedRanker"]

_BLOCKS_EACH = 4  # with fewer of them a process the parts would be too unlike


class SharedRanker(Ranker):
    """As :class:`Ranker`, for questions that all processes of a group ask alike, in the same order and by one thread each.

    Lists of best items are found together. Where a score is made of a row of the user and a row of the item, process r of W
    looks at the r-th part of the items that are to be chosen from, which are in ascending order, and the merged lists are
    those of one process (scores beyond rounding), the lower index first among equal scores. Where a model scores all items at
    once, such as a filter of a user's signal, it looks at the r-th part of the people: a signal is filtered by itself, and
    nothing has to be merged. So it is for ranks of test items, whatever the model. Everything else each process answers
    for itself.

    Parameters
    ----------
    model, seen
        As of :class:`Ranker`; the same in all processes.
    group : Group

    Raises
    ------
    InputError
        A process has another model, or one with other numbers.
    """

    def __init__(self, model: Scorer, seen: Interactions | None, group: Group) -> None:
        super().__init__(model, seen)
        self._group = group
        group.check_same({"model": _mark_of(model)})

    def _fill(self, lists: Wanted, budget: int, blocks: Blocks | None) -> None:
        chosen = [] if lists.items is None else lists.items.tolist()
        self._group.check_same({"question": [lists.people.mark(), len(lists.rows), lists.k, chosen]})
        if not self._scoring.whole_rows:
            self._by_items(lists, budget, blocks)
            return
        lo, hi = self._my_people(len(lists.rows), budget, blocks)
        mine = _of_people(lists, lo, hi)
        if lo < hi:
            super()._fill(mine, budget, blocks)
        self._join_people(lists, mine)

    def _by_items(self, lists: Wanted, budget: int, blocks: Blocks | None) -> None:
        everything = self._everything if lists.items is None else lists.items
        bounds = even_bounds(len(everything), self._group.size)
        part = Wanted(lists.people, lists.rows, lists.left_out, lists.k, None)
        if self._group.rank + 1 < len(bounds):  # of few items there are fewer parts
            part.items = everything[bounds[self._group.rank] : bounds[self._group.rank + 1]]
            super()._fill(part, budget, blocks)
        every = torch.stack(self._group.gathered(torch.from_numpy(_packed(part)))).numpy()
        k = lists.k
        best = np.concatenate(every[:, :, :k], axis=1)
        scores = np.concatenate(every[:, :, k : 2 * k], axis=1).view(np.float32)
        # Stable: of equal scores those of the earlier part, which has the lower indices, come first.
        order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
        lists.best[:] = np.take_along_axis(best, order, axis=1)
        lists.scores[:] = np.take_along_axis(scores, order, axis=1)
        lists.bad[:] = every[:, :, -1].any(axis=0)

    def _count(self, lists: Wanted, ranks: Ranks, test: Interactions, budget: int) -> None:
        starts = test.structure[0]
        self._group.check_same({"question": [lists.people.mark(), len(lists.rows), lists.k, len(test)]})
        lo, hi = self._my_people(len(lists.rows), budget, None)
        mine = _of_people(lists, lo, hi)
        here = slice(0, 0)  # of the test pairs
        if lo < hi:
            super()._count(mine, ranks, test, budget)
            here = slice(int(starts[lists.rows[lo]]), int(starts[lists.rows[hi - 1] + 1]))
        every = ranks.above, ranks.ties, ranks.ties_before
        together = self._group.stacked(torch.from_numpy(np.stack([counts[here] for counts in every], axis=1)))
        for counts, found in zip(every, together.numpy().T, strict=True):
            counts[:] = found
        self._join_people(lists, mine)

    def _my_people(self, n: int, budget: int, blocks: Blocks | None) -> tuple[int, int]:
        """The range of this process; in the blocks of one process where there are enough, so that products are the same."""
        if blocks is None:
            device = self._scoring.device
            blocks = (
                plan_blocks(n, self.n_items, True, budget)
                if self.on_host
                else plan_device_blocks(n, self.n_items, device, budget)
            )
        count = -(-n // blocks.users)
        bounds = even_bounds(n, self._group.size)
        if count >= _BLOCKS_EACH * self._group.size:
            bounds = [min(block * blocks.users, n) for block in even_bounds(count, self._group.size)]
        bounds += [n] * (self._group.size + 1 - len(bounds))  # of few people there are fewer parts
        return bounds[self._group.rank], bounds[self._group.rank + 1]

    def _join_people(self, lists: Wanted, mine: Wanted) -> None:
        together, k = self._group.stacked(torch.from_numpy(_packed(mine))).numpy(), lists.k
        lists.best[:], lists.scores[:] = together[:, :k], np.ascontiguousarray(together[:, k : 2 * k]).view(np.float32)
        lists.bad[:] = together[:, -1]


def _of_people(lists: Wanted, lo: int, hi: int) -> Wanted:
    return Wanted(lists.people.part(lo, hi), lists.rows[lo:hi], lists.left_out, lists.k, lists.items)


def _packed(part: Wanted) -> npt.NDArray[np.int32]:
    """One message: indices, the bits of scores, and whether a score was no finite number."""
    return np.concatenate([part.best, part.scores.view(np.int32), part.bad[:, None].astype(np.int32)], axis=1)


def _mark_of(model: Scorer) -> int:
    """A checksum of a model's kind and of all its numbers."""
    mark = zlib.crc32(type(model).__qualname__.encode())
    for tensor in (*model.parameters(), *model.buffers()):
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        mark = zlib.crc32(flat.view(torch.uint8).numpy().data, zlib.crc32(str(tuple(tensor.shape)).encode(), mark))
    return mark
