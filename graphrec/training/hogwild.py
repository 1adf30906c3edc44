"""Hogwild: several threads take steps on one model, without locks.

Niu, Recht, Ré, Wright, "HOGWILD!: A Lock-Free Approach to Parallelizing Stochastic Gradient Descent", NIPS 2011. It
works where a step touches few rows, so that two threads seldom meet: tables read by rows, and plain SGD. Steps of
factor models are compiled; those of other models go through autograd, whose threads wait for each other in Python.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from graphrec.data.interactions import Interactions
from graphrec.deferred import pandas as pd
from graphrec.errors import InputError
from graphrec.models.base import Model
from graphrec.threads import even_bounds
from graphrec.training.factor_step import FactorStep, factor_step, slots_of
from graphrec.training.objectives import objective
from graphrec.training.optimizers import Optimizers
from graphrec.training.options import FitOptions
from graphrec.training.state import parameters_are_finite

__all__ = ["fit_hogwild"]

_PAIRS_AT_ONCE = 2**18
# Of the batches of one epoch, the sum of their losses and how many there were.
Epoch = Callable[[ThreadPoolExecutor], tuple[float, int]]


def fit_hogwild(model: Model, train: Interactions, options: FitOptions, threads: int) -> pd.DataFrame:
    """Train a model in place for ``options.epochs`` epochs, each epoch's batches dealt out to the threads.

    The batches are those of an ordinary training under ``options.seed``, and one thread takes the steps that it takes. The
    order in which the steps of several land is left to chance, and where two meet in a row one of them may be lost: with
    more than one thread no two trainings are alike.

    Parameters
    ----------
    model : Model
        On the CPU. Its training score is the dot product of two tables (:meth:`graphrec.models.base.Model.factors`) and the
        loss is ``"bpr"``, ``"bce"`` or ``"hinge"``; else it must give sparse gradients.
    train : Interactions
    options : FitOptions
        With ``optimizer="sgd"`` and no weight decay, momentum or schedule. Options about validation and
        the device have no effect.
    threads : int
        At least 1.

    Returns
    -------
    DataFrame
        A row per epoch: epoch, and loss, the mean over all batches.

    Raises
    ------
    InputError
        The model gives dense gradients, the optimiser is not plain SGD, or `threads` is not a positive number.
    FloatingPointError
        The loss or a parameter became NaN or infinite.
    """
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise InputError(f"threads must be a whole number of at least 1, got {threads!r}.")
    _check_plain_sgd(options)
    compiled = factor_step(options, Optimizers(model, options, by_rows=True))
    if compiled is None and not model.sparse_gradients:
        name = type(model).__name__
        raise InputError(f"hogwild needs sparse gradients and {name} gives dense ones; build it with sparse=True if it can.")
    generator, losses = torch.Generator().manual_seed(options.seed), []
    parts = model, train, options, threads, generator
    epoch: Epoch = _through_autograd(*parts) if compiled is None else _compiled(compiled, train, options, threads, generator)
    model.train()
    with torch.random.fork_rng(devices=[]), ThreadPoolExecutor(threads) as pool:
        torch.manual_seed(options.seed)
        for number in range(1, options.epochs + 1):
            total, batches = epoch(pool)
            losses.append(total / batches)
            if not np.isfinite(total):
                raise _diverged("loss became NaN or infinite", number, options.lr)
            if not parameters_are_finite(model):
                raise _diverged("parameters became NaN, infinite or too large to score with", number, options.lr)
    model.eval()
    return pd.DataFrame({"epoch": range(1, options.epochs + 1), "loss": losses})


def _compiled(step: FactorStep, train: Interactions, options: FitOptions, threads: int, generator: torch.Generator) -> Epoch:
    """An epoch of a factor model. What is drawn does not depend on the size of batches: the kernel cuts up large ones."""
    from graphrec.training import pair_kernels

    size = min(options.batch_size, len(train))
    many = replace(options, batch_size=max(1, _PAIRS_AT_ONCE // size) * size)
    sampler, f = objective(many).sampler(train, generator), step.factors
    left, right = step.side(f.users, f.user_bias), step.side(f.items, f.item_bias)
    numbers = step.optimizer.begin(f.users)

    def epoch(pool: ThreadPoolExecutor) -> tuple[float, int]:
        total, count = 0.0, 0
        for stretch in sampler:
            pairs = tuple(np.ascontiguousarray(t.numpy()) for t in stretch[:3])
            out = np.empty((-(-len(pairs[0]) // size), 2), np.float64)
            how = step.how(size, pairs[2].shape[1])

            def work(lo: int, hi: int, pairs: Any = pairs, how: Any = how, out: Any = out) -> None:
                slots = *slots_of(len(f.users)), *slots_of(len(f.items))
                pair_kernels.hogwild(lo, hi, size, how, numbers, pairs, left, right, slots, out)

            bounds = even_bounds(len(out), threads)
            list(pool.map(work, bounds[:-1], bounds[1:]))
            total, count = total + float(out.sum()), count + len(out)
        return total, count

    return epoch


def _through_autograd(
    model: Model, train: Interactions, options: FitOptions, threads: int, generator: torch.Generator
) -> Epoch:
    """An epoch of any model with sparse gradients."""
    goal = objective(options)
    sampler = goal.sampler(train, generator)
    rates = [(p, group["lr"]) for one in Optimizers(model, options).all for group in one.param_groups for p in group["params"]]

    def work(batches: Iterator[Any]) -> list[float]:
        losses = []
        for batch in batches:
            loss = goal(model, batch)
            for (p, lr), gradient in zip(
                rates, torch.autograd.grad(loss, [p for p, _ in rates], allow_unused=True), strict=True
            ):
                if gradient is not None:
                    p.data.add_(gradient, alpha=-lr)  # behind autograd's back, which would miss the version it has seen
            losses.append(loss.item())
        return losses

    def epoch(pool: ThreadPoolExecutor) -> tuple[float, int]:
        batches = list(sampler)
        shares = (itertools.islice(batches, rank, None, threads) for rank in range(threads))
        losses = [loss for share in pool.map(work, shares) for loss in share]
        return float(np.sum(losses)), len(losses)

    return epoch


def _diverged(what: str, epoch: int, rate: float) -> FloatingPointError:
    return FloatingPointError(f"the {what} in epoch {epoch}: training diverged. A smaller lr than {rate:g} usually helps.")


def _check_plain_sgd(options: FitOptions) -> None:
    for settings in ({}, *options.parameter_groups.values()):
        optimizer = settings.get("optimizer", options.optimizer)
        if optimizer != "sgd":
            raise InputError(f"hogwild takes plain SGD only, got optimizer {optimizer!r}; use optimizer='sgd'.")
        if settings.get("weight_decay", options.weight_decay) or settings.get("momentum", 0):
            raise InputError("hogwild takes plain SGD: weight_decay and momentum touch every row at every step; use l2.")
    if options.schedule is not None:
        raise InputError("hogwild has no learning-rate schedule: the threads take their steps in no common order.")
