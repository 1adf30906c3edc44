"""The end of a training that has had its time, so that it can go on later as if it had not stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from graphrec.training.state import TrainingState

__all__ = ["Deadline", "OutOfTime"]


class OutOfTime(Exception):
    """The time that a candidate had is over before it had anything to show."""


class Deadline:
    """Ends a training when its seconds are over: after a look at validation, or by force at the hard limit.

    Patience and the last epoch end a training, too; one that is at such an end stays there when it is resumed.

    Parameters
    ----------
    seconds : float
    hard : float
        Seconds after which a training is given up in the middle of an epoch.
    clock : callable
        Seconds since some moment.

    Attributes
    ----------
    clock : callable
    came : bool
        Whether it has ended the latest training; one that ended by itself needs no more time.
    """

    def __init__(self, seconds: float, hard: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock, self.came = clock, False
        self._seconds, self._hard, self._started, self._look, self._epochs = seconds, hard, 0.0, 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint: whether this was what ended the training."""
        return {"came": self.came}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what :meth:`state_dict` gave."""
        self.came = bool(state["came"])

    def on_train_begin(self, state: TrainingState) -> None:
        """A training that stopped at an earlier deadline goes on; one that came to its own end does not."""
        state.stop, self.came = state.stop and not self.came, False
        self._started = self._look = self.clock()
        self._epochs = 0

    def on_step_end(self, state: TrainingState) -> None:
        """Give up what would overrun everything; the best weights so far, if there are any, are kept as after Ctrl-C."""
        if self.clock() - self._started <= self._hard:
            return
        if state.best_epoch is None:
            raise OutOfTime(f"stopped in epoch {state.epoch + 1}: {self._hard:.3g} s were over")
        self.came = True
        raise KeyboardInterrupt

    def on_epoch_end(self, state: TrainingState) -> None:
        """Stop at a look at validation where the way to another one would not fit, if there is something to show."""
        self._epochs += 1
        if state.stop or state.epoch >= state.epochs or "eval_seconds" not in state.row:
            return
        now = self.clock()
        latest, self._look = now - self._look, now
        if self._epochs == 1:  # it may have loaded compiled code
            latest = 0.0
        if state.best_epoch is not None and now - self._started + latest > self._seconds:
            state.stop = self.came = True

    def on_train_end(self, state: TrainingState) -> None:
        """Ctrl-C ends the search, not this training alone."""
        if state.interrupted and not self.came:
            raise KeyboardInterrupt("the search can be gone on with")
