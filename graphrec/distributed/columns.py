"""Embedding tables cut by columns: each process holds some dimensions of every row, and the whole is made of all of them."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from graphrec.distributed.group import Group
from graphrec.distributed.whole_view import WholeView
from graphrec.errors import InputError
from graphrec.models.base import Model, Scorer
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

    way = "columns"

    def __init__(self, model: Model, group: Group) -> None:
        self.model, self.group = model, group
        tables = model.column_tables()
        assert tables is not None
        self.tables = {name: p.shape[1] for name, p in model.named_parameters() if any(p is table for table in tables)}
        for name, width in self.tables.items():
            if width < group.size:
                raise InputError(f"{name} has {width} columns, which {group.size} processes cannot share; start fewer of them.")

    def cut(self) -> None:
        """Leave this process its own columns of every table."""
        for name in self.tables:
            self._put(name, self.mine(name, self.model.get_parameter(name).detach()))

    def join(self) -> None:
        """Give the model whole tables again, in every process."""
        for name in self.tables:
            self._put(name, self.whole(name, self.model.get_parameter(name).detach()))

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
