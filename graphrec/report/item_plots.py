"""Plots of item embeddings and of learning rates; each function returns a matplotlib Figure and shows nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from graphrec.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_item_components", "plot_learning_rate"]


def plot_item_components(vectors: npt.NDArray[Any], titles: Sequence[str], components: int = 2, ends: int = 8) -> Figure:
    """Titles at both ends of each principal component of the item vectors, as bars.

    Parameters
    ----------
    vectors : ndarray, shape (n_items, d)
    titles : sequence of str
        One per item.
    components : int
        How many, those of largest variance first.
    ends : int
        Items at each end.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if len(vectors) != len(titles):
        raise InputError(f"there are {len(vectors)} item vectors and {len(titles)} titles; give one title per item.")
    if not 1 <= components <= min(vectors.shape):
        raise InputError(f"components must be between 1 and {min(vectors.shape)}, got {components}.")
    if not 1 <= ends <= len(vectors) // 2:
        raise InputError(f"ends must be between 1 and half the items, {len(vectors) // 2}, got {ends}.")
    left, values, _ = np.linalg.svd(vectors - vectors.mean(axis=0), full_matrices=False)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.5 * components, 0.9 + 0.5 * ends), layout="constrained")
    for number, axes in enumerate(figure.subplots(1, components, squeeze=False)[0]):
        scores = left[:, number] * values[number]
        order = np.argsort(scores, kind="stable")
        shown = np.concatenate([order[:ends], order[-ends:]])
        axes.barh(np.arange(len(shown)), scores[shown], color=np.where(scores[shown] < 0, "#D55E00", "#0072B2"))
        axes.set_yticks(np.arange(len(shown)), [titles[i] for i in shown], fontsize=8)
        axes.set_title(f"component {number + 1}", fontsize=11)
    return figure


def plot_learning_rate(rates: Mapping[str, npt.NDArray[np.float64]]) -> Figure:
    """The learning rate of every step, one panel per schedule.

    Parameters
    ----------
    rates : mapping of str to ndarray, shape (steps,)
        As :func:`graphrec.training.schedules.preview` gives them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    if not rates:
        raise InputError("plot_learning_rate needs at least one schedule.")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.8 * len(rates), 3.0), layout="constrained")
    for axes, (name, values) in zip(figure.subplots(1, len(rates), squeeze=False)[0], rates.items(), strict=True):
        axes.plot(np.arange(1, len(values) + 1), values, color="#0072B2", linewidth=1.4)
        axes.set_title(name, fontsize=11)
        axes.set_xlabel("step")
    return figure
