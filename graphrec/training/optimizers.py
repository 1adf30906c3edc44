"""One or several torch optimisers, a learning-rate schedule over the first, and their joint state."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from graphrec.errors import InputError, unknown_name
from graphrec.graph.row_sparse import NodeIndex
from graphrec.models.base import Model
from graphrec.models.factors import RowTables
from graphrec.sampling import PairBatch, UserBatch
from graphrec.training.checkpoint import flatten_optimizer, restore_optimizer
from graphrec.training.options import FitOptions
from graphrec.training.row_optimizers import RowAdagrad, RowAdam, RowOptimizer, RowSGD
from graphrec.training.running_schedule import RunningSchedule
from graphrec.training.schedules import Schedule

__all__ = ["OPTIMIZERS", "Optimizers"]

_LEAST_LEFT = 0.1  # of a schedule's peak: a cosine ends at nought, where nothing more would be learnt

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
    "sparse_adam": torch.optim.SparseAdam,
    "row_adagrad": RowAdagrad,
}
# The same steps, taken for the rows of a batch only; with these options.
_BY_ROWS: dict[str, tuple[type[RowOptimizer], frozenset[str]]] = {
    "adam": (RowAdam, frozenset({"lr", "weight_decay", "betas", "eps"})),
    "sgd": (RowSGD, frozenset({"lr", "weight_decay"})),
}
_TAKE_SPARSE = ("sgd", "adagrad", "sparse_adam", "row_adagrad")
_NO_DECAY = ("sparse_adam", "row_adagrad")


class Optimizers:
    """The optimisers of one training.

    Parameters
    ----------
    model : Model
    options : FitOptions
        ``optimizer``, ``lr`` and ``weight_decay`` are for all parameters but those that
        ``parameter_groups`` sets apart by a part of their name.
    by_rows : bool
        Whether every step will read the rows of its batch only, of the tables for which the model says so. Adam and plain
        SGD then touch no others: a training must tell which ones it is about to read (:meth:`catch_up`) and when the tables
        will be read as a whole (:meth:`settle`).
    by_nodes : torch.nn.Parameter, optional
        A table of which every step will read the rows of drawn nodes only; to be told by :meth:`catch_up_nodes`.
    """

    def __init__(self, model: Model, options: FitOptions, by_rows: bool = False, by_nodes: nn.Parameter | None = None) -> None:
        self.options = options
        self.model = model
        tables = model.row_tables() if by_nodes is None else RowTables((), ())
        self.tables = tables if by_rows and _on_kernels(model) else None
        self._by_nodes = by_nodes
        rest = {name: p for name, p in model.named_parameters() if p.requires_grad}
        if not rest:
            raise InputError(f"{type(model).__name__} has no parameter to train.")
        groups: list[tuple[list[nn.Parameter], dict[str, Any]]] = []
        for part, settings in options.parameter_groups.items():
            chosen = [rest.pop(name) for name in list(rest) if part in name]
            if not chosen:
                raise InputError(f"parameter_groups names {part!r}, but no parameter of {type(model).__name__} is called so.")
            groups.append((chosen, settings))
        if rest:
            groups.insert(0, (list(rest.values()), {}))
        rows = self.tables is not None
        self.all = [_build(parameters, options, settings, model.sparse_gradients, rows) for parameters, settings in groups]
        if not all(isinstance(optimizer, RowOptimizer) for optimizer in self.all):
            self.tables = None  # one of them wants dense gradients
        self.schedule: RunningSchedule | None = None
        self.after_backward: Callable[[], None] | None = None  # where gradients are made by several processes together

    def attach_schedule(self, epochs: int, steps_per_epoch: int) -> None:
        """Start the learning-rate schedule; it moves the first optimiser's rate."""
        chosen = self.options.schedule
        if chosen is not None:
            mode = "min" if self.options.smaller_is_better else "max"
            self.schedule = Schedule.of(chosen).build(self.all[0], epochs * steps_per_epoch, steps_per_epoch, mode)

    @property
    def needs_metric(self) -> bool:
        """Whether the schedule moves by the validation metric."""
        return self.schedule is not None and self.schedule.needs_metric

    @property
    def learning_rate(self) -> float:
        """The first optimiser's current rate."""
        return float(self.all[0].param_groups[0]["lr"])

    @property
    def rates_after(self) -> dict[str, Any]:
        """``lr`` and ``parameter_groups`` for a training that goes on where this one's schedule has come to.

        What is left of the peak, but a tenth at least, holds for every group, scheduled or not. Empty without a schedule.
        """
        if self.schedule is None or not self.schedule.highest:
            return {}
        left = max(self.learning_rate / self.schedule.highest, _LEAST_LEFT)
        peaks = [self.schedule.highest, *(float(optimizer.param_groups[0]["lr"]) for optimizer in self.all[1:])]
        groups = self.options.parameter_groups
        of_groups = zip(groups.items(), peaks[len(peaks) - len(groups) :], strict=True)
        return {
            "lr": peaks[0] * left,
            "parameter_groups": {part: {**settings, "lr": peak * left} for (part, settings), peak in of_groups},
        }

    def step(self, loss: Tensor) -> None:
        """Backward pass and one step of every optimiser."""
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.after_backward is not None:
            self.after_backward()
        for optimizer in self.all:
            optimizer.step()
        self.step_ended()

    def step_ended(self) -> None:
        """Move schedules that go by steps, when a step has been taken otherwise than by :meth:`step`."""
        if self.schedule is not None:
            self.schedule.step_ended()

    @contextmanager
    def row_gradients(self) -> Iterator[None]:
        """Within it the model's look-ups give the gradients that these optimisers want: of rows, or of tables."""
        before = self.model.sparse_gradients
        self.model.sparse_gradients = before or self.tables is not None
        try:
            yield
        finally:
            self.model.sparse_gradients = before

    def catch_up(self, batch: PairBatch | UserBatch) -> None:
        """Bring the rows that a batch reads to where they belong; to be called before it is scored."""
        late = [optimizer for optimizer in self.all if isinstance(optimizer, RowAdam)]
        if self.tables is None or not late:
            return
        items = batch.items if batch.negatives is None else torch.cat([batch.items, batch.negatives.reshape(-1)])
        for tables, nodes in ((self.tables.users, batch.users), (self.tables.items, items)):
            rows = NodeIndex(nodes, len(tables[0])).distinct.numpy()
            for optimizer in late:
                for table in tables:
                    if optimizer.owns(table):
                        optimizer.catch_up(table, rows)

    def catch_up_nodes(self, nodes: Tensor) -> None:
        """As :meth:`catch_up`, of distinct nodes and the table that is read by nodes."""
        table = self._by_nodes
        if table is None or self.tables is None:
            return
        for optimizer in self.all:
            if isinstance(optimizer, RowAdam) and optimizer.owns(table):
                optimizer.catch_up(table, nodes.numpy())

    def settle(self) -> None:
        """Bring all rows to where they belong; to be called before tables are read as a whole."""
        for optimizer in self.all:
            if isinstance(optimizer, RowOptimizer):
                optimizer.settle()

    def epoch_ended(self, metric: float | None) -> None:
        """Move schedules that go by epochs or by the validation metric."""
        if self.schedule is not None:
            self.schedule.epoch_ended(metric)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Named tensors and a JSON-able record of everything an exact resumption needs."""
        tensors: dict[str, Tensor] = {}
        records = []
        for number, optimizer in enumerate(self.all):
            some, record = flatten_optimizer(optimizer)
            tensors |= {f"{number}.{name}": tensor for name, tensor in some.items()}
            records.append(record)
        return tensors, {"optimizers": records, "schedule": self.schedule.state_dict() if self.schedule else None}

    def load_state(self, tensors: Mapping[str, Tensor], record: Mapping[str, Any]) -> None:
        """Take back what :meth:`state` gave."""
        for number, optimizer in enumerate(self.all):
            some = {name.split(".", 1)[1]: tensor for name, tensor in tensors.items() if name.startswith(f"{number}.")}
            restore_optimizer(optimizer, some, record["optimizers"][number])
        if self.schedule is not None and record["schedule"] is not None:
            self.schedule.load_state_dict(record["schedule"])


def _build(
    parameters: list[nn.Parameter], options: FitOptions, settings: dict[str, Any], sparse: bool, by_rows: bool
) -> torch.optim.Optimizer:
    chosen = {"optimizer": options.optimizer, "lr": options.lr, "weight_decay": options.weight_decay, **settings}
    name = chosen.pop("optimizer")
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    kind = OPTIMIZERS[name]
    if name in _NO_DECAY and chosen.pop("weight_decay", 0.0) != 0.0:
        raise InputError(f"{name} has no weight decay; use l2 instead.")
    row_kind, takes = _BY_ROWS.get(name, (None, frozenset[str]()))
    sparse_goes = not sparse or name in _TAKE_SPARSE
    if by_rows and sparse_goes and row_kind is not None and not chosen["weight_decay"] and chosen.keys() <= takes:
        del chosen["weight_decay"]
        kind = row_kind
    known = inspect.signature(kind).parameters
    for option in chosen:
        if option not in known:
            raise unknown_name(f"option of optimizer {name}", option, [k for k in known if k != "params"])
    if sparse and name not in _TAKE_SPARSE:
        raise InputError(
            f"optimizer {name!r} needs dense gradients, and the model gives sparse ones; use {' or '.join(_TAKE_SPARSE)}."
        )
    if name == "sparse_adam" and not sparse and kind is OPTIMIZERS[name]:
        raise InputError(
            "optimizer 'sparse_adam' needs sparse gradients, which this model gives at most with an option of its own (MF: "
            "sparse=True); 'adam' takes dense ones."
        )
    fusable = name != "adagrad" or parameters[0].device.type == "cpu"  # torch has no fused Adagrad for other devices
    if "fused" in known and not sparse and fusable:
        chosen.setdefault("fused", True)
    try:
        return kind(parameters, **chosen)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer {name!r} cannot be made of {chosen}: {error}.") from None


def _on_kernels(model: Model) -> bool:
    """Whether all parameters are of the kind that compiled kernels work on."""
    return all(p.is_cpu and p.dtype == torch.float32 and p.is_contiguous() for p in model.parameters())
