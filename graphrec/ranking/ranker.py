"""A fitted model made ready for questions; every ranking of the library is asked here."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.models.base import Scorer
from graphrec.models.scoring import Scoring
from graphrec.ranking.blocks import BUDGET, Blocks, plan_blocks
from graphrec.ranking.reference import LeftOut, best_of_rows
from graphrec.threads import run_alone

__all__ = ["Ranker", "Ranks"]

IntArray = npt.NDArray[np.int32]
IndexArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float32]
Lists = tuple[IntArray, FloatArray]

_PAIRS_AT_ONCE = 262_144
_SIGNALS_AT_ONCE = 256  # a row of a model that scores whole rows is as wide as the catalogue


@dataclass(frozen=True)
class Ranks:
    """Where each test item of each user stands in the user's whole ranking.

    Attributes
    ----------
    above, ties, ties_before : ndarray of int64, shape (nnz,)
        In the order of ``test.structure``: ranked items with a higher score, with an equal score, and with
        an equal score at a lower index. The rank is ``above + ties_before + 1``.
    """

    above: IndexArray
    ties: IndexArray
    ties_before: IndexArray


class Ranker:
    """What a fitted model answers, with the item side ready. Immutable, and safe for many threads.

    It has tables or a view of the model of its own: neither the model's mode nor any global setting is looked at or
    changed, and results depend neither on blocks nor on threads (beyond rounding).

    Parameters
    ----------
    model : Scorer
        Ranked under the parameters that it has now.
    seen : Interactions, optional
        Pairs that are left out of rankings.
    """

    def __init__(self, model: Scorer, seen: Interactions | None = None) -> None:
        self.n_users, self.n_items = model.n_users, model.n_items
        self.user_ids = model.user_ids
        self._everything = np.arange(self.n_items)
        with torch.no_grad():
            self._scoring = model.scoring()
        self._watched = [t for t in (*model.parameters(), *model.buffers()) if not t.is_inference()]
        self._versions = self._now()
        self._set_seen(seen)

    def leaving_out(self, seen: Interactions | None) -> Ranker:
        """The same with other pairs left out of rankings; None leaves out nothing."""
        other = copy.copy(self)
        other._set_seen(seen)
        return other

    def _set_seen(self, seen: Interactions | None) -> None:
        self.seen = seen
        nothing = np.zeros(self.n_users + 1, np.int64), np.zeros(0, np.int32)
        self._left_out = nothing if seen is None else seen.structure

    def _now(self) -> list[int]:
        return [tensor._version for tensor in self._watched]

    @property
    def stale(self) -> bool:
        """Whether the model's parameters have been changed since this was made; what it answers is then out of date."""
        return self._now() != self._versions

    @property
    def on_host(self) -> bool:
        """Whether scores come out where the compiled kernels can read them."""
        return self._scoring.device.type == "cpu"

    # ---- the best items -------------------------------------------------------------------------

    def top_k(
        self,
        users: npt.NDArray[np.integer],
        k: int,
        items: npt.NDArray[np.integer] | None = None,
        budget: int = BUDGET,
        blocks: Blocks | None = None,
    ) -> Lists:
        """Rank items for users.

        Parameters
        ----------
        users : ndarray of int, shape (n,)
            Indices.
        k : int
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

        Raises
        ------
        FloatingPointError
            A score is not a finite number; the message names the first user.
        """
        rows = np.asarray(users, np.int64)
        return self._best(_Lists(_Known(self._scoring, rows), rows, self._left_out, k, items), budget, blocks)

    def top_k_of(
        self, histories: sparse.csr_matrix, k: int, items: npt.NDArray[np.integer] | None = None, budget: int = BUDGET
    ) -> Lists:
        """As :meth:`top_k` for people who were not there in training.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (n, n_items)
            What they have met, which is left out.

        Raises
        ------
        InputError
            The model cannot take in new people.
        """
        histories = histories.tocsr().sorted_indices()
        rows = np.arange(histories.shape[0])
        left_out = histories.indptr.astype(np.int64), histories.indices.astype(np.int32)
        return self._best(_Lists(_New(self._scoring, histories), rows, left_out, k, items), budget)

    def _best(self, lists: _Lists, budget: int, blocks: Blocks | None = None) -> Lists:
        n = len(lists.rows)
        if not n or not lists.k or (lists.items is not None and not len(lists.items)):
            return lists.best, lists.scores
        whole = self._scoring.whole_rows
        width = self.n_items if lists.items is None or whole or not self.on_host else len(lists.items)
        blocks = blocks or plan_blocks(n, width, whole, budget)
        (self._fill_on_host if self.on_host else self._fill_on_device)(lists, blocks)
        self._require_finite(lists.bad, lists.people)
        return lists.best, lists.scores

    def _fill_on_host(self, lists: _Lists, blocks: Blocks) -> None:
        from graphrec.ranking.kernels import scan

        labels = self._everything if lists.items is None else lists.items
        chosen = None if lists.items is None else torch.from_numpy(lists.items)
        step = len(labels) if self._scoring.whole_rows else blocks.items

        def block(lo: int, hi: int) -> None:
            with torch.inference_mode():
                u = lists.people.rows(lo, hi)
                check = not self._scoring.finite(u)
                for first in range(0, len(labels), step):
                    part = slice(first, first + step) if chosen is None else chosen[first : first + step]
                    scores = self._scoring.scores(u, part).contiguous().numpy()
                    out = lists.best[lo:hi], lists.scores[lo:hi], lists.bad[lo:hi]
                    scan(0, hi - lo, scores, first, labels, *lists.left_out, lists.rows[lo:hi], *out, check)
                    del scores  # so that the next block lies at the same place, which is still in the cache

        run_alone(block, [*range(0, len(lists.rows), blocks.users), len(lists.rows)])

    def _fill_on_device(self, lists: _Lists, blocks: Blocks) -> None:
        device = self._scoring.device
        chosen = None if lists.items is None else torch.as_tensor(lists.items, device=device)
        left_out, width = LeftOut(*lists.left_out, device), min(lists.k, self.n_items if chosen is None else len(chosen))
        made: list[tuple[Tensor, Tensor, Tensor]] = []
        with torch.inference_mode():
            for lo in range(0, len(lists.rows), blocks.users):
                hi = min(lo + blocks.users, len(lists.rows))
                made.append(best_of_rows(self._scoring, lists.people.rows(lo, hi), lists.rows[lo:hi], width, left_out, chosen))
            # One copy of the result, when all of it is there.
            best, scores, bad = (torch.cat(parts).cpu().numpy() for parts in zip(*made, strict=True))
        lists.best[:, :width], lists.scores[:, :width], lists.bad[:] = best, scores, bad

    # ---- whole ranks ------------------------------------------------------------------------------

    def ranks_of(self, test: Interactions, k: int = 0, budget: int = BUDGET) -> tuple[Ranks, IntArray]:
        """Full ranks of all test pairs, and the best items of their users from the same scores.

        Parameters
        ----------
        test : Interactions
            None of its pairs is left out of the ranking.
        k : int
            Length of the lists.
        budget : int
            Bytes for scores.

        Returns
        -------
        Ranks
        best : ndarray of int32, shape (n, k)
            The lists of :meth:`top_k` for the n users who have a test item.
        """
        from graphrec.ranking.kernels import count_above, not_finite, scan

        test_indptr, test_items = test.structure
        rows = np.flatnonzero(np.diff(test_indptr) > 0)
        labels = self._everything
        above, ties, before = (np.zeros(len(test_items), np.int64) for _ in range(3))
        best, best_scores = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, np.float32)
        bad = np.zeros(len(rows), np.uint8)
        blocks = plan_blocks(len(rows), self.n_items, True, budget)
        people = _Known(self._scoring, rows)

        def block(lo: int, hi: int) -> None:
            with torch.inference_mode():
                scores = self._whole_rows(people.rows(lo, hi)).numpy()
            not_finite(0, hi - lo, scores, bad[lo:hi])
            if k:
                lists = best[lo:hi], best_scores[lo:hi], bad[lo:hi]
                scan(0, hi - lo, scores, 0, labels, *self._left_out, rows[lo:hi], *lists, False)
            count_above(0, hi - lo, scores, *self._left_out, rows[lo:hi], test_indptr, test_items, above, ties, before)

        run_alone(block, [*range(0, len(rows), blocks.users), len(rows)])
        self._require_finite(bad, people)
        return Ranks(above, ties, before), best

    def _whole_rows(self, u: Tensor) -> Tensor:
        """Scores of all items on the host, (b, n_items); one wide product would take 1.6 times as long."""
        if self._scoring.whole_rows or not self.on_host:
            return self._scoring.scores(u, slice(None)).float().cpu().contiguous()
        scores = torch.empty(len(u), self.n_items)
        width = 1024
        for first in range(0, self.n_items, width):
            scores[:, first : first + width] = self._scoring.scores(u, slice(first, first + width))
        return scores

    # ---- pairs and likeness -------------------------------------------------------------------------

    def pairs(self, users: npt.NDArray[np.integer], items: npt.NDArray[np.integer]) -> FloatArray:
        """Scores of each user with its own list of items.

        Parameters
        ----------
        users : ndarray of int, shape (n,)
            Indices.
        items : ndarray of int, shape (n, k)
            Indices.

        Returns
        -------
        ndarray of float32, shape (n, k)
        """
        scores = np.empty(items.shape, np.float32)
        step = _SIGNALS_AT_ONCE if self._scoring.whole_rows else max(1, _PAIRS_AT_ONCE // max(items.shape[1], 1))
        device = self._scoring.device
        with torch.inference_mode():
            for lo in range(0, len(users), step):
                some, mine = np.asarray(users[lo : lo + step], np.int64), np.asarray(items[lo : lo + step], np.int64)
                if self._scoring.whole_rows:  # a signal is dear: one for each distinct user
                    distinct, position = np.unique(some, return_inverse=True)
                    rows = self._scoring.users(torch.as_tensor(distinct, device=device))
                    rows = rows[torch.as_tensor(position, device=device)]
                else:
                    rows = self._scoring.users(torch.as_tensor(some, device=device))
                scores[lo : lo + step] = self._scoring.pairs(rows, torch.as_tensor(mine, device=device)).cpu().numpy()
        self._require_finite(np.logical_not(np.isfinite(scores).all(1)), _Known(self._scoring, np.asarray(users, np.int64)))
        return scores

    def similar(self, items: npt.NDArray[np.integer], k: int) -> Lists:
        """The k items most like each of some items, without itself: indices and similarities (n, k).

        Of equal similarities the lower index comes first; −1 and −∞ where the catalogue has fewer.
        """
        from graphrec.ranking.kernels import scan

        index = np.asarray(items, np.int64)
        best, scores = np.full((len(index), k), -1, np.int32), np.full((len(index), k), -np.inf, np.float32)
        bad = np.zeros(len(index), np.uint8)
        labels, step = self._everything, max(1, 2**22 // max(self.n_items, 1))
        for lo in range(0, len(index), step):
            some = index[lo : lo + step]
            with torch.inference_mode():
                rows = self._scoring.similarity(torch.as_tensor(some, device=self._scoring.device))
                values = rows.float().cpu().contiguous().numpy()
            itself = np.arange(len(some) + 1), some.astype(np.int32), np.arange(len(some))
            part = slice(lo, lo + len(some))
            scan(0, len(some), values, 0, labels, *itself, best[part], scores[part], bad[part], True)
        if bad.any():
            raise FloatingPointError("the model gives similarities of items that are not finite numbers.")
        return best, scores

    def _require_finite(self, bad: npt.NDArray[Any], people: _Known | _New) -> None:
        """Scores that are NaN or infinite have no order, and no figure follows from them."""
        if bad.any():
            who = people.name(int(bad.argmax()), self.user_ids)
            raise FloatingPointError(
                f"the model gives scores that are not finite numbers for {np.count_nonzero(bad):,} of those asked, first {who}."
            )


class _Lists:
    """The best k items of some people, while they are being found.

    Attributes
    ----------
    people : _Known or _New
    rows : ndarray of int64, shape (n,)
        Their rows in `left_out`, the compressed rows of what is not ranked.
    items : ndarray of int64 or None
        What to choose from, ascending; None for all.
    best, scores, bad : ndarray of int32 (n, k), float32 (n, k) and uint8 (n,)
        `bad` says whether a score was no finite number.
    """

    def __init__(
        self,
        people: _Known | _New,
        rows: IndexArray,
        left_out: tuple[IndexArray, IntArray],
        k: int,
        items: npt.NDArray[np.integer] | None,
    ) -> None:
        self.people, self.rows, self.left_out, self.k = people, rows, left_out, k
        self.items = None if items is None else np.asarray(items, np.int64)
        self.best, self.scores = np.full((len(rows), k), -1, np.int32), np.full((len(rows), k), -np.inf, np.float32)
        self.bad = np.zeros(len(rows), np.uint8)


class _Known:
    """Users of the training data, by index."""

    def __init__(self, scoring: Scoring, index: IndexArray) -> None:
        self._scoring, self._index = scoring, index

    def rows(self, lo: int, hi: int) -> Tensor:
        index = torch.as_tensor(self._index[lo:hi], device=self._scoring.device)
        return self._scoring.users(index)

    def name(self, place: int, user_ids: npt.NDArray[np.generic]) -> str:
        return f"user {user_ids[self._index[place]]!s}"


class _New:
    """People who were not there in training, by their histories."""

    def __init__(self, scoring: Scoring, histories: sparse.csr_matrix) -> None:
        self._scoring, self._histories = scoring, histories

    def rows(self, lo: int, hi: int) -> Tensor:
        return self._scoring.people(self._histories[lo:hi])

    def name(self, place: int, user_ids: npt.NDArray[np.generic]) -> str:
        return f"person {place}"
