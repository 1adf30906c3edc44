"""Embedding tables cut by columns: each process holds some dimensions of every row, and the whole is made of all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graphrec.distributed.group import Group
from graphrec.distributed.whole_view import WholeView
from graphrec.errors import InputError
from graphrec.graph.buffers import empty_table
from graphrec.models.base import Model, Scorer
from graphrec.models.parts.columns import Columns
from graphrec.models.scoring import as_evaluated
from graphrec.threads import even_bounds

__all__ = ["SharedColumns"]


class SharedColumns:
    """A model whose tables are shared among processes by columns; process r of W has about d / W of d.

    Parameters
    ----------
    model : Model
        With whole tables, the same in all processes.
    group : Group

    Raises
    ------
    InputError
        The model has fewer columns than there are processes.
    """

    axis = 1  # along which tables are cut

    def __init__(self, model: Model, group: Group) -> None:
        self.model, self.group = model, group
        tables = model.column_tables()
        assert tables is not None
        self.tables = {name: p.shape[1] for name, p in model.named_parameters() if any(p is table for table in tables)}
        for name, width in self.tables.items():
            if width < group.size:
                raise InputError(f"{name} has {width} columns, which {group.size} processes cannot share; start fewer of them.")

    def count(self, name: str) -> int:
        """How many columns a table has in all."""
        return self.tables[name]

    def place(self, count: int) -> tuple[int, int]:
        """The range of this process's columns among so many."""
        bounds = even_bounds(count, self.group.size)
        return bounds[self.group.rank], bounds[self.group.rank + 1]

    def cut(self) -> None:
        """Leave this process its own columns of every table."""
        for name in self.tables:
            mine = self.mine(name, self.model.get_parameter(name).detach())
            self._put(name, empty_table(*mine.shape).copy_(mine) if mine.is_cpu and mine.dtype == torch.float32 else mine)
        self.model.columns = _Some(self)

    def join(self) -> None:
        """Give the model whole tables again, in every process."""
        for name in self.tables:
            self._put(name, self.whole(name, self.model.get_parameter(name).detach()))
        del self.model.columns

    def _put(self, name: str, values: Tensor) -> None:
        parameter = self.model.get_parameter(name)
        parameter.data, parameter.grad = values, None

    def mine(self, name: str, whole: Tensor) -> Tensor:
        """This process's columns of something of a table's shape."""
        bounds = even_bounds(self.tables[name], self.group.size)
        return whole[:, bounds[self.group.rank] : bounds[self.group.rank + 1]].contiguous()

    def whole(self, name: str, mine: Tensor) -> Tensor:
        """The columns of all processes, (n, d), of something of a table's shape."""
        bounds = even_bounds(self.tables[name], self.group.size)
        return self._together(mine, [high - low for low, high in itertools.pairwise(bounds)])

    def rows(self, mine: Tensor) -> Tensor:
        """Rows of all columns from what the model makes of those that are here; their order is the same for all tables."""
        widths = torch.cat(self.group.gathered(torch.tensor([mine.shape[1]])))
        return self._together(mine, widths.tolist())

    def _together(self, mine: Tensor, widths: list[int]) -> Tensor:
        # Messages have one shape: who has a column less sends an empty one.
        padded = mine if mine.shape[1] == max(widths) else nn.functional.pad(mine, (0, max(widths) - mine.shape[1]))
        every = self.group.gathered(padded)
        return torch.cat([part[:, :width] for part, width in zip(every, widths, strict=True)], dim=1)

    def of_width(self, width: int) -> str:
        """The name of a table of which this process has so many columns."""
        return next(name for name in self.tables if self.model.get_parameter(name).shape[1] == width)

    def scorer(self) -> Scorer:
        """The model as rankings of known people see it, with rows of all columns; asked of all processes at once.

        Each process propagates its own columns, and the result is gathered.
        """
        model = as_evaluated(self.model)
        with torch.no_grad():
            z = model.encode_for_ranking()
            raw = z.before_lengths
            users, items = (self.rows(side.full().detach()) for side in (raw.users, raw.items))
        return WholeView(model, z, users, items)


class _Some(Columns):
    """What a model whose tables are cut is told about its columns; it stays with the processes that share them."""

    def __init__(self, shared: SharedColumns) -> None:
        self._shared = shared

    def whole(self, *mine: Tensor) -> tuple[Tensor, ...]:
        """See :class:`Columns`; one message with the rows of all parts."""
        together: Tensor = _Whole.apply(torch.cat(mine), self._shared)  # type: ignore[no-untyped-call]
        return torch.split(together, [len(part) for part in mine])

    def drawn(self, like: Tensor, draw: Callable[[Tensor], Tensor]) -> Tensor:
        """See :class:`Columns`."""
        name = self._shared.of_width(like.shape[1])
        return self._shared.mine(name, draw(like.new_empty(1, 1).expand(len(like), self._shared.tables[name])))

    def __deepcopy__(self, memo: dict[int, Any]) -> Columns:
        return self

    def __reduce__(self) -> tuple[type[Columns], tuple[()]]:
        return Columns, ()  # of a pickle: nobody knows who else there will be


class _Whole(torch.autograd.Function):
    """Rows of all columns. Every process computes the same from them, so that each has the whole gradient of its own."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor, shared: SharedColumns) -> Tensor:
        ctx.shared, ctx.name = shared, shared.of_width(mine.shape[1])
        return shared.whole(ctx.name, mine)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.shared.mine(ctx.name, gradient), None
