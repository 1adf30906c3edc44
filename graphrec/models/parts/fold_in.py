"""Rows of people who were not there in training: by least squares from what trained users have met, by a ridge solve against
the items, or by gradient steps.

The constants were chosen on MovieLens-100K, on one tenth of the people (every tenth from the sixth on) that were left out of
training; the people of ``python -m benchmarks fold_in`` are others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from graphrec.deferred import sparse
from graphrec.models.encoding import Encoding
from graphrec.models.scoring import People

__all__ = [
    "either",
    "evenly_spaced",
    "guessed",
    "linear_guess",
    "of_ratings",
    "ridge",
    "ridge_of_ratings",
    "stepped",
]

_AT_ONCE = 256  # people; a system of d × d numbers for each


class _Encoder(Protocol):
    """What steps ask of a :class:`~graphrec.models.base.Model`."""

    def encode(self) -> Encoding: ...
    def score_pairs(self, u: Tensor, v: Tensor, left: Tensor, right: Tensor) -> Tensor: ...
    def score_all(self, u: Tensor, items: Tensor) -> Tensor: ...


def either(rated: People, implicit: People) -> People:
    """The rows of those who have given ratings by the one, of all others by the other."""

    def people(histories: sparse.csr_matrix) -> Tensor:
        which = torch.as_tensor(of_ratings(histories))
        if bool(which.all()) or not bool(which.any()):
            return (rated if bool(which.any()) else implicit)(histories)
        a, b = rated(histories), implicit(histories)
        return torch.where(which.to(a.device)[:, None], a, b)

    return people


def ridge(items: Tensor, users: Tensor, known: sparse.csr_matrix, unobserved: float = 0.2, penalty: float = 0.3) -> People:
    """Rows p of people with histories of ones, for scores p · q_i, by least squares against fixed items.

    p minimises Σ_{i met} (1 − p·q_i)² + w Σ_{all i} (p·q_i)² + λ‖p‖², the user's step of alternating least squares (Hu, Koren
    and Volinsky, ICDM 2008). Another loss leaves rows of another scale, with popularity elsewhere in them: so trained users are
    solved for, too, and the affine map from their solutions, brought to length 1, to their trained rows is applied to the new
    ones. (On the people of the module's docstring the map is worth a third of the ndcg@20 of an MF that was trained by BPR.)

    Parameters
    ----------
    items, users : Tensor, shapes (n_items, d) and (n_users, d)
    known : scipy.sparse.csr_matrix, shape (n_users, n_items)
        What the trained users have met; at most 2,000 of them, evenly spaced, are looked at.
    unobserved : float
        w.
    penalty : float
        λ, in units of the mean squared length of an item's row.

    Returns
    -------
    callable
        From histories (b, n_items) to rows (b, d).
    """
    gram, eye = items.T @ items, torch.eye(items.shape[1], device=items.device, dtype=torch.float32)
    general = unobserved * gram + (penalty * gram.trace() / len(items) + 1e-9) * eye

    def solution(histories: sparse.csr_matrix) -> Tensor:
        def system(row: int) -> tuple[Tensor, Tensor]:
            met, _ = _history(histories, row, items.device)
            q = items[met]
            return q.T @ q + general, q.sum(0)

        return F.pad(F.normalize(_solved(system, histories.shape[0], items), dim=1), (0, 1), value=1.0)

    some = evenly_spaced(known)
    guess = linear_guess(solution(known[some]), users[torch.as_tensor(some, device=users.device)])
    return lambda histories: solution(histories) @ guess


def ridge_of_ratings(items: Tensor, users: Tensor, item_bias: Tensor | float = 0.0, noise: float = 0.75) -> People:
    """Rows p of people with ratings r_i, for ratings p · q_i + b_i, under what the trained rows are like.

    p minimises Σ_{i rated} (r_i − b_i − p·q_i)² / s² + Σ_f (p_f − μ_f)² / v_f, with mean μ and variance v of the trained rows.

    Parameters
    ----------
    items, users : Tensor, shapes (n_items, d) and (n_users, d)
    item_bias : Tensor, shape (n_items,), or float
    noise : float
        s²: what a good model's squared error is on stars.
    """
    mean, precision = users.mean(0), noise / users.var(0, unbiased=False).clamp(min=1e-6)
    bias = torch.as_tensor(item_bias, dtype=items.dtype, device=items.device).expand(len(items))

    def people(histories: sparse.csr_matrix) -> Tensor:
        def system(row: int) -> tuple[Tensor, Tensor]:
            met, values = _history(histories, row, items.device)
            q = items[met]
            return q.T @ q + precision.diag(), q.T @ (values - bias[met]) + precision * mean

        return _solved(system, histories.shape[0], items)

    return people


def guessed(items: Tensor, users: Tensor, known: sparse.csr_matrix) -> People:
    """Rows as they follow from the mean row of the items met and from their number, by least squares over the trained users.

    It asks nothing of the score or of the encoder, fits nothing to one history alone, and so cannot fit it too closely: steps
    towards a history (:func:`stepped`) end far from where trained rows of a graph model are, and below popularity.

    Parameters
    ----------
    items, users, known
        See :func:`ridge`.
    """

    def described(histories: sparse.csr_matrix) -> Tensor:
        person, met, _ = _pairs(histories, items.device)
        count = torch.bincount(person, minlength=histories.shape[0])[:, None].to(items.dtype)
        mean = items.new_zeros(len(count), items.shape[1]).index_add_(0, person, F.embedding(met, items)) / count.clamp(min=1)
        return torch.cat([mean, count.log1p(), torch.ones_like(count)], 1)

    some = evenly_spaced(known)
    before = described(known[some])
    scale = before.square().mean(0).sqrt().clamp(min=1e-12)  # a column's scale must not decide what it is worth
    guess = linear_guess(before / scale, users[torch.as_tensor(some, device=users.device)]) / scale[:, None]
    return lambda histories: described(histories) @ guess


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
    ridged = gram + (penalty * gram.trace() / max(len(gram), 1) + 1e-12) * torch.eye(
        len(gram), device=known.device, dtype=torch.float32
    )
    found: Tensor = torch.linalg.solve(ridged, known.T @ wanted)
    return found


def stepped(model: _Encoder, steps: int = 100, rate: float = 0.05, negatives: float = 4.0, sample: int = 1000) -> People:
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


def _solved(system: Callable[[int], tuple[Tensor, Tensor]], count: int, like: Tensor) -> Tensor:
    """Solutions of a system (d, d) and a right side (d,) for each person, shape (count, d)."""
    made = [like.new_zeros(0, like.shape[1])]
    for lo in range(0, count, _AT_ONCE):
        systems, sides = zip(*(system(row) for row in range(lo, min(lo + _AT_ONCE, count))), strict=True)
        made.append(torch.linalg.solve(torch.stack(systems), torch.stack(sides)))
    return torch.cat(made)


def evenly_spaced(known: sparse.csr_matrix, limit: int = 2000) -> npt.NDArray[np.int64]:
    """At most `limit` of the people who have met something, evenly spaced and ascending."""
    active = np.flatnonzero(np.diff(known.indptr))
    return active[np.unique(np.linspace(0, len(active) - 1, min(len(active), limit)).astype(np.int64))]


def of_ratings(histories: sparse.csr_matrix) -> npt.NDArray[np.bool_]:
    """Whose entries are ratings and not all ones, shape (b,)."""
    owner = np.repeat(np.arange(histories.shape[0]), np.diff(histories.indptr))
    rated: npt.NDArray[np.bool_] = np.bincount(owner, histories.data != 1, histories.shape[0]) > 0
    return rated


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
