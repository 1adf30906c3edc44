"""The training loop: epochs of batches, a look at validation, the best weights kept."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.devices import random_state, resolve_device, seeded, set_random_state
from graphrec.errors import InputError
from graphrec.evaluation.evaluator import ERRORS
from graphrec.graph.neighbours import Neighbours
from graphrec.graph.storage import Storage, hops_stored_in
from graphrec.models.base import Model, Scorer
from graphrec.training.callbacks import CallbackList, EarlyStopping, ProgressBar, TrainingState
from graphrec.training.checkpoint import Checkpoint
from graphrec.training.factor_step import factor_step
from graphrec.training.feeding import fed
from graphrec.training.fingerprint import as_json, held_by, of_rows, of_table
from graphrec.training.hogwild_step import hogwild_step
from graphrec.training.loss_watch import LossWatch
from graphrec.training.objectives import objective
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.sampled import SampledBatch, SampledBatches, sampling_graph
from graphrec.training.state import parameter_norms
from graphrec.training.terms import total

__all__ = ["Trainer"]

_STORAGE = {"bf16": torch.bfloat16, "fp16": torch.float16}

Evaluate = Callable[[Scorer, Interactions], dict[str, float]]


class Trainer:
    """Trains one model on one table.

    Parameters
    ----------
    model : Model
        Moved to the device that the options name.
    options : FitOptions
    evaluate : callable, optional
        ``evaluate(model, valid) -> {metric: value}``; needed when there is a validation part.
    callbacks : sequence
        Objects with any of the methods of :class:`~graphrec.training.callbacks.Callback`.
    identity : mapping, optional
        What the model is, by name: its own name and hyper-parameters. A checkpoint of another one is refused; the name of the
        class unless given.
    stage : int
        How many trainings this model has behind it. Each stage draws other batches, and another dropout, from the same seed.
    before : sequence of mapping
        What the weights come from that training begins with, as plain data. A checkpoint of others is refused: nobody would
        know any more what its weights have learnt.

    Raises
    ------
    InputError
        An option means nothing to the loss or the model, or the device is not there.
    """

    def __init__(
        self,
        model: Model,
        options: FitOptions,
        evaluate: Evaluate | None = None,
        callbacks: Sequence[object] = (),
        *,
        identity: Mapping[str, Any] | None = None,
        stage: int = 0,
        before: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.objective = objective(options)
        self.device = resolve_device(options.device)
        self.model = model.to(self.device)
        self.options = options
        self.evaluate = evaluate
        self.identity = {"model": as_json(type(model))} if identity is None else identity
        self.stage = stage
        self.before = before
        self.sampled = sampling_graph(model, options)
        nodes = None if self.sampled is None else self.sampled[0].table
        self.optimizers = Optimizers(model, options, by_rows=self.objective.by_rows, by_nodes=nodes)
        self.compiled = factor_step(options, self.optimizers)
        if options.hogwild:
            self.compiled = hogwild_step(self.compiled, options, self.optimizers)
        self.seed = _seed_of(options.seed, stage)
        self.generator = torch.Generator().manual_seed(self.seed)
        mode = "min" if options.smaller_is_better else "max"
        self.stopping = EarlyStopping(options.selected_on, patience=options.patience, min_delta=options.min_delta, mode=mode)
        self.state = TrainingState(model=model, epochs=options.epochs, optimizer=self.optimizers, settle=self.optimizers.settle)
        bar = ProgressBar(options.selected_on, enabled=options.progress)
        self.callbacks = CallbackList([bar, *CallbackList(callbacks).callbacks])
        self.best: dict[str, Tensor] | None = None
        self.storage = None if options.precision is None else Storage(_STORAGE[options.precision])

    def fit(
        self, train: Interactions, valid: Interactions | None = None, checkpoint: Path | None = None, resume: bool = False
    ) -> TrainingState:
        """Train to the last epoch, or until patience runs out.

        Parameters
        ----------
        train, valid : Interactions
            `valid` selects the epoch whose weights are kept; without it the last ones are.
        checkpoint : Path, optional
            Folder to which the whole state is written after every epoch, when its callbacks have run.
        resume : bool
            Go on from that state, as if training had not stopped: one that had come to its end stays there.

        Returns
        -------
        TrainingState
            With ``history`` (one dict an epoch) and ``best_epoch``.

        Raises
        ------
        InputError
            The checkpoint is damaged or another training's, or a part of one's own gives what it should not.
        FloatingPointError
            The loss or a parameter became NaN or infinite; the message says in which epoch and step.
        """
        if resume and checkpoint is None:
            raise InputError("resume=True needs checkpoint, the folder to go on from.")
        sampler = self.objective.sampler(train, self.generator)
        if self.sampled is not None:
            graph, fanout = self.sampled
            neighbours = Neighbours(graph.adjacency, fanout)
            sampler = SampledBatches(sampler, neighbours, self.model.n_users, self.generator)
        if self.options.schedule is not None:
            self.optimizers.attach_schedule(self.options.epochs, _length(sampler))
        if valid is None and self.optimizers.needs_metric:
            raise InputError(f"schedule {self.options.schedule!r} follows the validation metric; fit needs valid for it.")
        kept = None if checkpoint is None else self._checkpoint(checkpoint, self._fingerprint(train, valid))
        # One seed governs what torch's own modules draw (dropout); the caller's global state is left alone.
        with nullcontext() if kept is None else kept.held(), seeded(self.seed, self.device):
            if kept is not None:
                kept.announce(resume)
            if resume and kept is not None:
                self._resume(kept)
            self.callbacks.on_train_begin(self.state)
            try:
                self._run(sampler, valid, kept)
            except KeyboardInterrupt:
                self._after_interrupt()
            self._restore_best()
            self.callbacks.on_train_end(self.state)
        return self.state

    def _run(self, sampler: Iterable[Any], valid: Interactions | None, checkpoint: Checkpoint | None) -> None:
        state = self.state
        while state.epoch < self.options.epochs and not state.stop:
            self.callbacks.on_epoch_begin(state)
            state.row = row = self._epoch(sampler)
            last = state.epoch + 1 == self.options.epochs
            if valid is not None and self.evaluate is not None and ((state.epoch + 1) % self.options.eval_every == 0 or last):
                self._look_at_validation(valid)
                self.callbacks.on_evaluation(state)
            self.optimizers.epoch_ended(row.get(self.options.selected_on))
            state.history.append(row)
            state.epoch += 1
            self.callbacks.on_epoch_end(state)
            self._agree()
            if checkpoint is not None:
                self._save(checkpoint)

    def _epoch(self, sampler: Iterable[Any]) -> dict[str, float]:
        """One pass over the sampler's batches; returns the epoch's row of the history."""
        self.model.train()
        state, epoch, rate = self.state, self.state.epoch + 1, self.optimizers.learning_rate
        started, watch = time.perf_counter(), LossWatch(self.device, epoch, rate, self.options.hogwild, self.options.precision)
        take = self._step if self.compiled is None else self._compiled_step
        if self.objective.takes_steps:
            take = self._own_step
        with closing(fed(sampler, self.device)) as batches:
            for batch in batches:
                with hops_stored_in(self.storage):
                    take(batch, watch)
                if self.storage is not None and not self.storage.used:
                    raise InputError(
                        f"precision={self.options.precision!r} is about hops over the graph, and "
                        f"{type(self.model).__name__} makes none."
                    )
                state.step += 1
                state.loss = watch.latest
                self.callbacks.on_step_end(state)
        self.optimizers.settle()
        if not watch.steps:
            raise InputError(f"the sampler gave no batch in epoch {epoch}; each iteration over it must be a new epoch.")
        means = watch.close(self.objective.reduction.norms(parameter_norms(self.model)))
        state.loss = watch.latest
        rates = {} if self.objective.takes_steps else {"lr": rate}
        return {"epoch": epoch, **means, **rates, "seconds": time.perf_counter() - started}

    def _step(self, batch: Any, watch: LossWatch) -> None:
        """Take a step; on the CPU not one whose loss is no finite number."""
        if isinstance(batch, SampledBatch):
            self.optimizers.catch_up_nodes(batch.neighbourhood.nodes)
            batch, self.objective.neighbourhood = batch
        else:
            self._catch_up(batch)
        with self.optimizers.row_gradients():
            terms = self.objective.terms(self.model, batch, watch.epoch)
            loss = total(terms)
            watch.add(loss, terms)
            self.optimizers.step(loss)

    def _catch_up(self, batch: Any) -> None:
        if self.optimizers.tables is not None:
            self.optimizers.catch_up(batch)

    def _compiled_step(self, batch: Any, watch: LossWatch) -> None:
        """As :meth:`_step`, for the models and losses that are compiled; its loss is known when the step has been taken."""
        assert self.compiled is not None
        loss, penalty = self.compiled(batch)
        self.optimizers.step_ended()
        watch.count({"loss": loss + penalty, "l2": penalty} if self.options.l2 else {"loss": loss})

    def _own_step(self, batch: Any, watch: LossWatch) -> None:
        """As :meth:`_step`, for objectives that move the parameters by themselves."""
        with torch.no_grad():
            terms = self.objective.terms(self.model, batch, watch.epoch)
            watch.add(total(terms), terms)

    def _look_at_validation(self, valid: Interactions) -> None:
        """Measure, write it into the epoch's row, and keep the weights if they are the best so far."""
        assert self.evaluate is not None
        started, state, metric = time.perf_counter(), self.state, self.options.selected_on
        values = self.evaluate(self.model, valid)
        if metric not in values:
            raise InputError(f"metric {metric!r} is not computed on validation; there are {', '.join(values)}.")
        state.row |= {**values, "eval_seconds": time.perf_counter() - started}
        # The copy comes first: an interrupt then finds a best epoch with its weights, or the one before.
        gain = self.stopping.improves(values[metric])
        best = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()} if gain else self.best
        if self.stopping.update(values[metric], state.epoch + 1):
            self.best, state.best_epoch = best, state.epoch + 1
        state.stop = state.stop or self.stopping.should_stop

    def _after_interrupt(self) -> None:
        """Keep what was learnt, with a line in the history for every epoch that was finished or looked at."""
        state = self.state
        state.interrupted = True
        self.optimizers.settle()
        if state.best_epoch is not None and state.best_epoch > len(state.history):
            state.history.append(state.row)
        state.epoch = len(state.history)
        warnings.warn(
            f"training was interrupted in epoch {state.epoch + 1}; the weights learnt so far are kept.",
            stacklevel=3,
        )

    def _restore_best(self) -> None:
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()

    def _agree(self) -> None:
        """Nobody else is asked whether training goes on."""

    # ---- checkpoints ---------------------------------------------------------------------------

    def _checkpoint(self, folder: Path, fingerprint: dict[str, Any]) -> Checkpoint:
        return Checkpoint(folder, fingerprint)

    def _fingerprint(self, train: Interactions, valid: Interactions | None) -> dict[str, Any]:
        """What a resumed training must share; it may train longer, look different and run elsewhere."""
        options = self.options.to_dict()
        for free in ("epochs", "progress", "device"):
            options.pop(free)
        for name in ("loss", "negatives"):
            part = getattr(self.options, name)
            if not (part is None or isinstance(part, str) or hasattr(part, "__code__")) and (held := held_by(part)):
                options[f"{name}.__dict__"] = held
        parts: dict[str, Any] = {
            "train": of_table(train),
            "valid": of_table(valid),
            "rows": {"train": of_rows(train), "valid": of_rows(valid)},
        }
        by_rows = self.objective.reads_order or (self.model.reads_ratings and train.ratings is not None)
        pair_by_pair = any(metric in ERRORS or "/" in metric for metric in self.options.metrics)
        in_order = [part for part, matters in (("train", by_rows), ("valid", pair_by_pair)) if matters]
        parts["in_order"] = in_order
        before = as_json(list(self.before))
        return {**parts, "stage": self.stage, "model": as_json(self.identity), "options": options, "before": before}

    def _save(self, checkpoint: Checkpoint) -> None:
        state = self.state
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        tensors |= {f"best.{name}": tensor for name, tensor in (self.best or {}).items()}
        tensors |= {"random.torch": torch.get_rng_state(), "random.sampler": self.generator.get_state()}
        own = random_state(self.device)
        if own is not None:
            tensors["random.device"] = own
        some, record = self.optimizers.state()
        meta = {
            "epoch": state.epoch,
            "step": state.step,
            "loss": state.loss,
            "stop": state.stop,
            "history": state.history,
            "best_epoch": state.best_epoch,
            "stopping": self.stopping.state_dict(),
            "callbacks": self.callbacks.state_dict(),
            "own": {name: part.state_dict() for name, part in self._own().items()},
            "optimizers": record,
        }
        checkpoint.write(tensors | {f"optimizer.{name}": tensor for name, tensor in some.items()}, meta)

    def _own(self) -> dict[str, Any]:
        """The caller's own objective and sampler of negatives, where they have a state."""
        parts = {"loss": self.options.loss, "negatives": self.options.negatives}
        return {n: p for n, p in parts.items() if hasattr(p, "load_state_dict") and not isinstance(p, torch.nn.Module)}

    def _resume(self, checkpoint: Checkpoint) -> None:
        found = checkpoint.read()
        if found is None:
            return  # nothing was saved yet: the first epoch is where to go on
        tensors, meta = found
        if meta["epoch"] > self.options.epochs:
            raise InputError(
                f"the checkpoint has {meta['epoch']} epochs behind it, and epochs={self.options.epochs} are asked for; "
                "resume with at least as many."
            )
        checkpoint.load_model(self.model, tensors["model"])
        best = tensors.get("best")
        self.best = None if best is None else {name: tensor.to(self.device) for name, tensor in best.items()}
        self.optimizers.load_state(tensors.get("optimizer", {}), meta["optimizers"])
        torch.set_rng_state(tensors["random"]["torch"])
        self.generator.set_state(tensors["random"]["sampler"])
        if "device" in tensors["random"]:
            set_random_state(self.device, tensors["random"]["device"])
        if ("device" in tensors["random"]) != (random_state(self.device) is not None):
            warnings.warn(
                f"the checkpoint was written on another kind of device than {self.device.type}: what is drawn there, such as "
                "dropout, goes on otherwise, and sums are rounded otherwise.",
                stacklevel=5,
            )
        self.stopping.load_state_dict(meta["stopping"])
        self.callbacks.load_state_dict(meta["callbacks"])
        for name, part in self._own().items():
            part.load_state_dict(meta["own"][name])
        for name in ("epoch", "step", "loss", "stop", "history", "best_epoch"):
            setattr(self.state, name, meta[name])


def _seed_of(seed: int, stage: int) -> int:
    """The seed itself in the first training; later stages draw other batches."""
    return seed if stage == 0 else int(np.random.SeedSequence([seed, stage]).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _length(sampler: Any) -> int:
    try:
        return len(sampler)
    except TypeError:
        raise InputError(
            "a schedule is laid out over the steps of an epoch, and the objective's sampler has no len()."
        ) from None
