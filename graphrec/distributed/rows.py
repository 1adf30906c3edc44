"""Embedding tables cut by rows: each process has all dimensions of its own users and items, with their optimiser's state.

This is for models that mix dimensions (NGCF, NeuMF); where columns go, :mod:`graphrec.distributed.columns` sends less. A cut
model is one of a process's own users and items, whose encoding gives their rows; the weights that are no tables are in all
processes. A step (:mod:`graphrec.distributed.row_reduction`):

1. All draw the same batch of b pairs with k negatives each, and process r of W takes b / W of the pairs.
2. It asks the owners for the rows of the encoding that these need, each once (:mod:`graphrec.distributed.exchange`).
3. It scores its pairs; the scores are collected, and every process computes the loss of all of them.
4. The gradients of the rows go back to their owners, and those of the p weights that are no tables are added up.
5. A hop of NGCF collects the rows of all n nodes before it, there and back (:mod:`graphrec.distributed.own_rows`).

Bytes that a process sends in a step, where q is the number of rows that it fetches from others (at most b / W · (2 + k), and a
share 1 / W of these is its own; others fetch as many from it) and d the width of an encoded row::

    q · (8 + 4 d + 4 d)                      the rows' numbers, the rows, their gradients
    + 16 (W − 1)                             how many rows each is asked for
    + 4 (W − 1) ⌈b / W⌉ (2 + k)              scores, and the penalty's column
    + 8 p (W − 1) / W                        gradients of the weights that are no tables
    + 4 (W − 1) ⌈n / W⌉ Σ (d_in there, and back but for the last hop)
    + (W − 1) (8 + u (8 + 4 d_in))           back over the last hop: the u rows that the batch has of the process with most

The last two are NGCF's, with d_in the width of what a hop reads: they grow with the graph. ``python -m benchmarks distributed
--way rows`` measures what was sent.

Every process sums what one process sums, in another order where parts come from several. NGCF magnifies such rounding under its
defaults: on MovieLens 100K the losses of two processes are those of one to 3e-7 for twenty steps, and to 2e-3 at the end of the
first epoch, as far as one process is from itself with initial weights that differ by 1e-7. NeuMF's epochs stay equal to 3e-9.

A table is cut as ``torch.distributed.tensor.Shard(0)`` cuts it, and :meth:`SharedRows.sharded` gives the tables as DTensors for
``torch.distributed.checkpoint``. The steps do not go through DTensor. Its look-up in a sharded table is a look-up of the whole
batch in every process, with zeros for the rows of others, that is added up, and its gradient is dense: for 12,288 rows of 64 of
a table of 70,000, there and back, 3.1 MB of each of 2 processes and 4.7 MB of each of 4, where the exchange sends 1.3 and 1.5,
in 59 and 42 ms where it takes 10 and 16 (gloo, two shared cores), and an optimiser that touches rows has nothing to go by.
"""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.devices import device_of
from graphrec.distributed.group import Group
from graphrec.distributed.own_rows import OwnRows
from graphrec.distributed.whole_view import WholeView
from graphrec.errors import InputError
from graphrec.graph.bipartite import Adjacency
from graphrec.models.base import Model, Scorer
from graphrec.models.scoring import as_evaluated

__all__ = ["SharedRows"]


class SharedRows:
    """A model whose tables are shared among processes by rows; process r of W has the r-th of W parts of each.

    Parameters
    ----------
    model : Model
        With whole tables, the same in all processes.
    group : Group

    Attributes
    ----------
    tables : dict of str to list of int
        For each table the bounds: process r has the rows ``bounds[r]:bounds[r + 1]``.
    user_bounds, item_bounds : list of int
        The same of users and items, whose rows a process's encoding has.
    hops : bool
        Whether there is a table of nodes, over which the model makes hops.

    Raises
    ------
    InputError
        A table has too few rows for so many processes.
    """

    axis = 0  # along which tables are cut

    def __init__(self, model: Model, group: Group) -> None:
        self.model, self.group = model, group
        self.n_users, self.n_items = model.n_users, model.n_items
        owned = model.owned_rows()
        assert owned is not None
        of_all = owned.users + owned.items + owned.nodes
        self.tables = {
            name: self._bounds(name, len(p)) for name, p in model.named_parameters() if any(p is table for table in of_all)
        }
        self.hops = bool(owned.nodes)
        if self.hops:
            nodes = self._bounds("the graph", self.n_nodes)
            self.user_bounds = [min(bound, self.n_users) for bound in nodes]
            self.item_bounds = [max(bound - self.n_users, 0) for bound in nodes]
        else:
            self.user_bounds, self.item_bounds = self._bounds("users", self.n_users), self._bounds("items", self.n_items)
        self._graphs = {name: value for name, value in vars(model).items() if isinstance(value, Adjacency)}

    def _bounds(self, name: str, count: int) -> list[int]:
        size = -(-count // self.group.size)
        if size * (self.group.size - 1) >= count:
            raise InputError(f"{name} has {count} rows, which {self.group.size} processes cannot share; start fewer of them.")
        return [min(rank * size, count) for rank in range(self.group.size + 1)]

    def count(self, name: str) -> int:
        """How many rows a table has in all."""
        return self.tables[name][-1]

    def place(self, count: int) -> tuple[int, int]:
        """The range of this process's rows among so many."""
        bounds = self._bounds("a table", count)
        return bounds[self.group.rank], bounds[self.group.rank + 1]

    @property
    def n_nodes(self) -> int:
        """Number of all users and items."""
        return self.n_users + self.n_items

    @property
    def own_nodes(self) -> tuple[int, int]:
        """The first of this process's nodes, and the one after its last; of a model with a table of nodes."""
        start, stop = (self.user_bounds[rank] + self.item_bounds[rank] for rank in (self.group.rank, self.group.rank + 1))
        return start, stop

    def cut(self) -> None:
        """Leave this process the rows of its own users and items, of every table and of the graph."""
        rank = self.group.rank
        for name in self.tables:
            self._put(name, self.mine(name, self.model.get_parameter(name).detach()))
        self.model.n_users = self.user_bounds[rank + 1] - self.user_bounds[rank]
        self.model.n_items = self.item_bounds[rank + 1] - self.item_bounds[rank]
        nodes = [users + items for users, items in zip(self.user_bounds, self.item_bounds, strict=True)]
        for name, graph in self._graphs.items():
            setattr(self.model, name, OwnRows(graph, nodes, self.group))

    def join(self) -> None:
        """Give the model whole tables again, in every process."""
        for name in self.tables:
            self._put(name, self.whole(name, self.model.get_parameter(name).detach()))
        self.model.n_users, self.model.n_items = self.n_users, self.n_items
        for name in self._graphs:
            setattr(self.model, name, getattr(self.model, name).whole)

    def _put(self, name: str, values: Tensor) -> None:
        parameter = self.model.get_parameter(name)
        parameter.data, parameter.grad = values, None

    def mine(self, name: str, whole: Tensor) -> Tensor:
        """This process's rows of something with a row for each of a table's."""
        bounds = self.tables[name]
        return whole[bounds[self.group.rank] : bounds[self.group.rank + 1]].clone()

    def whole(self, name: str, mine: Tensor) -> Tensor:
        """The rows of all processes of something with a row for each of a table's."""
        return self._together(mine, self.tables[name])

    def _together(self, mine: Tensor, bounds: list[int]) -> Tensor:
        largest = max(high - low for low, high in itertools.pairwise(bounds))
        every = self.group.gathered(F.pad(mine, (0, 0, 0, largest - len(mine))))
        return torch.cat([part[: bounds[r + 1] - bounds[r]] for r, part in enumerate(every)])

    def sharded(self) -> dict[str, Any]:
        """The cut model's state with its tables as DTensors, for ``torch.distributed.checkpoint``.

        Returns
        -------
        dict of str to DTensor or Tensor
            They share the parameters' memory: what is loaded into them is the model's.
        """
        from torch.distributed.device_mesh import DeviceMesh
        from torch.distributed.tensor import DTensor, Shard

        state: dict[str, Any] = self.model.state_dict()
        mesh = DeviceMesh(device_of(self.model).type, list(range(self.group.size)))
        for name, bounds in self.tables.items():
            mine = state[name].detach()
            shape = torch.Size([bounds[-1], *mine.shape[1:]])
            state[name] = DTensor.from_local(mine, mesh, [Shard(0)], run_check=False, shape=shape, stride=mine.stride())
        return state

    def scorer(self) -> Scorer:
        """The model as rankings of known people see it, with rows of all; asked of all processes at once.

        Each process encodes its own users and items, and the rows are gathered.
        """
        model = as_evaluated(self.model)
        with torch.no_grad():
            z = model.encode_for_ranking()
            users, items = self._together(z.users.full(), self.user_bounds), self._together(z.items.full(), self.item_bounds)
        model.n_users, model.n_items = self.n_users, self.n_items
        return WholeView(model, z, users, items)
