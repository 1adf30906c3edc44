"""The best k items of every user, in blocks of users and items under a memory budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from graphrec.data.interactions import Interactions
from graphrec.models.base import Encoding, Model
from graphrec.threads import run_ranges, thread_count

__all__ = ["BUDGET", "Blocks", "Ranks", "plan_blocks", "ranks_of", "top_k", "top_k_reference"]

BUDGET = 256 * 2**20
IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float32]
# A block of scores that is scanned while it still lies in a core's cache; wider ones halve the matmul's speed.
_USERS, _ITEMS = 512, 1024
_WHOLE_ROWS = 5 * 2**20  # scores in a block of whole rows; with more of them each row takes twice as long


@dataclass(frozen=True)
class Blocks:
    """How many users and items a block of scores has; each thread holds one block."""

    users: int
    items: int


def plan_blocks(n_users: int, n_items: int, whole_rows: bool, budget: int = BUDGET, threads: int | None = None) -> Blocks:
    """Block sizes for which the scores of all threads fit the budget.

    Parameters
    ----------
    n_users, n_items : int
        Size of the whole ranking.
    whole_rows : bool
        Whether a block must have all items.
    budget : int
        Bytes. At least one user's row is always held.
    threads : int, optional

    Returns
    -------
    Blocks
    """
    threads = thread_count() if threads is None else threads
    scores = max(1, budget // (4 * threads) // 2)  # half of it for a model's own intermediate results
    items = n_items if whole_rows else min(_ITEMS, n_items, scores)
    users = min(_USERS, _WHOLE_ROWS // items) if whole_rows else _USERS
    return Blocks(max(1, min(users, n_users, scores // max(items, 1))), items)


@contextmanager
def _ready(model: Model) -> Iterator[Encoding]:
    """The model's encoding for ranking: no gradients, dropout off; the training mode is put back."""
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield model.encode()
    finally:
        model.train(was_training)


def _over_users(n: int, step: int, work: Callable[[int, int], None]) -> None:
    """Blocks of users on several threads, with torch at one thread in each: two pools would spin against each other."""
    threads = thread_count()

    def alone(lo: int, hi: int) -> None:
        torch.set_num_threads(1)  # this thread's setting
        with torch.inference_mode():
            work(lo, hi)

    try:
        run_ranges(alone, [*range(0, n, step), n])
    finally:
        torch.set_num_threads(threads)


def _left_out(seen: Interactions | None, n_users: int) -> tuple[npt.NDArray[np.int64], IntArray]:
    return (np.zeros(n_users + 1, np.int64), np.zeros(0, np.int32)) if seen is None else seen.structure


def top_k(
    model: Model,
    users: npt.NDArray[np.integer],
    k: int,
    seen: Interactions | None = None,
    items: npt.NDArray[np.integer] | None = None,
    budget: int = BUDGET,
    blocks: Blocks | None = None,
) -> tuple[IntArray, FloatArray]:
    """Rank items for users.

    Parameters
    ----------
    model : Model
    users : ndarray of int, shape (n,)
        Indices.
    k : int
    seen : Interactions, optional
        Pairs that are left out, as if their score were −∞.
    items : ndarray of int, optional
        Items to choose from, ascending; all unless given.
    budget : int
        Bytes for scores.
    blocks : Blocks, optional
        Sizes of the blocks; by the budget unless given. The result does not depend on them.

    Returns
    -------
    items : ndarray of int32, shape (n, k)
        Best first; of equal scores the lower index. -1 where the user has fewer than k items left.
    scores : ndarray of float32, shape (n, k)
        -inf where there is no item.
    """
    if next(model.parameters(), torch.empty(0)).device.type != "cpu":
        return top_k_reference(model, users, k, seen, items, blocks)
    from graphrec.evaluation.topk_kernels import scan

    labels = np.arange(model.n_items) if items is None else np.asarray(items, np.int64)
    rows = np.asarray(users, np.int64)
    best = np.full((len(rows), k), -1, np.int32)
    best_scores = np.full((len(rows), k), -np.inf, np.float32)
    indptr, indices = _left_out(seen, model.n_users)
    blocks = blocks or plan_blocks(len(rows), len(labels), model.scores_whole_rows, budget)
    with _ready(model) as z:
        catalogue = z.items.full() if items is None else z.items.full()[torch.from_numpy(labels)]

        def work(lo: int, hi: int) -> None:
            u = z.users.rows(torch.from_numpy(rows[lo:hi]))
            for first in range(0, len(labels), blocks.items):
                scores = model.score_all(u, catalogue[first : first + blocks.items]).contiguous().numpy()
                scan(0, hi - lo, scores, first, labels, indptr, indices, rows[lo:hi], best[lo:hi], best_scores[lo:hi])
                del scores  # so that the next block lies at the same place, which is still in the cache

        _over_users(len(rows), blocks.users, work)
    return best, best_scores


def top_k_reference(
    model: Model,
    users: npt.NDArray[np.integer],
    k: int,
    seen: Interactions | None = None,
    items: npt.NDArray[np.integer] | None = None,
    blocks: Blocks | None = None,
) -> tuple[IntArray, FloatArray]:
    """:func:`top_k` in plain torch, on any device: whole rows of scores, masked and sorted."""
    labels = np.arange(model.n_items) if items is None else np.asarray(items, np.int64)
    rows = np.asarray(users, np.int64)
    indptr, indices = _left_out(seen, model.n_users)
    best = np.full((len(rows), k), -1, np.int32)
    best_scores = np.full((len(rows), k), -np.inf, np.float32)
    step = (blocks or plan_blocks(len(rows), model.n_items, True, threads=1)).users
    with _ready(model) as z:
        catalogue = z.items.full()
        chosen = torch.from_numpy(labels).to(catalogue.device)
        for lo in range(0, len(rows), step):
            block = rows[lo : lo + step]
            scores = model.score_all(z.users.rows(torch.from_numpy(block).to(catalogue.device)), catalogue).float()
            mask = torch.zeros(scores.shape, dtype=torch.bool)
            for r, user in enumerate(block):
                mask[r, torch.from_numpy(indices[indptr[user] : indptr[user + 1]].astype(np.int64))] = True
            scores = scores.masked_fill(mask.to(scores.device), -torch.inf)[:, chosen]
            ordered, place = (part[:, :k].cpu() for part in scores.sort(dim=1, descending=True, stable=True))
            found = torch.isfinite(ordered).numpy()
            width = ordered.shape[1]
            best[lo : lo + step, :width] = np.where(found, labels[place.numpy()], -1)
            best_scores[lo : lo + step, :width] = np.where(found, ordered.numpy(), -np.inf)
    return best, best_scores


@dataclass(frozen=True)
class Ranks:
    """Where each test item of each user stands in the user's whole ranking.

    Attributes
    ----------
    above, ties, ties_before : ndarray of int64, shape (nnz,)
        In the order of ``test.structure``: ranked items with a higher score, with an equal score, and with
        an equal score at a lower index. The rank is ``above + ties_before + 1``.
    """

    above: npt.NDArray[np.int64]
    ties: npt.NDArray[np.int64]
    ties_before: npt.NDArray[np.int64]


def ranks_of(
    model: Model, test: Interactions, seen: Interactions | None, budget: int = BUDGET, k: int = 0
) -> tuple[Ranks, IntArray]:
    """Full ranks of all test pairs, and the best items of their users from the same scores.

    Parameters
    ----------
    model : Model
    test : Interactions
    seen : Interactions, optional
        Pairs that are not ranked; none of them in `test`.
    budget : int
        Bytes for scores.
    k : int
        Length of the lists.

    Returns
    -------
    Ranks
    best : ndarray of int32, shape (n, k)
        The lists of :func:`top_k` for the n users who have a test item.
    """
    from graphrec.evaluation.topk_kernels import count_above, scan

    test_indptr, test_items = test.structure
    rows = np.flatnonzero(np.diff(test_indptr) > 0)
    labels = np.arange(model.n_items)
    indptr, indices = _left_out(seen, model.n_users)
    above, ties, before = (np.zeros(len(test_items), np.int64) for _ in range(3))
    best = np.full((len(rows), k), -1, np.int32)
    best_scores = np.full((len(rows), k), -np.inf, np.float32)
    blocks = plan_blocks(len(rows), model.n_items, True, budget)
    width = model.n_items if model.scores_whole_rows else _ITEMS
    with _ready(model) as z:
        catalogue = z.items.full()

        def work(lo: int, hi: int) -> None:
            block = rows[lo:hi]
            u = z.users.rows(torch.from_numpy(block).to(catalogue.device))
            scores = torch.empty(hi - lo, model.n_items)
            for first in range(0, model.n_items, width):  # one wide product would take 1.6 times as long
                scores[:, first : first + width] = model.score_all(u, catalogue[first : first + width])
            array = scores.numpy()
            if k:
                scan(0, hi - lo, array, 0, labels, indptr, indices, block, best[lo:hi], best_scores[lo:hi])
            count_above(0, hi - lo, array, indptr, indices, block, test_indptr, test_items, above, ties, before)

        _over_users(len(rows), blocks.users, work)
    return Ranks(above, ties, before), best
