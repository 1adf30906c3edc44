"""Where a training stands: what callbacks are shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["TrainingState", "parameter_norms", "parameters_are_finite"]


@dataclass
class TrainingState:
    """Where a training stands. Callbacks may read all of it and set `stop`.

    Attributes
    ----------
    model : torch.nn.Module
        Rows that no batch has named of late may lag behind (see :mod:`graphrec.training.row_optimizers`): they catch up when
        this is read. Within an epoch that changes how later steps are rounded.
    epochs : int
        Epochs asked for.
    epoch : int
        Epochs finished.
    step : int
        Steps taken since the beginning.
    loss : float or None
        Of the latest step; on another device than the CPU of the latest one that the host has looked at, every few dozen.
    row : dict of str to float
        The latest epoch's line of the history: epoch, loss, lr, seconds, and what validation gave.
    history : list of dict
        All lines so far, those before a resumption included.
    best_epoch : int or None
        The best on validation, counted from 1.
    stop : bool
        Set it to end the training after the current epoch.
    interrupted : bool
        The user stopped the training with Ctrl-C.
    optimizer : object or None
        What takes the steps.
    settle : callable or None
        Lets rows catch up.
    """

    model: nn.Module
    epochs: int
    epoch: int = 0
    step: int = 0
    loss: float | None = None
    row: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int | None = None
    stop: bool = False
    interrupted: bool = False
    optimizer: Any = None
    settle: Callable[[], None] | None = None

    def __getattribute__(self, name: str) -> Any:
        if name == "model" and (settle := self.__dict__.get("settle")) is not None:
            settle()
        return super().__getattribute__(name)

    @property
    def device(self) -> torch.device:
        """Where the model's parameters are."""
        parameter = next(self.model.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device


def parameters_are_finite(model: nn.Module) -> bool:
    """Whether no parameter is NaN, infinite, or so large that its square is: such rows have no scores."""
    return bool(parameter_norms(model).isfinite().all())


def parameter_norms(model: nn.Module) -> Tensor:
    """Length of each parameter, where the model is: float64, in one pass without a copy."""
    norms = [torch.linalg.vector_norm(parameter.detach()).double() for parameter in model.parameters()]
    return torch.stack(norms) if norms else torch.zeros(0, dtype=torch.float64)
