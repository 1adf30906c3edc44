"""The training loop: epochs of batches, a look at validation, the best weights kept."""

from __future__ import annotations

import copy
import math
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.training.callbacks import CallbackList, EarlyStopping, ProgressBar, TrainingState
from graphrec.training.checkpoint import read_tensors, write_tensors
from graphrec.training.objectives import objective
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions

__all__ = ["Trainer"]

Evaluate = Callable[[Model, Interactions], dict[str, float]]


class Trainer:
    """Trains one model on one table.

    Parameters
    ----------
    model : Model
    options : FitOptions
    evaluate : callable, optional
        ``evaluate(model, valid) -> {metric: value}``; needed when there is a validation part.
    callbacks : sequence
        Objects with any of the methods of :class:`~graphrec.training.callbacks.Callback`.
    """

    def __init__(
        self, model: Model, options: FitOptions, evaluate: Evaluate | None = None, callbacks: Sequence[object] = ()
    ) -> None:
        self.model = model
        self.options = options
        self.evaluate = evaluate
        self.objective = objective(options)
        self.optimizers = Optimizers(model, options)
        self.generator = torch.Generator().manual_seed(options.seed)
        mode = "min" if options.smaller_is_better else "max"
        self.stopping = EarlyStopping(options.selected_on, patience=options.patience, min_delta=options.min_delta, mode=mode)
        self.state = TrainingState(model=model, epochs=options.epochs, optimizer=self.optimizers)
        bar = ProgressBar(options.selected_on, enabled=options.progress)
        self.callbacks = CallbackList([bar, *callbacks])
        self.best: dict[str, Tensor] | None = None

    def fit(
        self, train: Interactions, valid: Interactions | None = None, checkpoint: Path | None = None, resume: bool = False
    ) -> TrainingState:
        """Train to the last epoch, or until patience runs out.

        Parameters
        ----------
        train, valid : Interactions
            `valid` selects the epoch whose weights are kept; without it the last ones are.
        checkpoint : Path, optional
            Folder to which the whole state is written after every epoch.
        resume : bool
            Go on from that state.

        Returns
        -------
        TrainingState
            With ``history`` (one dict an epoch) and ``best_epoch``.
        """
        sampler = self.objective.sampler(train, self.generator)
        self.optimizers.attach_schedule(self.options.epochs, len(sampler))  # type: ignore[arg-type]
        if valid is None and self.optimizers.needs_metric:
            raise InputError(f"schedule {self.options.schedule!r} follows the validation metric; fit needs valid for it.")
        # One seed governs what torch's own modules draw (dropout); the caller's global state is left alone.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.options.seed)
            if resume:
                self._resume(checkpoint)
            self.callbacks.on_train_begin(self.state)
            try:
                self._run(sampler, valid, checkpoint)
            except KeyboardInterrupt:
                self.state.interrupted = True
                warnings.warn(
                    f"training was interrupted in epoch {self.state.epoch + 1}; the weights learnt so far are kept.",
                    stacklevel=2,
                )
            self._restore_best()
            self.callbacks.on_train_end(self.state)
        return self.state

    def _run(self, sampler: Any, valid: Interactions | None, checkpoint: Path | None) -> None:
        state = self.state
        while state.epoch < self.options.epochs and not state.stop:
            self.callbacks.on_epoch_begin(state)
            row = self._epoch(sampler)
            state.row = row
            last = state.epoch + 1 == self.options.epochs
            if valid is not None and self.evaluate is not None and ((state.epoch + 1) % self.options.eval_every == 0 or last):
                row |= self._look_at_validation(valid)
                self.callbacks.on_evaluation(state)
            self.optimizers.epoch_ended(row.get(self.options.selected_on))
            state.history.append(row)
            state.epoch += 1
            if checkpoint is not None:
                self._save(checkpoint)
            self.callbacks.on_epoch_end(state)

    def _epoch(self, sampler: Any) -> dict[str, float]:
        """One pass over the sampler's batches; returns the epoch's row of the history."""
        self.model.train()
        started, total, steps = time.perf_counter(), 0.0, 0
        rate = self.optimizers.learning_rate
        for batch in sampler:
            loss = self.objective(self.model, batch.to(self.state.device))
            value = loss.item()
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"the loss became {value} in epoch {self.state.epoch + 1}, step {steps + 1}: training diverged. "
                    f"A smaller lr than {rate:g} usually helps."
                )
            self.optimizers.step(loss)
            total += value
            steps += 1
            self.state.step += 1
            self.state.loss = value
            self.callbacks.on_step_end(self.state)
        return {
            "epoch": self.state.epoch + 1,
            "loss": total / max(steps, 1),
            "lr": rate,
            "seconds": time.perf_counter() - started,
        }

    def _look_at_validation(self, valid: Interactions) -> dict[str, float]:
        assert self.evaluate is not None
        started = time.perf_counter()
        values = self.evaluate(self.model, valid)
        if self.options.selected_on not in values:
            raise InputError(
                f"metric {self.options.selected_on!r} is not computed on validation; there are {', '.join(values)}."
            )
        if self.stopping.update(values[self.options.selected_on], self.state.epoch + 1):
            self.best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
            self.state.best_epoch = self.state.epoch + 1
        self.state.stop = self.state.stop or self.stopping.should_stop
        return {**values, "eval_seconds": time.perf_counter() - started}

    def _restore_best(self) -> None:
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()

    # ---- checkpoints ---------------------------------------------------------------------------

    def _save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in (self.best or {}).items()}
        tensors |= {"random.torch": torch.get_rng_state(), "random.sampler": self.generator.get_state()}
        optimizer_tensors, optimizer_record = self.optimizers.state()
        meta = {
            "epoch": self.state.epoch,
            "step": self.state.step,
            "history": self.state.history,
            "best_epoch": self.state.best_epoch,
            "stopping": self.stopping.state_dict(),
            "callbacks": self.callbacks.state_dict(),
            "optimizers": optimizer_record,
            "options": self._fingerprint(),
        }
        write_tensors(folder / "checkpoint.safetensors", tensors | optimizer_tensors, meta)

    def _fingerprint(self) -> dict[str, Any]:
        """The options that a resumed training must share; it may train longer, and may look different."""
        values = copy.deepcopy(self.options.to_dict())
        for free in ("epochs", "progress", "device"):
            values.pop(free)
        return values

    def _resume(self, folder: Path | None) -> None:
        if folder is None:
            raise InputError("resume=True needs checkpoint, the folder to go on from.")
        if not (folder / "checkpoint.safetensors").exists():
            return  # nothing was saved yet: the first epoch is where to go on
        tensors, meta = read_tensors(folder / "checkpoint.safetensors")
        ours = self._fingerprint()
        for name, value in meta["options"].items():
            if name in ours and _plain(ours[name]) != _plain(value):
                raise InputError(f"{folder} was trained with {name}={value!r}, and now {name}={ours[name]!r} is asked for.")
        groups: dict[str, dict[str, Tensor]] = {"model": {}, "best": {}, "random": {}}
        for key, tensor in tensors.items():
            kind, name = key.split(".", 1)
            groups.setdefault(kind, {})[name] = tensor
        try:
            self.model.load_state_dict(groups["model"])
        except RuntimeError:
            raise InputError(
                f"{folder} holds another model or another data set's weights; choose another checkpoint folder."
            ) from None
        self.best = groups["best"] or None
        self.optimizers.load_state(tensors, meta["optimizers"])
        torch.set_rng_state(groups["random"]["torch"])
        self.generator.set_state(groups["random"]["sampler"])
        self.stopping.load_state_dict(meta["stopping"])
        self.callbacks.load_state_dict(meta["callbacks"])
        self.state.epoch, self.state.step = meta["epoch"], meta["step"]
        self.state.history, self.state.best_epoch = meta["history"], meta["best_epoch"]


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON gives them back."""
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
