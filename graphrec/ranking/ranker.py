"""A fitted model made ready for questions; every ranking of the library is asked here."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from graphrec.data.interactions import Interactions
from graphrec.deferred import sparse
from graphrec.devices import plainly
from graphrec.models.base import Scorer
from graphrec.models.contributions import Contributions, Explaining
from graphrec.models.parts.whole_rows import whole_rows_of
from graphrec.models.scoring import Tables, addends_of, as_evaluated
from graphrec.ranking import on_device, on_host
from graphrec.ranking.asked import FloatArray, IntArray, Known, Lists, New, Ranks, Wanted
from graphrec.ranking.blocks import BUDGET, Blocks, plan_blocks, plan_device_blocks
from graphrec.ranking.explaining import leaving_one_out
from graphrec.ranking.reference import LeftOut, copied, most_alike
from graphrec.ranking.settling import settled_pairs

__all__ = ["Ranker"]

_PAIRS_AT_ONCE = 262_144
_SIGNALS_AT_ONCE = 256  # a row of a model that scores whole rows is as wide as the catalogue


class Ranker:
    """What a fitted model answers, with the item side ready. Immutable, and safe for many threads.

    It has tables or a view of the model of its own: neither the model's mode nor any global setting is looked at or
    changed, and results depend neither on blocks nor on threads (beyond rounding). Where a score is made of rows of the user
    and the item, it is a function of these rows alone, see :mod:`graphrec.ranking.settling`.

    Parameters
    ----------
    model : Scorer
        Ranked under the parameters that it has now.
    seen : Interactions, optional
        Pairs that are left out of rankings.
    """

    @plainly
    def __init__(self, model: Scorer, seen: Interactions | None = None) -> None:
        self.n_users, self.n_items = model.n_users, model.n_items
        self.user_ids = model.user_ids
        self._everything = np.arange(self.n_items)
        with torch.no_grad():
            self._scoring = model.scoring()
        self._model = as_evaluated(model)
        self._explaining: list[Explaining | None] = []  # made when it is first needed, and shared by copies
        self._tensors = (*model.parameters(), *model.buffers())
        self._watched = [t for t in self._tensors if not t.is_inference()]
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
        self._left_out_there: LeftOut | None = None

    def _now(self) -> list[tuple[int, torch.device]]:
        return [(tensor._version, tensor.device) for tensor in self._watched]

    @property
    def stale(self) -> bool:
        """Whether the model's parameters have been changed since this was made; what it answers is then out of date."""
        return self._now() != self._versions

    def is_made_of(self, model: Scorer) -> bool:
        """Whether these are still the model's parameters and buffers, or others have been put in their places."""
        now = (*model.parameters(), *model.buffers())
        return len(now) == len(self._tensors) and all(a is b for a, b in zip(now, self._tensors, strict=True))

    @property
    def on_host(self) -> bool:
        """Whether scores come out where the compiled kernels can read them."""
        return self._scoring.device.type == "cpu"

    # ---- the best items -------------------------------------------------------------------------

    @plainly
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
        return self._best(Wanted(Known(self._scoring, rows), rows, self._left_out, k, items), budget, blocks)

    @plainly
    def top_k_of(
        self,
        histories: sparse.csr_matrix,
        k: int,
        items: npt.NDArray[np.integer] | None = None,
        budget: int = BUDGET,
        leave_out: bool = True,
    ) -> Lists:
        """As :meth:`top_k` for people who were not there in training.

        Parameters
        ----------
        histories : scipy.sparse.csr_matrix, shape (n, n_items)
            What they have met.
        leave_out : bool
            Whether that is left out of their lists.

        Raises
        ------
        InputError
            The model cannot take in new people.
        """
        histories = histories.tocsr().sorted_indices()
        rows = np.arange(histories.shape[0])
        left_out = histories.indptr.astype(np.int64), histories.indices.astype(np.int32)
        if not leave_out:
            left_out = np.zeros_like(left_out[0]), left_out[1][:0]
        return self._best(Wanted(New(self._scoring, histories), rows, left_out, k, items), budget)

    def _best(self, lists: Wanted, budget: int, blocks: Blocks | None = None) -> Lists:
        n = len(lists.rows)
        if not n or not lists.k or (lists.items is not None and not len(lists.items)):
            return lists.best, lists.scores
        self._fill(lists, budget, blocks)
        self._require_finite(lists.bad, lists.people)
        return lists.best, lists.scores

    def _fill(self, lists: Wanted, budget: int, blocks: Blocks | None) -> None:
        n, whole = len(lists.rows), self._scoring.whole_rows
        sums = lists.people.sums() if self.on_host and lists.items is None else None
        if sums is not None:
            on_host.fill_from_sums(lists, *sums)
        elif self.on_host:
            width = self.n_items if lists.items is None or whole else len(lists.items)
            on_host.fill_lists(self._scoring, lists, self._everything, blocks or plan_blocks(n, width, whole, budget))
        else:
            blocks = blocks or plan_device_blocks(n, self.n_items, self._scoring.device, budget)
            known = lists.left_out is self._left_out
            left_out = self._known_there() if known else LeftOut(*lists.left_out, self._scoring.device)
            on_device.fill_lists(self._scoring, lists, left_out, self.n_items, blocks)

    def _known_there(self) -> LeftOut:
        """What is left out of rankings of known users, on the device."""
        if self._left_out_there is None:  # two threads may both copy it: they copy the same
            self._left_out_there = LeftOut(*self._left_out, self._scoring.device)
        return self._left_out_there

    # ---- whole ranks ------------------------------------------------------------------------------

    @plainly
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
        test_indptr, test_items = test.structure
        rows = np.flatnonzero(np.diff(test_indptr) > 0)
        lists = Wanted(Known(self._scoring, rows), rows, self._left_out, k, None)
        ranks = Ranks(*(np.zeros(len(test_items), np.int64) for _ in range(3)))
        self._count(lists, ranks, test, budget)
        self._require_finite(lists.bad, lists.people)
        return ranks, lists.best

    def _count(self, lists: Wanted, ranks: Ranks, test: Interactions, budget: int) -> None:
        n = len(lists.rows)
        if self.on_host:
            blocks = plan_blocks(n, self.n_items, True, budget)
            on_host.fill_ranks(self._scoring, lists, ranks, test, self._everything, blocks)
        else:
            blocks = plan_device_blocks(n, self.n_items, self._scoring.device, budget)
            on_device.fill_ranks(self._scoring, lists, ranks, test, self._known_there(), self.n_items, blocks)

    # ---- pairs and likeness -------------------------------------------------------------------------

    @plainly
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
        made = [torch.empty(0, items.shape[1], device=self._scoring.device, dtype=torch.float32)]
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
                made.append(self._pairs(rows, torch.as_tensor(mine, device=device)))
            scores: FloatArray = torch.cat(made).cpu().numpy()
        self._require_finite(np.logical_not(np.isfinite(scores).all(1)), Known(self._scoring, np.asarray(users, np.int64)))
        return scores

    @plainly
    def pairs_of(self, histories: sparse.csr_matrix, items: npt.NDArray[np.integer]) -> FloatArray:
        """As :meth:`pairs` for people who were not there in training: histories (n, n_items) and items (n, k)."""
        new = New(self._scoring, histories.tocsr().sorted_indices())
        made, device = [torch.empty(0, items.shape[1], device=self._scoring.device, dtype=torch.float32)], self._scoring.device
        with torch.inference_mode():
            for lo in range(0, len(items), _SIGNALS_AT_ONCE):
                mine = torch.as_tensor(np.asarray(items[lo : lo + _SIGNALS_AT_ONCE], np.int64), device=device)
                made.append(self._pairs(new.rows(lo, lo + len(mine)), mine))
            scores: FloatArray = torch.cat(made).cpu().numpy()
        self._require_finite(np.logical_not(np.isfinite(scores).all(1)), new)
        return scores

    def _pairs(self, rows: Tensor, items: Tensor) -> Tensor:
        """Scores of rows with their own items (b, k): those that lists are made by."""
        parts = addends_of(self._scoring, rows)
        return self._scoring.pairs(rows, items).float() if parts is None else settled_pairs(parts, items)

    @plainly
    def similar(self, items: npt.NDArray[np.integer], k: int) -> Lists:
        """The k items most like each of some items, without itself: indices and similarities (n, k).

        Of equal similarities the lower index comes first; −1 and −∞ where the catalogue has fewer.
        """
        index, device = np.asarray(items, np.int64), self._scoring.device
        best, scores = np.full((len(index), k), -1, np.int32), np.full((len(index), k), -np.inf, np.float32)
        bad, step, width = np.zeros(len(index), np.uint8), max(1, 2**22 // max(self.n_items, 1)), min(k, self.n_items)
        made: list[tuple[Tensor, ...]] = []
        like = getattr(self._scoring.similarity, "made", self._scoring.similarity)
        with torch.inference_mode():
            for lo in range(0, len(index), step):
                some = torch.as_tensor(index[lo : lo + step], device=device)
                part, values, parts = slice(lo, lo + len(some)), like(some), addends_of(like, some)
                if self.on_host:
                    on_host.fill_similar(values, parts, index[part], self._everything, best[part], scores[part], bad[part])
                else:
                    made.append(most_alike(values, parts, some, width))
            if made:
                best[:, :width], scores[:, :width], bad[:] = copied(made)
        if bad.any():
            raise FloatingPointError("the model gives similarities of items that are not finite numbers.")
        return best, scores

    def tables(self) -> Tables | None:
        """The rows of all users and items on the host, as copies; None where scores are not made of such rows."""
        made = getattr(self._scoring, "tables", None)  # a scoring of one's own need not have it
        if made is None:
            return None
        with torch.no_grad():
            tables: Tables = made()
            users, items = (rows.detach().float().cpu().clone() for rows in (tables.users, tables.items))
            return Tables(users, items, tables.dot_product)

    @plainly
    def explain(self, table: Interactions, user: int, item: int) -> Contributions:
        """What the score of a user with an item is made of.

        Parameters
        ----------
        table : Interactions
            What the model was built from.
        user, item : int
            Indices.

        Returns
        -------
        Contributions
            They add up to the score, up to rounding.

        Raises
        ------
        InputError
            The score is no sum over the user's items and the model cannot take in people.
        """
        with torch.no_grad():
            if not self._explaining:  # two threads may both make it: they make the same
                self._explaining.append(self._model.explaining())
            explaining = self._explaining[0]
            if explaining is not None:
                return explaining(user, item)
        score = float(self.pairs(np.array([user]), np.array([[item]]))[0, 0])
        history = table.to_csr("relative" if table.ratings is None else "ratings")[user]
        return leaving_one_out(self._scoring, history, item, score, type(self._model).__name__)

    def _require_finite(self, bad: npt.NDArray[Any], people: Known | New) -> None:
        """Scores that are NaN or infinite have no order, and no figure follows from them."""
        if bad.any():
            first = int(bad.argmax())
            raise FloatingPointError(
                f"{self._at_fault(people.part(first, first + 1))} gives scores that are not finite numbers for "
                f"{np.count_nonzero(bad):,} of those asked, first {people.name(first, self.user_ids)}."
            )

    def _at_fault(self, person: Known | New) -> str:
        """Whose scores of a person are not finite: those of a model that this one is made of, or its own."""
        for name, part in self._model.made_of():
            with torch.no_grad():
                scoring = part.scoring()
                scores = whole_rows_of(scoring, person.of(scoring).rows(0, 1), self.n_items)
            if not scores.isfinite().all():
                return name
        return "the model"
