"""Rows of people who were not there in training: by a ridge solve against the items, by least squares, or by gradient steps.

The constants were chosen on MovieLens-100K, on one tenth of the people (every tenth from the sixth on) that were left out of
training; the people of ``python -m benchmarks fold_in`` are others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.models.scoring import People

if TYPE_CHECKING:
    from graphrec.models.base import Model

__all__ = ["linear_guess", "of_ratings", "ridge", "stepped"]

_AT_ONCE = 256  # people; a system of d × d numbers for each


def ridge(
    items: Tensor, users: Tensor, item_bias: Tensor | float = 0.0, unobserved: float = 0.05, penalty: float = 0.3
) -> People:
    """Rows p by least squares against fixed items, for scores p · q_i.

    A history of ones is implicit: p minimises Σ_{i met} (1 − p·q_i)² + w Σ_{all i} (p·q_i)² + λ‖p‖², the user's step of
    alternating least squares (Hu, Koren and Volinsky, ICDM 2008), and is brought to the mean length of the trained rows, whose
    scale a loss of differences leaves open. Any other history holds ratings: then
    p minimises Σ (r − b_i − p·q_i)² / s² + Σ_f (p_f − μ_f)² / v_f, with mean μ and variance v of the trained rows and noise s² = ¾.

    Parameters
    ----------
    items, users : Tensor, shapes (n_items, d) and (n_users, d)
    item_bias : Tensor, shape (n_items,), or float
        What a rating is before p is looked at.
    unobserved : float
        w.
    penalty : float
        λ, in units of the mean squared length of an item's row.

    Returns
    -------
    callable
        From histories (b, n_items) to rows (b, d).
    """
    d, noise = items.shape[1], 0.75
    gram, eye = items.T @ items, torch.eye(d, device=items.device)
    general = unobserved * gram + penalty * gram.trace() / max(len(items), 1) * eye + 1e-9 * eye
    length = torch.linalg.vector_norm(users, dim=1).mean()
    mean, precision = users.mean(0), noise / users.var(0, unbiased=False).clamp(min=1e-6)
    bias = torch.as_tensor(item_bias, device=items.device).expand(len(items))

    def people(histories: sparse.csr_matrix) -> Tensor:
        rated = of_ratings(histories)
        made = []
        for lo in range(0, histories.shape[0], _AT_ONCE):
            systems, sides = [], []
            for row in range(lo, min(lo + _AT_ONCE, histories.shape[0])):
                met, values = _history(histories, row, items.device)
                q = items[met]
                if rated[row]:
                    systems.append(q.T @ q + precision.diag())
                    sides.append(q.T @ (values - bias[met]) + precision * mean)
                else:
                    systems.append(q.T @ q + general)
                    sides.append(q.sum(0))
            made.append(torch.linalg.solve(torch.stack(systems), torch.stack(sides)))
        rows = torch.cat(made) if made else items.new_zeros(0, d)
        scaled = F.normalize(rows, dim=1) * length
        return torch.where(torch.as_tensor(rated, device=items.device)[:, None], rows, scaled)

    return people


def linear_guess(known: Tensor, wanted: Tensor, penalty: float = 0.01) -> Tensor:
    """The linear map by which trained users' rows `wanted` follow best from what is known of them.

    Parameters
    ----------
    known, wanted : Tensor, shapes (n, d) and (n, d')
    penalty : float
        Of the ridge regression, in units of the mean square of `known`.

    Returns
    -------
    Tensor, shape (d, d')
    """
    gram = known.T @ known
    ridged = gram + (penalty * gram.trace() / max(len(gram), 1) + 1e-12) * torch.eye(len(gram), device=known.device)
    return torch.linalg.solve(ridged, known.T @ wanted)


def stepped(model: Model, steps: int = 100, rate: float = 0.05, negatives: float = 4.0, sample: int = 1000) -> People:
    """Rows by steps of Adam with everything else fixed, for any model whose users have rows.

    Every row starts from the mean of the trained ones. A history of ones is fitted by the log-loss against `negatives` times as
    many items that are not in it, in expectation over a fixed sample; ratings by their squared error. A person's row depends
    on nobody else's. Nothing is drawn from a global generator, and the parameters have no gradient after.

    Parameters
    ----------
    model : Model
        In evaluation mode for good.
    steps : int
    rate : float
        Of Adam, in units of the standard deviation of the trained rows, so that any scale of them will do.
    negatives : float
    sample : int
        Number of items among which those that were not met are looked at.

    Returns
    -------
    callable
        From histories (b, n_items) to rows (b, d).
    """
    encoding = model.encode()
    items, users = encoding.items.full().detach(), encoding.users.full().detach()
    start, scale = users.mean(0), users.std(0, unbiased=False).mean().clamp(min=1e-4)
    drawn = torch.randperm(len(items), generator=torch.Generator().manual_seed(0))[:sample].sort().values
    some = items[drawn.to(items.device)]

    def loss_of(rows: Tensor, histories: sparse.csr_matrix, rated: Tensor) -> Tensor:
        person, met, values = _pairs(histories, items.device)
        lengths = torch.bincount(person, minlength=len(rows)).clamp(min=1)
        scores = model.score_pairs(rows, items[met], person, torch.arange(len(met), device=items.device))
        each = torch.where(rated[person], (scores - values).square(), F.softplus(-scores))
        own = torch.zeros_like(rows[:, 0]).index_add(0, person, each) / lengths
        others = torch.as_tensor(histories[:, drawn.numpy()].toarray() == 0, device=items.device)
        fictive = (F.softplus(model.score_all(rows, some)) * others).sum(1) / others.sum(1).clamp(min=1)
        return (own + torch.where(rated, torch.zeros_like(fictive), negatives * fictive)).sum()

    def people(histories: sparse.csr_matrix) -> Tensor:
        made = [items.new_zeros(0, users.shape[1])]
        for lo in range(0, histories.shape[0], _AT_ONCE):
            part = histories[lo : lo + _AT_ONCE]
            rated = torch.as_tensor(of_ratings(part), device=items.device)
            rows = start.repeat(part.shape[0], 1)
            mean, square = torch.zeros_like(rows), torch.zeros_like(rows)
            for step in range(1, steps + 1):
                with torch.enable_grad():
                    leaf = rows.detach().requires_grad_()
                    (slope,) = torch.autograd.grad(loss_of(leaf, part, rated), leaf)
                mean, square = 0.9 * mean + 0.1 * slope, 0.99 * square + 0.01 * slope.square()
                move = (mean / (1 - 0.9**step)) / ((square / (1 - 0.99**step)).sqrt() + 1e-8)
                rows = rows - rate * scale * move
            made.append(rows)
        return torch.cat(made)

    return people


def of_ratings(histories: sparse.csr_matrix) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whose entries are ratings and not all ones, shape (b,)."""
    owner = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    return np.bincount(owner, histories.data != 1, histories.shape[0]) > 0


def _history(histories: sparse.csr_matrix, row: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Items and values of one person."""
    part = slice(histories.indptr[row], histories.indptr[row + 1])
    met = torch.as_tensor(histories.indices[part], dtype=torch.int64, device=device)
    return met, torch.as_tensor(histories.data[part], dtype=torch.float32, device=device)


def _pairs(histories: sparse.csr_matrix, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Person, item and value of every entry, shape (nnz,) each."""
    owner = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    arrays = (owner, histories.indices.astype(np.int64), histories.data.astype(np.float32))
    person, met, values = (torch.as_tensor(array, device=device) for array in arrays)
    return person, met, values
