"""The loss of every step, read by the host as seldom as it can be."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from graphrec.training.terms import Terms

__all__ = ["LossWatch", "diverged"]

_STEPS_AT_ONCE = 32


class LossWatch:
    """The loss and its terms over one epoch, and where it ceased to be a finite number.

    On the CPU each step is looked at before its gradient is used. On another device reading a number means waiting for all
    that was asked of it: there the values of the latest steps stay on the device and are read together, and a step that
    went wrong is found some steps later.

    Parameters
    ----------
    device : torch.device
    epoch : int
        From 1.
    rate : float
        The learning rate, for messages.
    stretches : bool
        Whether what is looked at are many steps at a time, of which the first ones may have made the last ones diverge.
    precision : str or None
        Of the tables that hops read, for messages.

    Attributes
    ----------
    steps : int
        Taken so far.
    latest : float or None
        The loss of the last step that was looked at.
    """

    def __init__(
        self, device: torch.device, epoch: int, rate: float, stretches: bool = False, precision: str | None = None
    ) -> None:
        self.epoch, self.rate, self._stretches = epoch, rate, stretches
        self._hint = " precision='fp16' ends at 65,504, where 'bf16' goes on." if precision == "fp16" else ""
        self.steps = 0
        self.latest: float | None = None
        self._every = 1 if device.type == "cpu" else _STEPS_AT_ONCE
        self._names = ["loss"]
        self._sums = [0.0]
        self._waiting: list[Tensor] = []

    def add(self, loss: Tensor, terms: Terms) -> None:
        """Take note of a step.

        Raises
        ------
        FloatingPointError
            The loss of this step, or of an earlier one that was not looked at yet, is no finite number.
        """
        values = {"loss": loss.detach()} | {name: term.detach() for name, term in terms.items() if name != "loss"}
        if self._every == 1:
            self.count({name: value.item() for name, value in values.items()})
            return
        self._begin_step(values)
        self._waiting.append(torch.stack(list(values.values())))
        if len(self._waiting) == self._every:
            self._read(torch.zeros(0, dtype=torch.float64))

    def count(self, values: Mapping[str, float]) -> None:
        """Take note of a step whose numbers the host has: the loss first, then its terms.

        Raises
        ------
        FloatingPointError
            The loss is no finite number.
        """
        self._begin_step(values)
        self._count(list(values.values()), self.steps)

    def _begin_step(self, names: Iterable[str]) -> None:
        if not self.steps:
            self._names = list(names)
            self._sums = [0.0] * len(self._names)
        self.steps += 1

    def close(self, norms: Tensor) -> dict[str, float]:
        """Means over the epoch, at its end.

        Parameters
        ----------
        norms : Tensor of float64, shape (n,)
            Of the parameters; read along with the last losses.

        Raises
        ------
        FloatingPointError
            A loss or a norm is no finite number.
        """
        if not all(math.isfinite(norm) for norm in self._read(norms)):
            raise diverged(
                "parameters became NaN, infinite or too large to score with", self.epoch, self.steps, self.rate, self._hint
            )
        return {name: value / self.steps for name, value in zip(self._names, self._sums, strict=True)}

    def _read(self, norms: Tensor) -> list[float]:
        """Look at the steps that wait, and give the norms: one copy to the host."""
        waiting, self._waiting = self._waiting, []
        values = torch.cat([*(step.double() for step in waiting), norms.to(waiting[0].device if waiting else norms.device)])
        numbers: list[float] = values.tolist()
        width, first = len(self._names), self.steps - len(waiting) + 1
        for place in range(len(waiting)):
            self._count(numbers[place * width : (place + 1) * width], first + place)
        return numbers[len(waiting) * width :]

    def _count(self, values: list[float], step: int) -> None:
        if not math.isfinite(values[0]):
            if self.epoch == step == 1 and not self._stretches:
                raise FloatingPointError(
                    f"the loss became {values[0]} in epoch 1, step 1, before anything was learnt: the loss or the model "
                    f"computes it so, and no learning rate helps.{self._hint}"
                )
            raise diverged(f"loss became {values[0]}", self.epoch, step, self.rate, self._hint)
        self._sums = [a + b for a, b in zip(self._sums, values, strict=True)]
        self.latest = values[0]


def diverged(what: str, epoch: int, step: int, rate: float, hint: str = "") -> FloatingPointError:
    """The error that names the epoch, the step and what usually helps."""
    return FloatingPointError(
        f"the {what} in epoch {epoch}, step {step}: training diverged. A smaller lr than {rate:g} usually helps.{hint}"
    )
