"""What may listen to a training: the state it is shown, the moments it is called at, and early stopping.

A callback is any object with some of the methods of :class:`Callback`; it need not inherit from it. Each method
gets one argument, the :class:`TrainingState`. Ten lines are enough for an experiment tracker::

    class Tracker:
        def on_train_begin(self, state):
            self.run = tracker.init(project="graphrec")

        def on_epoch_end(self, state):
            self.run.log(state.row, step=state.epoch)

        def on_train_end(self, state):
            self.run.finish()
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from graphrec.errors import InputError, unknown_name
from graphrec.training.loggers import CSVLogger, ProgressBar, TensorBoard
from graphrec.training.state import TrainingState

__all__ = ["CSVLogger", "Callback", "CallbackList", "EarlyStopping", "ProgressBar", "StopAfter", "TensorBoard", "TrainingState"]


class Callback:
    """Every moment a callback may be called at; each method does nothing unless overridden."""

    def on_train_begin(self, state: TrainingState) -> None:
        """Before the first epoch, or the first after a resumption."""

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Before the first step of an epoch."""

    def on_step_end(self, state: TrainingState) -> None:
        """After each step of the optimiser; keep it short."""

    def on_evaluation(self, state: TrainingState) -> None:
        """After each look at the validation part."""

    def on_epoch_end(self, state: TrainingState) -> None:
        """After each epoch, when its line is the last of ``state.history``."""

    def on_train_end(self, state: TrainingState) -> None:
        """After the last epoch, with the best weights restored; also after Ctrl-C."""


MOMENTS = tuple(name for name in vars(Callback) if name.startswith("on_"))


class CallbackList(Callback):
    """Calls, on each of several objects in turn, the methods that are there.

    Parameters
    ----------
    callbacks : sequence of object

    Raises
    ------
    InputError
        An object has none of the methods, or is a class instead of an object.
    """

    def __init__(self, callbacks: Sequence[object]) -> None:
        if not isinstance(callbacks, Iterable):
            raise InputError(f"callbacks must be a list of objects, got {callbacks!r}.")
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            _check(callback)
        self._methods: dict[str, list[Callable[[TrainingState], object]]] = {
            moment: [getattr(c, moment) for c in self.callbacks if callable(getattr(c, moment, None))] for moment in MOMENTS
        }

    def _call(self, moment: str, state: TrainingState) -> None:
        for method in self._methods[moment]:
            method(state)

    def on_train_begin(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_train_begin", state)

    def on_epoch_begin(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_epoch_begin", state)

    def on_step_end(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_step_end", state)

    def on_evaluation(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_evaluation", state)

    def on_epoch_end(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_epoch_end", state)

    def on_train_end(self, state: TrainingState) -> None:
        """Pass it on."""
        self._call("on_train_end", state)

    def state_dict(self) -> dict[str, Any]:
        """States of the callbacks that have a ``state_dict``, under their place and class name."""
        return {key: c.state_dict() for key, c in self._stateful().items()}

    def load_state_dict(self, states: Mapping[str, Any]) -> None:
        """Give the states back to the callbacks at the same places; new or changed callbacks start afresh."""
        for key, callback in self._stateful().items():
            if key in states:
                callback.load_state_dict(states[key])

    def _stateful(self) -> dict[str, Any]:
        return {
            f"{place}.{type(c).__name__}": c
            for place, c in enumerate(self.callbacks)
            if hasattr(c, "state_dict") and hasattr(c, "load_state_dict")
        }


def _check(callback: object) -> None:
    if inspect.isclass(callback):
        raise InputError(f"callback {callback.__name__} is a class; give an object, {callback.__name__}(…).")
    methods = [name for name in dir(callback) if name.startswith("on_")]
    if any(name in MOMENTS for name in methods):
        return
    if methods:
        raise unknown_name(f"method of callback {type(callback).__name__}", methods[0], MOMENTS)
    raise InputError(f"callback {callback!r} has none of the methods {', '.join(MOMENTS)}.")


class EarlyStopping:
    """Keeps the best value of a metric and says when waiting for a better one has been in vain.

    The trainer asks it after each look at validation, and restores the best weights itself.

    Parameters
    ----------
    metric : str
        Name of the value, ``"ndcg@20"``.
    patience : int or None
        So many evaluations in a row without a gain end the training; None never does.
    min_delta : float
        A gain is an improvement by more than this.
    mode : {"max", "min"}
        Whether larger or smaller is better.
    """

    def __init__(self, metric: str, patience: int | None = None, min_delta: float = 0.0, mode: str = "max") -> None:
        if patience is not None and patience < 1:
            raise InputError(f"patience must be at least 1, or None; got {patience}.")
        if not (min_delta >= 0 and math.isfinite(min_delta)):
            raise InputError(f"min_delta must be a finite number of at least 0, got {min_delta}.")
        if mode not in ("max", "min"):
            raise unknown_name("value of mode", mode, ("max", "min"))
        self.metric = metric
        self.patience = patience
        self.min_delta = min_delta
        self.mode = mode
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.waited = 0

    def improves(self, value: float) -> bool:
        """Whether a value would be the best so far."""
        sign = 1 if self.mode == "max" else -1
        return math.isfinite(value) and (self.best is None or sign * (value - self.best) > self.min_delta)

    def update(self, value: float, epoch: int) -> bool:
        """Take note of an evaluation.

        Parameters
        ----------
        value : float
            NaN and infinite values are never a gain.
        epoch : int
            Counted from 1.

        Returns
        -------
        bool
            Whether this is the best so far.
        """
        better = self.improves(value)
        if better:
            self.best, self.best_epoch, self.waited = float(value), epoch, 0
        else:
            self.waited += 1
        return better

    @property
    def should_stop(self) -> bool:
        """Whether patience has run out."""
        return self.patience is not None and self.waited >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """Numbers and None, fit for JSON."""
        return {"best": self.best, "best_epoch": self.best_epoch, "waited": self.waited}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.best, self.best_epoch, self.waited = state["best"], state["best_epoch"], state["waited"]


class StopAfter:
    """Ends training after a number of epochs, which leaves a schedule that is laid out over the whole training as it is.

    Parameters
    ----------
    epochs : int
    """

    def __init__(self, epochs: int) -> None:
        if epochs < 1:
            raise InputError(f"StopAfter needs at least one epoch, got {epochs}.")
        self.epochs = epochs

    def on_epoch_end(self, state: TrainingState) -> None:
        """Set ``state.stop`` when the time has come."""
        state.stop = state.stop or state.epoch >= self.epochs
