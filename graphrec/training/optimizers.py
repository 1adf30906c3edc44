"""One or several torch optimisers, a learning-rate schedule over the first, and their joint state."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from graphrec.errors import InputError, unknown_name
from graphrec.models.base import Model
from graphrec.training.checkpoint import flatten_optimizer, restore_optimizer
from graphrec.training.options import FitOptions
from graphrec.training.schedules import RunningSchedule, Schedule

__all__ = ["OPTIMIZERS", "Optimizers"]

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
    "sparse_adam": torch.optim.SparseAdam,
}


_TAKE_SPARSE = ("sgd", "adagrad", "sparse_adam")


class Optimizers:
    """The optimisers of one training.

    Parameters
    ----------
    model : Model
    options : FitOptions
        ``optimizer``, ``lr`` and ``weight_decay`` are for all parameters but those that
        ``parameter_groups`` sets apart by a part of their name.
    """

    def __init__(self, model: Model, options: FitOptions) -> None:
        self.options = options
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
        self.all = [_build(parameters, options, settings, model.sparse_gradients) for parameters, settings in groups]
        self.schedule: RunningSchedule | None = None

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

    def step(self, loss: Tensor) -> None:
        """Backward pass and one step of every optimiser."""
        for optimizer in self.all:
            optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for optimizer in self.all:
            optimizer.step()
        if self.schedule is not None:
            self.schedule.step_ended()

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
    parameters: list[nn.Parameter], options: FitOptions, settings: dict[str, Any], sparse: bool
) -> torch.optim.Optimizer:
    chosen = {"optimizer": options.optimizer, "lr": options.lr, "weight_decay": options.weight_decay, **settings}
    name = chosen.pop("optimizer")
    if name not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    kind = OPTIMIZERS[name]
    known = inspect.signature(kind).parameters
    if name == "sparse_adam" and not chosen.pop("weight_decay", 0.0) == 0.0:
        raise InputError("sparse_adam has no weight decay; use l2 instead.")
    for option in chosen:
        if option not in known:
            raise unknown_name(f"option of optimizer {name}", option, [k for k in known if k != "params"])
    if sparse and name not in _TAKE_SPARSE:
        raise InputError(
            f"optimizer {name!r} needs dense gradients, and the model gives sparse ones; use {' or '.join(_TAKE_SPARSE)}."
        )
    if "fused" in known and not sparse:
        chosen.setdefault("fused", True)
    try:
        return kind(parameters, **chosen)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer {name!r} cannot be made of {chosen}: {error}.") from None
