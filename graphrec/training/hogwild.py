"""Hogwild: several processes take steps on one model in shared memory, without locks.

Niu, Recht, Ré, Wright, "HOGWILD!: A Lock-Free Approach to Parallelizing Stochastic Gradient Descent", NIPS 2011. It
works where a step touches few rows, so that two processes seldom meet: sparse gradients and plain SGD.
"""

from __future__ import annotations

import itertools
import math

import pandas as pd
import torch
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from graphrec.data.interactions import Interactions
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.training.objectives import objective
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.state import parameters_are_finite

__all__ = ["fit_hogwild"]


def fit_hogwild(model: Model, train: Interactions, options: FitOptions, processes: int) -> pd.DataFrame:
    """Train a model in place for ``options.epochs`` epochs, each epoch's batches dealt out to the processes.

    All processes draw the same batches from ``options.seed`` and each takes every `processes`-th of them, so
    that an epoch is the one a single process would see. The order in which their steps land is left
    to chance: with more than one process no two trainings are alike. Call it from a program that guards its
    main part with ``if __name__ == "__main__"``, because the processes import it anew.

    Parameters
    ----------
    model : Model
        With sparse gradients, on the CPU; its parameters are moved to shared memory and stay there.
    train : Interactions
    options : FitOptions
        With ``optimizer="sgd"`` and no weight decay, momentum or schedule. Options about validation and
        the device have no effect.
    processes : int
        At least 1; one is the calling process itself. Several use one thread each.

    Returns
    -------
    DataFrame
        A row per epoch: epoch, and loss, the mean over all batches.

    Raises
    ------
    InputError
        The model gives dense gradients, the optimiser is not plain SGD, or `processes` is not a positive number.
    FloatingPointError
        The loss or a parameter became NaN or infinite.
    """
    if not isinstance(processes, int) or isinstance(processes, bool) or processes < 1:
        raise InputError(f"processes must be a whole number of at least 1, got {processes!r}.")
    _check_sparse_sgd(model, options)
    steps = len(objective(options).sampler(train, torch.Generator()))  # type: ignore[arg-type]
    model.train()
    model.share_memory()
    losses = torch.zeros(processes, options.epochs, dtype=torch.float64).share_memory_()  # type: ignore[no-untyped-call]
    if processes == 1:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(options.seed)
            _share_of_steps(0, model, train, options, processes, losses)
    else:
        spawn(_process, (model, train, options, processes, losses), nprocs=processes)  # type: ignore[no-untyped-call]
    model.eval()
    total = losses.sum(0)
    if not bool(total.isfinite().all()):
        epoch = int((~total.isfinite()).nonzero()[0]) + 1
        raise FloatingPointError(
            f"the loss became NaN or infinite in epoch {epoch}: training diverged. "
            f"A smaller lr than {options.lr:g} usually helps."
        )
    if not parameters_are_finite(model):
        raise FloatingPointError(
            f"the parameters became NaN, infinite or too large to score with in epoch {options.epochs}: training diverged. "
            f"A smaller lr than {options.lr:g} usually helps."
        )
    return pd.DataFrame({"epoch": range(1, options.epochs + 1), "loss": (total / steps).numpy()})


def _process(rank: int, model: Model, train: Interactions, options: FitOptions, processes: int, losses: Tensor) -> None:
    """What a process of its own does."""
    torch.set_num_threads(1)
    torch.manual_seed(options.seed + rank)  # dropout draws from it, differently in each process
    _share_of_steps(rank, model, train, options, processes, losses)


def _share_of_steps(rank: int, model: Model, train: Interactions, options: FitOptions, processes: int, losses: Tensor) -> None:
    """A step for each `processes`-th batch of every epoch, from number `rank` on."""
    goal, optimizers = objective(options), Optimizers(model, options)
    sampler = goal.sampler(train, torch.Generator().manual_seed(options.seed))
    for epoch in range(options.epochs):
        for batch in itertools.islice(sampler, rank, None, processes):
            loss = goal(model, batch, epoch + 1)
            losses[rank, epoch] += loss.item()
            if not math.isfinite(loss.item()):
                return
            optimizers.step(loss)


def _check_sparse_sgd(model: Model, options: FitOptions) -> None:
    name = type(model).__name__
    if not model.sparse_gradients:
        raise InputError(f"hogwild needs sparse gradients and {name} gives dense ones; build it with sparse=True if it can.")
    for settings in ({}, *options.parameter_groups.values()):
        optimizer = settings.get("optimizer", options.optimizer)
        if optimizer != "sgd":
            raise InputError(f"hogwild takes plain SGD only, got optimizer {optimizer!r}; use optimizer='sgd'.")
        if settings.get("weight_decay", options.weight_decay) or settings.get("momentum", 0):
            raise InputError("hogwild takes plain SGD: weight_decay and momentum touch every row at every step; use l2.")
    if options.schedule is not None:
        raise InputError("hogwild has no learning-rate schedule: the processes take their steps in no common order.")
