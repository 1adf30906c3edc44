"""What a step of a training by rows sends: each process scores some pairs, and all compute the loss of all scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.distributed.exchange import Exchange
from graphrec.distributed.group import Group
from graphrec.distributed.masks import SameMasks
from graphrec.distributed.reduction import Looked, Reduction, Score
from graphrec.distributed.rows import SharedRows
from graphrec.graph.row_sparse import NodeIndex
from graphrec.models.encoding import Encoding, Gathered
from graphrec.sampling import PairBatch

__all__ = ["RowReduction"]


class RowReduction(Reduction):
    """Each process scores an equal part of the pairs, of rows that it fetches from their owners.

    Parameters
    ----------
    shared : SharedRows
        The model, cut.
    before_read : callable
        Called with the users and items, counted from this process's first, whose rows are about to be read.
    masks : SameMasks, optional
        Where the model has dropout: it is told which rows are dropped from.
    """

    def __init__(
        self, shared: SharedRows, before_read: Callable[[Tensor, Tensor], object], masks: SameMasks | None = None
    ) -> None:
        self.shared, self.group, self._before_read, self._masks = shared, shared.group, before_read, masks
        self._batch: PairBatch | None = None
        self._nodes_are_dropped_from()

    def share(self, batch: PairBatch) -> PairBatch:
        """See :class:`Reduction`: the pairs from r ⌈b / W⌉ on, as many; the last processes may have fewer, or none."""
        self._batch = batch
        return batch.part(_part(len(batch.users), self.group))

    def scores(
        self, encoding: Encoding, users: Tensor, items: Tensor, score: Score, penalty: Callable[[Gathered], Tensor] | None
    ) -> Looked:
        """See :class:`Reduction`; the rows are those of the own pairs, scores and penalty those of all."""
        assert self._batch is not None
        b = len(self._batch.users)
        exchange = Exchange(self.group, (users, self.shared.user_bounds), (items, self.shared.item_bounds))
        self._before_read(*exchange.asked)
        if self._masks is not None and self.shared.hops:
            self._masks.are_of(*self._looked_up(self._batch, *exchange.asked))
        z = encoding.gather(*exchange.asked)
        apart = self.shared.model.l2_on == "ego" and penalty is not None and z.ego_users is not z.users
        fetched = exchange.fetched(z.users, z.items, *((z.ego_users, z.ego_items) if apart else ()))
        rows = Gathered(*fetched[:2], *fetched[-2:])
        if self._masks is not None:
            self._masks.are_of(b, _part(b, self.group))
        own = [part for part in score(rows.users, rows.items) if isinstance(part, Tensor)]  # products are of shared negatives
        # A number for each score of a pair, and one more for the penalty, which the first pair of each process brings along.
        widths = [part.shape[1:].numel() for part in own]
        flat = torch.cat([part.reshape(-1, width) for part, width in zip(own, widths, strict=True)], dim=1)
        flat = F.pad(flat, (0, 1, 0, -(-b // self.group.size) - len(users)))
        if penalty is not None and len(users):
            flat = flat + F.pad((penalty(rows) * (len(users) / b)).view(1, 1), (flat.shape[1] - 1, 0, 0, len(flat) - 1))
        every: Tensor = _Stack.apply(flat, self.group)  # type: ignore[no-untyped-call]
        columns = torch.split(every[:b, :-1], widths, dim=1)
        whole = [column.reshape(b, *part.shape[1:]) for column, part in zip(columns, own, strict=True)]
        self._nodes_are_dropped_from()
        return rows, whole, None if penalty is None else every[:, -1].sum()

    def norms(self, norms: Tensor) -> Tensor:
        """See :class:`Reduction`; what every process has counts for each of them, which is nothing to a look for infinity."""
        return self.group.add_up(norms.square()).sqrt()

    def _nodes_are_dropped_from(self) -> None:
        """Before rows are looked up, hops are dropped from, which have a row for each node."""
        if self._masks is not None and self.shared.hops:
            start, stop = self.shared.own_nodes
            self._masks.are_of(self.shared.n_nodes, slice(start, stop))

    def _looked_up(self, batch: PairBatch, users: Tensor, items: Tensor) -> tuple[int, Tensor]:
        """How many nodes a look-up of the whole batch has, and which of them are those of one for the asked rows.

        Both have each node once, in the order of first mention.
        """
        all_items = batch.items if batch.negatives is None else torch.cat([batch.items, batch.negatives.reshape(-1)])
        whole = NodeIndex(torch.cat([batch.users, all_items + self.shared.n_users]), self.shared.n_nodes).distinct
        start, stop = self.shared.own_nodes
        mine = NodeIndex(torch.cat([users, items + self.shared.model.n_users]), stop - start).distinct + start
        order = torch.argsort(whole)
        return len(whole), order[torch.searchsorted(whole[order], mine)]


def _part(b: int, group: Group) -> slice:
    size = -(-b // group.size)
    return slice(min(b, group.rank * size), min(b, (group.rank + 1) * size))


class _Stack(torch.autograd.Function):
    """What all processes have, of which each computes the same: the gradient of the own part is that part of the gradient."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, group: Group) -> Tensor:
        ctx.own = slice(group.rank * len(mine), (group.rank + 1) * len(mine))
        return group.stacked_alike(mine).clone() if group.size == 1 else group.stacked_alike(mine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.own], None
